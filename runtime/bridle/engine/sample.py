"""Choosing a token: the mask and the choice in one pass over what is allowed.

Where few tokens are allowed the rest of the row is never masked or sorted. Where the model is all but sure, its token
is taken first and only that one is put to the mask, which is never filled then. Both give the same choice as masking
first would: a drawn number that falls to the best token among all falls to it among the allowed ones too, since
whatever is taken away makes its share larger. What the model made of the choice needs exp() of all scores that matter:
those far below the best one are left out, and where most are, so is most of the work.
Buffers are kept: on a vocabulary of 150,000 tokens a fresh array costs as much as the arithmetic.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bridle.engine.base import Exponentials, Logits, Sampling, Signal
from bridle.engine.mask import Bits, Mask, allocate, allows, count, tokens_of

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
SURE = 0.999
"""Probability of a token from which the mask is not filled if it allows that one; so far may signals be off then."""
MOST_SHARP = 1e30
"""What scores are multiplied by at most, for a temperature; more would not be a float32."""
OPEN = 0.95
"""Probability of what was chosen below which the runner-up is told."""
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
    """A token, what the model made of the choice, and the seconds that filling the mask took of it."""

    token: int
    signal: Signal
    filled: float = 0.0


UNKNOWN = Signal(0.0, 0.0, 0.0)
"""In place of a signal that nobody asked for."""


class Sampler:
    """Chooses from rows of one width. Not thread-safe: it owns scratch space."""

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
        random: Generator | None = None,
        *,
        mask: Mask | None = None,
        row: Bits | None = None,
        signal: bool = True,
    ) -> Choice:
        """Choose a token from a row of scores.

        Args:
            logits: shape (vocabulary,), float32.
            sampling: greedy without a temperature.
            random: the source of chance; needed with a temperature.
            mask: what may be chosen; asked no more than is needed.
            row: the same, filled already.
            signal: whether to say what the model made of it; a greedy choice is quicker without.
        """
        aim = _aim(sampling, random)
        top = int(logits.argmax())
        if not signal and aim is None:
            return self._best(logits, top, mask, row)
        near = self._near(logits, logits[top], max(1.0, sampling.temperature))
        index, scores = near, logits if near is None else logits[near]
        weights, total = self._exp(scores, logits[top], 1.0)
        best = top if near is None else int(np.searchsorted(near, top))
        filled = 0.0
        if mask is not None and row is None:
            likely = sampling.temperature <= 1 and total * SURE <= 1 and (aim is None or aim * total < 1)
            if likely and mask.accepts([top]):
                return self._tell(scores, index, best, best, weights, total, 0.0, filled)
            start = time.perf_counter()
            mask.fill(self.row)
            row, filled = self.row, time.perf_counter() - start
        kept, lost = total, 0.0
        if row is not None:
            room = count(row)
            if room <= FEW:
                index = tokens_of(row)
                scores = logits[index]
                best = int(scores.argmax())
                weights, kept = self._exp(scores, scores[best], 1.0)
                lost = 1.0 - kept * float(np.exp(np.float64(scores[best]) - logits[top])) / total
            else:
                self._close(weights, row, room, near)
                kept = float(weights.sum())
                lost = 1.0 - kept / total
                if not weights[best]:
                    best = int(weights.argmax())
                    if weights[best] > (FAINT if near is None else CLOSE):
                        weights *= 1 / weights[best]
                    else:
                        index, scores = None, logits
                        best = _best_of(logits, row)
                        weights, _ = self._exp(logits, logits[best], 1.0)
                        self._close(weights, row, room)
                    kept = float(weights.sum())
        place = best if aim is None else self._draw(scores, best, weights, sampling, aim)
        return self._tell(scores, index, best, place, weights, kept, lost, filled)

    def _best(self, logits: Logits, top: int, mask: Mask | None, row: Bits | None) -> Choice:
        """The best token that is allowed, and nothing about it."""
        filled = 0.0
        if row is None and mask is not None and not mask.accepts([top]):
            start = time.perf_counter()
            mask.fill(self.row)
            row, filled = self.row, time.perf_counter() - start
        if row is not None and not allows(row, top):
            top = _best_of(logits, row)
        return Choice(top, UNKNOWN, filled)

    def _near(self, logits: Logits, top: np.float32, temperature: float) -> NDArray[np.intp] | None:
        """The tokens whose scores matter, ascending; None for all of them."""
        least, some = top - np.float32(REACH * temperature), logits[::SAMPLED]
        if np.count_nonzero(some > least) > 2 * MOST * len(some):
            return None
        near = np.greater(logits, least, out=self._flags)
        return np.flatnonzero(near) if np.count_nonzero(near) <= MOST * self._size else None

    def _close(self, weights: NDArray[np.float32], row: Bits, room: int, index: NDArray[np.intp] | None = None) -> None:
        """No weight for what the row, which has `room` tokens, does not allow; the weights are those of `index`."""
        if index is not None:
            weights[(row[index >> 5] >> (index & 31).astype(np.uint32)) & 1 == 0] = 0
        elif self._size - room <= FEW:
            weights[tokens_of(~row)[: self._size - room]] = 0  # beyond the vocabulary a row ends in zeros
        else:
            kept = WORDS.take(row.view(np.uint8), axis=0, out=self._kept, mode="clip").ravel()
            bits = weights.view(np.uint32)
            np.bitwise_and(bits, kept[: self._size], out=bits)

    def _tell(
        self,
        scores: Logits,
        index: NDArray[np.intp] | None,
        best: int,
        place: int,
        weights: NDArray[np.float32],
        kept: float,
        lost: float,
        filled: float,
    ) -> Choice:
        """What was chosen among weights, exp(score - best score), with the sum `kept`; they are those of `index`."""
        distance = float(np.dot(weights, scores)) / kept - float(scores[best])
        entropy = max(0.0, float(np.log(kept)) - distance)
        token, weight = place if index is None else int(index[place]), float(weights[place])
        signal = Signal(max(0.0, lost), entropy, weight / kept)
        if weight < OPEN * kept and len(weights) > 1:
            weights[place] = 0
            second = int(weights.argmax())
            other, chance = second if index is None else int(index[second]), float(weights[second]) / kept
            signal, weights[place] = signal._replace(other=other, chance=chance), weight
        return Choice(token, signal, filled)

    def _exp(self, scores: Logits, top: np.float32, temperature: float) -> tuple[NDArray[np.float32], float]:
        """exp((score - top) / temperature), in scratch space, and their sum."""
        if temperature == 1.0:
            weights = self._weights[: len(scores)]
            return weights, self._exponentials(scores, float(top), weights)
        weights = self._scaled[: len(scores)]
        np.subtract(scores, top, out=weights)  # first, or tiny temperatures would leave infinities beside the best
        np.minimum(weights, 0, out=weights)  # what the mask does not have may be above the best
        np.multiply(weights, np.float32(min(1 / temperature, MOST_SHARP)), out=weights)
        return weights, self._exponentials(weights, 0.0, weights)

    def _draw(self, scores: Logits, best: int, weights: NDArray[np.float32], sampling: Sampling, aim: float) -> int:
        """Sample an index: temperature, then the k best, the nucleus of mass p, and those above a share of the best.

        `aim`, from 0 to 1, falls on one of them; the best one comes first.
        """
        if sampling.temperature != 1.0:
            known, (weights, _) = weights, self._exp(scores, scores[best], sampling.temperature)
            weights[known == 0] = 0
        if not (sampling.top_k or sampling.top_p < 1 or sampling.min_p):
            return _draw_all(weights, best, self._ones, aim)
        order = _head(weights, float(weights[best]), sampling)
        sums: NDArray[np.float64] = np.cumsum(weights[order], dtype=np.float64)
        drawn = _place(sums, aim * float(sums[-1]))
        return int(order[min(drawn, len(order) - 1)])


def _aim(sampling: Sampling, random: Generator | None) -> float | None:
    """A number from 0 to 1 by chance; None for greedy sampling."""
    if sampling.temperature <= 0:
        return None
    if random is None:
        raise ValueError("sampling with a temperature needs a source of chance")
    return random.random()


def _best_of(logits: Logits, row: Bits) -> int:
    """The best token that a row allows."""
    if count(row) <= FEW:
        allowed = tokens_of(row)
        return int(allowed[logits[allowed].argmax()])
    closed = np.unpackbits(~row.view(np.uint8), count=len(logits), bitorder="little")
    scores = logits.copy()
    np.putmask(scores, closed.view(np.bool_), -np.inf)
    return int(scores.argmax())


def _draw_all(weights: NDArray[np.float32], best: int, ones: NDArray[np.float32], aim: float) -> int:
    """An index with probability in proportion to its weight: the best one first, then by block and place."""
    whole = len(weights) // BLOCK * BLOCK
    first, weights[best] = weights[best], 0
    blocks = (
        np.append(weights[:whole].reshape(-1, BLOCK) @ ones, weights[whole:].sum()) if whole else weights.sum()[None]
    )
    sums: NDArray[np.float64] = np.cumsum(blocks, dtype=np.float64)
    aim = aim * (float(first) + float(sums[-1])) - float(first)
    index = best
    if aim >= 0 and sums[-1] > 0:
        block = min(_place(sums, aim), len(blocks) - 1)
        part = weights[block * BLOCK : (block + 1) * BLOCK]
        inside: NDArray[np.float64] = np.cumsum(part, dtype=np.float64)
        place = _place(inside, aim - float(sums[block] - blocks[block]))
        index = block * BLOCK + min(place, int(np.flatnonzero(part)[-1]))
    weights[best] = first
    return index


def _place(sums: NDArray[np.float64], aim: float) -> int:
    """The first index whose running sum is above `aim`."""
    return int(np.count_nonzero(sums <= aim))


def _head(weights: NDArray[np.float32], most: float, sampling: Sampling) -> NDArray[np.intp]:
    """The indices that the rules leave, best first; the best has the weight `most`, which is about 1.

    Ever lower weights are taken in until the rules are served, so that a long tail is never sorted.
    """
    wanted = sampling.top_p * float(weights.sum()) if sampling.top_p < 1 and not sampling.top_k else 0.0
    floor = max(0.05, sampling.min_p)
    while True:
        near = np.flatnonzero(weights >= np.float32(floor) * np.float32(most))
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
