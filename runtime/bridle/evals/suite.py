"""A suite is run: every case in every variant, many at once on one model, each in a workspace of its own."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from bridle._version import __version__
from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.errors import UsageError
from bridle.evals.cases import Case, Suite
from bridle.evals.report import Report, Result
from bridle.evals.score import Check, score
from bridle.evals.scripted import SCRIPTED, scripted_model
from bridle.grammar.thinking import Thinking
from bridle.how import StepSettings
from bridle.journal import Journal, RunJudged, StepTaken
from bridle.run import Run
from bridle.toolbox import Workspace
from bridle.toolbox.dates import Clock
from bridle.turn import Writer

AT_ONCE = 8
"""Cases under way together."""
AXES: Mapping[str, Callable[[StepSettings, Writer, str], StepSettings]] = {
    "format": lambda settings, _, value: replace(settings, format="xml" if _one_of(value, "json", "xml") else "json"),
    "thinking": lambda settings, model, value: replace(
        settings, thinking=_thinking(model) if _one_of(value, "off", "on") else None
    ),
    "constrain": lambda settings, _, value: replace(settings, constrain=_one_of(value, "off", "on")),
    "temperature": lambda settings, _, value: replace(settings, temperature=_number(value)),
}
"""What variants may differ in."""


@dataclass(frozen=True)
class Variant:
    """A way to take steps, by what makes it different: `format=xml thinking=off`, or `as it is`."""

    name: str
    settings: StepSettings


def variants(model: Writer, axes: Sequence[str], settings: StepSettings) -> list[Variant]:
    """All combinations of some axes, written as `format=json,xml`.

    Raises:
        UsageError: there is no such axis, or no such value.
    """
    told: dict[str, list[str]] = {}
    for axis in " ".join(axes).split():
        name, _, values = axis.partition("=")
        if name not in AXES or not values:
            raise UsageError(f"'{axis}' is no axis", hint=f"write it as format=json,xml; there are: {', '.join(AXES)}")
        if name in told:
            raise UsageError(f"the axis {name} is there twice", hint=f"write it as {name}=one,other")
        told[name] = list(dict.fromkeys(values.split(",")))
    found = list[Variant]()
    for values in itertools.product(*told.values()):
        chosen = settings
        for name, value in zip(told, values, strict=True):
            chosen = AXES[name](chosen, model, value)
        label = " ".join(f"{name}={value}" for name, value in zip(told, values, strict=True))
        found.append(Variant(label or "as it is", chosen))
    return found


async def evaluate(
    model: Writer,
    suite: Suite,
    chosen: Sequence[Variant],
    journal: Journal,
    *,
    repeat: int = 1,
    seed: int = 0,
    limits: Limits | None = None,
    at_once: int = AT_ONCE,
    on_result: Callable[[Result], None] | None = None,
) -> Report:
    """Run every case of a suite, `repeat` times in each variant with other seeds, and judge each run in the journal.

    With the model of `evals.scripted` each case has the replies that it brings.
    """
    gate = asyncio.Semaphore(at_once)
    limits = limits or Limits(steps=20, tokens=4_000, seconds=300.0)

    async def one(case: Case, variant: Variant, number: int) -> Result:
        async with gate:
            settings = replace(variant.settings, seed=seed + 1_000 * number)
            with tempfile.TemporaryDirectory(prefix="bridle-eval-") as folder:
                run = await _perform(model, case, settings, Path(folder), journal, limits)
                checks = score(case, run, Path(folder))
            result = _result(case, variant, number, run, checks, journal)
            journal.append(run.id, _judged(suite, case, variant, checks, result))
            if on_result is not None:
                on_result(result)
            return result

    work = [one(case, variant, number) for number in range(repeat) for case in suite.cases for variant in chosen]
    return report_of(model, suite, chosen, await asyncio.gather(*work))


def report_of(model: Writer, suite: Suite, chosen: Sequence[Variant], results: Sequence[Result]) -> Report:
    """Results as a report, in the order of the suite."""
    places = {case.name: place for place, case in enumerate(suite.cases)}
    return Report(
        suite=suite.name,
        digest=suite.digest,
        model=model.name,
        version=__version__,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        variants=[variant.name for variant in chosen],
        results=sorted(results, key=lambda it: (it.repeat, places[it.case])),
    )


async def _perform(
    model: Writer, case: Case, settings: StepSettings, folder: Path, journal: Journal, limits: Limits
) -> Run:
    workspace, replies = Workspace(folder), iter(case.replies)
    for name, text in case.files.items():
        workspace.write_bytes(name, text.encode())
    with (
        scripted_model(case.script, deterministic=True)
        if model.name == SCRIPTED and case.script
        else nullcontext(model) as chosen
    ):
        agent = Agent(
            chosen,
            workspace=folder,
            journal=journal,
            tools=case.toolbox(),
            skill=case.skill,
            limits=limits,
            settings=settings,
            services=[Clock(case.now)],
            answer=lambda _: next(replies, None),
        )
        return await agent.perform(case.request)


def _result(case: Case, variant: Variant, number: int, run: Run, checks: Sequence[Check], journal: Journal) -> Result:
    attempts = [event.body for event in journal.events(run.id) if isinstance(event.body, StepTaken)]
    return Result(
        case=case.name,
        family=case.family,
        tags=list(case.tags),
        variant=variant.name,
        repeat=number,
        passed=all(check.holds for check in checks),
        valid=bool(attempts) and not any(attempt.error for attempt in attempts),
        checks={check.what: check.why for check in checks},
        steps=run.steps,
        tokens=run.tokens.sampled + run.tokens.forced,
        seconds=round(run.seconds, 4),
        run=run.id,
    )


def _judged(suite: Suite, case: Case, variant: Variant, checks: Sequence[Check], result: Result) -> RunJudged:
    return RunJudged(
        suite=suite.name,
        case=case.name,
        family=case.family,
        tags=list(case.tags),
        variant=variant.name,
        passed=result.passed,
        reward=round(sum(check.holds for check in checks) / len(checks), 4),
        checks=result.checks,
    )


def _thinking(model: Writer) -> Thinking:
    if model.thinking is None:
        raise UsageError(f"{model.name} does not think", hint="leave out thinking=on")
    return model.thinking


def _one_of(value: str, no: str, yes: str) -> bool:
    if value not in (no, yes):
        raise UsageError(f"'{value}' is neither {no} nor {yes}")
    return value == yes


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"'{value}' is no temperature") from None
