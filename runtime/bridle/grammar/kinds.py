"""Which JSON values a schema speaks of: their types and their listed values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import ceil, floor, inf, isfinite
from typing import TypeAlias, cast

from pydantic import JsonValue

from bridle.grammar.keywords import Schema

Resolve: TypeAlias = Callable[[Schema], JsonValue]
"""The schema that a `$ref` means; the schema itself if that is not known."""

KINDS: tuple[str, ...] = ("null", "boolean", "integer", "fraction", "string", "array", "object")
"""JSON's types, with numbers told apart."""
_SPELLED = {"number": ("integer", "fraction")}
_DEPTH = 8


def values_of(schema: Schema) -> list[JsonValue] | None:
    """The values that `enum` or `const` name; None without either."""
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return found if isinstance(found, list) else None


def kinds_of(schema: JsonValue, resolve: Resolve, depth: int = 0) -> set[str]:
    """The types that values of a schema can have; all where it is not known."""
    if not isinstance(schema, dict):
        return set() if schema is False else set(KINDS)
    found = set(KINDS)
    if "type" in schema:
        named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        found &= {kind for name in named for kind in _SPELLED.get(str(name), (str(name),))}
    if (values := values_of(schema)) is not None:
        found &= {_kind(value) for value in values}
    if depth > _DEPTH:
        return found
    if "$ref" in schema and (target := resolve(schema)) is not schema:
        found &= kinds_of(target, resolve, depth + 1)
    for key in ("anyOf", "oneOf"):
        if isinstance(options := schema.get(key), list):
            found &= set[str]().union(*(kinds_of(option, resolve, depth + 1) for option in options))
    for option in cast("list[JsonValue]", schema.get("allOf") or []):
        found &= kinds_of(option, resolve, depth + 1)
    return found


_BOUNDS_OF = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


def possible(node: dict[str, JsonValue], resolve: Resolve) -> JsonValue:
    """A schema without the types whose bounds cross, as 6 at least and 5 at most; false if no type is left.

    >>> possible({"type": ["string", "null"], "minLength": 3, "maxLength": 2}, lambda it: it)
    {'type': 'null'}
    >>> possible({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, lambda it: it)
    False
    """
    crossed = {kind for kind, (least, most) in _BOUNDS_OF.items() if _number(node, least, 0) > _number(node, most, inf)}
    above, under = _number(node, "exclusiveMinimum", -inf), _number(node, "exclusiveMaximum", inf)
    low, high = max(_number(node, "minimum", -inf), above), min(_number(node, "maximum", inf), under)
    if low > high or (low == high and (low == above or high == under)):
        crossed |= {"integer", "fraction"}
    elif isfinite(low) and isfinite(high):
        first = floor(low) + 1 if low == above else ceil(low)
        last = ceil(high) - 1 if high == under else floor(high)
        crossed |= {"integer"} if first > last else set[str]()
    if not crossed:
        return node
    left = kinds_of(node, resolve) - crossed
    gone = {key for kind in crossed for key in _BOUNDS_OF.get(kind, _BOUNDS if "fraction" in crossed else ())}
    return {**{key: it for key, it in node.items() if key not in gone}, "type": spell_kinds(left)} if left else False


def _number(node: Schema, key: str, default: float) -> float:
    found = node.get(key)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else default


def spell_kinds(kinds: Collection[str]) -> JsonValue:
    """Types as the keyword `type` has them."""
    named = [kind for kind in KINDS if kind in kinds and kind != "fraction"]
    if "fraction" in kinds:
        named = ["number" if kind == "integer" else kind for kind in named]
        named += [] if "number" in named else ["number"]
    return named[0] if len(named) == 1 else cast("JsonValue", named)


def kinds_named(value: JsonValue) -> set[str]:
    """The types that the keyword `type` names."""
    return {
        kind
        for name in (value if isinstance(value, list) else [value])
        for kind in _SPELLED.get(str(name), (str(name),))
    }


def _kind(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "integer" if value.is_integer() else "fraction"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def number(value: JsonValue) -> float | None:
    """A bound, if it is a number."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def are_numbers(*values: JsonValue) -> bool:
    """Whether all of some values are numbers."""
    return all(number(value) is not None for value in values)


def properties_of(schema: Schema) -> Mapping[str, JsonValue]:
    """The properties of an object, by name."""
    return cast("Mapping[str, JsonValue]", schema.get("properties") or {})
