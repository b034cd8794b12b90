"""Grammar text becomes a mask over one model's vocabulary.

The text is llguidance's dialect of Lark, the parser is llguidance (Moskal et al., 2024: a lexer of regex derivatives
below an Earley parser). It never raises: every error state is read here and turned into an exception.
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Protocol, cast

import llguidance

from bridle.engine.mask import Bits, Mask
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import GrammarError
from bridle.grammar.shortest import Closers, shortest
from bridle.grammar.watch import ONCE, JsonWatch, Watch, XmlWatch, needs_watch

ENOUGH = 4
"""Cores from which masks computed in parallel pay; on two they were slower (`benchmarks/RESULTS.md`)."""
CACHE_SIZE = 128
"""Compiled grammars kept per vocabulary."""
MORE = llguidance.LLParserLimits(initial_lexer_fuel=20_000_000, step_lexer_fuel=2_000_000)
"""What the lexer of a grammar may build that has met llguidance's own limits (1,000,000 before the first mask, 200,000
for each): counting words takes much of it. Where nothing is left it refuses tokens that are right."""


class Compiler:
    """Compiles grammars for one vocabulary; building one costs about a second per 150,000 tokens.

    Safe to use from several threads. `cores` are those for masks; all of the machine if not given.
    """

    def __init__(self, vocabulary: Vocabulary, cores: int | None = None) -> None:
        self.cores = len(os.sched_getaffinity(0)) if cores is None else cores
        self.vocabulary = vocabulary
        self.tokenizer = build_tokenizer(vocabulary)
        self.closers = Closers.of(vocabulary)
        self._cache: OrderedDict[str, Compiled] = OrderedDict()
        self._executor: llguidance.LLExecutor | None = None
        self._lock = Lock()

    def compile(self, grammar: str, tail: str = "") -> Compiled:
        """Compile a grammar, or find it compiled before. `tail`: a text that ends its documents, if there is one.

        Raises:
            GrammarError: llguidance refuses the grammar; the message is its own.
        """
        with self._lock:
            found = self._cache.get(grammar)
            if found is None:
                matcher = self._matcher(grammar)
                ending = self.vocabulary.tokenize(tail, True).tolist() if tail else []
                watch = XmlWatch() if ONCE in grammar.splitlines() else JsonWatch() if needs_watch(grammar) else None
                minimum = shortest(matcher, self.closers, ending, watch=watch)
                found = Compiled(matcher, ending, minimum, watch)
                self._cache[grammar] = found
                if len(self._cache) > CACHE_SIZE:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(grammar)
            return found

    def renew(self, grammar: str, compiled: Compiled) -> Compiled:
        """A grammar that was compiled before, with a lexer that has built nothing yet, and may build more."""
        with self._lock:
            fresh = replace(compiled, start=self._matcher(grammar, MORE))
            if grammar in self._cache:
                self._cache[grammar] = fresh
            return fresh

    def together(self, masks: Sequence[Mask], rows: Bits) -> None:
        """Fill the rows of several documents of this compiler, a core each: see `Mask.together`."""
        if self._executor is None:
            self._executor = llguidance.LLExecutor(self.cores)
        standing = [(mask.matcher, row) for row, mask in enumerate(cast("Sequence[_Standing]", masks))]
        self._executor.unsafe_compute_mask_ptr(standing, rows.ctypes.data, rows.strides[0], len(rows))
        for mask, (matcher, row) in zip(masks, standing, strict=True):
            if matcher.is_error():
                mask.fill(rows[row])

    def check(self, grammar: str) -> str:
        """Why a grammar cannot be compiled; the empty string if it can."""
        try:
            self._matcher(grammar)
        except GrammarError as error:
            return error.message
        return ""

    def _matcher(self, grammar: str, limits: llguidance.LLParserLimits | None = None) -> llguidance.LLMatcher:
        text = llguidance.LLMatcher.grammar_from_lark(grammar)
        matcher = llguidance.LLMatcher(self.tokenizer, text, log_level=0, limits=limits)
        if matcher.is_error():
            raise GrammarError(f"the grammar cannot be compiled: {reason(matcher.get_error())}")
        return matcher


@dataclass(frozen=True)
class Compiled:
    """A grammar over a vocabulary: a matcher at its start (copy it before use), the tokens of its tail, and the
    shortest document known (None if none was found: such a document may not end within its budget), and what watches
    beside the matcher, if something has to."""

    start: llguidance.LLMatcher
    tail: list[int]
    minimum: list[int] | None
    watch: Watch | None = None


class _Standing(Protocol):
    @property
    def matcher(self) -> llguidance.LLMatcher: ...


def build_tokenizer(vocabulary: Vocabulary) -> llguidance.LLTokenizer:
    """llguidance's view of a vocabulary: control tokens marked with 0xFF, every end-of-generation token an end."""
    tokens = [
        b"\xff" + piece if token in vocabulary.control else piece for token, piece in enumerate(vocabulary.pieces)
    ]
    ends = sorted(vocabulary.eog)
    if vocabulary.native is not None:
        return llguidance.LLTokenizer.from_llamacpp(  # type: ignore[attr-defined]  # missing from the stub
            tokens=tokens,
            vocab_ptr=vocabulary.native.vocabulary,
            tokenize_fptr=vocabulary.native.tokenize,
            eos_token=ends,
            slices=None,
        )
    return llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Wrapped(vocabulary, tokens)), eos_token=ends)


class _Wrapped:
    """A vocabulary in the shape that llguidance's `TokenizerWrapper` reads."""

    def __init__(self, vocabulary: Vocabulary, tokens: list[bytes]) -> None:
        self.eos_token_id = min(vocabulary.eog)
        self.bos_token_id = vocabulary.bos
        self.tokens = tokens
        self.special_token_ids = sorted(vocabulary.control)
        self._tokenize = vocabulary.tokenize

    def __call__(self, text: str) -> list[int]:
        if isinstance(text, bytes):  # the wrapper probes whether bytes are taken; str keeps to whole characters
            raise TypeError
        return self._tokenize(text, False).tolist()


def literal(text: str, vocabulary: Vocabulary | None = None) -> str:
    """Lark for a fixed text; names of control tokens in it become those tokens.

    >>> literal('say "hi"')
    '"say \\\\"hi\\\\""'
    """
    markers = vocabulary.markers if vocabulary else {}
    for name, token in markers.items():
        if name in text:
            before, _, after = text.partition(name)
            parts = [literal(part, vocabulary) for part in (before, after) if part]
            parts.insert(1 if before else 0, f"<[{token}]>")
            return " ".join(parts)
    return json.dumps(text, ensure_ascii=False)


def reason(message: str) -> str:
    """The part of an llguidance message that a person can use."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    detail = next((line for line in lines if line.startswith("error: ")), "")
    head = re.sub(r"^at \d+\(\d+\): (failed to compile JSON schema: )?", "", lines[0]) if lines else "no reason given"
    return f"{head} {detail.removeprefix('error: ')}".strip()
