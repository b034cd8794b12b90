"""Choices with numbers: calibration finds how sure a model may be, and the threshold keeps its promise."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bridle.decide import NEVER, Calibration, choose, decide, fit, loss
from bridle.errors import UsageError
from bridle.grammar import Choice
from bridle.local import open_model
from bridle.prompt import Message


def drawn(count: int, sharpness: float, seed: int) -> list[tuple[list[float], int]]:
    """Cases of a model that is surer than it is right by a known factor."""
    random = np.random.default_rng(seed)
    cases: list[tuple[list[float], int]] = []
    for true in random.dirichlet([0.6, 0.6, 0.6], count):
        told = np.maximum(true, 1e-9) ** sharpness
        cases.append(((told / told.sum()).tolist(), int(random.choice(3, p=true))))
    return cases


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_is_found(sharpness: float) -> None:
    found = fit(drawn(3000, sharpness, 1))
    assert abs(found.temperature / sharpness - 1) < 0.12
    fresh = drawn(3000, sharpness, 2)
    assert loss(found, fresh) <= loss(Calibration(), fresh) + 0.005


def test_the_threshold_keeps_its_promise_on_other_cases() -> None:
    found = fit(drawn(3000, 2.0, 3), accuracy=0.9)
    assert 0.2 < found.coverage < 1
    assert found.accuracy >= 0.9
    sure = [
        max(told) == told[label]
        for told, label in ((found.apply(told), label) for told, label in drawn(3000, 2.0, 4))
        if max(told) >= found.threshold
    ]
    assert sum(sure) / len(sure) > 0.87


def test_where_nothing_is_sure_enough_nothing_is() -> None:
    always_wrong: list[tuple[list[float], int]] = [([0.9, 0.1], 1)] * 20
    assert fit(always_wrong).threshold == NEVER
    with pytest.raises(UsageError, match="labels are numbers"):
        fit([([0.5, 0.5], 2)])
    with pytest.raises(UsageError, match="needs cases"):
        fit([])


def test_a_model_chooses_with_numbers() -> None:
    asked = [Message("user", "Is it raining?")]
    with open_model("colt") as model:
        chosen = asyncio.run(choose(asked, Choice(["red", "green", "blue"]), model))
        assert chosen.option in ("red", "green", "blue")
        assert chosen.probability == max(chosen.probabilities)
        assert abs(sum(chosen.probabilities) - 1) < 1e-6
        said = asyncio.run(decide(asked, model, Calibration(temperature=50.0, threshold=0.9)))
        assert isinstance(said.option, bool)
        assert not said.sure
        assert max(said.probabilities) < 0.6
