"""A document under way: the mask that holds one output to its form and to its token budget.

A document is a chain of phases (a thinking block, then the body), each with a grammar and a share of the budget; the
next begins on the token after the last. See `passage` for how each comes to its end in time.
"""

from __future__ import annotations

from collections.abc import Sequence

import llguidance

from bridle.engine.mask import Bits, Together
from bridle.errors import BudgetError
from bridle.grammar.compile import ENOUGH, Compiler
from bridle.grammar.passage import Passage, Phase

__all__ = ["Document", "Phase"]


class Document:
    """Keeps the `Mask` protocol for one output of at most `budget` tokens.

    Raises:
        GrammarError: a phase's grammar cannot be compiled.
        BudgetError: the budget is below the shortest document; the message says how many tokens that takes.
    """

    def __init__(self, compiler: Compiler, phases: Sequence[Phase], budget: int) -> None:
        self._compiler = compiler
        self._phases = phases
        self._compiled = [compiler.compile(phase.grammar, phase.tail) for phase in phases]
        self._minima = [len(compiled.minimum or ()) for compiled in self._compiled]
        if budget < sum(self._minima):
            raise BudgetError(
                f"a budget of {budget} tokens is too small: the shortest output of this form takes {sum(self._minima)}",
                hint=f"allow at least {sum(self._minima)} tokens",
            )
        self._total = budget
        self._ended = False
        self.lengths = [0] * len(phases)
        """Tokens in each phase so far."""
        self.cut: list[str] = []
        """The phases that were brought to their end: the budget ran out, or they went round in circles."""
        self._enter(0)

    @property
    def finished(self) -> bool:
        """The document is whole and nothing may follow."""
        return self._ended

    @property
    def phase(self) -> str:
        """The name of the phase that the next token belongs to."""
        return self._phases[self._index].name

    @property
    def matcher(self) -> llguidance.LLMatcher:
        """Where the current phase stands."""
        return self._passage.matcher

    @property
    def together(self) -> Together | None:
        """See `Mask.together`."""
        return self._compiler.together if self._compiler.cores >= ENOUGH and self._passage.is_plain else None

    def forced(self) -> list[int]:
        """See `Mask.forced`."""
        return self._passage.forced()

    def fill(self, row: Bits) -> None:
        """See `Mask.fill`.

        Raises:
            EngineError: the grammar grew too large, and no way to the end is found.
        """
        self._passage.fill(row)
        self._note_cut()

    def accepts(self, tokens: Sequence[int]) -> int:
        """See `Mask.accepts`."""
        return self._passage.accepts(tokens)

    def advance(self, tokens: Sequence[int]) -> int:
        """See `Mask.advance`. An end-of-generation token ends the document and adds nothing to it, and neither does a
        token with which a key would come again or a number go on too long: that one is not allowed from then on.

        Raises:
            EngineError: a token that the mask does not allow.
        """
        before = sum(self.lengths)
        rest = list(tokens)
        while rest and not self._ended:
            if rest[0] in self._compiler.vocabulary.eog and self._passage.can_stop:
                self._ended = True
                break
            rest = self._passage.take(rest)
            self.lengths[self._index] = len(self._passage.tokens)
            self._note_cut()
            if self._passage.is_over:
                self._go_on()
        return sum(self.lengths) - before

    def _go_on(self) -> None:
        if self._index + 1 < len(self._phases):
            self._enter(self._index + 1)
        else:
            self._ended = True

    def _enter(self, index: int) -> None:
        self._index = index
        phase, minimum = self._phases[index], self._minima[index]
        left = self._total - sum(self.lengths) - sum(self._minima[index + 1 :])
        if phase.budget is not None:
            left = max(min(left, phase.budget), minimum)
        self._passage = Passage(self._compiler, phase, self._compiled[index], left)

    def _note_cut(self) -> None:
        if self._passage.is_cut and self.phase not in self.cut:
            self.cut.append(self.phase)
