"""What a run spent and did, from its record alone: enough to take it back where nothing may be done anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.bounds import Bounds, CallMade
from bridle.course import again
from bridle.delegate import Delegates
from bridle.errors import BridleError
from bridle.journal import CallAnswered, CallIntended, Decided, Delegated, Event, StepTaken, place_of
from bridle.tool import Tool


def recall(bounds: Bounds, events: Sequence[Event], tools: Sequence[Tool], skills: Delegates) -> list[str]:
    """Count in some bounds what a record says was spent and done. Given back are the calls whose tool is not known any
    more, in words.

    Args:
        bounds: of a run that is not gone on with.
        events: its record.
        tools: those that it had, its skill's own among them.
        skills: where the tools of those are found that it gave tasks to.
    """
    begun, answers, given = dict[str, CallIntended](), dict[str, CallAnswered](), dict[str, str]()
    for event in events:
        match event.body:
            case StepTaken() as taken:
                bounds.spend([again(taken)])
            case Decided():
                bounds.spend((), steps=1)
            case Delegated(path=path, to=name):
                given[path] = name
            case CallIntended(key=key) as intent:
                begun[key] = intent
            case CallAnswered(key=key) as answer:
                answers[key] = answer
            case _:
                pass
    unknown = list[str]()
    for key, intent in begun.items():
        answer, place = answers.get(key), place_of(key)
        tool = _tools_at(place, tools, given, skills).get(intent.tool)
        ok, result = (answer.ok, answer.result) if answer else (False, None)
        doubtful = answer is None or answer.open
        if tool is not None:
            bounds.calls.append(CallMade(tool, intent.args, result, ok, key, place, open=doubtful))
        elif intent.effect != "pure" and (ok or doubtful):
            unknown.append(f"{intent.tool}, which is no tool any more")
    return unknown


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
