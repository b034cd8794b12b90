"""A replay: a run's skill once more over its record, with no model and no tool, and nothing is written.

It shows that the record is all there is to the run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace as with_
from pathlib import Path
from tempfile import TemporaryDirectory

from bridle.agent import Agent
from bridle.bounds import Ended
from bridle.card import Card
from bridle.catalogue import Catalogue
from bridle.course import Anew
from bridle.journal import Body, Event, Journal, Kept, Past, RunEnded, Status, beginning, ending
from bridle.record import Recorder
from bridle.resume import settings_of
from bridle.skill import Skill
from bridle.tool import Tool
from bridle.turn import Attempt, Carded, Turn, Writer


class RecordEnds(Ended):
    """A replay came to what is not recorded."""

    def __init__(self, what: str) -> None:
        super().__init__(Status.CANCELLED, f"the record ends: {what}")


class Absent(Carded):
    """The model of a record: it is known, and it is not here."""

    deterministic = True

    def __init__(self, card: Card) -> None:
        self.card = card
        self.name = card.name

    def fallback(self) -> Writer | None:
        """See `Writer.fallback`."""
        return None

    async def write(self, turn: Turn) -> Attempt:
        """Nothing is written.

        Raises:
            RecordEnds: always.
        """
        raise RecordEnds("a model would be asked")

    def close(self) -> None:
        """There is nothing to close."""


class Silent(Recorder):
    """Takes the end of a run, and writes nothing."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.ended: RunEnded | None = None

    def doing(self) -> None:
        """Nothing is done.

        Raises:
            RecordEnds: always.
        """
        raise RecordEnds("something would be done")

    def kept(self, name: str) -> Kept | None:
        """Nothing but what the record has."""
        return None

    def event(self, body: Body, *, durable: bool = False) -> Event:
        """Take the end.

        Raises:
            RecordEnds: it is something else, which is not recorded.
        """
        if not isinstance(body, RunEnded):
            raise RecordEnds(f"it goes on with {body.kind}")
        self.ended = body
        return Event(self.run, 0, "", body, "", "")


def replay(
    journal: Journal,
    run: str,
    *,
    tools: Sequence[Tool],
    catalogue: Catalogue,
    skill: Skill | str = "",
    model: Writer | None = None,
    anew: Anew | None = None,
) -> str:
    """Why a run that is done once more over its record comes to something else; empty if it does not.

    Args:
        journal: where it is.
        run: its id.
        tools: those that its agent had beside its skill's own.
        catalogue: where its skill is found.
        skill: its skill, if it is in no catalogue.
        model: the one that it was made with, for `anew`.
        anew: takes its steps again.

    Raises:
        Astray: it does something else on the way.
        JournalError: it cannot be read, or an older version wrote it.
        UsageError: its skill is not to be found.
    """
    events, silent = journal.events(run), Silent(run)
    started, past = beginning(run, events), Past(events)
    settings, limits, card = settings_of(started)
    with TemporaryDirectory() as folder:  # no tool is run: there may as well be nothing
        agent = Agent(
            model or Absent(card),
            workspace=Path(folder),
            journal=journal,
            tools=tools,
            skill=skill or started.skill,
            catalogue=catalogue,
            limits=limits if anew is None else with_(limits, seconds=float("inf")),
            settings=settings,
        )
        with suppress(RecordEnds):  # while it was taken back
            asyncio.run(agent.revisit(started, past, silent, anew=anew))
    return _why_not(ending(events), silent.ended, past)


def _why_not(then: RunEnded | None, now: RunEnded | None, past: Past) -> str:
    if unmet := past.unmet():
        return f"it does not come to {unmet[0]} any more"
    if then is None:  # it was cut off: whatever was to come
        return ""
    if now is None:
        return "it does not end"
    if then.status not in (Status.DONE, Status.PAUSED, Status.IN_DOUBT):  # it was stopped, or failed
        stopped = now.status in (Status.CANCELLED, Status.IN_DOUBT)
        return "" if stopped or now.status is then.status else f"it ends as {now.status}"
    for name in ("status", "answer", "question", "steps"):
        if (was := getattr(then, name)) != (is_now := getattr(now, name)):
            return f"its {name} is {is_now!r}, and was {was!r}"
    return ""
