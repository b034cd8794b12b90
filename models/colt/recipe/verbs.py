"""The verbs of a skill beside calls: choose, decide, extract, plan, verify, summarise; each as the runtime asks for it.

Requests that could go to either of two skills are labelled with one of them by chance, so that colt is as unsure as
anybody would be and the runtime asks (`bridle.route`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from random import Random
from runpy import run_path
from typing import Any, Literal, NamedTuple

from frames import Half, dress, sentence
from intents import QUESTIONS
from intents_all import INTENTS
from invented import Invention, ask_for, draw, invent, slots
from pydantic import BaseModel, create_model
from values import Values
from verbs_words import (
    BAD,
    CONTRADICTIONS,
    DECISIONS,
    DRAFTS,
    DRAFTS_SHORT,
    EITHERS,
    EXTRACTIONS,
    GOOD,
    ORDERS,
    ROUTES,
    ROUTES_HELD,
    SUMMARIES,
    TASKS,
    TRAVELS,
    TRIPS,
)  # fmt: skip

from bridle.catalogue import catalogue
from bridle.grammar import form_of
from bridle.grammar.base import Choice, Form, Text
from bridle.plan import Plan
from bridle.review import Review
from bridle.route import NONE, QUESTION, listed

Verb = Literal["choose", "route", "decide", "extract", "clarify", "plan", "verify", "summarise"]


class Exercise(NamedTuple):
    """One step of a verb, and how it should end."""

    verb: Verb
    form: Form[Any]
    said: tuple[str, ...]
    """The user's turns."""
    reply: str
    weighed: bool = False
    """It is weighed (`bridle.weigh`): there is no thinking before it."""
    clear: bool = True
    """There is one right reply."""


SHARES = (1, 4, 1, 1.5, 1, 1, 3, 1)
"""How often each verb is exercised: routing has the most to learn (nine skills that ship, and any that do not), and a
critic, who compares word by word."""


