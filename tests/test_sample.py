"""The sampler against the plain way: mask everything, sort everything, then choose."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridle.engine.base import Exponentials, Sampling
from bridle.engine.ggml import find_exponentials
from bridle.engine.mask import allocate, allows, count, tokens_of
from bridle.engine.sample import Sampler, exponentials
from bridle.errors import UsageError

SIZE = 5_000


def distribution(logits: NDArray[np.float32], allowed: NDArray[np.bool_], sampling: Sampling) -> NDArray[np.float64]:
    """What each token's probability should be."""
    scores = np.where(allowed, logits.astype(np.float64), -np.inf) / sampling.temperature
    weights = np.exp(scores - scores.max())
    order = np.argsort(-weights, kind="stable")
    keep = np.zeros(len(weights), np.bool_)
    keep[order[: sampling.top_k or None]] = True
    if sampling.min_p:
        keep &= weights >= np.float32(sampling.min_p)
    if sampling.top_p < 1:
        kept = np.where(keep, weights, 0) if sampling.top_k else weights
        sums = np.cumsum(kept[order]) / kept.sum()
        keep[order[int(np.searchsorted(sums, sampling.top_p, side="right")) + 1 :]] = False
    weights = np.where(keep, weights, 0)
    return weights / weights.sum()


def bits(allowed: NDArray[np.bool_]) -> NDArray[np.uint32]:
    row = allocate(len(allowed))
    for token in np.flatnonzero(allowed):
        row[token >> 5] |= np.uint32(1 << (token & 31))
    return row


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0005, 0.01, 0.5, 0.95, 1.0]),
    scale=st.sampled_from([0.5, 3.0, 15.0]),
)
def test_greedy_takes_the_best_allowed(seed: int, share: float, scale: float) -> None:
    random = np.random.default_rng(seed)
    logits = (random.standard_normal(SIZE) * scale).astype(np.float32)
    allowed = random.random(SIZE) < share
    allowed[random.integers(SIZE)] = True
    sampler, row = Sampler(SIZE), bits(allowed)
    choice = sampler.choose(logits, Sampling(), row=row)
    assert choice.token == np.where(allowed, logits, -np.inf).argmax()
    assert sampler.choose(logits, Sampling(), row=row, signal=False).token == choice.token
    free = np.exp(logits.astype(np.float64))
    left = free[allowed] / free[allowed].sum()
    assert choice.signal.masked == pytest.approx(1 - free[allowed].sum() / free.sum(), abs=1e-4)
    assert choice.signal.entropy == pytest.approx(-(left * np.log(left)).sum(), abs=1e-3)
    assert choice.signal.probability == pytest.approx(left.max(), rel=1e-3)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(1.0),
        Sampling(0.5),
        Sampling(2.0),
        Sampling(1.0, top_k=5),
        Sampling(1.0, top_p=0.8),
        Sampling(1.0, min_p=0.1),
        Sampling(0.7, top_k=40, top_p=0.9),
        Sampling(1.5, top_k=20, min_p=0.05),
    ],
    ids=str,
)
@pytest.mark.parametrize(("share", "scale"), [(0.002, 2.5), (0.9, 2.5), (0.9, 10.0)])
def test_sampling_follows_the_distribution(sampling: Sampling, share: float, scale: float) -> None:
    random = np.random.default_rng(7)
    logits = (random.standard_normal(SIZE) * scale).astype(np.float32)
    allowed = random.random(SIZE) < share
    wanted = distribution(logits, allowed, sampling)
    sampler, draws = Sampler(SIZE), 12_000
    row = bits(allowed)
    found = np.zeros(SIZE)
    for _ in range(draws):
        found[sampler.choose(logits, sampling, random, row=row).token] += 1
    assert not found[wanted == 0].any(), "a token was drawn that the rules exclude"
    likely = wanted > 20 / draws
    error = (found[likely] - wanted[likely] * draws) / np.sqrt(wanted[likely] * draws)
    assert np.abs(error).max() < 5, "a token is drawn too often or too rarely"


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, nan) for name in ("temperature", "top_p", "min_p", "repetition_penalty")]
    + [("temperature", inf), ("temperature", -1), ("top_k", -1), ("top_p", 0), ("top_p", 1.1), ("min_p", -0.1)]
    + [("min_p", 1.5), ("repetition_penalty", 0), ("repetition_penalty", inf), ("seed", -1)],
)
def test_a_value_out_of_its_range_is_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"^{name} has to be .*, not {value}"):
        Sampling(**{name: value})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("native", [exponentials, find_exponentials()])
