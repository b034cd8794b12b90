"""A copy of a run up to a place, to be gone on with; and where two runs part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridle.errors import UsageError
from bridle.journal import (
    Body,
    CallAnswered,
    CallIntended,
    Decided,
    Event,
    Heard,
    Journal,
    Kept,
    Prompted,
    RunAborted,
    RunEnded,
    RunStarted,
    Seen,
    StepFailed,
    StepTaken,
    Undone,
    beginning,
    place_of,
    prompts,
)
from bridle.journal.replay import asked_about
from bridle.journal.store import new_run
from bridle.tool import Effect, render


def fork(
    journal: Journal,
    run: str,
    at: str,
    *,
    skill: str = "",
    model: str = "",
    result: str | None = None,
    said: str | None = None,
    prompt: str | None = None,
) -> str:
    """A copy of a run up to a place, to be gone on with; its id.

    Args:
        journal: where it is, and the copy will be.
        run: its id.
        at: a place, as `act#2`, `ask#1` or `call 3`, or the number of an event: what comes before is copied.
        skill: the digest of the skill that it goes on with, if not the same.
        model: the model that it goes on with, if not the same.
        result: what came of the call at the place, instead of what did.
        said: what the person says at the place.
        prompt: what the model is told at the step there, beside what its skill says.

    Raises:
        UsageError: there is no such place in it, or nothing of that kind.
        JournalError: it is not as it was written.
    """
    if sum(it is not None for it in (result, said, prompt)) > 1:
        raise UsageError("one place is a call, a question or a step: say one of tool-result=, answer=, prompt=")
    events = journal.sound(run)
    started = beginning(run, events)
    here = next((event for event in events if at in _names(event)), None)
    if here is None or isinstance(here.body, RunStarted):
        places = dict.fromkeys(name for event in events[1:] for name in _names(event) if not name.isdigit())
        raise UsageError(f"the run {run} has no place {at}; there are: {', '.join(places) or 'none'}")
    before = [event for event in events if event.number < here.number]
    if any(isinstance(event.body, RunAborted) for event in before):
        raise UsageError(f"what the run {run} did was taken back before {at}", hint="fork it at an earlier place")
    bodies: list[Body] = []
    match here.body:
        case CallIntended() as call if result is not None:
            told = CallAnswered(key=call.key, tool=call.tool, ok=True, result=result, text=render(result), seconds=0)
            bodies += [call, told]
        case Heard() as heard if said is not None:
            bodies.append(heard.model_copy(update={"text": said}))
        case StepTaken(path=path) if prompt is not None:
            bodies.append(Prompted(path=path, text=prompt))
        case _ if result is not None or said is not None or prompt is not None:
            kind = "a call" if result is not None else "a question" if said is not None else "a step"
            raise UsageError(f"{at} is not {kind}")
        case _:
            pass
    begins = {"forked": f"{run} at {at}", "digest": skill or started.digest, "model": model or started.model}
    copy, numbers, copied = new_run(), dict[int, int](), list[tuple[Body, str | None]]()
    stay = _stay(events, here.number)
    made = {place_of(key) for key in stay} | {place_of(it.key) for it in bodies if isinstance(it, CallIntended)}
    made |= {asked_about(it.path) for it in bodies if isinstance(it, Heard)}
    for event in before:
        match event.body:
            case RunStarted() as body:
                told = body.model_copy(update=begins)
            case RunEnded():
                continue
            case CallIntended(key=key) | CallAnswered(key=key) if key not in stay:  # it is made anew
                continue
            case Heard(path=path) if (place := asked_about(path)) and place not in made:
                continue  # it was for the call that is made anew
            case Kept(layer="global") as body:  # it was said once
                told = body.model_copy(update={"read": True})
            case StepTaken(base=int(base)) as body:
                told = body.model_copy(update={"base": numbers[base]})
            case body:
                told = body
        numbers[event.number] = len(copied) + 1
        copied.append((told, None if isinstance(told, RunStarted) else event.at))
    journal.append_all(copy, [*copied, *((body, None) for body in bodies)])
    return copy


def _stay(events: Sequence[Event], here: int) -> set[str]:
    """The calls, by key, that a copy of what comes before an event has: what came of them is known there, or to nobody.
    Those that were taken back since are made anew."""
    before = [event for event in events if event.number < here]
    known = {event.body.key for event in events if isinstance(event.body, CallAnswered)}
    begun = [event.body for event in before if isinstance(event.body, CallIntended)]
    doubtful = {it.key for it in begun if it.effect == Effect.UNSAFE and it.key not in known}
    gone = {it.body.key for it in events if it.number >= here and isinstance(it.body, Undone) and it.body.ok}
    return (doubtful | {event.body.key for event in before if isinstance(event.body, CallAnswered)}) - gone


def difference(journal: Journal, one: str, other: str) -> str:
    """Where two runs part: the first event that differs, by what, and the first token of a step; empty if they do not.

    Times, tokens known from before, the names of runs, and where they waited, do not count.
    """
    first, second = (_gone_through(journal.events(run)) for run in (one, other))
    prompts_of = prompts(first), prompts(second)
    for here, there in zip(first, second, strict=False):
        said, meant = _bare(here, prompts_of[0]), _bare(there, prompts_of[1])
        if said != meant:
            fields = [name for name in {**said, **meant} if said.get(name) != meant.get(name)]
            return f"event {here.number}, {_place(here.body) or here.body.kind}: {_part(said, meant, fields)}"
    if len(first) != len(second):
        longer, event = (one, first) if len(first) > len(second) else (other, second)
        body = event[min(len(first), len(second))].body
        return f"{longer} goes on with event {min(len(first), len(second)) + 1}, {_place(body) or body.kind}"
    return ""


def _gone_through(events: Sequence[Event]) -> list[Event]:
    """Events without ends that were none, and without what only shows in the prompt that comes of it."""
    return [
        event
        for event in events
        if not isinstance(event.body, Prompted) and (not isinstance(event.body, RunEnded) or event is events[-1])
    ]


def _part(one: dict[str, Any], other: dict[str, Any], fields: Sequence[str]) -> str:
    if "kind" in fields:
        return f"{one['kind']} and {other['kind']}"
    if "output_tokens" in fields:
        a, b = one["output_tokens"], other["output_tokens"]
        number = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        return f"token {number + 1} of what was written: {one['text'][:80]!r} and {other['text'][:80]!r}"
    return ", ".join(f"{name}: {str(one.get(name))[:80]!r} and {str(other.get(name))[:80]!r}" for name in fields)


_PASSING = frozenset(
    (
        "seconds", "prefill_seconds", "decode_seconds", "tokens", "key", "forked", "certainty", "choices", "fields",
        "base", "shared_tokens", "shared_text", "prompt_tokens", "prompt_text",
    )
)  # fmt: skip
"""What differs between two runs that are the same, and prompts told as what is new in them."""


def _bare(event: Event, seen: Mapping[int, Seen]) -> dict[str, Any]:
    told = {name: value for name, value in event.body.model_dump(mode="json").items() if name not in _PASSING}
    return told | {"place": _place(event.body), "prompt": seen.get(event.number)}


def _place(body: Body) -> str:
    match body:
        case CallIntended(key=key) | CallAnswered(key=key):
            return f"call {place_of(key)}"
        case StepTaken(path=path) | Decided(path=path) | Heard(path=path) | StepFailed(path=path):
            return path
        case _:
            return ""


def _names(event: Event) -> tuple[str, ...]:
    """What an event is called where a run can be parted."""
    place = "" if isinstance(event.body, CallAnswered) else _place(event.body)
    return (str(event.number), place) if place else (str(event.number),)