class Verbs:
    """Makes exercises of one world's words and sentences."""

    def __init__(self, random: Random, values: Values, half: Half) -> None:
        self.random, self.values, self.half = random, values, half
        self._made: dict[Verb, Callable[[], Exercise]] = {
            "choose": self._choose,
            "route": self._route,
            "decide": self._decide,
            "extract": self._extract,
            "clarify": self._clarify,
            "plan": self._plan,
            "verify": self._verify,
            "summarise": self._summarise,
        }

    def exercise(self, verb: Verb | None = None) -> Exercise:
        """One of a verb, or of any."""
        return self._made[verb or self.random.choices(list(self._made), SHARES)[0]]()

    def _choose(self) -> Exercise:
        """The option that a text names; or what a traveller wants."""
        values = self.values
        if self.random.random() < 0.25:
            right = self.random.choice(list(TRAVELS))
            drawn = {"city": values.city(), "town": values.city(), "day": values.date(), "number": values.number()}
            text = self._said(TRAVELS[right], drawn)
            return Exercise("choose", Choice(list(TRAVELS)), (text, _of("travel", "INTENT")), right)
        make = self.random.choice([values.word, values.name, values.city, values.word])
        options = self._several(make, self.random.randint(2, 5))
        right = self.random.choice(options)
        text = values.pick([f"{values.phrase()} and {right}", f"{right} {values.tail()}", f"{values.name()}: {right}"])
        ask = self._said(
            ("which (one|of them|of these) is (it about|named|meant)?", "(choose|pick) (one|what fits)"), {}
        )
        return Exercise("choose", Choice(options), (text, ask), right)

    def _route(self) -> Exercise:
        known = shipped(self.random)
        told = known if self.random.random() < 0.7 else self._invented()
        names = [name for name, _, _ in told]
        first, second = self.random.sample(range(len(told)), 2)
        roll, clear, right = self.random.random(), True, names[first]
        if roll < 0.12:
            request, right = self.request(told[first]), NONE
            told = [it for number, it in enumerate(told) if number != first]
            if {"chat", "react"} & {name for name, _, _ in told}:
                right, request = self.either(told)
                clear = False
        elif roll < 0.35:
            right, request = self.either([told[first], told[second]])
            clear = False
        else:
            request = self.request(told[first])
        question = f"{listed([(name, about) for name, about, _ in told])}\n{QUESTION}"
        options = [*(name for name, _, _ in told), NONE]
        return Exercise("route", Choice(options), (request, question), right, weighed=True, clear=clear)

    def either(self, told: Sequence[tuple[str, str, Invention | None]]) -> tuple[str, str]:
        """One of two, by chance, and what may be meant for either."""
        one, other = self.random.sample(list(told), 2)
        parts = [self.request(one).rstrip(".!?"), self.request(other).rstrip(".!?")]
        self.random.shuffle(parts)
        joined = self.random.choice([" or ", ", or rather ", " - no, ", ", I mean ", " / ", " or maybe "]).join(parts)
        named = [one[0].replace("-", " "), other[0].replace("-", " ")]
        self.random.shuffle(named)
        vague = self._said(EITHERS, {"a": named[0], "b": named[1]})
        return self.random.choice([one[0], other[0]]), joined if self.random.random() < 0.7 else vague

    def request(self, told: tuple[str, str, Invention | None]) -> str:
        """What somebody says who wants that skill."""
        name, _, invention = told
        values = self.values
        if invention is not None:
            drawn = {it: draw(values, kind) for it, kind in invention.parameters}
            return dress(self.random, ask_for(values, invention, drawn, self.half), slots(invention, drawn), self.half)
        if name == "react":
            intent = self.random.choice(INTENTS)
            drawn = {it: make(values) for it, make in intent.slots.items()}
            return self._said(intent.says, drawn, intent.held)
        orders = [self._order() for _ in range(3)]
        drawn = {"city": values.city(), "town": values.city(), "day": values.date(), "number": values.number()}
        drawn |= {"code": values.code(), "word": values.word(), "name": values.name(), "hour": values.number()}
        drawn |= {"one": orders[0], "two": orders[1], "three": orders[2]}
        return self._said(ROUTES[name], drawn, ROUTES_HELD[name])

    def _decide(self) -> Exercise:
        values, yes = self.values, self.random.random() < 0.5
        kind = self.random.choice(list(DECISIONS))
        make = self.random.choice([values.word, values.name, values.code, values.file])
        xs = self._several(make, self.random.randint(2, 5))
        other = self._several(make, 1, xs)[0]
        drawn = {"x": self.random.choice(xs) if yes else other, "xs": ", ".join(xs), "text": "", "y": ""}
        if kind == "names":
            drawn["text"] = f"{values.phrase()} {xs[0]} {values.tail()}."
            drawn["x"] = xs[0] if yes else other
        elif kind == "same":
            drawn["y"] = drawn["x"] if yes else self._several(make, 1, [drawn["x"]])[0]
        elif kind == "worked":
            drawn["text"] = f"{values.word()} {values.pick(GOOD if yes else BAD)}."
        said = sentence(self.random, DECISIONS[kind], self.half).format_map(drawn)
        return Exercise("decide", Choice(["yes", "no"]), (said,), "yes" if yes else "no", weighed=True)

    def _extract(self) -> Exercise:
        values, random = self.values, self.random
        roll, asked = random.random(), random.choice(EXTRACTIONS)
        if roll < 0.2:
            start = date(random.randint(2025, 2030), random.randint(1, 12), random.randint(1, 28))
            kind = _of("travel", "Trip")
            trip = kind(
                origin=values.city(), destination=values.city(), first_day=start,
                last_day=start + timedelta(random.randint(0, 9)), most=random.randint(60, 999),
            )  # fmt: skip
            told = trip.model_dump(mode="json")
            said = self._said(TRIPS, {name: str(value) for name, value in told.items()})
            return _typed("extract", kind, told, (said, _of("travel", "TRIP")))
        if roll < 0.4:
            name, make = random.choice([("names", values.name), ("cities", values.city), ("files", values.file)])
            found = self._several(make, random.randint(1, 4))
            text = (
                f"{values.phrase()}: {', '.join(found)}"
                if values.chance(0.5)
                else f"{' and '.join(found)} {values.tail()}"
            )
            kind = create_model("Found", **{name: (list[str], ...)})  # type: ignore[call-overload]
            return _typed("extract", kind, {name: found}, (text, asked))
        invention = self._asked_with_values()
        drawn = {it: draw(values, kind) for it, kind in invention.parameters}
        text = dress(random, ask_for(values, invention, drawn, self.half), slots(invention, drawn), self.half)
        return _typed("extract", invention.tool.arguments, invention.args(drawn), (text, asked))

    def _clarify(self) -> Exercise:
        random, values = self.random, self.values
        roll = random.random()
        intents = [it for it in INTENTS if it.missing] if roll < 0.35 else list(INTENTS)
        intent = random.choice(intents)
        drawn = {it: make(values) for it, make in intent.slots.items()}
        told: dict[str, str] = {"problem": "none"}
        if roll < 0.35:
            missing = random.choice(list(intent.missing))
            request = self._said(intent.missing[missing], drawn)
            told = {"problem": "incomplete", "question": QUESTIONS[missing]}
        elif roll < 0.5:
            request = self._said(ROUTES["clarify"], {}, ROUTES_HELD["clarify"])
            told = {"problem": "vague", "question": "What should I do?"}
        elif roll < 0.65:
            two = self._several(random.choice([values.date, values.city, values.file, values.name]), 2)
            drawn = {"order": self._order(), "a": two[0], "b": two[1]}
            request = self._said(CONTRADICTIONS, drawn)
            told = {"problem": "contradictory", "question": f"Do you mean {two[0]} or {two[1]}?"}
        else:
            request = self._said(intent.says, drawn, intent.held)
        return _typed("clarify", _of("clarify", "Clarity"), told, (request, _of("clarify", "CLEAR")))

    def _plan(self) -> Exercise:
        goals = [self._order() for _ in range(self.random.choice([2, 2, 3]))]
        tasks = [{"id": name, "goal": goal} for name, goal in zip(("one", "two", "three"), goals, strict=False)]
        request = goals[0]
        for before, task in pairwise(tasks):
            if self.random.random() < 0.6:
                task["needs"] = [before["id"]]  # type: ignore[assignment]
                request += self.random.choice([", then ", ", after that ", " and then ", ". When that is done, "])
            else:
                request += self.random.choice([" and also ", ", and besides ", "; also ", " and independently "])
            request += str(task["goal"])
        lead = self.random.choice(["", "", "please ", "I need you to ", "do this: "])
        return _typed("plan", Plan, {"tasks": tasks}, (lead + request, _of("plan-and-execute", "PLAN")))

    def _verify(self) -> Exercise:
        values, random = self.values, self.random
        drawn = {"name": values.name(), "word": values.word(), "city": values.city()}
        task = sentence(random, TASKS, self.half)
        drafts = DRAFTS if "{city}" in task else DRAFTS_SHORT
        draft, said, findings = random.choice(drafts), dict(drawn), list[dict[str, str]]()
        if random.random() < 0.5:
            wrong = random.choice(["name", "word"])
            other = self._several(getattr(values, wrong), 1, [drawn[wrong]])[0]
            if random.random() < 0.6:
                said[wrong] = other
                findings = [{"severity": "wrong", "quote": other, "problem": f"It should be {drawn[wrong]}."}]
            else:
                draft = draft.replace("{" + wrong + "}", "").replace(" ,", ",").strip()
                findings = [{"severity": "missing", "quote": "", "problem": f"{drawn[wrong]} is missing."}]
        asked = f"The draft:\n{draft.format_map(said)}\n\nWhat is wrong with it?"
        return _typed("verify", Review, {"findings": findings}, (task.format_map(drawn), asked))

    def _summarise(self) -> Exercise:
        values, random = self.values, self.random
        if random.random() < 0.4:
            done = {name: values.pick([f"{it} saved" if (it := values.file()) else "", values.phrase(), "done"])
                    for name in ("one", "two", "three")[: random.randint(1, 3)]}  # fmt: skip
            left = {"four": f"{values.pick(BAD)}"} if random.random() < 0.3 else {}
            lines = ["\n".join(f"{name}: {it}" for name, it in some.items()) or "nothing" for some in (done, left)]
            said = (
                self._order(),
                f"What was done:\n{lines[0]}\n\nWhat was left out:\n{lines[1]}\n\n{_of('plan-and-execute', 'TELL')}",
            )
            reply = f"Done: {', '.join(done.values())}."
            reply += f" Left out: {', '.join(left.values())}." if left else ""
            return Exercise("summarise", Text(), said, reply)
        topic, people = values.phrase(), self._several(values.name, 2)
        meant, aside = values.pick(["agreed", "did not agree", "asked why"]), values.phrase().capitalize()
        text = f"{people[0]} wrote about {topic}. {people[1]} {meant}. {aside}."
        return Exercise(
            "summarise", Text(), (f"{self._said(SUMMARIES, {})} {text}",), f"{people[0]} wrote about {topic}."
        )

    def _invented(self) -> list[tuple[str, str, Invention | None]]:
        made = list[Invention]()
        for _ in range(self.random.randint(2, 7)):
            made.append(invent(self.values, self.half, made))
        found = {f"{it.verb}-{it.object}": (it.tool.description, it) for it in made}
        if len(found) < 2:
            return self._invented()
        return [(name, about, it) for name, (about, it) in found.items()]

    def _asked_with_values(self) -> Invention:
        while True:
            invention = invent(self.values, self.half)
            if invention.parameters:
                return invention

    def _order(self) -> str:
        values = self.values
        drawn = {
            it: getattr(values, it)()
            for it in ("file", "phrase", "column", "table", "folder", "name", "word", "expression")
        }
        return sentence(self.random, ORDERS, "seen").format_map({**drawn, "day": values.date()})

    def _said(self, patterns: tuple[str, ...], drawn: dict[str, str], held: tuple[str, ...] = ()) -> str:
        if self.half == "unseen" and held and self.random.random() < 0.5:
            text = self.random.choice(held)
        else:
            text = sentence(self.random, patterns, self.half)
        return dress(self.random, text, drawn, self.half)

    def _several(self, make: Callable[[], str], count: int, but: Sequence[str] = ()) -> list[str]:
        """Different ones."""
        found: dict[str, None] = {}
        while len(found) < count:
            if (it := make()) not in but:
                found[it] = None
        return list(found)


def shipped(random: Random) -> list[tuple[str, str, Invention | None]]:
    """The skills that ship, or some of them, in any order."""
    known = [(name, about, None) for name, about in _skills() if name in (*ROUTES, "react")]
    return random.sample(known, random.randint(3, len(known)) if random.random() < 0.5 else len(known))


@cache
def _skills() -> list[tuple[str, str]]:
    return [(name, it.description) for name, it in catalogue().skills.items()]


@cache
def _module(skill: str) -> dict[str, Any]:
    return run_path(str(catalogue().skills[skill].folder / "skill.py"))


def _of(skill: str, name: str) -> Any:
    """What a skill that ships asks with, or asks for."""
    return _module(skill)[name]


def _typed(verb: Verb, kind: type[BaseModel], value: dict[str, Any], said: tuple[str, ...]) -> Exercise:
    """A document."""
    return Exercise(verb, form_of(kind), tuple(it for it in said if it), json.dumps(value, ensure_ascii=False))
