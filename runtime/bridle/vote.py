"""One step taken several times at once: the best of what comes, or what most of it says.

The prompt is evaluated once. The first taking reads it; the others wait for that and begin with the same cells of the
model's memory (see `engine.scheduler`), so that each costs no more than what it writes. Votes over values are
self-consistency (Wang et al., 2023).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from bridle.errors import BridleError, UsageError
from bridle.step import Outcome, Step, StepError, take
from bridle.turn import Writer

T = TypeVar("T")


@dataclass(frozen=True)
class Vote(Generic[T]):
    """What most takings of a step came to."""

    value: T
    share: float
    """Of the takings that came to a value, those that came to this one."""
    outcomes: tuple[Outcome[T], ...]
    """All that came to a value, most probable first."""
    failed: tuple[StepError, ...]
    """Those that did not."""


async def n_best(step: Step[T], model: Writer, count: int) -> list[Outcome[T]]:
    """Take a step `count` times at once; what comes, the most probable first.

    Raises:
        UsageError: fewer than one, or sampling without a temperature, which always gives the same.
        StepError: every taking failed; this is how the first did.
        BridleError: whatever else `take` raises.
    """
    return list((await _take_all(step, model, count))[0])


async def vote(step: Step[T], model: Writer, count: int) -> Vote[T]:
    """Take a step `count` times at once; the value that most takings agree on, the more probable one if two are even.

    Raises:
        UsageError: as `n_best`.
        StepError: as `n_best`.
    """
    return most(*await _take_all(step, model, count))


def most(outcomes: Sequence[Outcome[T]], failed: Sequence[StepError]) -> Vote[T]:
    """What most outcomes say; they stand in order of probability, and of two even values the more probable counts."""
    groups: list[list[Outcome[T]]] = []
    for outcome in outcomes:
        group = next((group for group in groups if group[0].value == outcome.value), None)
        if group is None:
            groups.append([outcome])
        else:
            group.append(outcome)
    winner = max(groups, key=len)  # the first of the longest
    return Vote(winner[0].value, len(winner) / len(outcomes), tuple(outcomes), tuple(failed))


def log_probability(outcome: Outcome[T]) -> float:
    """Of the last attempt's tokens, thinking included, under the mask: natural logarithm, 0 if all was forced, or if a
    server, which tells no probabilities, wrote it."""
    signals = [token.signal for token in outcome.attempts[-1].generation.tokens if token.signal is not None]
    return sum(math.log(max(signal.probability, 1e-30)) for signal in signals)


async def _take_all(step: Step[T], model: Writer, count: int) -> tuple[tuple[Outcome[T], ...], tuple[StepError, ...]]:
    sampling = step.sampling or model.sampling_for(step.thinking)
    if count < 1:
        raise UsageError(f"a step cannot be taken {count} times")
    if count > 1 and sampling.temperature <= 0:
        raise UsageError("greedy sampling comes to the same every time", hint="give the step a temperature")
    steps = [
        replace(
            step,
            sampling=sampling if sampling.seed is None else replace(sampling, seed=sampling.seed + number),
            session=step.session if number == 0 else None,
        )
        for number in range(count)
    ]
    outcomes: list[Outcome[T]] = []
    failed: list[BridleError] = []

    async def one(step: Step[T]) -> None:
        try:
            outcomes.append(await take(step, model))
        except BridleError as error:
            failed.append(error)

    async with asyncio.TaskGroup() as group:
        for it in steps:
            group.create_task(one(it))
    told = tuple(error for error in failed if isinstance(error, StepError))
    if not outcomes or len(told) < len(failed):
        raise next((error for error in failed if error not in told), failed[0])
    return tuple(sorted(outcomes, key=log_probability, reverse=True)), told
