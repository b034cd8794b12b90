"""`bridle skills` and `bridle tools`: what an agent can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bridle.cli.common import JsonOption, print_json, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

skills_app = typer.Typer(help="Skills: ways to go about a task.", no_args_is_help=True)
tools_app = typer.Typer(help="Tools: what a skill can use.", no_args_is_help=True)


@skills_app.command("list")
def list_skills(as_json: JsonOption = False) -> None:
    """List the skills on the shelf."""
    from bridle.skill import skills

    found = skills()
    if as_json:
        print_json(
            [
                {"name": skill.name, "description": skill.description, "folder": str(skill.folder)}
                for skill in found.values()
            ]
        )
        return
    stdout().print(_table(("skill", "what it is for"), [(skill.name, skill.description) for skill in found.values()]))


@tools_app.command("list")
def list_tools(as_json: JsonOption = False) -> None:
    """List the toolbox."""
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
    stdout().print(_table(("tool", "effect", "what it does"), rows))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
