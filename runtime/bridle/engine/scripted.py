"""An engine whose scores are scripted: for tests, of Bridle and of what is built on it.

Everything else is real: the scheduler, the masks, sampling, prefixes. A script is a function from the tokens so far
to a row of scores, or simply the texts to answer with, one per request. Where the mask allows it the script is
followed; where it does not, the mask wins, as with any model.

    >>> from bridle.engine import scripted
    >>> from bridle.engine.base import Request
    >>> engine = scripted.engine(["Hello!"])
    >>> vocabulary = engine.vocabulary
    >>> request = Request(vocabulary.tokenize("Say hello. ", False), max_tokens=20)
    >>> import asyncio
    >>> vocabulary.text(asyncio.run(engine.generate(request)).ids)
    'Hello!'
    >>> engine.close()
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from bridle.engine.base import Logits, Part
from bridle.engine.sample import exponentials
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary

Script = Callable[[Sequence[int]], Logits]
"""From the tokens of a sequence to the scores of the next one."""

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""The chat template of the scripted vocabulary."""

_CONTROL = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
_WORDS = (
    '"}',
    '"}}',
    '": "',
    '", "',
    '{"',
    "</",
    "<call",
    "tool",
    "args",
    "answer",
    "ask",
    "thinking",
    "true",
    "false",
    "null",
)


def vocabulary(words: Iterable[str] = _WORDS, names: Sequence[str] = _CONTROL) -> Vocabulary:
    """A small vocabulary: every byte, a few words, and chat markers; text is tokenized greedily, longest word first.

    `names` are those of the control tokens; the first ends a generation.
    """
    pieces = [name.encode() for name in names] + [bytes([byte]) for byte in range(256)] + [w.encode() for w in words]
    control = frozenset(range(len(names)))
    ids = {piece: token for token, piece in enumerate(pieces) if token not in control}
    markers = {name: token for token, name in enumerate(names)}
    longest = max(map(len, ids))

    def tokenize(text: str, with_markers: bool) -> array[int]:
        if with_markers:
            for name, token in markers.items():
                before, found, after = text.partition(name)
                if found:
                    return array("i", [*tokenize(before, True), token, *tokenize(after, True)])
        data, tokens, at = text.encode(), array("i"), 0
        while at < len(data):
            size = next(
                size for size in range(longest, 0, -1) if data[at : at + size] in ids and at + size <= len(data)
            )
            tokens.append(ids[data[at : at + size]])
            at += size
        return tokens

    return Vocabulary(pieces, control, frozenset({0}), tokenize)


@dataclass(frozen=True, eq=False)
class Cell:
    """One evaluated token; sequences that share a beginning share its cells."""

    token: int


class ScriptedBackend:
    """A `Backend` that remembers the tokens of each sequence and asks the script for scores.

    `decoded` counts the tokens evaluated by each call, for tests of what is evaluated when.
    """

    name = "scripted"
    exponentials = staticmethod(exponentials)
    metadata: Mapping[str, str] = MappingProxyType({"tokenizer.chat_template": TEMPLATE})

    def __init__(
        self,
        script: Script,
        vocabulary: Vocabulary,
        *,
        slots: int = 8,
        context: int = 8192,
        batch: int = 512,
        rewinds: bool = True,
    ) -> None:
        self.vocabulary, self.slots, self.batch, self.rewinds = vocabulary, slots, batch, rewinds
        self.context, self.cells = context, context * slots
        self.memory: list[list[Cell]] = [[] for _ in range(slots)]
        self.decoded: list[list[Part]] = []
        self._script = script

    def decode(self, parts: Sequence[Part]) -> list[Logits]:
        """See `Backend.decode`."""
        self.decoded.append(list(parts))
        rows: list[Logits] = []
        for part in parts:
            memory = self.memory[part.slot]
            assert part.start == len(memory), f"slot {part.slot} holds {len(memory)} tokens, not {part.start}"
            memory += [Cell(token) for token in part.tokens.tolist()]
            tokens = [cell.token for cell in memory]
            rows += [self._script(tokens[:end]) for end in range(len(tokens) - part.wanted + 1, len(tokens) + 1)]
        assert len({cell for memory in self.memory for cell in memory}) <= self.cells
        return rows

    def share(self, source: int, target: int, length: int) -> None:
        """See `Backend.share`."""
        assert not self.memory[target]
        assert self.rewinds or length == len(self.memory[source])
        self.memory[target] = self.memory[source][:length]

    def trim(self, slot: int, length: int) -> bool:
        """See `Backend.trim`."""
        kept = self.rewinds or length in (0, len(self.memory[slot]))
        del self.memory[slot][length if kept else 0 :]
        return kept

    def save(self, slot: int) -> bytearray:
        """See `Backend.save`."""
        return bytearray(json.dumps([cell.token for cell in self.memory[slot]]).encode())

    def restore(self, slot: int, state: bytearray) -> bool:
        """See `Backend.restore`."""
        assert not self.memory[slot]
        self.memory[slot] = [Cell(token) for token in json.loads(state)]
        return True

    def close(self) -> None:
        """See `Backend.close`."""


class Texts:
    """A script that answers each request with the next text, then ends its turn.

    A request is known by its prompt; within one, whatever stands behind the last control token is taken for said.
    """

    def __init__(self, texts: Iterable[str], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._ids = {
            vocabulary.pieces[token]: token for token in range(vocabulary.size) if token not in vocabulary.control
        }
        self._texts = [text.encode() for text in texts]
        self._starts: list[list[int]] = []
        """For each text begun, the tokens in sight when it was first due."""

    def __call__(self, tokens: Sequence[int]) -> Logits:
        """Scores that favour the next token of the text that is due."""
        row = np.zeros(self._vocabulary.size, np.float32)
        due = self._due(list(tokens))
        row[list(self._vocabulary.eog) if due is None else due] = 20.0
        return row

    def _due(self, tokens: list[int]) -> int | None:
        number = self._number(tokens)
        if number >= len(self._texts):
            return None
        text, said = self._texts[number], self._said(tokens)
        known = next((size for size in range(min(len(text), len(said)), 0, -1) if said.endswith(text[:size])), 0)
        if known == 0 and tokens != self._starts[number]:
            return None  # the mask led elsewhere
        rest = text[known:]
        return next((self._ids[rest[:size]] for size in range(len(rest), 0, -1) if rest[:size] in self._ids), None)

    def _number(self, tokens: list[int]) -> int:
        for number, start in reversed(list(enumerate(self._starts))):
            if tokens[: len(start)] == start and not self._vocabulary.control & set(tokens[len(start) :]):
                return number
        self._starts.append(tokens)
        return len(self._starts) - 1

    def _said(self, tokens: list[int]) -> bytes:
        ends = [place for place, token in enumerate(tokens) if token in self._vocabulary.control]
        return self._vocabulary.spell(tokens[ends[-1] + 1 :]) if ends else self._vocabulary.spell(tokens)


def engine(
    script: Script | Iterable[str],
    words: Vocabulary | None = None,
    *,
    slots: int = 8,
    context: int = 8192,
    deterministic: bool = False,
) -> EngineThread:
    """An engine with a script, or with texts to answer with in turn."""
    words = words or vocabulary()
    chosen = script if callable(script) else Texts(script, words)
    return EngineThread(ScriptedBackend(chosen, words, slots=slots, context=context), deterministic=deterministic)
