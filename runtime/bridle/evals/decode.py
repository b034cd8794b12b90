"""How fast a model decodes a tool call under its grammar, against how fast it writes freely.

Both run in one process on one model, in turn, from the same prompt, whose tokens are evaluated beforehand; what is
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

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: round(float(value), 4) for name, value in vars(self).items()}


async def measure(
    model: Model, repeat: int, *, seed: int = 0, on_round: Callable[[int, int], None] | None = None
) -> dict[str, Speed]:
    """`constrained` and `unconstrained` speed, in turn, `repeat` times each after one round to warm up."""
    form = Actions({"book_flight": SCHEMA}, "json", model.style)
    system = brief("", [_book_flight], form, None, terse=model.card.prompt.terse)
    prompt = model.template.prompt([Message("system", system), Message("user", REQUEST)])
    found: dict[str, list[tuple[Generation, float]]] = {"constrained": [], "unconstrained": []}
    for number in range(repeat + 1):
        if on_round is not None:
            on_round(number, repeat + 1)
        sampling = Sampling(temperature=1.0, seed=seed + number)
        document = Document(model.compiler, [Phase("document", call_grammar(form))], BUDGET)
        held = await _timed(model, Request(prompt.tokens, BUDGET, document, sampling, session="bench"))
        free = await _timed(model, Request(prompt.tokens, len(held[0].tokens), None, sampling, session="bench"))
        if number:
            found["constrained"].append(held)
            found["unconstrained"].append(free)
    return {name: _speed(runs) for name, runs in found.items()}


def call_grammar(form: Actions) -> str:
    """The action form without its other ways out, so that every output is a call."""
    return form.grammar().replace("start: c0 | answer | ask", "start: c0")


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
    )


def run(model: Model, repeat: int, on_round: Callable[[int, int], None] | None = None) -> dict[str, Speed]:
    """`measure`, for code that is not async."""
    return asyncio.run(measure(model, repeat, on_round=on_round))
