"""The contrary of a JSON Schema, and whether two of them never hold at once.

`negate` keeps what a schema means: where it cannot say it in plain keywords it leaves a `not` behind for others to see
to. `disjoint` says yes only where it can prove it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue

from bridle.grammar.conjoin import both
from bridle.grammar.keywords import KIND_OF, Schema
from bridle.grammar.kinds import (
    KINDS,
    Resolve,
    are_numbers,
    kinds_named,
    kinds_of,
    number,
    properties_of,
    spell_kinds,
    values_of,
)
from bridle.values import canonical

_CONTRARY: Mapping[str, tuple[str, int]] = {
    "minimum": ("exclusiveMaximum", 0),
    "maximum": ("exclusiveMinimum", 0),
    "exclusiveMinimum": ("maximum", 0),
    "exclusiveMaximum": ("minimum", 0),
    "minLength": ("maxLength", -1),
    "maxLength": ("minLength", 1),
    "minItems": ("maxItems", -1),
    "maxItems": ("minItems", 1),
    "minProperties": ("maxProperties", -1),
    "maxProperties": ("minProperties", 1),
}
"""For a bound: the bound of what is beyond it, and by how much that differs."""
_UNANSWERED = frozenset(
    (
        "pattern", "format", "multipleOf", "items", "prefixItems", "contains", "uniqueItems", "patternProperties",
        "additionalProperties", "propertyNames",
    )
)  # fmt: skip
"""Keywords whose contrary no keyword says."""
_BESIDE = {
    "additionalProperties": ("properties", "patternProperties"),
    "items": ("prefixItems",),
    "contains": ("minContains", "maxContains"),
}
"""What a keyword cannot be read without."""
_REST = {"unevaluatedProperties", "unevaluatedItems"}
"""What reads all that stands beside it."""
_DEPTH = 8


def disjoint(one: JsonValue, other: JsonValue, resolve: Resolve, depth: int = 0) -> bool:
    """Whether no value can be of both schemas; False where that is not plain."""
    kinds = kinds_of(one, resolve) & kinds_of(other, resolve)
    if not kinds:
        return True
    first, second = _followed(one, resolve), _followed(other, resolve)
    if first is None or second is None or depth > _DEPTH:
        return False
    sides = cast("list[dict[str, JsonValue]]", [first, second])
    for a, b in (sides, sides[::-1]):
        for key in ("anyOf", "oneOf"):
            options = a.get(key)
            if isinstance(options, list) and all(disjoint(option, b, resolve, depth + 1) for option in options):
                return True
        if any(disjoint(part, b, resolve, depth + 1) for part in cast("list[JsonValue]", a.get("allOf") or [])):
            return True
    if (mine := values_of(first)) is not None and (theirs := values_of(second)) is not None:
        return not {canonical(value) for value in mine} & {canonical(value) for value in theirs}
    if kinds <= {"integer", "fraction"}:
        return _ranges_apart(first, second, "imum")
    if kinds == {"string"}:
        return _ranges_apart(first, second, "Length")
    if kinds == {"array"}:
        return _ranges_apart(first, second, "Items")
    return kinds == {"object"} and _objects_apart(first, second, resolve, depth)


def _objects_apart(one: Schema, other: Schema, resolve: Resolve, depth: int) -> bool:
    for a, b in ((one, other), (other, one)):
        mine, theirs = properties_of(a), properties_of(b)
        for name in cast("list[str]", a.get("required") or []):
            closed = b.get("additionalProperties") is False and "patternProperties" not in b
            if name not in theirs and closed:
                return True
            if name in theirs and disjoint(mine.get(name, True), theirs[name], resolve, depth + 1):
                return True
    return False


def _ranges_apart(one: Schema, other: Schema, noun: str) -> bool:
    def bounds(schema: Schema) -> tuple[float, bool, float, bool]:
        low, high = number(schema.get(f"min{noun}")), number(schema.get(f"max{noun}"))
        over, under = number(schema.get("exclusiveMinimum")), number(schema.get("exclusiveMaximum"))
        if noun != "imum":
            over = under = None
        least = max((it for it in (low, over) if it is not None), default=float("-inf"))
        most = min((it for it in (high, under) if it is not None), default=float("inf"))
        return least, least == over, most, most == under

    a, b = bounds(one), bounds(other)
    return any(low[0] > high[2] or (low[0] == high[2] and (low[1] or high[3])) for low, high in ((a, b), (b, a)))


def negate(schema: JsonValue, resolve: Resolve, depth: int = 0) -> JsonValue:
    """The schema of all other values; parts that no keyword can contradict are left as `not`."""
    if not isinstance(schema, dict):
        return schema is False
    if depth > _DEPTH or _REST & schema.keys():
        return {"not": schema}
    for key, others in _BESIDE.items():
        if key in schema and len(schema) > 1 and schema.keys() <= {key, *others}:  # nothing but what is read together
            return {"type": KIND_OF[key], "not": schema}
    ways: list[JsonValue] = []
    for key, value in schema.items():
        ways += _contradict(schema, key, value, resolve, depth)
    if not ways:
        return False
    return ways[0] if len(ways) == 1 else {"anyOf": ways}


def _contradict(schema: Schema, key: str, value: JsonValue, resolve: Resolve, depth: int) -> list[JsonValue]:
    """Schemas of which one holds where a keyword does not; none for what is only an annotation."""

    def contrary(part: JsonValue) -> JsonValue:
        return negate(part, resolve, depth + 1)

    if key == "type":
        kinds = kinds_named(value)
        rest = set(KINDS) - kinds
        if ("fraction" in rest) != ("integer" in rest):  # fractions alone cannot be named
            return [{"not": {"type": value}}]
        return [{"type": spell_kinds(rest)}] if rest else []
    if key in ("enum", "const"):
        return [{"not": {key: value}}]
    if key == "$ref":
        target = resolve(schema)
        return [{"not": {"$ref": value}}] if target is schema else [contrary(target)]
    if key in _CONTRARY and are_numbers(value):
        bound, by = _CONTRARY[key]
        if value == 0 and by < 0:
            return []
        return [{"type": KIND_OF[key], bound: cast("float", value) + by if by else value}]
    if key == "required":
        return [{"type": "object", "properties": {name: False}} for name in cast("list[str]", value)]
    if key == "properties":
        inner = [(name, contrary(part)) for name, part in properties_of(schema).items()]
        return [
            {"type": "object", "required": [name], "properties": {name: part}}
            for name, part in inner
            if part is not False
        ]
    if key == "not":
        return [value]
    if key in ("anyOf", "allOf") and isinstance(value, list):
        inner = [contrary(part) for part in value]
        return [both(inner)] if key == "anyOf" else [part for part in inner if part is not False]
    if key in ("oneOf", "if", "dependencies", "dependentSchemas", "dependentRequired"):
        return [{"not": {name: schema[name] for name in (key, "then", "else") if name in schema}}]
    if key in _UNANSWERED:
        beside = {name: schema[name] for name in _BESIDE.get(key, ()) if name in schema}
        return [{"type": KIND_OF[key], "not": {key: value, **beside}}]
    return []


def _followed(schema: JsonValue, resolve: Resolve) -> Schema | None:
    for _ in range(_DEPTH):
        if not isinstance(schema, dict):
            return None
        if "$ref" not in schema or len(schema.keys() - {"description", "title", "default"}) > 1:
            return schema
        schema, before = resolve(schema), schema
        if schema is before:
            return None
    return None
