"""A choice with numbers: the likeliest option, its calibrated probability, and whether that is enough to act on.

Models are surer than they are right. A few labelled cases tell how much: one temperature makes their probabilities fit
(temperature scaling: Guo et al., 2017), and a threshold is the least probability from which on the cases were right as
often as asked. Below it, ask a person.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Generic, TypeVar

from bridle.errors import UsageError
from bridle.grammar.base import Choice
from bridle.model import Model
from bridle.prompt import Message
from bridle.weigh import weigh

T = TypeVar("T")

LEAST = 1e-12
"""Probabilities below this count as this."""
NEVER = 2.0
"""The threshold where no case was sure enough."""
_WIDEST = 4.0
"""Temperatures are looked for between exp(-4) and exp(4)."""


@dataclass(frozen=True)
class Calibration:
    """What labelled cases told of a model's probabilities."""

    temperature: float = 1.0
    """Above 1: the model is surer than it is right."""
    threshold: float = 0.5
    """The least probability that is enough."""
    accuracy: float = 0.0
    """Share of the cases at or above the threshold that were right."""
    coverage: float = 0.0
    """Share of the cases at or above the threshold."""

    def apply(self, probabilities: Sequence[float]) -> list[float]:
        """Probabilities of options, calibrated; they sum to 1.

        >>> [round(it, 3) for it in Calibration(temperature=2.0).apply([0.9, 0.1])]
        [0.75, 0.25]
        """
        scaled = [log(max(it, LEAST)) / self.temperature for it in probabilities]
        weights = [exp(it - max(scaled)) for it in scaled]
        return [it / sum(weights) for it in weights]


PLAIN = Calibration()
"""Probabilities as the model has them; an option that is likelier than all others together is enough."""


@dataclass(frozen=True)
class Decision(Generic[T]):
    """An option, and how likely it is."""

    option: T
    probability: float | None
    """None where the model tells no probabilities."""
    probabilities: tuple[float, ...]
    """Of all options, in their order; empty where the model tells none."""
    sure: bool
    """The probability reaches the calibration's threshold."""


async def choose(
    messages: Sequence[Message],
    choice: Choice[T],
    model: Model,
    calibration: Calibration = PLAIN,
    *,
    session: Hashable = None,
) -> Decision[T]:
    """The option that the model finds likeliest as the next turn, all spellings of each summed.

    Raises:
        ContextError: the prompt does not fit the context.
    """
    told = tuple(calibration.apply(await weigh(messages, choice, model, session=session)))
    best = max(range(len(told)), key=told.__getitem__)
    return Decision(choice.options[best], told[best], told, told[best] >= calibration.threshold)


async def decide(
    messages: Sequence[Message], model: Model, calibration: Calibration = PLAIN, *, session: Hashable = None
) -> Decision[bool]:
    """Whether the model finds yes likelier than no as the next turn.

    Raises:
        ContextError: the prompt does not fit the context.
    """
    return await choose(messages, Choice([True, False], _spell), model, calibration, session=session)


def fit(cases: Sequence[tuple[Sequence[float], int]], accuracy: float = 0.95) -> Calibration:
    """The calibration that fits labelled cases: each the probabilities of its options, and the right one's number.

    Args:
        cases: a few dozen at least; `bridle.weigh.weigh` gives the probabilities.
        accuracy: how often cases at or above the threshold are to be right.

    Raises:
        UsageError: there are no cases, or a label names no option.
    """
    if not cases or any(not 0 <= label < len(told) for told, label in cases):
        raise UsageError("a calibration needs cases whose labels are numbers of their options")
    found = Calibration(temperature=_temperature(cases))
    judged = [(max(told), told.index(max(told)) == label) for told, label in _applied(found, cases)]
    best = Calibration(found.temperature, NEVER)
    right, ranked = 0, sorted(judged, reverse=True)
    for number, (probability, is_right) in enumerate(ranked, 1):
        right += is_right
        is_last_of_its_kind = number == len(ranked) or ranked[number][0] < probability
        if is_last_of_its_kind and right >= accuracy * number:
            best = Calibration(found.temperature, probability, right / number, number / len(ranked))
    return best


def loss(calibration: Calibration, cases: Sequence[tuple[Sequence[float], int]]) -> float:
    """The mean surprise at the right options, in nats; less is better."""
    return -sum(log(max(told[label], LEAST)) for told, label in _applied(calibration, cases)) / len(cases)


def _applied(calibration: Calibration, cases: Sequence[tuple[Sequence[float], int]]) -> list[tuple[list[float], int]]:
    return [(calibration.apply(told), label) for told, label in cases]


def _temperature(cases: Sequence[tuple[Sequence[float], int]]) -> float:
    """The temperature with the least loss, by golden section: the loss has one valley in the logarithm."""
    golden = (5**0.5 - 1) / 2
    low, high = -_WIDEST, _WIDEST
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if loss(Calibration(exp(left)), cases) < loss(Calibration(exp(right)), cases):
            high = right
        else:
            low = left
    return exp((low + high) / 2)


def _spell(option: bool) -> str:
    return "yes" if option else "no"
