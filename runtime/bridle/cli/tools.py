"""`bridle tools`: what a skill can use."""

from __future__ import annotations

import typer

from bridle.cli.common import PLAIN, JsonOption, print_json, stdout

app = typer.Typer(help="Tools: what a skill can use.", no_args_is_help=True)


@app.command("list")
def list_tools(as_json: JsonOption = False) -> None:
    """List the toolbox."""
    from rich.table import Table
    from rich.text import Text

    from bridle.toolbox import TOOLBOX

    if as_json:
        print_json(
            [
                {"name": tool.name, "description": tool.description, "effect": tool.effect, "schema": dict(tool.schema)}
                for tool in TOOLBOX
            ]
        )
        return
    rows = [(tool.signature(), tool.effect.value, tool.description) for tool in TOOLBOX]
    table = Table("tool", "effect", "what it does", **PLAIN)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    stdout().print(table)
