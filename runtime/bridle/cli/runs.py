"""`bridle runs` and `bridle trace`: what happened."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridle.cli import again, insight
from bridle.cli.again import RunArgument, again_taken
from bridle.cli.common import DeviceOption, JsonOption, ModelOption, print_json, print_text, settings, stderr, stdout
from bridle.cli.files import check_place, is_file
from bridle.writing import write_whole

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bridle.journal import Event

app = typer.Typer(help="Runs that were made.", no_args_is_help=True)
app.command("resume")(again.resume)
app.command("replay")(again.replay)
app.command("fork")(again.fork)
app.command("diff")(again.diff)
app.command("stats")(insight.stats)
app.command("why")(insight.why)
app.command("send")(insight.send)


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10**9, help="How many, the newest first.")] = 20,
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
    from bridle.journal import CallAnswered, CallIntended, Journal, RunEnded, RunStarted, beginning
    from bridle.observe.progress import arguments, shorten

    with Journal(settings().journal) as journal:
        events = journal.events(found := journal.find(run))
    if as_json:
        print_json(told(found, events))
        return
    beginning(found, events)
    console = stdout()
    for event in events:
        match event.body:
            case RunStarted(task=task):
                console.print(f"{found}  {event.at}", style="dim")
                console.print(task, markup=False, style="bold", soft_wrap=True)
            case CallIntended() as call:
                console.print(f"{call.tool}{arguments(call.args)}", markup=False, style="cyan", soft_wrap=True)
            case CallAnswered(text=text):
                print_text(f"  {shorten(text)}")
            case RunEnded() as end:
                console.print(end.status, style="dim")
                print_text(end.answer or end.question or end.reason)
            case _:
                pass


@app.command("state")
def show_state(run: RunArgument = "last", as_json: JsonOption = False) -> None:
    """Show how a run stands: what it is for, what it may still spend, what it waits for, what it keeps."""
    from bridle.journal import Journal
    from bridle.observe.standing import state_of, state_tree

    with Journal(settings().journal) as journal:
        events = journal.events(found := journal.find(run))
    state = state_of(events)
    if as_json:
        print_json(state.model_dump(mode="json", by_alias=True))
    else:
        stdout().print(state_tree(found, state))


@app.command("verify")
def verify_run(
    run: Annotated[
        str, typer.Argument(help="A run's id, the beginning of it, last, all, or an exported file.")
    ] = "all",
    again: Annotated[bool, typer.Option("--again", help="Also take its steps again, and compare.")] = False,
    model: ModelOption = None,
    device: DeviceOption = None,
) -> None:
    """Check that a run is as it was written: every event, in its place. Exits with 1 if one is not.

    With --again the model that made it takes every step once more, over what calls came to then: does this machine
    still say the same?
    """
    from bridle.errors import JournalError, UsageError
    from bridle.journal import Journal
    from bridle.journal.export import own_key, read_export

    if is_file(run):
        path = Path(run)
        if again:
            raise UsageError("an exported file is checked as it is written: only a run of this journal is taken again")
        found = read_export(path, own_key(settings().key) if settings().key.is_file() else None)
        if found.signed is False:
            raise JournalError(
                f"{path}: its chain is whole, but it is not signed with the key of this machine",
                hint="it comes from another one, or its first line was changed",
            )
        signed = "signed here" if found.signed else "no key here to check its signature"
        stdout().print(f"{found.run}: {len(found.events)} events, whole; {signed}")
        return
    with Journal(settings().journal) as journal:
        names = journal.everything() if run == "all" else [journal.find(run)]
        wrong = {name: why for name in names if (why := journal.verify(name))}
    if wrong:
        told = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        raise JournalError(f"{len(wrong)} of {len(names)} runs are not as they were written: {told}")
    stdout().print(f"{len(names)} {'run is as it was' if len(names) == 1 else 'runs are as they were'} written")
    if again:
        again_taken(names, model, device)


@app.command("export")
def export_run(
    run: RunArgument = "last",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; RUN.jsonl if not given.")] = None,
) -> None:
    """Write a run to one file that proves itself: see `bridle runs verify FILE`."""
    from bridle.journal import Journal
    from bridle.journal.export import export, own_key

    if out is not None:
        check_place(out)
    with Journal(settings().journal) as journal:
        found = journal.find(run)
        lines = list(export(found, journal.sound(found), own_key(settings().key)))
    path = out or Path(f"{found}.jsonl")
    write_whole(path, "".join(lines))
    stdout().print(f"{path}: {len(lines) - 1} events", soft_wrap=True)


@app.command("prune")
def prune_runs(
    keep: Annotated[int, typer.Option("--keep", min=0, help="How many of the latest stay.")] = 1000,
    days: Annotated[
        float, typer.Option("--days", min=0, max=36_500, help="How many days they stay, whatever there is.")
    ] = 30,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Also those that were cut off.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only say what would be done.")] = False,
) -> None:
    """Take old runs out of the journal.

    Not those that somebody is at work on, that were cut off and can be taken up, that wait for a person, or that hold
    what is kept for all runs.
    """
    from datetime import UTC, datetime, timedelta

    from bridle.journal import Journal, Status

    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")
    stay = {Status.PAUSED, Status.IN_DOUBT, *([] if unfinished else [Status.RUNNING])}
    with Journal(settings().journal) as journal:
        runs, needed = journal.runs(-1)[keep:], journal.keepers()
        old = [it.run for it in runs if it.started < before and it.status not in stay and it.run not in needed]
        old = [it for it in old if not journal.held(it)]
        if yes:
            journal.remove(old)
    told = "were taken out" if yes else "would be taken out; say --yes to do it"
    stdout().print(f"{len(old)} runs {told}")


def trace(
    run: RunArgument = "last",
    prompts: Annotated[bool, typer.Option("--prompts", help="Also show what the model saw.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it to a file instead: one page, to be opened from disk.")
    ] = None,
) -> None:
    """Show everything of a run: steps, thinking, calls, tokens, timings, and why it stopped."""
    from bridle.journal import Journal
    from bridle.observe.html import page
    from bridle.observe.trace import trace as draw

    if html is not None:
        check_place(html)
    with Journal(settings().journal) as journal:
        events = journal.events(found := journal.find(run))
    if html is not None:
        write_whole(html, page(found, events))
        stdout().print(f"{html}: {len(events)} events", soft_wrap=True)
        return
    stdout().print(draw(events, prompts=prompts))


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
