"""Drafts: they change the time and nothing else, and only where they pay."""

from __future__ import annotations

import numpy as np
import pytest

from bridle.engine.base import Request, Sampling
from bridle.engine.lookup import CYCLE, TRIAL, Draft, Worth
from bridle.engine.scripted import ScriptedBackend
from bridle.engine.vocabulary import Vocabulary
from bridle.grammar.compile import Compiler
from scripts import call_document, copycat, drain


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_drafts_change_the_time_and_nothing_else(words: Vocabulary, compiler: Compiler, temperature: float) -> None:
    prompt = words.tokenize("<|user|>forecast Oslo 3 days, Oslo 4 days<|end|><|assistant|>", True)
    drafted = accepted = 0
    for seed in range(25):
        script = copycat(words.size, seed)
        outputs: list[list[int]] = []
        for drafts in (False, True):
            mask = call_document(compiler, 90) if seed % 2 else None
            request = Request(prompt, 90, mask, Sampling(temperature, seed=seed), drafts=drafts)
            backend = ScriptedBackend(script, words)
            (generation,) = drain(backend, request)
            outputs.append(generation.ids)
            drafted += generation.usage.drafted
            accepted += generation.usage.accepted
        assert outputs[0] == outputs[1]
    assert accepted > 100, "the test is worth nothing without drafts that came"
    assert drafted > accepted, "and without some that did not"


def test_drafts_that_never_come_are_given_up() -> None:
    worth = Worth()
    draft = Draft(np.zeros(8, np.int32), 1)
    assert worth.lengths(1)[0] > 0
    for _ in range(40):
        worth.learn(draft, 0)
    assert worth.lengths(1)[0] == 0
    assert any(worth.lengths(1)[0] for _ in range(2_000)), "after a while they are given another chance"


def test_drafts_are_longer_where_they_come_and_a_decode_is_dear() -> None:
    def lengths(base: float, came: int) -> tuple[int, ...]:
        worth = Worth()
        for tokens in (1, 3, 9, 2, 12) * 4:
            worth.time(tokens, base + 0.001 * tokens)
        for _ in range(20):
            worth.learn(Draft(np.zeros(8, np.int32), 2), came)
        return worth.lengths(1)

    assert lengths(0.010, 8)[1] > lengths(0.010, 2)[1]
    assert lengths(0.050, 6)[1] > lengths(0.002, 6)[1]


@pytest.mark.parametrize("drafted", [0.5, 2.0])
def test_the_faster_way_is_kept_and_the_other_tried_now_and_then(drafted: float) -> None:
    """A turn without drafts gives a token in 1 ms, one with them in `drafted` ms."""
    worth = Worth()
    taken: list[bool] = []
    for _ in range(10 * CYCLE):
        taken.append(bool(worth.lengths(1)))
        worth.pace(1, 0.001 * (drafted if taken[-1] else 1.0))
    assert all(taken[: CYCLE - TRIAL])
    later = taken[CYCLE:]
    rare = sum(later) if drafted > 1 else len(later) - sum(later)
    assert rare == 9 * TRIAL
