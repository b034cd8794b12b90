"""Ends of a process, as far as one test can have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridle.journal import CallIntended, Event, Journal
from bridle.journal.event import Body


class Crash(BaseException):
    """The process is gone."""


class Cut(Journal):
    """A journal that crashes behind a write."""

    def __init__(self, path: Path, left: int) -> None:
        super().__init__(path)
        self.left = left

    def append(self, run: str, body: Body, **how: Any) -> Event:
        if self.left == 0:  # whatever else is under way
            raise Crash
        event = super().append(run, body, **how)
        self.left -= 1
        if self.left == 0:
            raise Crash
        return event


class Begun(Journal):
    """A journal that crashes when a call is begun, before anything is done."""

    def append(self, run: str, body: Body, **how: Any) -> Event:
        event = super().append(run, body, **how)
        if isinstance(body, CallIntended):
            raise Crash
        return event
