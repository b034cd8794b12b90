"""What became of runs: success, time and tokens, by skill, by model, by tool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Literal, TypeAlias

from bridle.journal import CallAnswered, Event, RunEnded, RunJudged, RunStarted, Status, StepTaken

By: TypeAlias = Literal["skill", "model", "tool", "task"]


@dataclass
class Tally:
    """Of some runs, or of the calls of a tool."""

    count: int = 0
    good: int = 0
    """Runs that were done (and passed, where an evaluation judged them); calls that did not fail."""
    seconds: list[float] = field(default_factory=list[float])
    tokens: list[int] = field(default_factory=list[int])
    """Written, by run; none of a tool."""
    steps: list[int] = field(default_factory=list[int])

    def as_json(self) -> dict[str, int | float]:
        """The figures: seconds and tokens as medians, and what nine in ten do not exceed."""
        told: dict[str, int | float] = {"count": self.count, "good": self.good}
        for name, values in (("seconds", self.seconds), ("tokens", self.tokens), ("steps", self.steps)):
            if values:
                told |= {f"{name}_median": round(median(values), 4), f"{name}_p90": round(_p90(values), 4)}
        return told


def tally(runs: Iterable[Sequence[Event]], by: By) -> dict[str, Tally]:
    """Runs (or calls, by tool) counted up, those with the most first."""
    found = dict[str, Tally]()
    for events in runs:
        started = next((it.body for it in events if isinstance(it.body, RunStarted)), None)
        ended = next((it.body for it in reversed(events) if isinstance(it.body, RunEnded)), None)
        if started is None:
            continue
        if by == "tool":
            for body in (it.body for it in events):
                if isinstance(body, CallAnswered):
                    one = found.setdefault(body.tool, Tally())
                    one.count, one.good = one.count + 1, one.good + body.ok
                    one.seconds.append(body.seconds)
            continue
        one = found.setdefault({"skill": started.skill, "model": started.model, "task": started.task}[by], Tally())
        judged = [it.body.passed for it in events if isinstance(it.body, RunJudged)]
        one.count += 1
        one.good += ended is not None and ended.status is Status.DONE and all(judged)
        one.steps.append(sum(isinstance(it.body, StepTaken) for it in events))
        if ended is not None:
            one.seconds.append(ended.seconds)
            one.tokens.append(ended.tokens.sampled + ended.tokens.forced)
    return dict(sorted(found.items(), key=lambda item: -item[1].count))


def _p90(values: Sequence[float]) -> float:
    return quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
