"""Drafts by looking up: what followed the last tokens when they stood before probably follows them again.

Arguments are copied from the request, from results and from earlier calls, all of which are in the prompt. Copies are
evaluated together with the token before them; each choice is then made as always, and a draft that is what was chosen
has saved a decode (prompt lookup decoding: Saxena, 2023). Nothing but the time depends on a draft.

How far to guess is a matter of cost: how often guesses of this kind came true lately, and what one more token in a
batch costs beside a decode of its own. Looking up has a price as well, which weighs where a decode costs next to
nothing; so now and then the other way is tried, drafts or none, and the one that writes faster is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bridle.engine.base import Tokens

LONGEST = 16
"""Tokens of one draft, at most."""
CONTEXT = 3
"""Tokens before a draft that are compared; more are not told apart."""
RECENT = 64
"""Occurrences looked at, the latest ones."""
TRIED = 4
"""Occurrences whose continuation is put to the mask."""
CYCLE, TRIAL = 256, 16
"""Turns after which the other way is tried, and for how many."""
MEMORY = 0.8
"""What counts of the cycles before."""
PRIORS = (0.3, 0.6, 0.8)
"""How often a drafted token comes, by how many tokens before it agreed, before anything is known."""


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next, and how many tokens before them agreed with the place they were found at."""

    tokens: Tokens
    agreed: int


NOTHING = Draft(np.empty(0, np.int32), 0)


def look_up(tokens: Tokens, bare: Tokens, lengths: tuple[int, ...], accepts: Callable[[list[int]], int]) -> Draft:
    """What followed the end of `tokens` before, as far as it may follow now.

    Args:
        tokens: a sequence so far.
        bare: the same with spaces before words left out, for comparing.
        lengths: how long a draft may be, by how many tokens agreed (from 1 to `CONTEXT`).
        accepts: how many of some tokens may follow.
    """
    end = len(tokens)
    if end < 2 or not any(lengths):
        return NOTHING
    places = np.flatnonzero(bare[: end - 1] == bare[end - 1])[-RECENT:]
    agreed = np.ones(len(places), np.int8)
    same = np.ones(len(places), np.bool_)
    for back in range(1, CONTEXT):
        same &= (places >= back) & (bare[places - back] == bare[end - 1 - back])
        agreed += same
    best = NOTHING
    for number in sorted(range(len(places)), key=lambda n: (-agreed[n], -n))[:TRIED]:
        length = lengths[int(agreed[number]) - 1]
        if best.tokens.size and agreed[number] < best.agreed:
            break
        candidate = tokens[places[number] + 1 : places[number] + 1 + length]
        candidate = candidate[: accepts(candidate.tolist())] if len(candidate) else candidate
        if len(candidate) > len(best.tokens):
            best = Draft(candidate.copy(), int(agreed[number]))
    return best


class Worth:
    """How far guessing pays, learned while decoding."""

    def __init__(self) -> None:
        self._came = [0.0] * CONTEXT
        self._told = [0.0] * CONTEXT
        self._sums = np.zeros(5)
        self._turns = 0
        self._paces = np.zeros((2, 2))

    def lengths(self, running: int) -> tuple[int, ...]:
        """How long a draft may be, by how many tokens agreed, while `running` sequences share each decode.

        A token is worth guessing if the chance that all up to it come, times the share of a decode that it would save,
        is more than what it costs in this batch.
        """
        if not self.pays:
            return ()
        base, each = self.costs()
        found: list[int] = []
        for agreed in range(CONTEXT):
            chance = min(self.chance(agreed + 1), 0.98)
            ratio = each / (base / running + each)
            found.append(int(min(LONGEST, np.log(ratio) / np.log(chance))))
            self._came[agreed] *= 0.995
            self._told[agreed] *= 0.995
        return tuple(found)

    @property
    def pays(self) -> bool:
        """Whether to draft at all in this turn: as has been faster lately, or the other way in a trial."""
        (seconds, tokens), (drafted_seconds, drafted_tokens) = self._paces.tolist()
        faster = self._turns < CYCLE or drafted_seconds * tokens <= seconds * drafted_tokens
        return faster != (self._turns % CYCLE >= CYCLE - TRIAL)

    def pace(self, tokens: int, seconds: float) -> None:
        """This turn, in which nothing but writing was done, gave that many tokens in that time."""
        self._paces[int(self.pays)] += (seconds, tokens)
        self._turns += 1
        if self._turns % CYCLE == 0:
            self._paces *= MEMORY

    def chance(self, agreed: int) -> float:
        """How often a token drafted after that many agreeing ones came, of late."""
        number = agreed - 1
        return (self._came[number] + 4 * PRIORS[number]) / (self._told[number] + 4)

    def learn(self, draft: Draft, came: int) -> None:
        """Of a draft, that many tokens came."""
        number = draft.agreed - 1
        self._came[number] = 0.95 * self._came[number] + came
        self._told[number] = 0.95 * self._told[number] + came + (came < len(draft.tokens))

    def time(self, tokens: int, seconds: float) -> None:
        """A decode of that many tokens took that long, choices included."""
        if tokens <= 64:
            self._sums = 0.98 * self._sums + np.array([1, tokens, seconds, tokens * tokens, tokens * seconds])

    def costs(self) -> tuple[float, float]:
        """Seconds of a decode, and of each token in it: a line through the latest ones, by least squares.

        Until batches of different sizes were seen, a token is taken for an eighth of a decode.
        """
        weight, tokens, seconds, squares, products = self._sums
        spread = weight * squares - tokens * tokens
        if weight < 4 or spread < 0.5 * weight * weight:
            return 8.0, 1.0
        each = (weight * products - tokens * seconds) / spread
        base = (seconds - each * tokens) / weight
        whole = max(seconds / weight, 1e-9)
        return max(base, 0.02 * whole), max(each, 0.01 * whole)
