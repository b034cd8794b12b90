"""A JSON Schema as a grammar holds it: rewritten, tightened, and compiled to see that it can be.

Every document of the tightened schema is one of the rewritten: objects are closed unless they say otherwise, numbers
get a range, formats that have one a pattern. Where llguidance still refuses a part, the part is loosened until it does
not, and named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from pydantic import JsonValue

from bridle.errors import GrammarError
from bridle.grammar.formats import CHECKED, FORMATS
from bridle.grammar.keywords import Schema, parts, rebuild
from bridle.grammar.pattern import refusal
from bridle.grammar.rewrite import rewrite

NUMBER_LIMIT = 10**15
"""Whole numbers without bounds of their own stay within this, so that they survive a double; and so does, on its other
side, a number with one bound, for llguidance has no exponents where there are bounds. How long numbers without bounds
may be is watched (`bridle.grammar.watch`)."""
LOOSENED = 64
"""Parts of one schema that are loosened at most, before nothing of it is held."""
DEPTHS = (32, 16, 8, 4, 2, 1)
"""How deep a schema that is too large as a whole is held, if it can be."""
_IN_PLACE = ("anyOf", "allOf", "$ref")
_TOGETHER = {
    "properties": ("additionalProperties",),
    "patternProperties": ("additionalProperties",),
    "prefixItems": ("items",),
}
"""What has to go with a keyword that is taken out, so that more is allowed and not less."""
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_FIRST = (
    "patternProperties",
    "minProperties",
    "maxProperties",
    "pattern",
    "multipleOf",
    "format",
    "allOf",
    "$ref",
    "anyOf",
)
"""Keywords in the order in which they are taken out."""


@dataclass(frozen=True)
class Held:
    """A schema that llguidance compiles."""

    schema: Schema
    loose: tuple[str, ...] = ()
    """Places where it allows more than the original: documents are checked once they are whole."""
    narrow: tuple[str, ...] = ()
    """Formats whose rare spellings it leaves out."""

    @property
    def exact(self) -> bool:
        """Whether it decides alone, but for what `tighten` closes, what is valid."""
        return not self.loose and not self.narrow


@lru_cache(256)
def _hold(text: str, close: bool) -> Held:
    rewritten = rewrite(cast("Schema", json.loads(text)))
    if rewritten.schema == {"not": {}}:
        raise GrammarError("no document can fit the schema: it contradicts itself")
    loose = dict.fromkeys(rewritten.loose)
    narrow: dict[str, None] = {}
    tight = tighten(rewritten.schema, close=close, narrow=narrow, loose=loose)
    for _ in range(LOOSENED):
        why = refusal(tight)
        if not why:
            return Held(tight, tuple(loose), tuple(narrow))
        if "too large" in why or "recursion limit" in why:
            return _pruned(tight, loose, narrow)
        tight, what = _loosen(tight)
        loose[what] = None
    return Held({}, (*loose, "/: all of it"), ())


def _pruned(schema: Schema, loose: Mapping[str, None], narrow: Mapping[str, None]) -> Held:
    """As much of the top of a schema as llguidance takes at once."""

    def cut(part: JsonValue, depth: int) -> JsonValue:
        if not isinstance(part, dict) or depth == 0:
            return True
        return cast("JsonValue", rebuild(part, lambda inner: cut(inner, depth - 1)))

    for depth in DEPTHS:
        shared = cast("Schema", schema.get("$defs") or {})
        rest = {key: value for key, value in schema.items() if key != "$defs"}
        part = cast("dict[str, JsonValue]", cut(rest, depth))
        part["$defs"] = {name: cut(value, depth) for name, value in shared.items()}
        if not refusal(part):
            return Held(part, (*loose, f"/: what is deeper than {depth}"), tuple(narrow))
    return Held({}, (*loose, "/: all of it"), ())


def hold(schema: Schema, *, close: bool = True) -> Held:
    """A valid JSON Schema as a grammar holds it.

    Without `close`, objects that do not say whether they are closed stay open.

    Raises:
        GrammarError: no document can fit it.

    >>> hold({"type": "array", "items": {"type": "string"}, "uniqueItems": True}).loose
    ('/: uniqueItems',)
    """
    return _hold(json.dumps(schema), close)


def tighten(
    schema: Schema, *, close: bool = True, narrow: dict[str, None] | None = None, loose: dict[str, None] | None = None
) -> dict[str, JsonValue]:
    """A rewritten schema that a grammar can hold closely; `narrow` and `loose` hear of formats.

    >>> tighten({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}})["additionalProperties"]
    False
    """
    notes = _Notes(
        cast("Schema", schema.get("$defs") or {}),
        close,
        {} if narrow is None else narrow,
        {} if loose is None else loose,
    )
    return cast("dict[str, JsonValue]", notes.go(cast("JsonValue", schema), "", inside=False))


@dataclass
class _Notes:
    shared: Schema
    close: bool
    narrow: dict[str, None]
    loose: dict[str, None]

    def go(self, schema: JsonValue, way: str, *, inside: bool) -> JsonValue:
        """One schema; `inside` says that another one, which it applies with, closes its objects."""
        if not isinstance(schema, dict):
            return schema
        closes = self._can_close(schema) and not inside
        apart = inside or closes or "properties" in schema or len(schema.get("allOf") or ()) > 0  # type: ignore[arg-type]
        result = dict(schema)
        self._format(result, way)
        for key, value in [*result.items()]:
            if key in ("properties", "patternProperties", "$defs") and isinstance(value, dict):
                result[key] = {name: self.go(part, f"{way}/{key}/{name}", inside=False) for name, part in value.items()}
            elif key in ("anyOf", "allOf", "prefixItems") and isinstance(value, list):
                covered = key != "prefixItems" and apart
                result[key] = [self.go(part, f"{way}/{key}/{n}", inside=covered) for n, part in enumerate(value)]
            elif key in ("items", "additionalProperties"):
                result[key] = self.go(value, f"{way}/{key}", inside=False)
        if closes:
            known = cast("dict[str, JsonValue]", result["properties"])
            result["properties"] = {**known, **{name: {} for name in _due(schema) if name not in known}}
            result["additionalProperties"] = False
        kinds = result.get("type")
        named = set(map(str, kinds if isinstance(kinds, list) else [kinds]))
        if "integer" in named or ("number" in named and _BOUNDS & result.keys()):
            if not {"minimum", "exclusiveMinimum"} & result.keys():
                result["minimum"] = -NUMBER_LIMIT
            if not {"maximum", "exclusiveMaximum"} & result.keys():
                result["maximum"] = NUMBER_LIMIT
        return result

    def _format(self, schema: dict[str, JsonValue], way: str) -> None:
        """A format as a pattern; one without is left to the validator, if that knows it."""
        name = str(schema.pop("format", ""))
        if not name:
            return
        if name in FORMATS:
            pattern = f"^(?:{FORMATS[name]})$"
            if "pattern" in schema:
                schema["allOf"] = [*cast("list[JsonValue]", schema.get("allOf") or []), {"pattern": pattern}]
            else:
                schema["pattern"] = pattern
            self.narrow[f"{way or '/'}: format {name}"] = None
        elif name in CHECKED:
            self.loose[f"{way or '/'}: format {name}"] = None

    def _can_close(self, schema: Schema) -> bool:
        """Whether objects of a schema say nothing of other keys, in it or in what applies with it."""
        if (
            not self.close
            or "properties" not in schema
            or {"additionalProperties", "patternProperties"} & schema.keys()
        ):
            return False
        names = set(cast("Schema", schema["properties"]))
        return "$ref" not in schema and all(
            isinstance(part, dict) and not _shaping(part) and _named(part) <= names
            for key in ("anyOf", "allOf")
            for part in cast("list[JsonValue]", schema.get(key) or [])
        )


def _due(schema: Schema) -> list[str]:
    """What objects of a schema must have, by it or by what applies with it."""
    parts = [schema, *(part for key in ("anyOf", "allOf") for part in cast("list[Schema]", schema.get(key) or []))]
    return [name for part in parts for name in cast("list[str]", part.get("required") or [])]


def _named(part: Schema) -> set[str]:
    """The properties that a part says something of, but for those that it forbids."""
    return {name for name, value in cast("Schema", part.get("properties") or {}).items() if value is not False}


def _shaping(part: Schema) -> bool:
    return bool({"additionalProperties", "patternProperties", *_IN_PLACE} & part.keys())


def _loosen(schema: Schema) -> tuple[dict[str, JsonValue], str]:
    """A schema that does not compile, with the smallest part to blame loosened; and what was done."""
    shared = {"$defs": schema["$defs"]} if "$defs" in schema else {}

    def fails(part: Schema) -> bool:
        return bool(refusal({**shared, **part}))

    way: list[tuple[str, ...]] = []
    broken: Schema = schema
    while found := next(((it, part) for it, part in parts(broken) if isinstance(part, dict) and fails(part)), None):
        way.append(found[0])
        broken = found[1]
    part, what = _looser(broken, fails)
    place = "".join(f"/{name}" for names in way for name in names) or "/"
    return cast("dict[str, JsonValue]", _replaced(cast("JsonValue", schema), way, part)), f"{place}: {what}"


def _looser(schema: Schema, fails: Callable[[Schema], bool]) -> tuple[JsonValue, str]:
    """A part without as few keywords as need be for it to compile."""
    if set(schema) == {"$defs"}:
        return {}, "definitions"
    for key in (key for key in _FIRST if key in schema):
        rest = {name: value for name, value in schema.items() if name not in (key, *_TOGETHER.get(key, ()))}
        if not fails(rest):
            return cast("JsonValue", rest), key
    kept = {key: schema[key] for key in ("type", "$defs") if key in schema}
    return (cast("JsonValue", kept), "all but its type") if not fails(kept) else (True, "all of it")


def _replaced(schema: JsonValue, way: Sequence[tuple[str, ...]], part: JsonValue) -> JsonValue:
    if not way:
        return part
    names, place = way[0], way[0]
    result = dict(cast("Schema", schema))
    if len(place) == 1:
        result[names[0]] = _replaced(result[names[0]], way[1:], part)
        return result
    key, name = names
    inner = result[key]
    if isinstance(inner, list):
        result[key] = [_replaced(it, way[1:], part) if n == int(name) else it for n, it in enumerate(inner)]
    else:
        known = cast("dict[str, JsonValue]", inner)
        result[key] = {it: _replaced(value, way[1:], part) if it == name else value for it, value in known.items()}
    return result
