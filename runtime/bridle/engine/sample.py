"""Choosing a token: the mask and the choice in one pass over what is allowed.

Where few tokens are allowed the rest of the row is only summed, never masked or sorted; where many are, the best is
taken first and the mask asked afterwards. Both give the same choice as masking first would. Buffers are kept: on a
vocabulary of 150,000 tokens a fresh array costs as much as the arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bridle.engine.base import Logits, Sampling, Signal
from bridle.engine.mask import allocate, count, tokens_of

FEW = 4_096
"""Allowed tokens up to which they are gathered, instead of masking the whole row."""
BLOCK = 512
"""Weights summed together before one of them is drawn."""
TINY = 1e-30
"""A weight beside the best one's 1 that is never drawn."""


class Choice(NamedTuple):
    """A token, and what the model made of the choice."""

    token: int
    signal: Signal


class Sampler:
    """Chooses from rows of one width. Not thread-safe: it owns scratch space, and `row` for the caller's mask."""

    def __init__(self, size: int) -> None:
        self.row = allocate(size)
        self._weights = np.empty(size, np.float32)
        self._scaled = np.empty(size, np.float32)
        self._size = size

    def choose(self, logits: Logits, sampling: Sampling, random: Generator | None, *, masked: bool) -> Choice:
        """Choose a token from a row of scores.

        Args:
            logits: shape (vocabulary,), float32.
            sampling: greedy without a temperature.
            random: the source of chance; needed with a temperature.
            masked: whether only what `row` allows (at least one token) may be chosen.
        """
        best = int(logits.argmax())
        weights = self._exp(logits, logits[best], 1.0)
        total = float(weights.sum())
        if not masked:
            return self._choose(logits, best, weights, total, 0.0, sampling, random)
        room = count(self.row)
        if room <= FEW:
            allowed = tokens_of(self.row)
            lost = 1.0 - float(weights[allowed].sum()) / total
            scores = logits[allowed]
            index = int(scores.argmax())
            weights = np.exp(scores - scores[index])
            choice = self._choose(scores, index, weights, float(weights.sum()), lost, sampling, random)
            return choice._replace(token=int(allowed[choice.token]))
        self._close(weights, 0, room)
        kept = float(weights.sum())
        lost = 1.0 - kept / total
        if not weights[best]:
            scores = logits.copy()
            self._close(scores, -np.inf, room)
            best = int(scores.argmax())
            weights = self._exp(logits, logits[best], 1.0)
            self._close(weights, 0, room)
            kept = float(weights.sum())
        return self._choose(logits, best, weights, kept, lost, sampling, random)

    def _close(self, values: NDArray[np.float32], value: float, room: int) -> None:
        """Write a value over what the row, which has `room` tokens, does not allow."""
        if self._size - room <= FEW:
            closed = tokens_of(~self.row)
            values[closed[: self._size - room]] = value  # beyond the vocabulary a row ends in zeros
        else:
            closed = np.unpackbits(~self.row.view(np.uint8), count=self._size, bitorder="little")
            np.putmask(values, closed.view(np.bool_), value)

    def _choose(
        self,
        scores: Logits,
        best: int,
        weights: NDArray[np.float32],
        kept: float,
        lost: float,
        sampling: Sampling,
        random: Generator | None,
    ) -> Choice:
        """Choose among weights, exp(score - best score), 0 where nothing may be chosen; `kept` is their sum."""
        index = best if sampling.temperature <= 0 else self._draw(scores, best, weights, sampling, random)
        distance = float(np.dot(weights, scores)) / kept - float(scores[best])
        entropy = max(0.0, float(np.log(kept)) - distance)
        return Choice(index, Signal(max(0.0, lost), entropy, float(weights[index]) / kept))

    def _exp(self, scores: Logits, top: np.float32, temperature: float) -> NDArray[np.float32]:
        """exp((score - top) / temperature), in scratch space."""
        weights = self._weights[: len(scores)] if temperature == 1.0 else self._scaled[: len(scores)]
        np.subtract(scores, top, out=weights)
        if temperature != 1.0:
            np.multiply(weights, np.float32(1 / temperature), out=weights)
        return np.exp(weights, out=weights)

    def _draw(
        self, scores: Logits, best: int, weights: NDArray[np.float32], sampling: Sampling, random: Generator | None
    ) -> int:
        """Sample an index: temperature, then the k best, the nucleus of mass p, and those above a share of the best."""
        if random is None:
            raise ValueError("sampling with a temperature needs a source of chance")
        if sampling.temperature != 1.0:
            known, weights = weights, self._exp(scores, scores[best], sampling.temperature)
            weights[known == 0] = 0
        if not (sampling.top_k or sampling.top_p < 1 or sampling.min_p):
            return _draw_all(weights, random)
        order = _head(weights, sampling)
        sums: NDArray[np.float64] = np.cumsum(weights[order], dtype=np.float64)
        drawn = _place(sums, random.random() * sums[-1])
        return int(order[min(drawn, len(order) - 1)])


def _draw_all(weights: NDArray[np.float32], random: Generator) -> int:
    """An index with probability in proportion to its weight: first its block, then its place."""
    whole = len(weights) // BLOCK * BLOCK
    blocks = np.append(weights[:whole].reshape(-1, BLOCK).sum(axis=1, dtype=np.float64), weights[whole:].sum())
    sums: NDArray[np.float64] = np.cumsum(blocks)
    aim = random.random() * sums[-1]
    block = min(_place(sums, aim), len(blocks) - 1)
    inside: NDArray[np.float64] = np.cumsum(weights[block * BLOCK : (block + 1) * BLOCK], dtype=np.float64)
    aim -= sums[block] - blocks[block]
    index = _place(inside, aim)
    last = int(np.flatnonzero(weights[block * BLOCK : (block + 1) * BLOCK])[-1])
    return block * BLOCK + min(index, last)


def _place(sums: NDArray[np.float64], aim: float) -> int:
    """The first index whose running sum is above `aim`."""
    return int(np.count_nonzero(sums <= aim))


def _head(weights: NDArray[np.float32], sampling: Sampling) -> NDArray[np.intp]:
    """The indices that the rules leave, best first; the best has weight 1.

    Ever lower weights are taken in until the rules are served, so that a long tail is never sorted.
    """
    wanted = sampling.top_p * float(weights.sum()) if sampling.top_p < 1 and not sampling.top_k else 0.0
    floor = max(0.05, sampling.min_p)
    while True:
        near = np.flatnonzero(weights >= np.float32(floor))
        by_rank = len(near) >= sampling.top_k > 0
        by_mass = bool(wanted) and float(weights[near].sum(dtype=np.float64)) >= wanted
        if by_rank or by_mass or floor <= max(sampling.min_p, TINY):
            break
        floor = max(floor / 100, sampling.min_p, TINY)
    order = near[np.argsort(-weights[near], kind="stable")]
    if sampling.top_k > 0:
        order = order[: sampling.top_k]
    if sampling.top_p < 1:
        sums: NDArray[np.float64] = np.cumsum(weights[order], dtype=np.float64)
        order = order[: _place(sums, wanted or sampling.top_p * float(sums[-1])) + 1]
    return order
