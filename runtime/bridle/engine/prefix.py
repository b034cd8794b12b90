"""What is already evaluated: token sequences that stay in the model's memory after their request has ended.

A new prompt begins where it parts from the longest of them. The steps of one session reuse one slot; another prompt
that shares a beginning (the system prompt, the tools) shares the evaluated cells. Least recently used slots give way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from bridle.engine.base import Backend


@dataclass(eq=False)
class Slot:
    """One sequence of the backend's memory. `reserved` cells are promised to the request that is using it."""

    id: int
    tokens: list[int] = field(default_factory=list[int])
    session: Hashable = None
    busy: bool = False
    reserved: int = 0
    used: int = 0

    @property
    def cells(self) -> int:
        """Cells it may take, counting shared ones as its own."""
        return max(len(self.tokens), self.reserved)


class Prefixes:
    """The slots of a backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._slots = [Slot(number) for number in range(backend.slots)]
        self._clock = count(1)

    def acquire(self, prompt: Sequence[int], session: Hashable, cells: int) -> Slot | None:
        """A slot for a prompt that will take `cells` in all, holding as much of it as is known; None if all are busy.

        At least one token of the prompt is left to evaluate, since a choice needs scores.
        """
        target = self._target(session)
        if target is None:
            return None
        wanted = np.fromiter(prompt, np.int64, len(prompt))
        lengths = {slot: min(_common(slot.tokens, wanted), len(prompt) - 1) for slot in self._slots}
        source = max(self._slots, key=lambda slot: (lengths[slot], slot is target))
        if not self._make_room(cells, target, keep=source) and not self._make_room(cells, target, keep=target):
            return None
        length = min(lengths[source], len(source.tokens))
        if source is target:
            self._trim(target, length)
        else:
            self._trim(target, 0)
            if length:
                self._backend.share(source.id, target.id, length)
                target.tokens = source.tokens[:length]
        target.busy, target.session, target.reserved, target.used = True, session, cells, next(self._clock)
        return target

    def release(self, slot: Slot, tokens: Sequence[int]) -> None:
        """The request is over; `tokens` are in memory and stay until the room is needed."""
        slot.busy, slot.reserved = False, 0
        slot.tokens = list(tokens)

    def drop(self, slot: Slot) -> None:
        """The request failed: nothing in the slot can be relied on."""
        slot.busy, slot.reserved = False, 0
        self._trim(slot, 0, force=True)

    def _target(self, session: Hashable) -> Slot | None:
        """The slot to use: the session's own, an empty one, or the one not used for longest."""
        idle = [slot for slot in self._slots if not slot.busy]
        own = [slot for slot in idle if session is not None and slot.session == session]
        return min(own or idle, key=lambda slot: (bool(slot.tokens), slot.used), default=None)

    def _make_room(self, cells: int, target: Slot, keep: Slot) -> bool:
        """Empty idle slots, oldest first, until `target` can have `cells` beside what the others hold."""
        others = [slot for slot in self._slots if slot is not target]
        idle = sorted((slot for slot in others if not slot.busy and slot is not keep), key=lambda slot: slot.used)
        while sum(slot.cells for slot in others) + cells > self._backend.cells:
            if not idle:
                return False
            self._trim(idle.pop(0), 0)
        return True

    def _trim(self, slot: Slot, length: int, *, force: bool = False) -> None:
        if length < len(slot.tokens) or force:
            kept = self._backend.trim(slot.id, length)
            slot.tokens = slot.tokens[:length] if kept else []


def _common(tokens: Sequence[int], wanted: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """How many tokens two sequences share from the start."""
    length = min(len(tokens), len(wanted))
    if not length or tokens[0] != wanted[0]:
        return 0
    differ = np.flatnonzero(np.fromiter(tokens[:length], np.int64, length) != wanted[:length])
    return int(differ[0]) if len(differ) else length
