"""A short way to end a document, from wherever it stands.

A step ends as a whole document inside its token budget (law 1) because some way to its end is known and kept in
reserve. llguidance has no such call, so the way is searched with the matcher itself: follow what is forced; else take
a token that closes something; where nothing can be closed yet (a pattern, a minimum length, a multiple), search
best-first over single characters until something can. Every way returned has been accepted by the matcher.

States are told apart by asking which characters they allow, token by token: a mask over the whole vocabulary can
take milliseconds inside a pattern, one question takes a microsecond. Inside text a quote or an angle bracket may be
just a character, so there a closer counts only if the text is over after it. The search is a heuristic: it may miss
the very shortest way and, on odd patterns, any way at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import llguidance

from bridle.engine.vocabulary import Vocabulary
from bridle.grammar.watch import Watch

WALK_LIMIT = 16_384
"""Tokens after which a way is given up."""
STATES = 2_000
"""States searched at one place before a stretch of text is tried; each costs about 0.1 ms."""
EFFORT = 4_000
"""States searched on one way before it is given up, if not said."""
STRETCHES = 4
"""Stretches of text tried before a place is given up."""
RUN = 40
"""Times that one character is repeated before anything else is tried."""


@dataclass(frozen=True, eq=False)
class Closers:
    """The tokens of a vocabulary that tend to end things, best first, and those a search tries."""

    brackets: Sequence[int]
    quotes: Sequence[int]
    tags: Sequence[int]
    commas: Sequence[int]
    markers: Sequence[int]
    letters: Sequence[int]
    characters: Sequence[int]
    digits: Sequence[int]
    words: Sequence[int]
    escapes: Sequence[int]
    """A backslash: what may follow it looks like the end of a text, and is not."""
    pieces: Sequence[bytes]
    """What every token spells."""

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Closers:
        """Read them off a vocabulary."""
        pieces = vocabulary.pieces
        plain = [token for token in range(vocabulary.size) if pieces[token] and token not in vocabulary.control]
        closing = sorted((t for t in plain if not pieces[t].strip(b'"]}')), key=lambda t: -len(pieces[t]))
        tags = sorted((t for t in plain if pieces[t].startswith(b"</")), key=lambda t: len(pieces[t]))[:8]
        single = {pieces[token]: token for token in plain if len(pieces[token]) == 1}
        common = b"aA0-_./:@#+ ,;x" + bytes(range(32, 127)) + b"\n\t" + bytes(range(128, 256))
        characters = [single[bytes([byte])] for byte in dict.fromkeys(common) if bytes([byte]) in single]
        words = sorted((t for t in plain if pieces[t].isalnum() and pieces[t].isascii()), key=lambda t: -len(pieces[t]))
        return cls(
            brackets=[t for t in closing if pieces[t][:1] != b'"'] + _spelled(pieces, plain, b"[]", b"{}"),
            quotes=[t for t in closing if pieces[t][:1] == b'"'],
            tags=[*tags, *_spelled(pieces, plain, b"<")],
            commas=_spelled(pieces, plain, b', "', b", ", b","),
            markers=sorted(vocabulary.control - vocabulary.eog)[:64],
            letters=_spelled(pieces, plain, b"q", b"Z", b"~"),
            characters=characters,
            digits=_spelled(pieces, plain, *(str(n).encode() for n in range(10))),
            words=words[:: max(1, len(words) // 200)][:60],
            escapes=_spelled(pieces, plain, b"\\"),
            pieces=pieces,
        )


def shortest(
    matcher: llguidance.LLMatcher,
    closers: Closers,
    tail: Sequence[int] = (),
    limit: int = WALK_LIMIT,
    effort: int = EFFORT,
    watch: Watch | None = None,
) -> list[int] | None:
    """Tokens that end the document from the matcher's state (which is left as it is), or None if none were found.

    At most `limit` tokens; the empty list where the document may end right here. `tail` are tokens that end it from
    almost anywhere, if there are such: free text up to a marker looks endless from inside. `effort` bounds the search.
    `watch` knows what the text has by now: no key comes again, no number goes on too long.
    """
    return _Way(closers, tail, effort).find(matcher, limit, watch)


class _Way:
    def __init__(self, closers: Closers, tail: Sequence[int], effort: int) -> None:
        self._closers = closers
        self._tail = list(tail)
        self._effort = effort

    def find(self, matcher: llguidance.LLMatcher, limit: int, watch: Watch | None) -> list[int] | None:
        walker = matcher.deep_copy()
        way: list[int] = []
        while len(way) <= limit:
            if walker.is_accepting():
                return way
            step = walker.compute_ff_tokens() or self._close(walker) or self._escape(walker, limit - len(way))
            if watch is not None:
                step, watch = self._permitted(walker, step, watch)
            if not step or not walker.consume_tokens(step):
                return None
            way += step
        return None

    def _permitted(self, walker: llguidance.LLMatcher, step: list[int], watch: Watch) -> tuple[list[int], Watch | None]:
        """The step and what is watched after it; another character instead where a key would come again."""
        after = watch.feed(b"".join(self._closers.pieces[token] for token in step))
        if after is not None:
            return step, after
        characters, known = self._closers.characters, len(watch.open[-1] or ()) if watch.open else 0
        known %= max(1, min(len(characters), 60))
        for token in (*characters[known:], *characters[:known]):
            if walker.validate_tokens([token]) and (after := watch.feed(self._closers.pieces[token])) is not None:
                return [token], after
        return step, None

    def _close(self, walker: llguidance.LLMatcher) -> list[int]:
        """Tokens that close something here, if there are any."""
        closers, tail = self._closers, self._tail
        if tail and walker.validate_tokens(tail) == len(tail):
            return tail.copy()
        in_text = _first(walker, closers.letters) is not None
        if not in_text:
            for family in (closers.brackets, closers.commas):
                if (token := _first(walker, family)) is not None:
                    return [token]
        for family in (closers.quotes, closers.tags, closers.markers):
            token = _first(walker, family)
            if token is not None and self._leaves_text(walker, token):
                return [token]
        if not in_text and (token := _first(walker, closers.quotes[-1:])) is not None:
            return [token]  # a string begins
        return []

    def _leaves_text(self, walker: llguidance.LLMatcher, token: int) -> bool:
        child = walker.deep_copy()
        if not child.consume_token(token):
            return False
        return child.is_accepting() or _first(child, self._closers.letters) is None or bool(child.compute_ff_tokens())

    def _over(self, walker: llguidance.LLMatcher) -> bool:
        """Whether something is forced or can be closed here."""
        return walker.is_accepting() or bool(walker.compute_ff_tokens()) or bool(self._close(walker))

    def _escape(self, start: llguidance.LLMatcher, limit: int) -> list[int]:
        """Few tokens after which something is forced or can be closed; long words where none is near; and in the end
        the same up to the limit, for what is owed may be a great length."""
        closers, prefix = self._closers, list[int]()
        run = self._run(start, RUN)
        walker = start.deep_copy()
        for stretch in range(STRETCHES):
            for characters in (closers.characters, closers.digits):
                if found := self._search(walker, characters, STATES // (10 if run else 1)):
                    return min(prefix + found, run or prefix + found, key=len)
            if run or self._effort <= 0:
                break
            for _ in range(8 * 4**stretch):
                word = _first(walker, closers.words)
                word = _first(walker, closers.characters) if word is None else word
                if word is None or not walker.consume_token(word):
                    return self._run(start, limit)
                prefix.append(word)
        return run or self._run(start, limit)

    def _run(self, start: llguidance.LLMatcher, most: int) -> list[int]:
        """The same over and over, at most so often: what is owed is often just a length, or digits around anything."""
        closers, runs = self._closers, list[list[int]]()
        single = [[token] for token in (*closers.digits[:2], *closers.characters[:2])]
        for family in ([*closers.words[::20], *closers.digits[:1], *closers.characters[:1]], *single):
            walker, run = start.deep_copy(), list[int]()
            while len(run) < most and (token := _first(walker, family)) is not None and walker.consume_token(token):
                run.append(token)
                if self._over(walker):
                    runs.append(run)
                    most = len(run)
                    break
        return min(runs, key=len) if runs else []

    def _search(self, start: llguidance.LLMatcher, characters: Sequence[int], most: int) -> list[int]:
        """Best-first over characters, fewest idle ones first: a character is idle if the state looks the same after.

        Characters that lead to states of one look are taken for alike, save digits, which look alike but count.
        """
        closers, order = self._closers, count()
        queue = [(0, 0, next(order), start, tuple(_all(start, closers.characters)), list[int]())]
        least = self._effort - min(most, self._effort)
        while queue and self._effort > least:
            idle, depth, _, state, look, path = heappop(queue)
            alike = set[tuple[int, ...]]()
            tried = look if characters is closers.characters else _all(state, characters)
            for token in (token for token in tried if token not in closers.escapes or len(tried) == 1):
                child = state.deep_copy()
                self._effort -= 1
                child.consume_token(token)
                if self._over(child):
                    return [*path, token]
                child_look = tuple(_all(child, closers.characters))
                if characters is closers.digits or child_look not in alike:
                    alike.add(child_look)
                    entry = (idle + (child_look == look), depth + 1, next(order), child, child_look, [*path, token])
                    heappush(queue, entry)
        return []


def _first(matcher: llguidance.LLMatcher, tokens: Iterable[int]) -> int | None:
    """The first of `tokens` that may come next."""
    return next((token for token in tokens if matcher.validate_tokens([token])), None)


def _all(matcher: llguidance.LLMatcher, tokens: Iterable[int]) -> list[int]:
    """Those of `tokens` that may come next."""
    return [token for token in tokens if matcher.validate_tokens([token])]


def _spelled(pieces: Sequence[bytes], among: Sequence[int], *texts: bytes) -> list[int]:
    """The tokens that spell the texts, in their order; texts without a token of their own are left out."""
    found = {pieces[token]: token for token in among if pieces[token] in texts}
    return [found[text] for text in texts if text in found]
