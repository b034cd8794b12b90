"""Whether a form has room for words: text that nobody vouches for may choose among few values, and bring none.

Choices, truth values, numbers, days and times are finite; so are lists that have an end and objects of such. A string
is not, whatever its pattern: it could carry an instruction (the quarantined model of the dual-LLM pattern, Willison
2023; CaMeL, Debenedetti et al. 2025).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import JsonValue

from bridle.grammar.base import Choice, Form
from bridle.grammar.hold import NUMBER_LIMIT
from bridle.grammar.keywords import References, Schema, rebuild
from bridle.grammar.schema import Json
from bridle.grammar.xml import Xml

_SCALARS = {"boolean", "integer", "number", "null"}
_FORMATS = {"date", "time", "date-time", "duration", "uuid"}
_DEPTH = 20
LONGEST = 40
"""Characters of a moment, a duration, an id."""


def wordy(form: Form[Any]) -> str:
    """Where a form has room for words; empty if it has none."""
    if isinstance(form, Json | Xml):
        return infinite(form.type.schema, closed=form.type.source is not None)
    return "" if isinstance(form, Choice) else "it"


def infinite(schema: Schema, *, closed: bool = False) -> str:
    """Where a JSON Schema has room for words, for people; empty if it has none.

    Args:
        schema: of what is to be read.
        closed: whether the keys that an object does not name are dropped, as Python types do; a plain schema lets
            them pass unless it says otherwise.

    >>> infinite({"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "additionalProperties": False})
    ''
    >>> infinite({"type": "object", "properties": {"why": {"type": "string"}}, "additionalProperties": False})
    'why'
    >>> infinite({"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}})
    'it'
    """
    return _Reading(References(schema), closed).wordy(cast("JsonValue", schema), "")


def bounded(schema: JsonValue) -> JsonValue:
    """A schema without room for words whose numbers and times are as short as those that a grammar writes: digits
    without end would be room as well.

    >>> bounded({"type": "integer", "minimum": 0})
    {'type': 'integer', 'minimum': 0, 'maximum': 1000000000000000}
    """
    if not isinstance(schema, dict):
        return schema
    held, named = rebuild(schema, bounded), schema.get("type")
    if {"integer", "number"} & set(cast("list[str]", named if isinstance(named, list) else [named])):
        if not {"minimum", "exclusiveMinimum"} & held.keys():
            held["minimum"] = -NUMBER_LIMIT
        if not {"maximum", "exclusiveMaximum"} & held.keys():
            held["maximum"] = NUMBER_LIMIT
    if "format" in held:
        held.setdefault("maxLength", LONGEST)
    return held


@dataclass(frozen=True)
class _Reading:
    references: References
    closed: bool

    def wordy(self, schema: JsonValue, where: str, depth: int = 0) -> str:
        """Where a part of the schema has room for words."""
        here = where or "it"
        if schema is False:
            return ""
        if not isinstance(schema, dict) or depth > _DEPTH:
            return here
        if "$ref" in schema:
            return self.wordy(self.references(schema), where, depth + 1)
        if "enum" in schema or "const" in schema:
            return ""
        for key in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(key), list):
                return self._first(((it, where) for it in options), depth)
        named = schema.get("type")
        kinds = set(cast("list[str]", named if isinstance(named, list) else [named]))
        if kinds <= _SCALARS:
            return ""
        if kinds == {"string"}:
            return "" if schema.get("format") in _FORMATS else here
        if kinds == {"array"} and "maxItems" in schema:
            items = [*cast("list[JsonValue]", schema.get("prefixItems", [])), schema.get("items", True)]
            return self._first(((it, f"{where}[]") for it in items), depth)
        if kinds == {"object"} and self._closed(schema):
            parts = cast("Mapping[str, JsonValue]", schema.get("properties") or {})
            return self._first(((it, f"{where}.{name}".lstrip(".")) for name, it in parts.items()), depth)
        return here

    def _first(self, parts: Iterable[tuple[JsonValue, str]], depth: int) -> str:
        return next(filter(None, (self.wordy(it, where, depth + 1) for it, where in parts)), "")

    def _closed(self, schema: Mapping[str, JsonValue]) -> bool:
        return schema.get("additionalProperties", not self.closed) is False and "patternProperties" not in schema
