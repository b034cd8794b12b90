"""What a run spent and did, as its record tells it: enough to take it back where nothing may be done anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.bounds import Bounds, CallMade
from bridle.context import Context
from bridle.course import again
from bridle.delegate import Delegates
from bridle.errors import BridleError
from bridle.journal import (
    CallAnswered,
    CallIntended,
    Decided,
    Delegated,
    Event,
    Journal,
    Past,
    Status,
    StepTaken,
    ending,
    owner_of,
    place_of,
)
from bridle.tool import Tool


def spent(bounds: Bounds, events: Sequence[Event]) -> None:
    """Count in some bounds what a record says was spent."""
    for event in events:
        if isinstance(event.body, StepTaken):
            bounds.spend([again(event.body)])
        elif isinstance(event.body, Decided):
            bounds.spend((), steps=1)


def own_calls(journal: Journal, run: str) -> list[Event]:
    """The record of a run without the calls that it has from a run that was done, if it is a copy: what that one did
    stays."""
    events = journal.events(run)
    owners = {owner_of(it.body.key) for it in events if isinstance(it.body, CallIntended)} - {run}
    ends = {it: ending(found) if (found := journal.events(it)) else None for it in owners}
    done = {it for it, end in ends.items() if end is not None and end.status is Status.DONE}
    return [it for it in events if not (isinstance(it.body, CallIntended) and owner_of(it.body.key) in done)]


async def take_back_all(context: Context, events: Sequence[Event], tools: Sequence[Tool]) -> list[str]:
    """Take back all that a record tells of, also what a run that is taken up has not come by again.

    Args:
        context: of the run; what it met itself it knows better than its record.
        events: the record.
        tools: those that it had, its skill's own among them.

    Returns:
        The tools of the calls that stay, in words.
    """
    met = {it.key: it for it in context.bounds.calls}
    calls, unknown = _calls(events, met, tools, context.catalogue)
    _recall_undone(context.bounds, context.course.past, [it for it in calls if it.key not in met])
    return [*(it.tool for it in await context.undo(calls)), *unknown]


def _calls(
    events: Sequence[Event], met: Mapping[str, CallMade], tools: Sequence[Tool], skills: Delegates
) -> tuple[list[CallMade], list[str]]:
    """All calls of a record, as they were begun; and in words those whose tool is not at hand, as far as they last."""
    begun, answers, given = dict[str, CallIntended](), dict[str, CallAnswered](), dict[str, str]()
    for event in events:
        match event.body:
            case Delegated(path=path, to=name):
                given[path] = name
            case CallIntended(key=key) as intent:
                begun[key] = intent
            case CallAnswered(key=key) as answer:
                answers[key] = answer
            case _:
                pass
    found, unknown = list[CallMade](), list[str]()
    for key, intent in begun.items():
        answer, place = answers.get(key), place_of(key)
        tool = _tools_at(place, tools, given, skills).get(intent.tool)
        ok, result = (answer.ok, answer.result) if answer else (False, None)
        doubtful = answer is None or answer.open
        if key in met:
            found.append(met[key])
        elif tool is not None:
            found.append(CallMade(tool, intent.args, result, ok, key, place, open=doubtful))
        elif intent.effect != "pure" and (ok or doubtful):
            unknown.append(f"{intent.tool}, whose tool is not at hand")
    return found, unknown


def _recall_undone(bounds: Bounds, past: Past, calls: Sequence[CallMade]) -> None:
    """Count in some bounds what a record says of calls that were taken back; where that failed, it is tried again."""
    for made in calls:
        tries = [past.undone(made.place, number) for number in range(past.undos(made.place))]
        bounds.undos[made.key] = len(tries)
        if any(it.ok for it in tries if it is not None):
            bounds.undone.add(made.key)


def _tools_at(place: str, tools: Sequence[Tool], given: Mapping[str, str], skills: Delegates) -> dict[str, Tool]:
    """The tools that a call may have been made with, by name: first those of whoever was given the task."""
    known = {it.name: it for it in tools}
    for path, name in given.items():
        if place.startswith(f"{path}/"):
            try:
                known |= {it.name: it for it in skills.find(name).tools()}
            except BridleError:  # a function, say, or a skill that is gone
                continue
    return known
