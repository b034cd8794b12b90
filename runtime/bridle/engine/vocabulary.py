"""A model's vocabulary: what every token spells, which tokens are markers, and the model's own way to tokenize.

Control tokens (`<|im_end|>` and the like) spell nothing: text that merely looks like one can never become one.
User-defined tokens (often `<think>`) are ordinary text that happens to be a single token.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class NativeTokenizer:
    """Addresses of llama.cpp's vocabulary and of its `llama_tokenize`, for native code that tokenizes by itself.

    They are valid for as long as the model is loaded.
    """

    vocabulary: int
    tokenize: int


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Token ids from 0 to `size - 1`.

    `pieces[id]` are the bytes a token stands for: its text, or its name if it is a control token.
    `tokenize(text, markers)` gives ids, of 32 bits each; with `markers`, control tokens named in the text become those
    tokens.
    """

    pieces: Sequence[bytes]
    control: frozenset[int]
    eog: frozenset[int]
    tokenize: Callable[[str, bool], array[int]] = field(repr=False)
    bos: int | None = None
    add_bos: bool = False
    native: NativeTokenizer | None = None

    @property
    def size(self) -> int:
        """How many tokens there are; the width of a row of logits."""
        return len(self.pieces)

    @cached_property
    def markers(self) -> dict[str, int]:
        """Control tokens by name, such as `<|im_end|>`."""
        return {self.pieces[token].decode("utf-8", "replace"): token for token in self.control if self.pieces[token]}

    def ending_with(self, names: Iterable[str]) -> Vocabulary:
        """The same vocabulary, where control tokens of these names end a generation too; others are not looked for."""
        more = {self.markers[name] for name in names if name in self.markers}
        return self if more <= self.eog else replace(self, eog=self.eog | more)

    @cached_property
    def bare(self) -> NDArray[np.int32]:
        """For each token, the one that spells the same without a space before it (or itself), shape (size,)."""
        ids = {piece: token for token, piece in enumerate(self.pieces) if token not in self.control}
        return np.array(
            [ids.get(piece[1:], token) if piece[:1] == b" " else token for token, piece in enumerate(self.pieces)],
            np.int32,
        )

    def spell(self, tokens: Iterable[int]) -> bytes:
        """The bytes that tokens add to a text; control tokens add none."""
        return b"".join(self.pieces[token] for token in tokens if token not in self.control)

    def text(self, tokens: Iterable[int]) -> str:
        """`spell`, as text; bytes that are not UTF-8 become U+FFFD."""
        return self.spell(tokens).decode("utf-8", "replace")
