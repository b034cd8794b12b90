"""One phase of a document under way: what may come next, and a way to its end that fits the budget, held in reserve.

The way is looked for anew the more often, the less room there is beside it; when none fits any more, the phase turns
back to where the reserve was found and follows it. So a phase that can be finished at all always is. A text that says
the same over and over is brought to its end as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bridle.engine.mask import Bits
from bridle.errors import EngineError
from bridle.grammar.compile import Compiled, Compiler, reason
from bridle.grammar.shortest import shortest
from bridle.grammar.watch import Watch, XmlWatch

SLACK = 48
"""Tokens, beyond twice the shortest document, from which a way to the end that is not found counts as none."""
CHECKPOINT = 256
"""Tokens between two looks at the way to the end, at most: no more than these are ever taken back."""
AGAIN = 16
"""Tokens until it is looked for again where it was not found."""
CLOSENESS = 4
"""One look for every 1/4 of the room beside the way: near the limit, one a token."""
LOOP = 96
"""Tokens of text that say the same over and over after which a document is brought to its end."""
PERIOD = 16
"""Tokens of what is said over and over, at most."""
_FULL_STOPS = tuple(mark.encode() for mark in "。！？")
"""Ends of sentences that no space follows."""
EFFORT = 1_000
"""How hard a way to the end is looked for in the middle of a document."""


@dataclass(frozen=True)
class Phase:
    """One part of a document: a grammar in llguidance's Lark, and the most tokens it may take (None: what is left).

    `tail` is a text that ends the phase from almost anywhere in it, such as the marker after free text. `json`: it is
    JSON as a whole, and its objects have each key once. `soft`: so many tokens before it has to end it is ended where
    its text pauses, if it does.
    """

    name: str
    grammar: str
    budget: int | None = None
    tail: str = ""
    json: bool = False
    soft: int = 0


class Passage:
    """A phase of which `left` tokens may still be made."""

    def __init__(self, compiler: Compiler, phase: Phase, compiled: Compiled, left: int) -> None:
        self._compiler = compiler
        self._phase = phase
        self._compiled = compiled
        self.matcher = compiled.start.deep_copy()
        """Where it stands."""
        self.tokens: list[int] = []
        """Those that were taken."""
        self.is_cut = False
        """It was brought to its end: the budget ran out, or it went round in circles."""
        minimum = len(compiled.minimum or ())
        self._left = left
        self._reserve = compiled.minimum
        self._reserve_at = 0
        self._look_at = self._next_look(minimum)
        self._loop_at = LOOP
        self._plan: list[int] | None = None
        self._soft = min(phase.soft, left // 4)
        self._paused_at = 0
        self._watch = 2 * minimum + SLACK
        watch = compiled.watch
        is_watched = watch is not None and (phase.json or isinstance(watch, XmlWatch))
        self._watches: list[Watch] | None = [watch] if watch is not None and is_watched else None
        self._barred: set[int] = set()

    @property
    def is_plain(self) -> bool:
        """Its mask is the matcher's, and nothing else is to be seen to."""
        return not self._barred

    @property
    def is_over(self) -> bool:
        """Nothing more of it may come."""
        done = self._plan == [] or (self._left <= 0 and self.matcher.is_accepting())
        return done or bool(self.matcher.is_stopped())

    @property
    def can_stop(self) -> bool:
        """It is whole as it is."""
        return bool(self.matcher.is_accepting())

    def forced(self) -> list[int]:
        """See `Mask.forced`."""
        if self._plan:
            return list(self._plan)
        forced = self.matcher.compute_ff_tokens()
        return [] if forced and forced[0] in self._barred else forced

    def fill(self, row: Bits) -> None:
        """See `Mask.fill`.

        Raises:
            EngineError: its grammar grew too large, and no way to the end is found.
        """
        self._compute(row)
        for token in self._barred:
            row[token >> 5] &= ~np.uint32(1 << (token & 31))
        if self._barred and not row.any():  # a key that has to come again: reading the document will tell
            self._barred, self._watches = set(), None
            self._compute(row)

    def accepts(self, tokens: Sequence[int]) -> int:
        """See `Mask.accepts`."""
        if tokens and tokens[0] in self._barred:
            return 0
        return self.matcher.validate_tokens(list(tokens[: self._left]))

    def take(self, tokens: list[int]) -> list[int]:
        """Take tokens up to its end, and return the rest; none where one of them is not allowed any more.

        Raises:
            EngineError: a token that the mask does not allow.
        """
        tokens = self._up_to_barred(tokens)
        if not tokens:
            return []
        if self._soft and self._plan is None and self._pauses_before(tokens[0]):
            self._cut(self._compiled.tail)
            return []
        taken = self.matcher.try_consume_tokens(tokens)
        if not taken:  # its lexer may have met a limit, which it does not always tell
            self._renew()
            taken = self.matcher.try_consume_tokens(tokens)
        if not taken:
            piece = self._compiler.vocabulary.pieces[tokens[0]]
            raise EngineError(f"token {tokens[0]} ({piece!r}) breaks the grammar of the {self._phase.name}")
        self.tokens += tokens[:taken]
        if self._watches is not None:
            del self._watches[len(self.tokens) + 1 :]
        self._left -= taken
        if self._plan is not None:
            self._plan = self._plan[taken:]
        else:
            if len(self.tokens) >= self._loop_at and self._loops():
                self._stop_here()
            if self._plan is None and len(self.tokens) >= self._look_at and not self._can_end():
                self._turn_back()
        return tokens[taken:]

    def _compute(self, row: Bits) -> None:
        """Fill a row by the matcher, whose lexer can grow beyond a limit of llguidance: what it built for other
        documents counts, so it begins anew. If this document alone is too much, it is brought to its end.

        Raises:
            EngineError: no way to the end is found either.
        """
        self.matcher.unsafe_compute_mask_ptr(row.ctypes.data, row.nbytes)
        if not self.matcher.is_error():
            return
        self._renew()
        self.matcher.unsafe_compute_mask_ptr(row.ctypes.data, row.nbytes)
        if not self.matcher.is_error():
            return
        why = reason(self.matcher.get_error())
        self._renew()
        self._stop_here()
        if self._plan is None:
            raise EngineError(f"the grammar of the {self._phase.name} grew too large: {why}")
        row[:] = 0
        for token in self._plan[:1] or self._compiler.vocabulary.eog:
            row[token >> 5] |= np.uint32(1 << (token & 31))

    def _renew(self) -> None:
        """The same place of the document, with a lexer that has built nothing yet."""
        self._compiled = self._compiler.renew(self._phase.grammar, self._compiled)
        self.matcher = self._compiled.start.deep_copy()
        self.matcher.consume_tokens(self.tokens)

    @property
    def _watching(self) -> Watch | None:
        """What the text has by now, where it has to be watched."""
        return self._watches[-1] if self._watches is not None else None

    def _up_to_barred(self, tokens: list[int]) -> list[int]:
        """The tokens up to one with which a key would come again or a number go on too long; that one is barred."""
        if self._watches is None:
            return tokens
        for number, token in enumerate(tokens):
            state = self._watches[-1].feed(self._compiler.vocabulary.pieces[token])
            if state is None and self._plan is None:
                self._barred.add(token)
                return tokens[:number]
            self._barred.clear()
            self._watches.append(state or self._watches[-1])
        return tokens

    def _next_look(self, way: int) -> int:
        """The length at which to look for a way to the end again, when one of `way` tokens is known."""
        return len(self.tokens) + max(1, min((self._left - way) // CLOSENESS, CHECKPOINT))

    def _can_end(self) -> bool:
        """Find a way to the end from here that fits what is left, and keep it in reserve; False if there is none.

        Far from the limit a way that is not found proves nothing: the older reserve stays.
        """
        if self._reserve is None:
            return True  # no way was ever found: the form promises no end
        since = len(self.tokens) - self._reserve_at
        places = range(len(self._reserve) + 1)
        if (rest := self._begun()) is not None:  # a marker begun is completed, or all of it taken back
            known = self._compiler.vocabulary.tokenize(rest, True).tolist()
            if len(known) <= self._left and self._leads_to_end(known):
                return self._hold(known)
            self._look_at = len(self.tokens) + 1
            return self._left > 0
        for place in sorted(places, key=lambda place: abs(place - since)):  # what is still due is often an end of it
            known = self._reserve[place:]
            if len(known) <= self._left and self._leads_to_end(known):
                return self._hold(known)
        tail = self._compiled.tail
        found = shortest(self.matcher, self._compiler.closers, tail, self._left, EFFORT, self._watching)
        if found is not None and len(found) <= self._left:
            return self._hold(found)
        self._look_at = len(self.tokens) + AGAIN
        return self._left > self._watch

    def _hold(self, way: list[int]) -> bool:
        self._reserve, self._reserve_at = way, len(self.tokens)
        self._look_at = self._next_look(len(way))
        return True

    def _leads_to_end(self, way: list[int]) -> bool:
        if self.matcher.validate_tokens(way) != len(way):
            return False
        if (known := self._watching) is not None and known.feed(self._compiler.vocabulary.spell(way)) is None:
            return False
        walker = self.matcher.deep_copy()
        return walker.consume_tokens(way) and walker.is_accepting()

    def _turn_back(self) -> None:
        """Back to where the reserve leads to the end, or the text paused, and along it."""
        if self._paused_at:
            self._reserve, self._reserve_at = self._compiled.tail, self._paused_at
        back = len(self.tokens) - self._reserve_at
        self.matcher.rollback(back)
        del self.tokens[self._reserve_at :]
        if self._watches is not None:
            del self._watches[self._reserve_at + 1 :]
        self._left += back
        self._cut(list(self._reserve or ()))

    def _loops(self) -> bool:
        """Whether a text says the same over and over; numbers may. Small models do until their tokens run out."""
        self._loop_at = len(self.tokens) + PERIOD
        last = self.tokens[-LOOP:]
        period = next((it for it in range(1, PERIOD + 1) if last[it:] == last[:-it]), 0)
        said = b"".join(self._compiler.vocabulary.pieces[token] for token in last[:period])
        if not period or any(byte in b"0123456789" for byte in said):
            return False
        return any(self.matcher.validate_tokens([letter]) for letter in self._compiler.closers.letters)

    def _pauses_before(self, token: int) -> bool:
        """Whether the phase is to end before this token: it is near its end, and its text pauses after a line or, still
        nearer, after a sentence. A pause after a word is remembered: there it is cut if no better one comes.
        """
        tail, piece = self._compiled.tail, self._compiler.vocabulary.pieces[token]
        room = self._left - len(tail)
        if not 0 <= room <= self._soft or token in self._compiler.vocabulary.control:
            return False
        if piece.strip() and self._phase.tail.strip().encode().startswith(piece.strip()):
            return False  # it ends by itself
        rank = pause(self._compiler.vocabulary.spell(self.tokens[-PERIOD:]), piece)
        if rank == 0 or self._begun() is not None or not self._leads_to_end(tail):
            return False
        self._paused_at = len(self.tokens)
        return room <= (0, 0, self._soft // 2, self._soft)[rank]

    def _begun(self) -> str | None:
        """What is missing of a tail that the text has begun to spell; None if it has not."""
        tail = self._phase.tail
        marker = tail.strip()
        said = self._compiler.vocabulary.spell(self.tokens[-len(marker) :]) if marker else b""
        sizes = (size for size in range(len(marker) - 1, 0, -1) if said.endswith(marker[:size].encode()))
        size = next(sizes, None)
        return None if size is None else tail[tail.index(marker) + size :]

    def _stop_here(self) -> None:
        """To the end from here, if a way is found."""
        tail = self._compiled.tail
        found = shortest(self.matcher, self._compiler.closers, tail, self._left, EFFORT, self._watching)
        if found is not None and len(found) <= self._left:
            self._cut(found)

    def _cut(self, way: list[int]) -> None:
        self._plan = way
        self.is_cut = True


def pause(said: bytes, piece: bytes) -> int:
    """How good a place the one between a text and its next piece is to stop: 3 after a line, 2 after a sentence, 1
    after a word, 0 inside of one."""
    if said.endswith(b"\n"):
        return 3
    if said.rstrip(b"\"')]*_").endswith(_FULL_STOPS):
        return 2
    begins = piece[:1].isspace() or not piece
    if begins and said.rstrip(b"\"')]*_").endswith((b".", b"!", b"?", b":")):
        return 2
    return int(begins)
