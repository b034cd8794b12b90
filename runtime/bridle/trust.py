"""Arguments that only the words of some texts may fill: held to them by the grammar, and looked up in them after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

from bridle.grammar.hold import NUMBER_LIMIT
from bridle.grammar.keywords import Schema
from bridle.grammar.span import MARK, bounds, pattern_of

_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
_FIGURE = re.compile(r"(?<![\w\-.,:/'’\u00a0\u202f])[\d\-.,:/'’\u00a0\u202f]*\d")
"""A number with all figures that belong to it: a date, a time, thousands set apart."""


def numbers_in(texts: Sequence[str]) -> list[int | float]:
    """The numbers in some texts that are no part of something longer, and survive a double; both ends of `3-5`.

    >>> numbers_in(["Pay 12.50 by 2026-05-01 at 10:30, -3 in 2.0 parts, $5/month, 1'000, A-17, 7-9 km."])
    [12.5, -3, 2, 5, 7, 9]
    """
    figures = (part for text in texts for it in _FIGURE.finditer(text) for part in _ends(it[0]))
    found = (_number(it) for it in figures if _NUMBER.fullmatch(it))
    return [it for it in dict.fromkeys(found) if abs(it) <= NUMBER_LIMIT]


def _ends(figure: str) -> Sequence[str]:
    """Of a range from one number to another both; what is none, as it is."""
    ends = figure.split("-")
    return ends if len(ends) == 2 and all(ends) else [figure]


def _number(text: str) -> int | float:
    number = float(text) if "." in text else int(text)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def held_to_words(spec: Schema, texts: Sequence[str], name: str) -> JsonValue:
    """A parameter that only some texts may fill: words of them, numbers in them, lists of such; false for none."""
    match spec.get("type"):
        case "integer" | "number":
            known: list[JsonValue] = [*numbers_in(texts)]
            return {"allOf": cast("JsonValue", [dict(spec)]), "enum": known} if known else False
        case "array":
            return {**spec, "items": held_to_words(cast("Schema", spec.get("items") or {}), texts, name)}
        case _:
            if not (pattern := pattern_of(tuple(texts), whole=True)):
                return False
            return {**spec, "type": "string", MARK: f"trusted-{name}", "pattern": pattern}


def are_said(value: JsonValue, texts: Sequence[str]) -> bool:
    """Whether a value, or all that a list holds, stands in some texts."""
    return all(_said(it, texts) for it in (value if isinstance(value, list) else [value]))


def _said(value: JsonValue, texts: Sequence[str]) -> bool:
    """Whether a value stands in one of some texts, and is no part of something longer there."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value in numbers_in(texts)
    wanted = " ".join(str(value).split())
    return bool(wanted) and any(_stands(wanted, " ".join(text.split())) for text in texts)


def _stands(wanted: str, text: str) -> bool:
    begins, ends = bounds(text)
    place = text.find(wanted)
    while place >= 0:
        if place in begins and place + len(wanted) in ends:
            return True
        place = text.find(wanted, place + 1)
    return False
