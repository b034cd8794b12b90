"""The person that a run asks: who is there now, or who answered on another day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self, TypeAlias

from bridle.journal import Pending


class Question(str):
    """What a person is asked: a text, and for programs the call that it is about, if it is about one."""

    pending: Pending | None

    def __new__(cls, text: str, pending: Pending | None = None) -> Self:
        """A text as a question."""
        made = super().__new__(cls, text)
        made.pending = pending
        return made


Ask: TypeAlias = Callable[[Question], str | Awaitable[str | None] | None]
"""Asks a person, now or in a while; None if nobody is there."""


@dataclass(frozen=True)
class Letter:
    """An answer to the question that a run waits with."""

    text: str
    question: str
    """Which question that is."""
    asked: datetime
    """When the run began to wait."""


@dataclass
class Person:
    """Whom a run asks."""

    ask: Ask | None = None
    """Asks whoever is there; without it (or if it gives None) a question pauses the run."""
    letter: Letter | None = None
    """Came before anybody was asked; it is read once."""

    async def answer(self, question: Question) -> tuple[str | None, float]:
        """What the person says, None if nobody is there; and how many seconds it took."""
        letter, asked = self.letter, datetime.now(UTC)
        if letter is not None and letter.question == question:
            self.letter, asked = None, letter.asked
            said = letter.text
        else:
            said = self.ask(question) if self.ask else None
        text = said if said is None or isinstance(said, str) else await said
        return text, (datetime.now(UTC) - asked).total_seconds()
