"""The command line: answers on standard output, everything else on standard error.

Each command imports what it needs when it runs, so that `bridle --help` is instant.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from bridle import errors
from bridle._version import __version__
from bridle.cli import agents, bench, chat, dataset, doctor, evaluate, extract, models, policy, run, runs, skills, tools

app = typer.Typer(
    name="bridle",
    help="Run agents on quantized local models, every step held to a form. Works offline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)

app.command("run")(run.run)
app.command("chat")(chat.chat)
app.command("extract")(extract.extract)
app.add_typer(runs.app, name="runs")
app.command("trace")(runs.trace)
app.add_typer(models.app, name="models")
app.add_typer(skills.app, name="skills")
app.add_typer(tools.app, name="tools")
app.add_typer(policy.app, name="policy")
app.command("eval")(evaluate.evaluate)
app.add_typer(dataset.app, name="dataset")
bench.app.command("agents")(agents.agents)
app.add_typer(bench.app, name="bench")
app.command("doctor")(doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"bridle {__version__}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]  # typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The entry point: errors raised on purpose become one line and an exit code, never a traceback."""
    codecs.register_error("bridle", _spelled)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="bridle")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # here, where what fails can be told
    except errors.BridleError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, UnicodeError) as error:  # of files that nothing above looks after: a full disk, a closed pipe
        with suppress(io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
        _end(errors.BridleError(str(error)) if not isinstance(error, BrokenPipeError) else None)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """What an output has no letters for (most in ASCII, half characters in all) as JSON spells it."""
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _end(error: errors.BridleError | None) -> NoReturn:
    from bridle.cli.common import complain

    if error is not None:
        complain(error)
    sys.exit(error.exit_code if error is not None else 1)
