"""Whether a form has room for words: text that nobody vouches for may choose among few values, and bring none.

Choices, truth values, numbers, days and times are finite; so are lists that have an end and objects of such. A string
is not, whatever its pattern: it could carry an instruction (the quarantined model of the dual-LLM pattern, Willison
2023; CaMeL, Debenedetti et al. 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import JsonValue

from bridle.grammar.base import Choice, Form
from bridle.grammar.keywords import References, Schema
from bridle.grammar.schema import Json
from bridle.grammar.xml import Xml

_SCALARS = {"boolean", "integer", "number", "null"}
_FORMATS = {"date", "time", "date-time", "duration", "uuid"}
_DEPTH = 20


def wordy(form: Form[Any]) -> str:
    """Where a form has room for words; empty if it has none."""
    if isinstance(form, Json | Xml):
        return infinite(form.type.schema)
    return "" if isinstance(form, Choice) else "it"


def infinite(schema: Schema) -> str:
    """Where a JSON Schema has room for words, for people; empty if it has none.

    >>> infinite({"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "additionalProperties": False})
    ''
    >>> infinite({"type": "object", "properties": {"why": {"type": "string"}}, "additionalProperties": False})
    'why'
    """
    return _infinite(cast("JsonValue", schema), References(schema), "", 0)


def _infinite(schema: JsonValue, references: References, where: str, depth: int) -> str:
    here = where or "it"
    if schema is False:
        return ""
    if not isinstance(schema, dict) or depth > _DEPTH:
        return here
    if "$ref" in schema:
        return _infinite(references(schema), references, where, depth + 1)
    if "enum" in schema or "const" in schema:
        return ""
    for key in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list):
            return next(filter(None, (_infinite(it, references, where, depth + 1) for it in options)), "")
    named = schema.get("type")
    kinds = set(cast("list[str]", named if isinstance(named, list) else [named]))
    if kinds <= _SCALARS:
        return ""
    if kinds == {"string"}:
        return "" if schema.get("format") in _FORMATS else here
    if kinds == {"array"} and "maxItems" in schema:
        return _infinite(schema.get("items", True), references, f"{where}[]", depth + 1)
    if kinds == {"object"} and not schema.get("additionalProperties") and "patternProperties" not in schema:
        parts = cast("Mapping[str, JsonValue]", schema.get("properties") or {})
        found = (_infinite(it, references, f"{where}.{name}".lstrip("."), depth + 1) for name, it in parts.items())
        return next(filter(None, found), "")
    return here
