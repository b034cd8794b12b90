"""Where schemas stand inside a JSON Schema, and the schema that a reference means.

References are followed inside the document alone: nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal, TypeAlias, cast
from urllib.parse import unquote, urldefrag, urljoin

from pydantic import JsonValue

Schema: TypeAlias = Mapping[str, JsonValue]

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
"""Keywords whose value maps names to schemas."""
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems", "items")
"""Keywords whose value is, or may be, a list of schemas."""
SINGLES = (
    "items",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "not",
    "if",
    "then",
    "else",
)
"""Keywords whose value is, or may be, one schema."""

KEYWORDS_OF: Mapping[str, tuple[str, ...]] = {
    "object": (
        "properties", "patternProperties", "additionalProperties", "required", "propertyNames", "minProperties",
        "maxProperties", "unevaluatedProperties", "dependentRequired", "dependentSchemas", "dependencies",
    ),
    "array": (
        "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
        "unevaluatedItems",
    ),
    "string": ("pattern", "minLength", "maxLength", "format", "contentEncoding", "contentMediaType"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip
"""Keywords that speak of one type alone."""
KIND_OF: Mapping[str, str] = {keyword: kind for kind, of_kind in KEYWORDS_OF.items() for keyword in of_kind}

_SAID = """
    $schema $comment $vocabulary $anchor $dynamicAnchor $recursiveAnchor $id id $defs definitions title description
    default examples deprecated readOnly writeOnly discriminator contentEncoding contentMediaType contentSchema
