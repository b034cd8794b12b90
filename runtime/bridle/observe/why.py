"""Why a run went wrong: the earliest event that stands out, by checks over the record, and by a critic if there is one.

The checks know nothing of the task. A call that a model wrote is *invented* where a text or a number in its arguments
was never said before, by a person or a result; an answer is where it holds a number or a name that nothing before it
holds. A critic is a model that reads the record in short, and has to name one of its events (the form lets it name no
other).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from bridle.grammar import form_of
from bridle.grammar.keywords import Schema
from bridle.journal import (
    CallAnswered,
    CallIntended,
    Event,
    Heard,
    Ruled,
    RunEnded,
    RunJudged,
    RunStarted,
    Status,
    StepTaken,
    is_reading,
)
from bridle.observe.progress import arguments, shorten
from bridle.prompt import Message
from bridle.shown import shown_instead
from bridle.step import Step, take
from bridle.turn import Writer

QUESTION = "The run failed. Which event is the first after which it could not succeed any more, and why?"
UNSURE = 0.3
"""Probability of a value below which it stands out."""
_WORD = re.compile(r"\w+")
_TELLING = re.compile(r"\d[\d.,:-]*\d|\d+|(?<=[a-z,;:] )[A-Z]\w+")
"""What an answer cannot make up unnoticed: numbers, and words with a capital inside a sentence."""


@dataclass(frozen=True)
class Suspect:
    """An event that stands out."""

    number: int
    """Of the event; that of the step which chose it, for a call."""
    reason: str
    grave: bool = True
    """It by itself explains that the run failed."""


def suspects(events: Sequence[Event]) -> list[Suspect]:
    """All events that stand out, the gravest first, the earlier of two that are as grave before."""
    found = sorted(_found(events), key=lambda it: (not it.grave, it.number))
    return list({it.number: it for it in reversed(found)}.values())[::-1]


def _found(events: Sequence[Event]) -> Iterator[Suspect]:
    known, step, wrote, calls = "", 0, cast("JsonValue", None), dict[str, int]()
    asked = dict[str, tuple[int, CallIntended]]()
    failed, shown = dict[str, Suspect](), shown_instead(events)
    for event in events:
        match event.body:
            case RunStarted(task=task, history=history):
                known += " ".join([task, *(it.content for it in history)])
            case StepTaken() as taken:
                if not is_reading(taken.path):
                    step, wrote = event.number, taken.value
                if taken.error:
                    yield Suspect(event.number, f"the reply could not be used: {taken.error}", grave=False)
                if taken.cut:
                    yield Suspect(event.number, "the reply was cut off because the budget ran out")
                weak = [(it.probability, path) for path, it in taken.fields.items() if it.probability < UNSURE]
                if weak:
                    sure, path = min(weak)
                    yield Suspect(event.number, f"the model was unsure of {path or 'it'} ({sure:.0%})", grave=False)
            case Heard(text=text):
                known += f" {text}"
            case CallIntended() as call:
                asked[call.key] = step, call
                chosen = isinstance(wrote, dict) and wrote.get("tool") == call.tool
                if chosen and (invented := [it for it in _leaves(call.args) if not _stands(it, known)]):
                    said = f"{call.tool} was called with {invented[0]!r}, which nobody said"
                    yield Suspect(step or event.number, said)
                same = f"{call.tool} {json.dumps(call.args, sort_keys=True)}"
                calls[same] = calls.get(same, 0) + 1
                if calls[same] == 2 and call.effect != "pure":
                    yield Suspect(step or event.number, f"{call.tool} was called twice with the same arguments")
            case CallAnswered() as answer:
                came = f"{answer.text} {json.dumps(answer.result, ensure_ascii=False)}"
                known += f" {shown.get(answer.key, came)}"
                place, _ = asked.get(answer.key, (event.number, None))
                if answer.ok:
                    failed.pop(answer.tool, None)
                else:
                    failed.setdefault(answer.tool, Suspect(place, f"{answer.tool} failed: {shorten(answer.text)}"))
            case Ruled(path=path, verdicts=verdicts) if path.startswith("call "):
                yield Suspect(event.number, next(iter(verdicts.values()), "the policy refused a call"))
            case RunEnded(status=Status.DONE, answer=str(text)):
                made_up = [it for it in _TELLING.findall(text) if not _stands(it, known)]
                if made_up and asked:
                    yield Suspect(step or event.number, f"the answer says {made_up[0]!r}, which nothing before it does")
            case RunEnded(status=status, reason=reason) if status.fell_short:
                yield Suspect(step or event.number, reason, grave=False)
            case RunJudged(checks=checks, passed=False):
                wrong = "; ".join(f"{what}: {why}" for what, why in checks.items() if why)
                yield Suspect(step or event.number, f"judged: {shorten(wrong, 300)}", grave=False)
            case _:
                pass
    yield from failed.values()  # what failed and never worked afterwards


async def criticise(model: Writer, events: Sequence[Event]) -> Suspect:
    """What a model finds: it reads the record in short and names one of its events.

    Raises:
        StepError: it gave nothing usable.
    """
    numbers: JsonValue = [it.number for it in events if not isinstance(it.body, RunStarted | RunJudged)]
    kind: Schema = {
        "type": "object",
        "properties": {"why": {"type": "string", "maxLength": 300}, "event": {"enum": numbers}},
        "required": ["why", "event"],
    }
    shown = shown_instead(events)
    record = "\n".join(line for event in events if (line := _line(event, shown)))
    form = form_of(kind, "json", model.style)
    messages = [Message("system", form.instructions()), Message("user", f"{record}\n\n{QUESTION}")]
    outcome = await take(Step(messages, form, model.thinking, max_tokens=600), model)
    told = cast("dict[str, JsonValue]", outcome.value)
    return Suspect(cast("int", told["event"]), str(told["why"]))


def _line(event: Event, shown: Mapping[str, str]) -> str:
    match event.body:
        case RunStarted(task=task):
            told = f"the task: {task}"
        case StepTaken(path=path) if is_reading(path):  # what it read is in quarantine
            return ""
        case StepTaken(text=text, error=error):
            told = f"the model wrote: {shorten(text, 300)}" + (f" (not usable: {error})" if error else "")
        case CallIntended(tool=tool, args=args):
            told = f"call {tool}{arguments(args)}"
        case CallAnswered(key=key, text=text):
            told = f"result: {shorten(shown.get(key, text), 300)}"
        case Heard(question=question, text=text):
            told = f"asked: {question} answered: {text}"
        case Ruled(verdicts=verdicts):
            told = f"policy: {verdicts}"
        case RunEnded(status=status, answer=answer, reason=reason):
            told = f"the end: {status} {answer or ''} {reason}"
        case RunJudged(checks=checks):
            told = f"judged: {checks}"
        case _:
            return ""
    return f"[{event.number}] {told}"


def _leaves(value: JsonValue) -> Iterator[str]:
    """The texts and numbers in a value, as text."""
    if isinstance(value, dict):
        for it in value.values():
            yield from _leaves(it)
    elif isinstance(value, list):
        for it in value:
            yield from _leaves(it)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)


def _stands(text: str, known: str) -> bool:
    """Whether all words of a text stand in what is known; short ones need not."""
    have = {it.casefold() for it in _WORD.findall(known)}
    return all(it.casefold() in have for it in _WORD.findall(text) if len(it) > 1 or it.isdigit())
