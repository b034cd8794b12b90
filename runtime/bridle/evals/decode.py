"""How fast a model decodes a tool call under its grammar, against how fast it writes freely.

All ways run in one process on one model, in turn, from the same prompt, whose tokens are evaluated beforehand; what is
compared is the writing. The call is of the common kind: a few names to choose from, a date, numbers, one short text.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from bridle.brief import brief
from bridle.engine.base import Generation, Request, Sampling
from bridle.grammar.action import Actions
from bridle.grammar.document import Document, Phase
from bridle.model import Model
from bridle.prompt import Message
from bridle.tool import tool

CITIES = ["Amsterdam", "Barcelona", "Copenhagen", "Dublin", "Edinburgh", "Frankfurt", "Gothenburg", "Helsinki"]
SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "traveller": {"type": "string", "minLength": 3, "maxLength": 24},
        "origin": {"enum": list(CITIES)},
        "destination": {"enum": list(CITIES)},
        "departure_date": {"type": "string", "format": "date"},
        "cabin_class": {"enum": ["economy", "premium economy", "business"]},
        "checked_bags": {"type": "integer", "minimum": 0, "maximum": 4},
        "window_seat": {"type": "boolean"},
    },
    "required": ["traveller", "origin", "destination", "departure_date", "cabin_class", "checked_bags", "window_seat"],
}
REQUEST = (
    "Book a flight for Ana Pereira from Dublin to Helsinki on 2026-12-03, business class, two bags, a window seat."
)
CALL: dict[str, JsonValue] = {
    "type": "object",
    "properties": {"tool": {"const": "book_flight"}, "args": {**SCHEMA, "additionalProperties": False}},
    "required": ["tool", "args"],
    "additionalProperties": False,
}
"""The whole call, for engines that know schemas alone."""
BUDGET = 128
"""Tokens that one call may take."""


@tool(name="book_flight")
def _book_flight() -> str:
    """Book a flight for one traveller."""
    return ""


@dataclass(frozen=True)
class Speed:
    """Medians over the repetitions of one way to decode."""

    tokens_per_second: float
    ms_per_sampled_token: float
    ms_per_token: float
    forced_share: float
    outside_decode_share: float
    """Of the time from request to result, what was not spent inside llama.cpp."""
    tokens: int
    """Tokens of one output."""
    decodes: int
    """Decode calls for them."""

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: round(float(value), 4) for name, value in vars(self).items()}


async def measure(
    model: Model, repeat: int, *, seed: int = 0, on_round: Callable[[int, int], None] | None = None
) -> dict[str, Speed]:
    """`constrained` and `unconstrained` speed and that with `drafts`, in turn, `repeat` times each after a warm-up.

    The first two draft nothing.
    """
    case = Case(model)
    found: dict[str, list[tuple[Generation, float]]] = {"constrained": [], "unconstrained": [], "drafts": []}
    for number in range(repeat + 1):
        if on_round is not None:
            on_round(number, repeat + 1)
        chance = seed + number
        held = await _timed(model, case.call(chance, drafts=False))
        free = await _timed(model, case.free(chance, len(held[0].tokens)))
        drafted = await _timed(model, case.call(chance, drafts=True))
        if number:
            for name, run in zip(found, (held, free, drafted), strict=True):
                found[name].append(run)
    return {name: _speed(runs) for name, runs in found.items()}


async def measure_batches(
    model: Model,
    sizes: Sequence[int],
    repeat: int,
    *,
    seed: int = 0,
    on_round: Callable[[int, int], None] | None = None,
) -> list[Batch]:
    """Calls made at once, without drafts: medians over `repeat` rounds after one to warm up."""
    case = Case(model)
    seconds: dict[int, list[tuple[int, float]]] = {size: [] for size in sizes}
    for number in range(repeat + 1):
        if on_round is not None:
            on_round(number, repeat + 1)
        for size in sizes:
            start = time.perf_counter()
            requests = [case.call(seed + number * size + place, drafts=False) for place in range(size)]
            done = await asyncio.gather(*map(model.engine.generate, requests))
            took = time.perf_counter() - start
            if number:
                seconds[size].append((sum(it.usage.output for it in done), took))
    return [
        Batch(
            size,
            statistics.median(tokens / took for tokens, took in rounds),
            statistics.median(took for _, took in rounds),
        )
        for size, rounds in seconds.items()
    ]


@dataclass(frozen=True)
class Batch:
    """So many calls at once."""

    size: int
    tokens_per_second: float
    """Of all together."""
    seconds: float
    """Until the last one is done."""


@dataclass(frozen=True)
class CallForm(Actions):
    """The action form without its other ways out, so that every output is a call."""

    def grammar(self) -> str:
        """See `Form.grammar`."""
        calls = " | ".join(f"c{number}" for number in range(len(self.tools)))
        return super().grammar().replace(f"start: {calls} | answer | ask", f"start: {calls}")


def form_and_system(model: Model) -> tuple[CallForm, str]:
    """The benchmark's form, and the system message that goes with it."""
    form = CallForm({"book_flight": SCHEMA}, "json", model.style)
    return form, brief("", [_book_flight], form, None, terse=model.card.prompt.terse)


class Case:
    """The benchmark's prompt and form on one model."""

    def __init__(self, model: Model) -> None:
        form, system = form_and_system(model)
        self.prompt = model.template.prompt([Message("system", system), Message("user", REQUEST)])
        self._compiler = model.compiler
        self._phases = [Phase("document", form.grammar())]

    def call(self, seed: int, *, drafts: bool) -> Request:
        """A call under the grammar."""
        document = Document(self._compiler, self._phases, BUDGET)
        return Request(self.prompt.tokens, BUDGET, document, Sampling(1.0, seed=seed), drafts=drafts)

    def free(self, seed: int, tokens: int) -> Request:
        """Free text of a length."""
        return Request(self.prompt.tokens, tokens, None, Sampling(1.0, seed=seed), drafts=False)


async def _timed(model: Model, request: Request) -> tuple[Generation, float]:
    start = time.perf_counter()
    generation = await model.engine.generate(request)
    return generation, time.perf_counter() - start


def _speed(runs: Sequence[tuple[Generation, float]]) -> Speed:
    def median(value: Callable[[Generation, float], float]) -> float:
        return statistics.median(value(generation, seconds) for generation, seconds in runs)

    return Speed(
        tokens_per_second=median(lambda g, s: g.usage.output / s),
        ms_per_sampled_token=median(lambda g, s: 1000 * s / max(g.usage.sampled, 1)),
        ms_per_token=median(lambda g, s: 1000 * s / max(g.usage.output, 1)),
        forced_share=median(lambda g, _: g.usage.forced / max(g.usage.output, 1)),
        outside_decode_share=median(lambda g, s: 1 - (g.usage.decode_seconds + g.usage.prefill_seconds) / s),
        tokens=round(median(lambda g, _: g.usage.output)),
        decodes=round(median(lambda g, _: g.usage.decodes)),
    )
