"""The doctor of a model: a look at everything a card should say, and how well it does with a grammar and without.

The small suite reads values out of short texts and calls tools. Each case is taken under its grammar and freely (one
reply, read tolerantly), so that the worth of the grammar for this model is a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, JsonValue

from bridle.brief import brief
from bridle.card import Card
from bridle.errors import BridleError
from bridle.evals import probes
from bridle.evals.probes import Finding
from bridle.grammar import form_of
from bridle.grammar.action import Actions
from bridle.grammar.said import Call
from bridle.model import Model
from bridle.prompt import Message
from bridle.step import Step, take
from bridle.toolbox import TOOLBOX


class Trip(BaseModel):
    """A journey."""

    city: str
    days: int


class Mail(BaseModel):
    """What a mail is about."""

    sender: str
    kind: Literal["invoice", "complaint", "question"]


class Order(BaseModel):
    """Something ordered."""

    item: str
    count: int
    express: bool


CASES: tuple[tuple[str, type[BaseModel], dict[str, JsonValue]], ...] = (
    ("I will be in Oslo for 3 days.", Trip, {"city": "Oslo", "days": 3}),
    ("Book Lisbon for a week.", Trip, {"city": "Lisbon", "days": 7}),
    ("12 days in Kyoto, please.", Trip, {"city": "Kyoto", "days": 12}),
    ("Anna Berg asks when her parcel arrives.", Mail, {"sender": "Anna Berg", "kind": "question"}),
    ("Tom Hill is angry: the chair came broken.", Mail, {"sender": "Tom Hill", "kind": "complaint"}),
    ("Please find attached what you owe us, 420 euros. Acme Ltd", Mail, {"sender": "Acme Ltd", "kind": "invoice"}),
    ("Send me 2 lamps by express.", Order, {"item": "lamps", "count": 2, "express": True}),
    ("40 pencils, no hurry.", Order, {"item": "pencils", "count": 40, "express": False}),
)
CALLS: tuple[tuple[str, Call], ...] = (
    ("What is 12 * 31?", Call("calculate", {"expression": "12 * 31"})),
    ("Save a note: water the plants", Call("add_note", {"text": "water the plants"})),
    ("Show me the file plan.txt", Call("read_file", {"path": "plan.txt"})),
    (
        "How many days from 2026-03-01 to 2026-04-01?",
        Call("days_between", {"start": "2026-03-01", "end": "2026-04-01"}),
    ),
    ("Which files are called budget?", Call("find_files", {"name": "budget"})),
    ("Convert 10 km to miles", Call("convert_units", {"value": 10, "from_unit": "km", "to_unit": "miles"})),
)
INSTRUCTIONS = "Fill in the form from the text that the user gives. Copy what the text says; invent nothing."
TOOLS = "You work with tools. Do what the user asks by calling one."
TOKENS = 160


@dataclass(frozen=True)
class Report:
    """What was found."""

    findings: tuple[Finding, ...]
    card: Card
    constrained: float
    """Share of the suite's cases that came out right under the grammar."""
    free: float
    """The same without one."""


async def examine(model: Model, tell: Callable[[str], None] = lambda _: None) -> Report:
    """Look at a model; `tell` hears what is looked at."""
    findings: list[Finding] = []
    for name, look in (
        ("tokens", probes.tokens),
        ("template", probes.template),
        ("thinking", probes.thinking),
        ("ends", probes.ends),
    ):
        tell(name)
        findings += look(model)
    tell("spelling")
    spelled, found = await probes.spelling(model)
    findings += found
    tell("forms")
    findings += await probes.forms(model)
    shares: list[float] = []
    for constrain in (True, False):
        right = 0
        for number, case in enumerate(CASES):
            tell(f"suite, {'with' if constrain else 'without'} a grammar, {number + 1} of {len(CASES)}")
            right += await _is_right(model, *case, constrain=constrain)
        for number, (text, call) in enumerate(CALLS):
            tell(f"tools, {'with' if constrain else 'without'} a grammar, {number + 1} of {len(CALLS)}")
            right += await _calls(model, text, call, constrain=constrain)
        shares.append(right / (len(CASES) + len(CALLS)))
    told = f"{shares[0]:.0%} of {len(CASES) + len(CALLS)} right with a grammar, {shares[1]:.0%} without"
    findings.append(Finding("suite", "ok" if shares[0] >= shares[1] else "note", told))
    tell("speed")
    findings += await probes.speed(model)
    return Report(tuple(findings), probes.card_of(model, spelled), *shares)


async def _is_right(
    model: Model, text: str, kind: type[BaseModel], expected: dict[str, JsonValue], *, constrain: bool
) -> bool:
    form = form_of(kind, "json", model.style)
    messages = [Message("system", brief(INSTRUCTIONS, (), form, None)), Message("user", text)]
    step = Step(messages, form, max_tokens=TOKENS, constrain=constrain, retries=0)
    try:
        outcome = await take(step, model)
    except BridleError:
        return False
    return {key: _plain(value) for key, value in outcome.value.model_dump().items()} == {
        key: _plain(value) for key, value in expected.items()
    }


async def _calls(model: Model, text: str, expected: Call, *, constrain: bool) -> bool:
    form = Actions({tool.name: tool.schema for tool in TOOLBOX}, "json", model.style)
    system = brief(TOOLS, TOOLBOX, form, model.thinking, terse=model.card.prompt.terse)
    messages = [Message("system", system), Message("user", text)]
    step = Step(messages, form, model.thinking, max_tokens=TOKENS, constrain=constrain, retries=0)
    try:
        action = (await take(step, model)).value
    except BridleError:
        return False
    return isinstance(action, Call) and (action.tool, dict(action.args)) == (expected.tool, dict(expected.args))


def _plain(value: JsonValue) -> JsonValue:
    return value.casefold().strip(" .") if isinstance(value, str) else value
