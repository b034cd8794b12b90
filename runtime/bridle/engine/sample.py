"""Choosing a token: the mask and the choice in one pass over what is allowed.

Where few tokens are allowed the rest of the row is never masked or sorted; where many are, the best is taken first and
the mask asked afterwards. Both give the same choice as masking first would. What the model made of the choice needs
exp() of all scores that matter: those far below the best one are left out, and where most are, so is most of the work.
Buffers are kept: on a vocabulary of 150,000 tokens a fresh array costs as much as the arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bridle.engine.base import Exponentials, Logits, Sampling, Signal
from bridle.engine.mask import allocate, allows, count, tokens_of

FEW = 4_096
"""Allowed tokens up to which they are gathered, instead of masking the whole row."""
SAMPLED = 16
"""One score in so many tells whether a row is flat."""
BLOCK = 512
"""Weights summed together before one of them is drawn."""
TINY = 1e-30
"""A weight beside the best one's 1 that is never drawn."""
FAINT = 1e-12
"""A weight of the best allowed token below which weights are computed anew, from its score;"""
CLOSE = 0.05
"""and below which they are where those out of `REACH` were left out: beside it they would count."""
REACH = 18.0
"""Scores so far below the best, in nats at temperature 1, count as nothing if most are: all of 150,000 tokens there
would have 0.2 % of its probability."""
MOST = 0.125
"""Share of the vocabulary that may be within `REACH` for the rest to be left out."""


def exponentials(scores: Logits, top: float, out: Logits) -> float:
    """`Exponentials` for any backend."""
    np.subtract(scores, np.float32(top), out=out)
    np.exp(out, out=out)
    return float(out.sum())


