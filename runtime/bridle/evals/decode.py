"""How fast a model decodes a tool call under its grammar, against how fast it writes freely.

All ways run in one process on one model, in turn, from the same prompt, whose tokens are evaluated beforehand; what is
compared is the writing.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from bridle.engine.base import Generation, Request, Sampling
from bridle.evals.tasks import FLIGHT, Task
from bridle.grammar.document import Document, Phase
from bridle.model import Model

BUDGET = 128
"""Tokens that one call may take."""

Runs: TypeAlias = list[tuple[Generation, float]]
"""Of one task, with their seconds from request to result."""


@dataclass(frozen=True)
class Speed:
    """One way to decode: of each task the median over its repetitions, then all tasks together."""

    tokens_per_second: float
    ms_per_sampled_token: float
    ms_per_token: float
    forced_share: float
    outside_decode_share: float
    """Of the time from request to result, what was not spent inside llama.cpp."""
    tokens: float
    """Tokens of one output."""
    decodes: float
    """Decode calls for them."""

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: round(float(value), 4) for name, value in vars(self).items()}


async def measure(
    model: Model,
    repeat: int,
    tasks: Sequence[Task] = (FLIGHT,),
    *,
    temperature: float = 1.0,
    seed: int = 0,
    on_round: Callable[[int, int], None] | None = None,
) -> dict[str, Speed]:
    """`constrained` and `unconstrained` speed and that with `drafts`: each task `repeat` times in turn after a warm-up.

    The first two draft nothing.

    Raises:
        BudgetError: a task's shortest call takes more than `BUDGET` tokens.
    """
    ways: dict[str, list[Runs]] = {"constrained": [], "unconstrained": [], "drafts": []}
    rounds = repeat + 1
    for place, task in enumerate(tasks):
        case, runs = Case(model, task, temperature), [Runs(), Runs(), Runs()]
        for number in range(rounds):
            if on_round is not None:
                on_round(place * rounds + number, rounds * len(tasks))
            chance = seed + number
            held = await _timed(model, case.call(chance, drafts=False))
            free = await _timed(model, case.free(chance, held[0].usage.output))
            drafted = await _timed(model, case.call(chance, drafts=True))
            if number:
                for it, run in zip(runs, (held, free, drafted), strict=True):
                    it.append(run)
        for found, it in zip(ways.values(), runs, strict=True):
            found.append(it)
    return {name: _speed(found) for name, found in ways.items()}


async def measure_batches(
    model: Model,
    sizes: Sequence[int],
    repeat: int,
    tasks: Sequence[Task] = (FLIGHT,),
    *,
    temperature: float = 1.0,
    seed: int = 0,
    on_round: Callable[[int, int], None] | None = None,
) -> list[Batch]:
    """Calls made at once, without drafts: medians over `repeat` rounds after one to warm up."""
    cases = [Case(model, task, temperature) for task in tasks]
    rounds: dict[int, list[Batch]] = {size: [] for size in sizes}
    for number in range(repeat + 1):
        if on_round is not None:
            on_round(number, repeat + 1)
        for size in sizes:
            chances = [seed + number * size + place for place in range(size)]
            requests = [cases[chance % len(cases)].call(chance, drafts=False) for chance in chances]
            start = time.perf_counter()
            done = await asyncio.gather(*map(model.engine.generate, requests))
            seconds = time.perf_counter() - start
            inside = sum(it.usage.own_seconds for it in done)
            tokens = sum(it.usage.output for it in done)
            if number:
                rounds[size].append(Batch(size, tokens / seconds, seconds, 1 - inside / seconds))
    return [
        Batch(
            size,
            statistics.median(it.tokens_per_second for it in found),
            statistics.median(it.seconds for it in found),
            statistics.median(it.outside_decode_share for it in found),
        )
        for size, found in rounds.items()
    ]


@dataclass(frozen=True)
class Batch:
    """So many calls at once."""

    size: int
    tokens_per_second: float
    """Of all together."""
    seconds: float
    """Until the last one is done."""
    outside_decode_share: float
    """Of these, what was not spent inside llama.cpp."""


class Case:
    """A task on one model, at one temperature."""

    def __init__(self, model: Model, task: Task, temperature: float = 1.0) -> None:
        self.schema, self.temperature = task.schema, temperature
        self.prompt = model.template.prompt([task.system(model), *task.messages])
        self._compiler = model.compiler
        self._phases = [Phase("document", task.form(model).grammar(), json=True)]

    def call(self, seed: int, *, drafts: bool) -> Request:
        """A call under the grammar."""
        document = Document(self._compiler, self._phases, BUDGET)
        return Request(self.prompt.tokens, BUDGET, document, Sampling(self.temperature, seed=seed), drafts=drafts)

    def free(self, seed: int, tokens: int) -> Request:
        """Free text of a length."""
        return Request(self.prompt.tokens, tokens, None, Sampling(self.temperature, seed=seed), drafts=False)


async def _timed(model: Model, request: Request) -> tuple[Generation, float]:
    start = time.perf_counter()
    generation = await model.engine.generate(request)
    return generation, time.perf_counter() - start


def _speed(tasks: Sequence[Runs]) -> Speed:
    """Of each task the median, then all tasks together."""

    def total(value: Callable[[Generation, float], float]) -> float:
        return sum(statistics.median(value(*run) for run in runs) for runs in tasks)

    seconds = total(lambda _, s: s)
    output = max(total(lambda g, _: g.usage.output), 1)
    return Speed(
        tokens_per_second=output / seconds,
        ms_per_sampled_token=1000 * seconds / max(total(lambda g, _: g.usage.sampled), 1),
        ms_per_token=1000 * seconds / output,
        forced_share=total(lambda g, _: g.usage.forced) / output,
        outside_decode_share=total(lambda g, s: s - g.usage.own_seconds) / seconds,
        tokens=output / len(tasks),
        decodes=total(lambda g, _: g.usage.decodes) / len(tasks),
    )
