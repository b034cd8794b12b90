"""`bridle runs` and `bridle trace`: what happened."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridle.cli.common import JsonOption, print_json, settings, stderr, stdout

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bridle.journal import Event

app = typer.Typer(help="Runs that were made.", no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(help="A run's id, the beginning of it, or last.")]


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the latest runs."""
    from bridle.journal import Journal
    from bridle.observe.trace import runs_table

    with Journal(settings().journal) as journal:
        found = journal.runs(limit)
    if as_json:
        print_json(cast("list[JsonValue]", [asdict(run) for run in found]))
    elif found:
        stdout().print(runs_table(found))
    else:
        stderr().print('no runs yet; make one with: bridle run "..."')


@app.command("show")
def show_run(run: RunArgument = "last", as_json: JsonOption = False) -> None:
    """Show one run: its task, its calls, its answer."""
    from bridle.journal import CallAnswered, CallIntended, Journal, RunEnded, RunStarted
    from bridle.observe.progress import arguments, shorten

    with Journal(settings().journal) as journal:
        events = journal.events(found := journal.find(run))
    if as_json:
        print_json(told(found, events))
        return
    console = stdout()
    for event in events:
        match event.body:
            case RunStarted(task=task):
                console.print(f"{found}  {event.at}", style="dim", highlight=False)
                console.print(task, markup=False, highlight=False, style="bold")
            case CallIntended() as call:
                console.print(f"{call.tool}{arguments(call.args)}", markup=False, highlight=False, style="cyan")
            case CallAnswered(text=text):
                console.print(f"  {shorten(text)}", markup=False, highlight=False)
            case RunEnded() as end:
                console.print(end.status, style="dim", highlight=False)
                console.print(end.answer or end.question or end.reason, markup=False, highlight=False)
            case _:
                pass


def trace(
    run: RunArgument = "last",
    prompts: Annotated[bool, typer.Option("--prompts", help="Also show what the model saw.")] = False,
) -> None:
    """Show everything of a run: steps, thinking, calls, tokens, timings, and why it stopped."""
    from bridle.journal import Journal
    from bridle.observe.trace import trace as draw

    with Journal(settings().journal) as journal:
        events = journal.events(journal.find(run))
    stdout().print(draw(events, prompts=prompts), highlight=False)


def told(run: str, events: list[Event]) -> dict[str, JsonValue]:
    """A run with all its events as JSON."""
    return {
        "run": run,
        "events": [
            {
                "number": event.number,
                "at": event.at,
                "hash": event.hash,
                **cast("dict[str, JsonValue]", event.body.model_dump(mode="json")),
            }
            for event in events
        ],
    }
