"""`bridle eval`: how well a model does on a suite of cases, and whether that changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridle.cli.common import (
    PLAIN,
    DeviceOption,
    JsonOption,
    ModelOption,
    open_writer,
    print_json,
    settings,
    stderr,
    stdout,
)
from bridle.cli.files import check_place
from bridle.errors import UsageError
from bridle.writing import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue
    from rich.table import Table

    from bridle.evals.report import Difference, Report, Result


def evaluate(
    suite: Annotated[Path, typer.Argument(help="A folder of cases in YAML, or one file.", show_default=False)],
    axes: Annotated[
        list[str] | None, typer.Argument(help="More axes for --matrix.", metavar="[AXIS...]", show_default=False)
    ] = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    matrix: Annotated[
        list[str] | None,
        typer.Option(help="Compare ways to take steps: format=json,xml thinking=on,off constrain=on,off."),
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", "-n", min=1, help="Runs of each case, each its own seed.")] = 1,
    against: Annotated[
        Path | None, typer.Option(help="A report from before; 1 is the exit code if this is worse beyond chance.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", "-o", help="Write the report into this file.")] = None,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Cases under way together.")] = 8,
    max_steps: Annotated[int, typer.Option(min=1, help="Times that the model is asked in a case.")] = 20,
    seed: Annotated[int, typer.Option(help="Fixes the chance in sampling.")] = 0,
    fail_under: Annotated[
        float, typer.Option(min=0, max=1, help="The share that must pass, else the exit code is 1.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a model on a suite of cases: what was called, what it left in the workspace, what it answered.

    Exit codes: 0 evaluated, 1 worse than the baseline or than --fail-under, 2 the call or a case is wrong.
    """
    from bridle.bounds import Limits
    from bridle.errors import BridleError
    from bridle.evals.cases import read_suite
    from bridle.evals.report import check_comparable, compare, read_report, unlike
    from bridle.evals.scripted import SCRIPTED, scripted_model
    from bridle.evals.suite import evaluate as run_suite
    from bridle.evals.suite import report_of, variants
    from bridle.how import StepSettings
    from bridle.journal import Journal

    if axes and not matrix:
        raise UsageError(f"'{axes[0]}' is one argument too many", hint="axes follow --matrix")
    cases = read_suite(suite)
    baseline = read_report(against) if against is not None else None
    if report is not None:
        check_place(report)
    with (
        Journal(settings().journal) as journal,
        scripted_model(deterministic=True)
        if model == SCRIPTED
        else open_writer(model, device, slots=at_once, quiet=as_json) as loaded,
    ):
        chosen = variants(loaded, [*(matrix or []), *(axes or [])], StepSettings(thinking=loaded.thinking))
        if baseline is not None:
            check_comparable(baseline, {it.name for it in chosen}, {it.name for it in cases.cases})
        progress = _Progress(len(cases.cases) * len(chosen) * repeat, quiet=as_json)
        with progress:
            work = run_suite(
                loaded,
                cases,
                chosen,
                journal,
                repeat=repeat,
                seed=seed,
                limits=Limits(steps=max_steps, tokens=4_000, seconds=300.0),
                at_once=at_once,
                on_result=progress.on_result,
            )
            failed: BridleError | None = None
            try:
                found = asyncio.run(work)
            except (KeyboardInterrupt, BridleError) as error:  # what was done is kept
                if not progress.results:
                    raise
                failed = error if isinstance(error, BridleError) else None
                found = report_of(loaded, cases, chosen, progress.results)
    if progress.is_short:
        stderr().print(f"[yellow]stopped[/] after {len(progress.results)} of {progress.total}")
    if report is not None:
        write_whole(report, found.model_dump_json(indent=1))
    differences = compare(found, baseline) if baseline is not None else []
    if as_json:
        print_json(_as_json(found, differences))
    else:
        _show(found, differences)
    for told in unlike(found, baseline) if baseline is not None else ():
        stderr().print(told, style="dim", markup=False)
    if failed is not None:
        raise failed
    worse = [it for it in differences if it.is_regression and not it.tag]
    passed = sum(result.passed for result in found.results) / len(found.results)
    if worse:
        stderr().print(f"[red]worse than the baseline[/]: {', '.join(it.variant for it in worse)}")
    if passed < fail_under:
        stderr().print(f"[red]{passed:.1%} passed[/], less than {fail_under:.1%}")
    if worse or passed < fail_under or progress.is_short:
        raise typer.Exit(130 if progress.is_short else 1)


