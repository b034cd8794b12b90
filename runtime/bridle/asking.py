"""Questions of a run to its person, each asked once: what the record has is what was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from bridle.approval import is_no
from bridle.bounds import Astray, Bounds, Ended
from bridle.gate import Gate
from bridle.journal import Heard, Past, Status
from bridle.journal.replay import APPROVAL, DOUBT, again_at
from bridle.person import Person, Question
from bridle.record import Recorder
from bridle.values import spelled_out

T = TypeVar("T")
ASKED = 3
"""Times that a person is asked who does not answer the question."""


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A run under way, as far as its person is concerned."""

    recorder: Recorder
    gate: Gate
    person: Person = field(default_factory=Person)
    past: Past = field(default_factory=Past)
    """What the run did before."""

    @property
    def bounds(self) -> Bounds:
        """What it has spent of what it may."""
        return self.gate.bounds

    async def hear(
        self, path: str, question: Question, status: Status = Status.PAUSED, within: float | None = None
    ) -> str:
        """What the person says to a question; after more than `within` seconds it is not taken, and asked again, but
        for a no.

        Raises:
            Ended: nobody is there to answer: the run waits.
            Astray: another question was asked there before.
        """
        if (known := self._still_said(path, within)) is not None:
            same_question(path, known.question, question)
            self._believe(path, known.text)
            return known.text
        with self.bounds.waiting():
            answer, seconds = await self.person.answer(question)
        if answer is None:
            raise Ended(status, "it has a question", question)
        if within is not None and seconds > within and not is_no(answer):
            raise Ended(status, f"the answer came after {seconds:.0f} s, and was good for {within:g} s", question)
        answer = spelled_out(answer)
        self.recorder.event(Heard(path=path, question=str(question), text=answer))
        self._believe(path, answer)
        return answer

    async def insist(
        self,
        path: str,
        question: Question,
        read: Callable[[str], T | None],
        status: Status = Status.PAUSED,
        within: float | None = None,
    ) -> T:
        """What the person says to a question, once it can be read; they are asked again where it cannot.

        Raises:
            Ended: nobody is there to answer, or said nothing of use `ASKED` times: the run waits.
        """
        asked = 0
        for number in count(1):
            place, known = again_at(path, number), self.past.heard(again_at(path, number))
            if known is not None and self._still_said(place, within) is None:
                continue  # it was good for a while
            asked += known is None
            if asked > ASKED:
                break
            if (found := read(await self.hear(place, question, status, within))) is not None:
                return found
        raise Ended(status, "it has a question", question)

    def _still_said(self, path: str, within: float | None) -> Heard | None:
        """What the person said there, if it still holds: a yes may be good for a while, a no is for ever."""
        known = self.past.heard(path)
        return known if known is None or is_no(known.text) else self.past.heard(path, within)

    def _believe(self, path: str, said: str) -> None:
        """Trust the words of a person; not those why a call may not be made."""
        if not path.startswith((DOUBT, APPROVAL)):
            self.gate.people.append(said)


def same_question(path: str, before: str, now: str) -> None:
    """See that at a place the same is asked as before.

    Raises:
        Astray: it is not.
    """
    if before and before != now:  # older journals do not say what was asked
        raise Astray(path, "what is asked there is not what was asked then")
