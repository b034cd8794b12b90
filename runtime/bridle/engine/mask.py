"""What the engine needs of a constraint, and how it reads one.

A mask is a row of bits, one per token of the vocabulary, packed into 32-bit words with the lowest token in the lowest
bit (the layout that llguidance and xgrammar share). The engine knows no grammar: whatever keeps this protocol can
hold a sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.uint32]
"""Shape (..., ceil(vocabulary / 32))."""


class Mask(Protocol):
    """A constraint on one sequence, in step with its output.

    The engine alternates: take what is `forced`, else `fill` a row and choose among what it allows; then `advance`.
    """

    def forced(self) -> list[int]:
        """The tokens that must come next, spelled as the tokenizer would; empty where there is a choice.

        They are part of the output once returned to `advance`.
        """
        ...

    def fill(self, row: Bits) -> None:
        """Write the tokens that may come next into `row`; end-of-generation tokens where the text may end."""
        ...

    def advance(self, tokens: Sequence[int]) -> int:
        """Add tokens to the text; returns by how many tokens the text grew.

        Less than `len(tokens)` (even negative) when the mask takes tokens back because the document could not be
        finished within its budget otherwise; `forced` then says how it goes on. None at all when the first of them
        turns out not to be allowed; it is closed from then on, and something else has to be chosen.
        """
        ...

    def accepts(self, tokens: Sequence[int]) -> int:
        """How many of these may follow each other from here; nothing is taken."""
        ...

    @property
    def finished(self) -> bool:
        """The document is whole, and nothing may follow."""
        ...

    @property
    def together(self) -> Together | None:
        """What fills the rows of several masks in parallel: of all those that have the same one."""
        ...


Together: TypeAlias = Callable[[Sequence[Mask], Bits], None]
"""Takes masks and their rows, shape (masks, words), and fills each row as `Mask.fill` would."""


def allocate(size: int, *rows: int) -> Bits:
    """A row for a vocabulary of `size` tokens, or so many rows; nothing allowed."""
    return np.zeros((*rows, (size + 31) // 32), np.uint32)


def allows(row: Bits, token: int) -> bool:
    """Whether one token is allowed."""
    return bool(int(row[token >> 5]) >> (token & 31) & 1)


def count(row: Bits) -> int:
    """How many tokens are allowed."""
    return int(np.bitwise_count(row).sum())


def tokens_of(row: Bits) -> NDArray[np.intp]:
    """The allowed tokens, ascending; cost grows with how many there are, not with the vocabulary."""
    words = np.flatnonzero(row)
    bits = np.unpackbits(row[words].view(np.uint8), bitorder="little").reshape(-1, 32)
    word, bit = np.nonzero(bits)
    return words[word] * 32 + bit