class _Progress:
    """A bar with the share passed so far, where somebody looks."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=stderr(), transient=True, disable=quiet)
        self._task = self._bar.add_task("evaluating", total=total)
        self.total = total
        self.results: list[Result] = []

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_result(self, result: Result) -> None:
        """One more."""
        self.results.append(result)
        passed = sum(it.passed for it in self.results) / len(self.results)
        self._bar.update(self._task, advance=1, description=f"{passed:.0%} passed")

    @property
    def is_short(self) -> bool:
        """Somebody stopped it before the last."""
        return len(self.results) < self.total


def _show(found: Report, differences: Sequence[Difference]) -> None:
    from rich.markup import escape

    console = stdout()
    console.print(_table(found))
    if differences:
        console.print()
        console.print(_differences(differences))
    failed = [result for result in found.results if not result.passed]
    if not failed:
        return
    console.print(f"\n[bold]{len(failed)} failed[/], the first of them:")
    for result in failed[:10]:
        reasons = {why: what for what, why in result.checks.items() if why}  # the same is said once
        wrong = "; ".join(f"{what}: {why}" for why, what in reasons.items())
        console.print(f"  [red]{escape(result.case)}[/] {escape(wrong)}", soft_wrap=True)
        where = escape(f"{result.variant}; bridle trace {result.run}")
        console.print(f"    [dim]{where}[/]", soft_wrap=True)


def _table(found: Report) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from bridle.evals.report import by_tag, row

    table = Table(title=escape(f"{found.model} on {found.suite}"), **PLAIN)
    table.add_column("", no_wrap=True)
    for column in ("cases", "passed", "", "exact calls", "of their form", "steps", "tokens", "seconds"):
        table.add_column(column, justify="right", no_wrap=not column)
    for variant in (it for it in found.variants if found.of(it)):
        results = found.of(variant)
        tags = by_tag(results)
        rows = [row(variant, results)] + (tags if len(tags) > 1 and len(found.variants) == 1 else [])
        for number, it in enumerate(rows):
            table.add_row(
                f"  {escape(it.name)}" if number else f"[bold]{escape(it.name)}[/]",
                str(it.cases),
                f"{it.passed:.1%}" + (f" ±{it.spread:.1%}" if it.spread is not None else ""),
                f"[dim]{it.low:.0%} to {it.high:.0%}[/]",
                f"{it.calls:.1%}" if it.calls is not None else "",
                f"{it.valid:.1%}",
                f"{it.steps:.1f}",
                f"{it.tokens:.0f}",
                f"{it.seconds:.2f}",
            )
    return table


def _differences(differences: Sequence[Difference]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="against the baseline", **PLAIN)
    for column in ("", "cases", "before", "now", "change", "95 of 100 samples"):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for it in differences:
        style = "red" if it.is_regression else "green" if it.is_gain else ""
        change, interval = f"{it.now - it.before:+.1%}", f"{it.low:+.1%} to {it.high:+.1%}"
        name = escape(f"  {it.tag}" if it.tag else it.variant)
        table.add_row(name, str(it.cases), f"{it.before:.1%}", f"{it.now:.1%}", change, interval, style=style)
    return table


def _as_json(found: Report, differences: Sequence[Difference]) -> dict[str, JsonValue]:
    from bridle.evals.report import by_tag, row

    told = cast("dict[str, JsonValue]", found.model_dump(mode="json"))
    summary: list[JsonValue] = [
        {
            "variant": variant,
            "all": cast("JsonValue", vars(row(variant, found.of(variant)))),
            "tags": cast("JsonValue", [vars(it) for it in by_tag(found.of(variant))]),
        }
        for variant in found.variants
        if found.of(variant)
    ]
    told["summary"] = summary
    if differences:
        changes = [{**vars(it), "regression": it.is_regression and not it.tag} for it in differences]
        told["differences"] = cast("JsonValue", changes)
    return told