"""
ANNOTATIONS = frozenset(_SAID.split())
"""What constrains nothing."""


def parts(schema: Schema) -> Iterator[tuple[tuple[str, ...], JsonValue]]:
    """The schemas right inside a schema, with the way to each; booleans are schemas too."""
    for key, value in schema.items():
        if key in MAPS and isinstance(value, dict):
            yield from (((key, name), inner) for name, inner in value.items() if not isinstance(inner, list))
        elif key in LISTS and isinstance(value, list):
            yield from (((key, str(number)), inner) for number, inner in enumerate(value))
        elif key in SINGLES:
            yield (key,), value


def rebuild(schema: Schema, change: Callable[[JsonValue], JsonValue]) -> dict[str, JsonValue]:
    """A copy of a schema with each schema right inside it changed."""
    result = dict(schema)
    for key, value in schema.items():
        if key in MAPS and isinstance(value, dict):
            result[key] = {name: inner if isinstance(inner, list) else change(inner) for name, inner in value.items()}
        elif key in LISTS and isinstance(value, list):
            result[key] = [change(inner) for inner in value]
        elif key in SINGLES:
            result[key] = change(value)
    return result


def filled(schema: Schema, mark: str, fill: Callable[[Schema], JsonValue]) -> Schema | None:
    """A copy of a schema with its marked parts filled in. `fill` gives false where nothing could stand: such properties
    are left out; None where one of them is required.

    >>> schema = {"properties": {"a": {"x-mark": 1}, "b": {}}, "required": ["b"]}
    >>> filled(schema, "x-mark", lambda part: False)
    {'properties': {'b': {}}, 'required': ['b']}
    >>> filled(schema | {"required": ["a"]}, "x-mark", lambda part: False) is None
    True
    """
    if f'"{mark}"' not in json.dumps(schema):
        return schema

    def walk(part: JsonValue) -> JsonValue:
        if not isinstance(part, dict):
            return part
        result = rebuild(part, walk)
        if mark in result:
            return fill(result)
        before, now = part.get("properties"), result.get("properties")
        if isinstance(before, dict) and isinstance(now, dict):
            return without(result, {name for name, it in now.items() if it is False and before[name] is not False})
        return result

    found = walk(cast("JsonValue", schema))
    return found if isinstance(found, dict) else None


def without(schema: Schema, gone: Collection[str]) -> dict[str, JsonValue] | Literal[False]:
    """The schema of an object that has none of some properties; false where it needs one."""
    if set(gone) & set(cast("list[str]", schema.get("required") or [])):
        return False
    properties = cast("Mapping[str, JsonValue]", schema.get("properties") or {})
    return {**schema, "properties": {name: it for name, it in properties.items() if name not in gone}}


def rebased(schema: JsonValue, home: str) -> JsonValue:
    """A schema whose references from its top lead to what stands at `home`, a pointer or an address with one."""
    if not isinstance(schema, dict):
        return schema
    result = rebuild(schema, lambda inner: rebased(inner, home))
    if isinstance(reference := result.get("$ref"), str) and reference.startswith("#"):
        result["$ref"] = home + reference[1:]
    return result


def is_old(schema: Schema) -> bool:
    """Whether a schema is of a draft in which whatever stands beside `$ref` is ignored."""
    return any(f"draft-0{number}/" in str(schema.get("$schema", "")) for number in (3, 4, 6, 7))


class References:
    """What the references of a schema mean: by pointer, by `$anchor`, by the `$id` of a part.

    `root` is the schema with every reference as a pointer from its top, and without the names that others go by.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._old = is_old(schema)
        self._id = "id" if "draft-04/" in str(schema.get("$schema", "")) else "$id"
        self._top = self._base_of(schema, "")
        self._places = {self._top: ""}
        self._collect(cast("JsonValue", schema), "", "")
        self.root = cast("Schema", self._localized(cast("JsonValue", schema), ""))

    def __call__(self, schema: Schema) -> JsonValue:
        """What a schema's `$ref` means; the schema itself if that is not known."""
        target = self.target(schema.get("$ref"))
        return cast("JsonValue", schema) if target is None else target

    def target(self, reference: JsonValue) -> dict[str, JsonValue] | bool | None:
        """The schema that a reference of `root` leads to; None if it leads to none."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found = _at(self.root, unquote(reference[1:]))
        return cast("dict[str, JsonValue] | bool", found) if isinstance(found, dict | bool) else None

    def strays(self) -> Iterator[tuple[str, str]]:
        """The places of references that lead to nothing in the document, each with the reference."""
        due: list[tuple[str, JsonValue]] = [("", cast("JsonValue", self.root))]
        while due:
            where, part = due.pop()
            if isinstance(part, dict):
                if "$ref" in part and self.target(part["$ref"]) is None:
                    yield where or "the top", str(part["$ref"])
                due += [("/".join(filter(None, [where, *way])), inner) for way, inner in parts(part)]

    def _collect(self, part: JsonValue, pointer: str, base: str) -> None:
        """Note the pointers of parts with an identifier or an anchor."""
        if not isinstance(part, dict):
            return
        inner = self._base_of(part, base)
        if inner != base:
            self._places.setdefault(inner, pointer)
        anchors = [part.get("$anchor"), part.get("$dynamicAnchor")]
        if isinstance(name := part.get(self._id), str) and name.startswith("#"):
            anchors.append(name[1:])
        for anchor in anchors:
            if isinstance(anchor, str):
                self._places.setdefault(f"{inner}#{anchor}", pointer)
        for way, value in parts(part):
            self._collect(value, pointer + "".join(f"/{_escaped(name)}" for name in way), inner)

    def _localized(self, part: JsonValue, base: str) -> JsonValue:
        if not isinstance(part, dict):
            return part
        base = self._base_of(part, base)
        node = rebuild(part, lambda inner: self._localized(inner, base))
        for name in (self._id, "$anchor"):
            node.pop(name, None)
        for key in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(reference := node.get(key), str):
                node[key] = self._pointer(reference, base)
                if key == "$ref" and self._old:
                    kept = ("$ref", "$defs", "definitions", "$schema")
                    return {name: node[name] for name in kept if name in node}
        return node

    def _pointer(self, reference: str, base: str) -> str:
        """A reference as a pointer from the top; as it is if it leads out of the document."""
        address, fragment = urldefrag(urljoin(base, reference) if base else reference)
        start = self._places.get(address if fragment.startswith("/") or not fragment else f"{address}#{fragment}")
        if start is None:
            return reference
        pointer = start + (fragment if fragment.startswith("/") else "")
        return f"#{pointer}" if isinstance(_at(self._schema, unquote(pointer)), dict | bool) else reference

    def _base_of(self, schema: Schema, base: str) -> str:
        """The URI that references inside a part of the schema stand under."""
        name = None if self._old and "$ref" in schema else schema.get(self._id)
        return urldefrag(urljoin(base, name))[0] if isinstance(name, str) and not name.startswith("#") else base


def _at(root: Schema, pointer: str) -> object:
    place: object = root
    for name in pointer.split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict):
            place = cast("dict[str, object]", place).get(key)
        elif isinstance(place, list) and key.isdigit() and int(key) < len(cast("list[object]", place)):
            place = cast("list[object]", place)[int(key)]
        else:
            return None
    return place


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