WORDS = np.where(np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little"), ~np.uint32(0), 0)
"""For each byte of a row eight words: all ones for a token that is allowed, else zeros. Shape (256, 8), uint32."""


class Choice(NamedTuple):
    """A token, and what the model made of the choice."""

    token: int
    signal: Signal


UNKNOWN = Signal(0.0, 0.0, 0.0)
"""In place of a signal that nobody asked for."""


class Sampler:
    """Chooses from rows of one width. Not thread-safe: it owns scratch space, and `row` for the caller's mask."""

    def __init__(self, size: int, exponentials: Exponentials = exponentials) -> None:
        self.row = allocate(size)
        self._exponentials = exponentials
        self._weights = np.empty(size, np.float32)
        self._scaled = np.empty(size, np.float32)
        self._flags = np.empty(size, np.bool_)
        self._ones = np.ones(BLOCK, np.float32)
        self._kept = np.empty((4 * len(self.row), 8), np.uint32)
        self._size = size

    def choose(
        self,
        logits: Logits,
        sampling: Sampling,
        random: Generator | None,
        *,
        masked: bool,
        signal: bool = True,
    ) -> Choice:
        """Choose a token from a row of scores.

        Args:
            logits: shape (vocabulary,), float32.
            sampling: greedy without a temperature.
            random: the source of chance; needed with a temperature.
            masked: whether only what `row` allows (at least one token) may be chosen.
            signal: whether to say what the model made of it; a greedy choice is quicker without.
        """
        room = count(self.row) if masked else self._size
        allowed = tokens_of(self.row) if masked and room <= FEW else None
        if not signal and sampling.temperature <= 0:
            return Choice(self._best(logits, allowed, masked=masked), UNKNOWN)
        top = int(logits.argmax())
        near = self._near(logits, logits[top], max(1.0, sampling.temperature))
        scores = logits if near is None else logits[near]
        weights, total = self._exp(scores, logits[top], 1.0)
        kept = total
        if allowed is not None:
            scores = logits[allowed]
            best = int(scores.argmax())
            weights, kept = self._exp(scores, scores[best], 1.0)
            lost = 1.0 - kept * float(np.exp(np.float64(scores[best]) - logits[top])) / total
            return self._choose(scores, allowed, best, weights, kept, lost, sampling, random)
        index, best, lost = near, top if near is None else int(np.searchsorted(near, top)), 0.0
        if masked:
            self._close(weights, 0, room, near)
            kept = float(weights.sum())
            lost = 1.0 - kept / total
            if not weights[best]:
                best = int(weights.argmax())
                if weights[best] > (FAINT if near is None else CLOSE):
                    weights *= 1 / weights[best]
                else:
                    index, scores = None, logits
                    best = self._best(logits, None, masked=True)
                    weights, _ = self._exp(logits, logits[best], 1.0)
                    self._close(weights, 0, room)
                kept = float(weights.sum())
        return self._choose(scores, index, best, weights, kept, lost, sampling, random)

    def _best(self, logits: Logits, allowed: NDArray[np.intp] | None, *, masked: bool) -> int:
        """The best token that the row allows."""
        if allowed is not None:
            return int(allowed[logits[allowed].argmax()])
        best = int(logits.argmax())
        if not masked or allows(self.row, best):
            return best
        scores = logits.copy()
        self._close(scores, -np.inf, count(self.row))
        return int(scores.argmax())

    def _near(self, logits: Logits, top: np.float32, temperature: float) -> NDArray[np.intp] | None:
        """The tokens whose scores matter, ascending; None for all of them."""
        least, some = top - np.float32(REACH * temperature), logits[::SAMPLED]
        if np.count_nonzero(some > least) > 2 * MOST * len(some):
            return None
        near = np.greater(logits, least, out=self._flags)
        return np.flatnonzero(near) if np.count_nonzero(near) <= MOST * self._size else None

    def _close(
        self, values: NDArray[np.float32], value: float, room: int, index: NDArray[np.intp] | None = None
    ) -> None:
        """Write a value over what the row, which has `room` tokens, does not allow; `values` are those of `index`."""
        if index is not None:
            values[(self.row[index >> 5] >> (index & 31).astype(np.uint32)) & 1 == 0] = value
        elif self._size - room <= FEW:
            closed = tokens_of(~self.row)
            values[closed[: self._size - room]] = value  # beyond the vocabulary a row ends in zeros
        elif not value:
            kept = WORDS.take(self.row.view(np.uint8), axis=0, out=self._kept, mode="clip").ravel()
            bits = values.view(np.uint32)
            np.bitwise_and(bits, kept[: self._size], out=bits)
        else:
            closed = np.unpackbits(~self.row.view(np.uint8), count=self._size, bitorder="little")
            np.putmask(values, closed.view(np.bool_), value)

    def _choose(
        self,
        scores: Logits,
        index: NDArray[np.intp] | None,
        best: int,
        weights: NDArray[np.float32],
        kept: float,
        lost: float,
        sampling: Sampling,
        random: Generator | None,
    ) -> Choice:
        """Choose among weights, exp(score - best score), 0 where nothing may be chosen, with the sum `kept`.

        They are those of the tokens `index`.
        """
        place = best if sampling.temperature <= 0 else self._draw(scores, best, weights, sampling, random)
        distance = float(np.dot(weights, scores)) / kept - float(scores[best])
        entropy = max(0.0, float(np.log(kept)) - distance)
        token = place if index is None else int(index[place])
        return Choice(token, Signal(max(0.0, lost), entropy, float(weights[place]) / kept))

    def _exp(self, scores: Logits, top: np.float32, temperature: float) -> tuple[NDArray[np.float32], float]:
        """exp((score - top) / temperature), in scratch space, and their sum."""
        if temperature == 1.0:
            weights = self._weights[: len(scores)]
            return weights, self._exponentials(scores, float(top), weights)
        weights = self._scaled[: len(scores)]
        np.multiply(scores, np.float32(1 / temperature), out=weights)
        return weights, self._exponentials(weights, float(top) / temperature, weights)

    def _draw(
        self, scores: Logits, best: int, weights: NDArray[np.float32], sampling: Sampling, random: Generator | None
    ) -> int:
        """Sample an index: temperature, then the k best, the nucleus of mass p, and those above a share of the best."""
        if random is None:
            raise ValueError("sampling with a temperature needs a source of chance")
        if sampling.temperature != 1.0:
            known, (weights, _) = weights, self._exp(scores, scores[best], sampling.temperature)
            weights[known == 0] = 0
        if not (sampling.top_k or sampling.top_p < 1 or sampling.min_p):
            return _draw_all(weights, self._ones, random)
        order = _head(weights, sampling)
        sums: NDArray[np.float64] = np.cumsum(weights[order], dtype=np.float64)
        drawn = _place(sums, random.random() * sums[-1])
        return int(order[min(drawn, len(order) - 1)])


def _draw_all(weights: NDArray[np.float32], ones: NDArray[np.float32], random: Generator) -> int:
    """An index with probability in proportion to its weight: first its block, then its place."""
    whole = len(weights) // BLOCK * BLOCK
    blocks = (
        np.append(weights[:whole].reshape(-1, BLOCK) @ ones, weights[whole:].sum()) if whole else weights.sum()[None]
    )
    sums: NDArray[np.float64] = np.cumsum(blocks, dtype=np.float64)
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