@pytest.mark.parametrize(
    "sampling", [Sampling(1.0, min_p=1.0), Sampling(0.7, min_p=1.0), Sampling(1e-40), Sampling(1e-5)]
)
def test_the_best_token_is_always_left(native: Exponentials, sampling: Sampling) -> None:
    random = np.random.default_rng(1)
    sampler = Sampler(SIZE, native)
    for _ in range(60):
        logits = (random.standard_normal(SIZE) * 2.5).astype(np.float32)
        allowed = random.random(SIZE) < 0.9
        best = np.where(allowed, logits, -np.inf).argmax()
        assert sampler.choose(logits, sampling, random, row=bits(allowed)).token == best


def test_without_a_mask_anything_may_be_chosen() -> None:
    logits = np.arange(100, dtype=np.float32)
    choice = Sampler(100).choose(logits, Sampling())
    assert (choice.token, choice.signal.masked) == (99, 0)


def test_a_row_of_bits_reads_back() -> None:
    random = np.random.default_rng(1)
    allowed = random.random(997) < 0.3
    row = bits(allowed)
    assert count(row) == allowed.sum()
    assert (tokens_of(row) == np.flatnonzero(allowed)).all()
    assert [allows(row, token) for token in range(997)] == allowed.tolist()


class Allowing:
    """A mask over one row, which counts how often it is filled."""

    def __init__(self, allowed: NDArray[np.bool_]) -> None:
        self._row, self.filled = bits(allowed), 0

    def fill(self, row: NDArray[np.uint32]) -> None:
        row[:] = self._row
        self.filled += 1

    def accepts(self, tokens: Sequence[int]) -> int:
        return int(allows(self._row, tokens[0]))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0005, 0.5, 0.95]),
    lead=st.sampled_from([0.0, 15.0, 25.0]),
    sampling=st.sampled_from(
        [Sampling(), Sampling(1.0), Sampling(0.7, top_p=0.9), Sampling(2.0), Sampling(1.0, top_k=3)]
    ),
)
def test_a_mask_that_is_not_filled_changes_nothing(seed: int, share: float, lead: float, sampling: Sampling) -> None:
    random = np.random.default_rng(seed)
    logits = (random.standard_normal(SIZE) * 2).astype(np.float32)
    logits[random.integers(SIZE)] += lead
    allowed = random.random(SIZE) < share
    allowed[random.integers(SIZE)] = True
    sampler, mask = Sampler(SIZE), Allowing(allowed)
    for chance in range(5):
        masked = sampler.choose(logits, sampling, np.random.default_rng(chance), row=bits(allowed))
        asked = sampler.choose(logits, sampling, np.random.default_rng(chance), mask=mask)  # pyright: ignore[reportArgumentType]
        assert asked.token == masked.token
        assert asked.signal == pytest.approx(masked.signal, abs=0.01)
    plain = sampler.choose(logits, Sampling(), mask=mask, signal=False)  # pyright: ignore[reportArgumentType]
    assert plain.token == sampler.choose(logits, Sampling(), row=bits(allowed)).token


def test_a_mask_is_not_filled_for_a_token_that_is_sure() -> None:
    logits = np.zeros(SIZE, np.float32)
    logits[7] = 40.0
    allowed = np.ones(SIZE, np.bool_)
    mask = Allowing(allowed)
    for sampling in (Sampling(), Sampling(0.5), Sampling(1.0)):
        choice = Sampler(SIZE).choose(logits, sampling, np.random.default_rng(0), mask=mask)  # pyright: ignore[reportArgumentType]
        assert (choice.token, mask.filled) == (7, 0)
        assert choice.signal.probability == pytest.approx(1.0)
    allowed[7] = False
    assert Sampler(SIZE).choose(logits, Sampling(), mask=(closed := Allowing(allowed))).token != 7  # pyright: ignore[reportArgumentType]
    assert closed.filled == 1
