"""Arguments that only the words of some texts may fill: held to them by the grammar, and looked up in them after."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from pydantic import JsonValue

from bridle.grammar.keywords import Schema
from bridle.grammar.span import MARK, pattern_of

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)")


def held_to_words(spec: Schema, texts: Sequence[str], name: str) -> JsonValue:
    """A parameter that only some texts may fill: words of them, numbers in them, lists of such; false for none."""
    match spec.get("type"):
        case "integer" | "number":
            numbers = [float(it) for text in texts for it in _NUMBER.findall(text)]
            known: list[JsonValue] = [int(it) if it.is_integer() else it for it in dict.fromkeys(numbers)]
            return {"allOf": cast("JsonValue", [dict(spec)]), "enum": known} if known else False
        case "array":
            return {**spec, "items": held_to_words(cast("Schema", spec.get("items") or {}), texts, name)}
        case _:
            if not (pattern := pattern_of(tuple(texts))):
                return False
            return {**spec, "type": "string", MARK: f"trusted-{name}", "pattern": pattern}


def are_said(value: JsonValue, texts: Sequence[str]) -> bool:
    """Whether a value, or all that a list holds, stands in some texts."""
    return all(_said(it, texts) for it in (value if isinstance(value, list) else [value]))


def _said(value: JsonValue, texts: Sequence[str]) -> bool:
    """Whether a value stands in one of some texts, as whole words."""
    wanted = " ".join(str(value).split())
    padded = (f" {' '.join(text.split())} " for text in texts)
    return bool(wanted) and any(wanted in text and _whole(text, wanted) for text in padded)


def _whole(text: str, wanted: str) -> bool:
    """Whether one of the places where it stands cuts no word in two."""
    place = text.find(wanted)
    while place >= 0:
        before, after = text[place - 1], text[place + len(wanted)]
        joined = (before.isalnum() and wanted[0].isalnum()) or (after.isalnum() and wanted[-1].isalnum())
        if not joined:
            return True
        place = text.find(wanted, place + 1)
    return False
