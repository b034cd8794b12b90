"""The sampler against the plain way: mask everything, sort everything, then choose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridle.engine.base import Sampling
from bridle.engine.mask import allocate, allows, count, tokens_of
from bridle.engine.sample import Sampler

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
    sampler = Sampler(SIZE)
    sampler.row[:] = bits(allowed)
    choice = sampler.choose(logits, Sampling(), None, masked=True)
    assert choice.token == np.where(allowed, logits, -np.inf).argmax()
    assert sampler.choose(logits, Sampling(), None, masked=True, signal=False).token == choice.token
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
    sampler.row[:] = bits(allowed)
    found = np.zeros(SIZE)
    for _ in range(draws):
        found[sampler.choose(logits, sampling, random, masked=True).token] += 1
    assert not found[wanted == 0].any(), "a token was drawn that the rules exclude"
    likely = wanted > 20 / draws
    error = (found[likely] - wanted[likely] * draws) / np.sqrt(wanted[likely] * draws)
    assert np.abs(error).max() < 5, "a token is drawn too often or too rarely"


def test_without_a_mask_anything_may_be_chosen() -> None:
    logits = np.arange(100, dtype=np.float32)
    choice = Sampler(100).choose(logits, Sampling(), None, masked=False)
    assert (choice.token, choice.signal.masked) == (99, 0)


def test_a_row_of_bits_reads_back() -> None:
    random = np.random.default_rng(1)
    allowed = random.random(997) < 0.3
    row = bits(allowed)
    assert count(row) == allowed.sum()
    assert (tokens_of(row) == np.flatnonzero(allowed)).all()
    assert [allows(row, token) for token in range(997)] == allowed.tolist()
