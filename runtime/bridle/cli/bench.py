"""`bridle bench`: how fast this machine is with a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bridle.cli.common import JsonOption, ModelOption, open_model, print_json, stderr, stdout

if TYPE_CHECKING:
    from pydantic import JsonValue

app = typer.Typer(help="Benchmarks, on this machine.", no_args_is_help=True)


@app.command("decode")
def decode(
    model: ModelOption = None,
    repeat: Annotated[int, typer.Option("--repeat", "-n", min=1, help="Rounds of each.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Time a tool call decoded under its grammar against free text of the same length."""
    from rich.table import Table

    from bridle.evals import decode as benchmark

    console = stderr()
    with open_model(model, quiet=as_json) as loaded:
        with console.status("measuring") as status:
            speeds = benchmark.run(loaded, repeat, lambda n, of: status.update(f"measuring, round {n + 1} of {of}"))
        name = loaded.name
    if as_json:
        result: dict[str, JsonValue] = {"model": name, "repeat": repeat}
        print_json({**result, **{name: speed.as_json() for name, speed in speeds.items()}})
        return
    table = Table(title=f"{name}, medians of {repeat}", header_style="bold")
    table.add_column("")
    for column in ("tokens/s", "ms a token", "ms a sampled token", "forced", "outside decode", "tokens"):
        table.add_column(column, justify="right")
    for way, speed in speeds.items():
        table.add_row(
            way,
            f"{speed.tokens_per_second:.1f}",
            f"{speed.ms_per_token:.2f}",
            f"{speed.ms_per_sampled_token:.2f}",
            f"{speed.forced_share:.0%}",
            f"{speed.outside_decode_share:.1%}",
            str(speed.tokens),
        )
    stdout().print(table)
