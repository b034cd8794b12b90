"""`bridle dataset`: what runs leave for training."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridle.cli.common import JsonOption, import_named, print_json, settings, stderr
from bridle.cli.files import check_place
from bridle.errors import UsageError
from bridle.writing import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridle.evals.dataset import Redact
    from bridle.evals.trajectory import Trajectory
    from bridle.journal import Journal

app = typer.Typer(help="Data for training, from the journal.", no_args_is_help=True)


class Layout(StrEnum):
    """How examples are written."""

    CHAT = "chat"
    ATIF = "atif"
    TOKENS = "tokens"


@app.command("export")
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="A file of JSON lines; - for standard output.")] = Path(
        "dataset.jsonl"
    ),
    layout: Annotated[
        Layout,
        typer.Option("--format", help="Conversations with tools, trajectories in ATIF, or exact tokens with a mask."),
    ] = Layout.CHAT,
    runs: Annotated[list[str] | None, typer.Option("--run", help="Only these runs.", show_default=False)] = None,
    status: Annotated[str, typer.Option(help="Only runs that ended so, such as done.", show_default=False)] = "",
    least_reward: Annotated[
        float | None, typer.Option("--min-reward", help="Only runs that an evaluation gave so much.")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Only cases with one of these tags.")] = None,
    suite: Annotated[str, typer.Option(help="Only cases of this suite.", show_default=False)] = "",
    model: Annotated[str, typer.Option(help="Only runs of this model.", show_default=False)] = "",
    skill: Annotated[str, typer.Option(help="Only runs of this skill.", show_default=False)] = "",
    keeps_rules: Annotated[bool, typer.Option("--keeps-rules", help="No runs that called what was forbidden.")] = False,
    negatives: Annotated[bool, typer.Option(help="Also failed runs and refused outputs, labelled so.")] = True,
    held_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of the families that goes into a file of its own.")
    ] = 0.0,
    redact: Annotated[
        str, typer.Option(help="module:function that takes secrets out of a text, instead of the built-in one.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Write the runs of the journal as examples for training, each once, without secrets."""
    from bridle.evals import dataset
    from bridle.journal import Journal, Status

    if status and status not in list(Status):
        raise UsageError(f"'{status}' is no outcome; there are: {', '.join(Status)}")
    wanted = dataset.Wanted(
        Status(status) if status else None,
        least_reward,
        frozenset(tags or ()),
        suite,
        model,
        skill,
        keeps_rules,
        negatives,
    )
    to_stdout = str(output) == "-"
    if to_stdout and held_out:
        raise UsageError("standard output is one file", hint="write to a file with --output to hold some out")
    maker = dataset.Export(layout.value, wanted, _hook(redact) if redact else dataset.redact)
    counts: Counter[str] = Counter()
    if not to_stdout:
        check_place(output)
    other = output.with_name(f"{output.stem}-held-out{output.suffix}") if held_out else output
    with Journal(settings().journal) as journal, ExitStack() as files:
        known = [journal.find(name) for name in runs or ()] or journal.names()
        main = sys.stdout if to_stdout else files.enter_context(whole_file(output))
        rest = files.enter_context(whole_file(other)) if held_out else main
        for family, example in maker.examples(_read(journal, known, maker.left_out)):
            away = bool(held_out) and dataset.is_held_out(family, held_out)
            print(dataset.line(example), file=rest if away else main)
            good = bool(cast("dict[str, bool]", example.get("extra") or {}).get("succeeded", example.get("label")))
            counts.update(examples=1, held_out=away, good=good)
    told = {"examples": counts["examples"], "good": counts["good"], "held_out": counts["held_out"]}
    if as_json and not to_stdout:
        print_json({**told, "runs": len(known), "output": str(output), "left_out": dict(maker.left_out)})
        return
    where = "" if to_stdout else f" in {output}" + (f", of which {told['held_out']} in {other}" if held_out else "")
    stderr().print(
        f"{told['examples']} examples of {len(known)} runs{where}; {told['good']} of them good", markup=False
    )
    for why, count in maker.left_out.most_common():
        stderr().print(f"  {count} left out: {why}", style="dim", markup=False)


def _hook(name: str) -> Redact:
    """A function of the user's own that takes secrets out.

    Raises:
        UsageError: it is none; and when it is called, it fails, or gives no text.
    """
    hook = import_named(name)
    if not callable(hook):
        raise UsageError(f"{name} is no function")

    def clean(text: str) -> str:
        try:
            told = hook(text)
        except Exception as error:  # it is foreign code
            raise UsageError(f"{name} failed: {type(error).__name__}: {error}") from None
        if not isinstance(told, str):
            raise UsageError(f"{name} gave {type(told).__name__}, not a text")
        return told

    return clean


def _read(journal: Journal, runs: list[str], left_out: Counter[str]) -> Iterator[Trajectory]:
    """Runs one by one, with a bar where somebody looks; those that cannot be read are counted."""
    from rich.progress import track

    from bridle.errors import JournalError
    from bridle.evals.trajectory import read_trajectory

    for run in track(runs, description="runs", console=stderr(), transient=True, disable=len(runs) < 100):
        try:
            yield read_trajectory(journal, run)
        except JournalError:
            left_out["not readable"] += 1
