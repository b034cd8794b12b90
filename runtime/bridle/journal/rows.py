"""Rows of the file as events, each read with care: what is damaged says so, and hides nothing else."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from bridle.errors import JournalError
from bridle.journal.chain import GENESIS, Event, chain, read_body
from bridle.journal.whole import RunEnded, RunStarted, Status


@dataclass(frozen=True)
class RunSummary:
    """A run in a list."""

    run: str
    started: str
    task: str
    skill: str
    model: str
    status: Status
    answer: str
    steps: int
    seconds: float


def wrong(run: str, rows: Sequence[tuple[Any, ...]]) -> str:
    """What is wrong with the chain of a run, of which these are all rows, each with its kind; empty if nothing is."""
    previous = GENESIS
    for place, (number, at, body, before, own, kind) in enumerate(rows, 1):
        if number != place:
            return f"event {place} is missing"
        text = text_of(body)
        if before != previous or own != chain(run, place, str(at), text, str(before)) or not _is(text, kind):
            return f"event {place} was changed"
        previous = str(own)
    return ""


def _is(body: object, kind: object) -> bool:
    """Whether an event is of a kind: what its body says is in the chain, what the index says is not."""
    head, _, rest = str(body).partition('{"kind":"')
    if not head and rest:  # as all are written
        return rest.partition('"')[0] == kind
    try:
        return json.loads(str(body))["kind"] == kind
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def events_of(run: str, rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """Rows as events. Garbage is not looked for meanwhile: none is made, and looking through all that thousands of them
    hold, again and again as they grow, takes longer than reading them (`benchmarks/records.py --only long`)."""
    looked = gc.isenabled()
    gc.disable()
    try:
        return [_event(run, *row) for row in rows]
    finally:
        if looked:
            gc.enable()


def _event(run: str, number: object, at: object, body: object, previous: object, own: object) -> Event:
    try:
        datetime.fromisoformat(str(at))
        told = read_body(text := text_of(body))
    except (JournalError, ValueError) as error:
        why = error.message if isinstance(error, JournalError) else f"{str(at)!r:.40} is no moment"
        raise JournalError(f"event {number} of the run {run}: {why}", hint="bridle runs verify shows more") from None
    return Event(run, cast("int", number), str(at), told, str(previous), str(own), text)


def text_of(body: object) -> str:
    """A body as it stands in the file; what is no UTF-8 in it, because the file is damaged, does not hide the rest."""
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)


def summary(run: str, at: str, started: object, ended: object) -> RunSummary:
    """A run in a list, of the bodies of its first event and of its last, if that is its end."""
    try:
        start, end = read_body(text_of(started)), read_body(text_of(ended)) if ended is not None else None
        if not isinstance(start, RunStarted) or not isinstance(end, RunEnded | None):
            raise JournalError("it does not begin or end as a run does")
    except JournalError as error:
        return RunSummary(run, at, "", "", "", Status.DAMAGED, error.message, 0, 0.0)
    return RunSummary(
        run=run,
        started=at,
        task=start.task,
        skill=start.skill,
        model=start.model,
        status=end.status if end else Status.RUNNING,
        answer=(end.answer or end.question or end.reason) if end else "",
        steps=end.steps if end else 0,
        seconds=end.seconds if end else 0.0,
    )
