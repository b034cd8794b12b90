"""A JSON Schema as llguidance can hold it, and what of it that leaves out.

What llguidance does not know (`oneOf`, `not`, `if`, dependencies, names of properties, odd references) is rewritten
into what it knows where that keeps the meaning. What cannot be kept is left out, so that the grammar allows more than
the schema, and named: a validator reads those documents once they are whole.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from pydantic import JsonValue

from bridle.errors import GrammarError
from bridle.grammar.branches import Site, choose_one, conditions, contrary, dependencies, listed
from bridle.grammar.check import accepts, checker, is_pattern
from bridle.grammar.conjoin import conjoin
from bridle.grammar.keywords import ANNOTATIONS, References, Schema, rebuild
from bridle.grammar.kinds import kinds_of, possible, spell_kinds, values_of
from bridle.grammar.objects import counts, evaluated, keys
from bridle.grammar.pattern import holds, translate

LARGE = 20_000
"""Characters of a referenced schema that may be taken into another."""
DEPTH = 64
"""Rewrites inside rewrites at most."""

_HELD = """
    type enum const properties patternProperties additionalProperties required minProperties maxProperties items
    prefixItems minItems maxItems minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum
    multipleOf anyOf allOf $ref not
"""
_KNOWN = frozenset(_HELD.split())
"""What llguidance holds, and `not` for as long as values are listed beside it."""
_REWRITTEN = frozenset(
    {
        "oneOf",
        "if",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "propertyNames",
        "unevaluatedProperties",
        "unevaluatedItems",
    }
)
"""What no schema has once it is rewritten."""
_OF_OBJECTS = "properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"


@dataclass(frozen=True)
class Rewritten:
    """A schema, and the places (`/items: uniqueItems`) where it allows more than the original."""

    schema: Schema
    loose: tuple[str, ...] = ()


def rewrite(schema: Schema) -> Rewritten:
    """Rewrite a valid JSON Schema.

    >>> rewrite({"oneOf": [{"type": "string"}, {"type": "integer"}]})
    Rewritten(schema={'anyOf': [{'type': 'string'}, {'type': 'integer'}]}, loose=())
    >>> rewrite({"type": "array", "uniqueItems": True}).loose
    ('/: uniqueItems',)
    """
    rewriter = _Rewriter(schema)
    result = rewriter.go(cast("JsonValue", rewriter.references.root), _Place())
    shared = rewriter.definitions()
    if never := {name for name, part in shared.items() if part is False}:
        result, shared = _without(result, never), {name: _without(part, never) for name, part in shared.items()}
    whole: Schema = result if isinstance(result, dict) else ({} if result else {"not": {}})
    if shared:
        whole = {**whole, "$defs": cast("JsonValue", shared)}
    return Rewritten(whole, tuple(rewriter.loose))


@dataclass(frozen=True)
class _Place:
    """Where a part stands: its way from the top, and how deep rewrites are nested."""

    way: str = ""
    depth: int = 0
    taken: frozenset[str] = frozenset()
    """Pointers of what was taken in on the way: each once, or recursive schemas would never end."""

    def at(self, *names: str) -> _Place:
        return _Place("/".join([self.way, *names]), self.depth + 1, self.taken)


class _Rewriter:
    def __init__(self, root: Schema) -> None:
        self.references = References(root)
        self.loose: dict[str, None] = {}
        self._names: dict[str, str] = {}
        self._due: list[tuple[str, str, JsonValue]] = []

    def definitions(self) -> dict[str, JsonValue]:
        """What the references so far mean, rewritten, by name."""
        found: dict[str, JsonValue] = {}
        while self._due:
            name, pointer, target = self._due.pop()
            found[name] = self.go(target, _Place(pointer, taken=frozenset({f"#{pointer}"})))
        return found

    def go(self, schema: JsonValue, place: _Place) -> JsonValue:
        """One schema, rewritten with all that is in it."""
        if not isinstance(schema, dict):
            return {} if schema is not False else False
        if place.depth > DEPTH:
            self.leave(place, "what is nested so deep")
            return {}
        site = Site(self.references, partial(self.leave, place))
        node, place = self._flat(self._known_references(evaluated(_modern(schema), site), place), place)
        if not isinstance(node, dict):
            return node
        for step in (choose_one, conditions, dependencies, contrary, keys, counts):
            node = step(node, site)
            if not isinstance(node, dict):
                return node
        if _REWRITTEN & node.keys():  # out of what was negated
            return self.go(node, place.at())
        node = possible(node, self.references) if kinds_of(node, self.references) else False
        if not isinstance(node, dict):
            return False
        node = self._values(self._strings(self._leave_out(node, place), place), place)
        return self._inside(self._name(node), place)

    def leave(self, place: _Place, what: str) -> None:
        """Note that something is left to the validator."""
        self.loose[f"{place.way or '/'}: {what}"] = None

    def _known_references(self, node: dict[str, JsonValue], place: _Place) -> dict[str, JsonValue]:
        """A schema without references that are dynamic or lead out of it."""
        for key in ("$dynamicRef", "$recursiveRef"):
            if node.pop(key, None) is not None:
                self.leave(place, key)
        if "$ref" in node and self.references(node) is node:
            self.leave(place, f"$ref {node.pop('$ref')}")
        return node

    def _name(self, node: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """A schema whose reference has its new name."""
        if "$ref" not in node:
            return node
        pointer = str(node["$ref"])
        if pointer not in self._names:
            last = "".join(it for it in pointer.rpartition("/")[2] if it.isalnum() or it in "_-") or "top"
            self._names[pointer] = last if last not in self._names.values() else f"{last}-{len(self._names)}"
            self._due.append((self._names[pointer], pointer[1:], self.references(node)))
        return {**node, "$ref": f"#/$defs/{self._names[pointer]}"}

    def _flat(self, node: dict[str, JsonValue], place: _Place) -> tuple[JsonValue, _Place]:
        """A schema with what stands in its `allOf`, and beside its reference, taken in; and its place then."""
        todo = listed(node.pop("allOf", None))
        if "$ref" in node and node.keys() - ANNOTATIONS - {"$ref"}:
            todo.insert(0, {"$ref": node.pop("$ref")})
        result: JsonValue = node
        left: list[JsonValue] = []
        for part in todo:
            while isinstance(part, dict) and "$ref" in part:
                pointer, target = str(part["$ref"]), self.references(part)
                if pointer in place.taken or target is part or len(json.dumps(target)) > LARGE:
                    break
                place = replace(place, taken=place.taken | {pointer})
                beside = {key: value for key, value in part.items() if key != "$ref" and key not in ANNOTATIONS}
                part = conjoin(target, beside) if beside else target
            if isinstance(part, dict):
                part = self._known_references(_modern(part), place)
            if isinstance(part, dict) and ({"$ref", "unevaluatedProperties", "unevaluatedItems"} & part.keys()):
                left.append(part)
            else:
                result = conjoin(result, part)
        if isinstance(result, dict) and left:
            result = {**result, "allOf": [*listed(result.get("allOf")), *left]}
        return result, place

    def _leave_out(self, node: dict[str, JsonValue], place: _Place) -> dict[str, JsonValue]:
        """Keywords that cannot be held, noted; unknown ones and annotations, not noted."""
        if node.pop("uniqueItems", False) is True and node.get("maxItems") not in (0, 1):
            self.leave(place, "uniqueItems")
        least = node.pop("minContains", 1)
        most = node.pop("maxContains", None)
        if "contains" in node and (least != 0 or most is not None):
            self.leave(place, "contains")
        kept = _KNOWN if "$ref" in node else _KNOWN | {"title"}  # which names alternatives in XML
        return {key: value for key, value in node.items() if key in kept}

    def _strings(self, node: dict[str, JsonValue], place: _Place) -> dict[str, JsonValue]:
        """Patterns respelled; those that llguidance cannot hold left out."""
        if isinstance(pattern := node.get("pattern"), str):
            if not is_pattern(pattern):
                self.leave(place, f"pattern {pattern} (it is no regular expression: nothing holds it)")
                del node["pattern"]
            elif not holds(pattern):
                self.leave(place, f"pattern {pattern}")
                del node["pattern"]
            else:
                node["pattern"] = translate(pattern).text
        if isinstance(found := node.get("patternProperties"), dict) and not all(map(holds, found)):
            self.leave(place, "patternProperties")
            del node["patternProperties"]
            node.pop("additionalProperties", None)
        elif isinstance(found, dict):
            node["patternProperties"] = {translate(pattern).text: part for pattern, part in found.items()}
        return node

    def _values(self, node: dict[str, JsonValue], place: _Place) -> dict[str, JsonValue]:
        """Listed values, without those that the rest of the schema refuses."""
        values = values_of(node)
        rest = {key: value for key, value in node.items() if key not in ("enum", "const")}
        if values is None or not rest:
            return node
        text = json.dumps(rest)
        if "$ref" in text:
            if node.pop("not", None) is not None:
                self.leave(place, "not")
            return node
        try:
            check = checker(rest)
        except GrammarError:
            return {key: value for key, value in node.items() if key != "not"}
        left = [value for value in values if accepts(check, value)]
        return {"enum": left} if left else {"not": {}}

    def _inside(self, node: dict[str, JsonValue], place: _Place) -> JsonValue:
        if node == {"not": {}}:
            return False
        result = dict(node)
        for key, value in node.items():
            if key in ("properties", "patternProperties"):
                inner = cast("Mapping[str, JsonValue]", value)
                result[key] = {name: self.go(part, place.at(key, name)) for name, part in inner.items()}
            elif key in ("anyOf", "allOf", "prefixItems"):
                result[key] = [self.go(part, place.at(key, str(n))) for n, part in enumerate(listed(value))]
            elif key in ("items", "additionalProperties"):
                result[key] = self.go(value, place.at(key))
        if isinstance(options := result.get("anyOf"), list):
            due = set(map(str, listed(node.get("required"))))
            options = [option for option in options if option is not False and not _forbids(option, due)]
            if not options:
                return False
            if {} in options:
                del result["anyOf"]
            else:
                result["anyOf"] = options
        if isinstance(found := result.get("allOf"), list):
            kept = [part for part in found if part != {}]
            result["allOf"] = kept
            if not kept:
                del result["allOf"]
            elif False in kept:
                return False
        required = set(map(str, listed(result.get("required"))))
        known = cast("Mapping[str, JsonValue]", result.get("properties") or {})
        if any(known.get(name, True) is False for name in required):
            return self._not_an_object(result)
        return result

    def _not_an_object(self, node: dict[str, JsonValue]) -> JsonValue:
        """A schema whose objects cannot be."""
        kinds = kinds_of(node, self.references) - {"object"}
        if not kinds:
            return False
        return {**{key: value for key, value in node.items() if key not in _OF_OBJECTS}, "type": spell_kinds(kinds)}


def _forbids(schema: JsonValue, names: Collection[str]) -> bool:
    """Whether objects of a schema cannot have one of some properties, and nothing but objects is of it."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return False
    known = cast("Mapping[str, JsonValue]", schema.get("properties") or {})
    return any(known.get(name, True) is False for name in names)


def _without(schema: JsonValue, never: Collection[str]) -> JsonValue:
    """A schema in which references to what can never be are false."""
    if not isinstance(schema, dict):
        return schema
    if str(schema.get("$ref", "")).removeprefix("#/$defs/") in never:
        return False
    return rebuild(schema, lambda part: _without(part, never))


def _modern(schema: Schema) -> dict[str, JsonValue]:
    """A schema of an older draft in the words of the newest."""
    node = dict(schema)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(flag := node.get(exclusive), bool):
            del node[exclusive]
            if flag and bound in node:
                node[exclusive] = node.pop(bound)
    if isinstance(items := node.get("items"), list):
        node["prefixItems"] = items
        del node["items"]
        if "additionalItems" in node:
            node["items"] = node["additionalItems"]
    node.pop("additionalItems", None)
    for key in ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"):
        if isinstance(number := node.get(key), float):
            node[key] = int(number)
    return node
