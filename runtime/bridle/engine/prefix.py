"""What is already evaluated, and who may have it: one tree of token sequences in the model's memory.

A prompt begins where it parts from the nearest known sequence: the last step of its own run, what another run has
read, or what one is reading right now. Cells of a shared beginning are counted once, however many sequences stand on
them. Sequences whose request has ended stay until the room is needed; the least recently used ones go first.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from bridle.engine.archive import Archive
from bridle.engine.base import Backend, Tokens


class Stretch:
    """Cells that were evaluated by one sequence; those that share its beginning stand on them too."""


@dataclass(eq=False)
class Slot:
    """One sequence of the backend's memory: its first `length` tokens are evaluated.

    `chain` parts it into the stretches it stands on, with their ends; the last is its own, and grows.
    """

    id: int
    tokens: Tokens = field(default_factory=lambda: np.empty(0, np.int32))
    length: int = 0
    session: Hashable = None
    busy: bool = False
    reserved: int = 0
    """Cells promised to the request that is using it, shared ones included."""
    keep_at: int = 0
    """How many tokens it is to be put on disk with; 0 for never."""
    used: int = 0
    chain: list[tuple[Stretch, int]] = field(default_factory=list[tuple[Stretch, int]])

    @property
    def known(self) -> Tokens:
        """The tokens that are evaluated."""
        return self.tokens[: self.length]

    def standing(self, length: int) -> list[tuple[Stretch, int]]:
        """The chain of a sequence that begins with the first `length` tokens of this one."""
        chain: list[tuple[Stretch, int]] = []
        for stretch, end in self.chain:
            chain.append((stretch, min(end, length)))
            if end >= length:
                break
        return chain


class Prefixes:
    """The slots of a backend."""

    def __init__(self, backend: Backend, archive: Archive | None = None) -> None:
        self._backend = backend
        self._archive = archive
        self._slots = [Slot(number) for number in range(backend.slots)]
        self._clock = count(1)

    def acquire(self, prompt: Tokens, session: Hashable, cells: int, stable: int = 0) -> Slot | None:
        """A slot for a prompt that will take `cells` in all, holding as much of it as is known; None if all are busy.

        At least one token of the prompt is left to evaluate, since a choice needs scores. Of the first `stable` tokens
        a state on disk is taken if there is one.
        """
        target = self._target(prompt, session)
        if target is None:
            return None
        source, length = self.nearest(prompt, prefer=target)
        if not self._make_room(target, source, length, cells):
            source, length = target, self._usable(target, prompt)
            if not self._make_room(target, target, length, cells):
                return None
        if source is not target:
            self._cut(target, 0)
            if length:
                self._backend.share(source.id, target.id, length)
                target.chain, target.length = source.standing(length), length
        else:
            self._cut(target, length)
        target.chain.append((Stretch(), cells))
        if target.length < stable < len(prompt):
            self._load(target, prompt[:stable])
        target.busy, target.session, target.reserved, target.used = True, session, cells, next(self._clock)
        new = self._archive is not None and target.length < stable and self._archive.wants(prompt[:stable])
        target.keep_at = stable if new else 0
        return target

    def keep(self, slot: Slot) -> None:
        """Put the state of a slot on disk, if that is wanted of what is evaluated by now."""
        if self._archive is not None and 0 < slot.keep_at == slot.length and self._archive.wants(slot.known):
            self._archive.save(slot.known.copy(), self._backend.save(slot.id))

    def nearest(self, prompt: Tokens, prefer: Slot | None = None) -> tuple[Slot, int]:
        """The slot that holds most of a prompt's beginning, and how many tokens of it can be had."""
        lengths = {slot: self._usable(slot, prompt) for slot in self._slots}
        source = max(self._slots, key=lambda slot: (lengths[slot], slot is prefer))
        return source, lengths[source]

    def release(self, slot: Slot) -> None:
        """The request is over; its tokens stay in memory until the room is needed."""
        slot.busy, slot.reserved = False, 0
        slot.tokens = slot.known.copy()

    def drop(self, slot: Slot) -> None:
        """The request failed: nothing in the slot can be relied on."""
        slot.busy, slot.reserved = False, 0
        slot.length = max(slot.length, 1)
        self._cut(slot, 0)

    def clear(self) -> None:
        """Forget what no request is using."""
        for slot in self._slots:
            if not slot.busy:
                self._cut(slot, 0)

    def cells(self) -> int:
        """Cells in use or promised, shared ones counted once."""
        return self._cells(self._slots)

    def _usable(self, slot: Slot, prompt: Tokens) -> int:
        length = min(common(slot.known, prompt), len(prompt) - 1)
        return length if self._backend.rewinds or length == slot.length else 0

    def _load(self, slot: Slot, tokens: Tokens) -> None:
        archive = self._archive
        if archive is not None and (state := archive.load(tokens)) is not None:
            if slot.length:
                self._backend.trim(slot.id, 0)
            restored = self._backend.restore(slot.id, state)
            slot.length, slot.chain = len(tokens) if restored else 0, slot.chain[-1:]
            if not restored:
                archive.discard(tokens)

    def _target(self, prompt: Tokens, session: Hashable) -> Slot | None:
        """The slot to use: one of the session's that the prompt goes on from, at least from half of it; an empty one;
        the session's with the least to lose; the one not used for longest. A question beside a conversation leaves the
        conversation where it is.
        """
        idle = [slot for slot in self._slots if not slot.busy]
        lost = {
            slot: slot.length - common(slot.known, prompt)
            for slot in idle
            if session is not None and slot.session == session
        }
        own = min(lost, key=lambda slot: lost[slot], default=None)
        if own is not None and 2 * lost[own] <= own.length:
            return own
        spare = min(idle, key=lambda slot: (slot.length > 0, slot.used), default=None)
        return own if own is not None and (spare is None or spare.length) else spare

    def _make_room(self, target: Slot, source: Slot, length: int, cells: int) -> bool:
        """Empty idle slots, oldest first, until `target` can have `cells`, `length` of them shared with `source`."""
        planned = Slot(-1, reserved=cells, chain=[*source.standing(length), (Stretch(), cells)])
        others = [slot for slot in self._slots if slot is not target]
        idle = sorted((slot for slot in others if not slot.busy and slot is not source), key=lambda slot: slot.used)
        while self._cells([*others, planned]) > self._backend.cells:
            while idle and not idle[0].length:
                idle.pop(0)
            if not idle:
                return False
            self._cut(idle.pop(0), 0)
        return True

    def _cells(self, slots: list[Slot]) -> int:
        held: dict[Stretch, int] = {}
        for slot in slots:
            start, whole = 0, max(slot.length, slot.reserved)
            for number, (stretch, end) in enumerate(slot.chain):
                end = whole if number == len(slot.chain) - 1 and slot.reserved else min(end, whole)
                held[stretch] = max(held.get(stretch, 0), end - start)
                start = end
        return sum(held.values())

    def _cut(self, slot: Slot, length: int) -> None:
        if length < slot.length:
            kept = self._backend.trim(slot.id, length)
            slot.length = length if kept else 0
        slot.chain = slot.standing(slot.length) if slot.length else []


def common(first: Tokens, second: Tokens) -> int:
    """How many tokens two sequences share from the start."""
    length = min(len(first), len(second))
    if not length or first[0] != second[0]:
        return 0
    differ = np.flatnonzero(first[:length] != second[:length])
    return int(differ[0]) if len(differ) else length
