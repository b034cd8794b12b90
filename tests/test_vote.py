"""One step taken several times: the prompt is read once, and what most takings say wins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import log

import numpy as np
import pytest

from bridle.card import Card
from bridle.engine.base import Logits, Sampling
from bridle.engine.scripted import ScriptedBackend
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BudgetError, UsageError
from bridle.grammar import Choice, form_of
from bridle.model import Model
from bridle.prompt import Message
from bridle.step import Step
from bridle.vote import log_probability, n_best, vote

QUESTION = "Which word is it? " + "Think of what was said before. " * 20


@pytest.fixture
def guessing(words: Vocabulary) -> tuple[Model, ScriptedBackend]:
    """A model that says a 7 three times as often as a 4, and nothing else."""
    seven, four = (words.pieces.index(digit) for digit in (b"7", b"4"))

    def script(_: Sequence[int]) -> Logits:
        row = np.full(words.size, -30.0, np.float32)
        row[seven], row[four] = log(3), 0.0
        return row

    backend = ScriptedBackend(script, words)
    return Model(EngineThread(backend), Card(name="guessing")), backend


def step(count: int = 40, **options: object) -> Step[int]:
    form = Choice([7, 4])
    return Step([Message("user", QUESTION)], form, sampling=Sampling(1.0, seed=count), max_tokens=8, **options)  # type: ignore[arg-type]


def test_what_most_say_wins_and_the_prompt_is_read_once(guessing: tuple[Model, ScriptedBackend]) -> None:
    model, backend = guessing
    with model:
        told = asyncio.run(vote(step(), model, 40))
    assert (told.value, len(told.outcomes), told.failed) == (7, 40, ())
    assert 0.5 < told.share < 0.95
    assert told.share == sum(outcome.value == 7 for outcome in told.outcomes) / 40
    prompt = told.outcomes[0].usage.prompt
    evaluated = sum(len(part.tokens) for parts in backend.decoded for part in parts)
    assert prompt > 100
    assert evaluated < prompt + 40 * 4
    assert sum(outcome.usage.reused for outcome in told.outcomes) >= 39 * (prompt - 1)


def test_the_most_probable_comes_first(guessing: tuple[Model, ScriptedBackend]) -> None:
    model, _ = guessing
    with model:
        outcomes = asyncio.run(n_best(step(), model, 20))
    assert [outcome.value for outcome in outcomes] == sorted((it.value for it in outcomes), reverse=True)
    assert log_probability(outcomes[0]) == pytest.approx(log(0.75), abs=1e-3)
    assert log_probability(outcomes[-1]) == pytest.approx(log(0.25), abs=1e-3)


def test_what_cannot_be_voted_on_is_told(guessing: tuple[Model, ScriptedBackend]) -> None:
    model, _ = guessing
    asked = [Message("user", QUESTION)]
    with model:
        with pytest.raises(UsageError, match="greedy"):
            asyncio.run(vote(Step(asked, form_of(int)), model, 2))
        with pytest.raises(UsageError, match="0 times"):
            asyncio.run(vote(step(), model, 0))
        small = Step(asked, form_of(list[int]), sampling=Sampling(1.0), max_tokens=1)
        with pytest.raises(BudgetError, match="too small"):
            asyncio.run(n_best(small, model, 3))
