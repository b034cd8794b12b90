"""How a JSON value of a schema stands in XML, and the way back.

An object is its properties as elements, in order; a list is its `<item>`s; a map is its `<entry key="...">`s; null is
`nil="true"`; text escapes `<`, `>` and `&`, so that a closing tag is never in doubt. Alternatives that the text alone
cannot tell apart stand in an element named after the alternative. A property whose name is no XML name becomes
`<field name="...">`.

    >>> schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    >>> print(render(schema, {"city": "Oslo & <Bergen>", "days": 3}, "trip"))
    <trip><city>Oslo &amp; &lt;Bergen&gt;</city><days>3</days></trip>
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import cast
from xml.sax.saxutils import escape

from pydantic import JsonValue

from bridle.errors import FormatError, GrammarError
from bridle.grammar.base import Element
from bridle.grammar.schema import Schema

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
"""Names that can be element names as they are."""
SCALARS = ("integer", "number", "boolean")
"""Types whose text tells them apart."""
REFERENCES = 32
"""References followed from one place at most."""


def read(root: Schema, element: Element) -> JsonValue:
    """The JSON value in an element that is to fit a schema.

    Raises:
        FormatError: an element is missing, unknown, or holds something else; the message says where.
    """
    return _value(root, root, element, element.tag if isinstance(element.tag, str) else "value")


def render(root: Schema, value: JsonValue, name: str) -> str:
    """A JSON value of the schema as an element."""
    return _render(root, root, value, name)


def names_of(root: Schema) -> set[str]:
    """The elements that may stand in a document of the schema."""
    names = {"item", "entry", "field"}

    def visit(part: JsonValue) -> None:
        if isinstance(part, dict):
            names.update(_properties_in(part))
            if found := alternatives_of(part):
                names.update(labels_of(found, root))
            for inner in part.values():
                visit(inner)
        elif isinstance(part, list):
            for inner in part:
                visit(inner)

    visit(cast("JsonValue", dict(root)))
    return {name for name in names if NAME.fullmatch(name)}


def outline(root: Schema, name: str) -> str:
    """A skeleton of the document for a prompt: `<trip><city>text</city><days>integer</days></trip>`."""
    return _outline(root, root, name, depth=0)


def _children(element: Element) -> list[Element]:
    return [child for child in element if isinstance(child.tag, str)]


def _text(element: Element, where: str) -> str:
    if _children(element):
        raise FormatError(f"{where}: text expected, but it holds <{_children(element)[0].tag}>")
    return "".join(element.itertext())


def _value(schema: Schema, root: Schema, element: Element, where: str) -> JsonValue:
    options = without_null(schema, root)
    if options is not None:
        if element.get("nil") == "true":
            return None
        schema = options
    schema = resolve(schema, root)
    if "const" in schema or "enum" in schema:
        values = cast("list[JsonValue]", schema.get("enum", [schema.get("const")]))
        text = _text(element, where)
        for value in values:
            if text.strip() == spell(value).strip():
                return value
        raise FormatError(f"{where}: '{text}' is not one of: {', '.join(map(spell, values))}")
    if alternatives := alternatives_of(schema):
        return _alternative(alternatives, root, element, where)
    match schema.get("type"):
        case "object":
            return _object_value(schema, root, element, where)
        case "array":
            first = cast("list[Schema]", schema.get("prefixItems", []))
            rest = cast("Schema", schema.get("items") or {"type": "string"})
            items = _children(element)
            kinds = [*first, *[rest] * len(items)]
            return [_value(kinds[n], root, item, f"{where}.{n}") for n, item in enumerate(items)]
        case "integer" | "number" | "boolean":
            return _scalar(_text(element, where), where)
        case "null":
            return None
        case _:
            return _text(element, where)


def _alternative(alternatives: Sequence[Schema], root: Schema, element: Element, where: str) -> JsonValue:
    if all(option.get("type") in SCALARS and "enum" not in option for option in alternatives):
        return _scalar(_text(element, where), where)
    labels, children = labels_of(alternatives, root), _children(element)
    if len(children) == 1 and children[0].tag in labels:
        return _value(alternatives[labels.index(str(children[0].tag))], root, children[0], where)
    raise FormatError(f"{where}: one of <{'>, <'.join(labels)}> expected")


def _object_value(schema: Schema, root: Schema, element: Element, where: str) -> JsonValue:
    properties, extra = properties_of(schema), schema.get("additionalProperties", False)
    value: dict[str, JsonValue] = {}
    for child in _children(element):
        tag = str(child.tag)
        key = (
            child.get("name" if tag == "field" else "key")
            if tag in ("field", "entry") and tag not in properties
            else tag
        )
        if key is None or key in value:
            raise FormatError(f"{where}: <{tag}> {'has no name' if key is None else 'comes twice'}")
        if key not in properties and not isinstance(extra, dict):
            raise FormatError(f"{where}: <{key}> is not expected; possible are: {', '.join(properties) or 'none'}")
        value[key] = _value(properties.get(key, cast("Schema", extra)), root, child, f"{where}.{key}")
    missing = [name for name in cast("list[str]", schema.get("required", [])) if name not in value]
    if missing:
        raise FormatError(f"{where}: <{'>, <'.join(missing)}> missing")
    return value


def _scalar(text: str, where: str) -> JsonValue:
    try:
        value = json.loads(text.strip())
    except ValueError:
        value = None
    if not isinstance(value, int | float):
        raise FormatError(f"{where}: '{text.strip()}' is not a number or true or false")
    return value


def _render(schema: Schema, root: Schema, value: JsonValue, name: str) -> str:
    head, tail = tags(name)
    options = without_null(schema, root)
    if options is not None:
        if value is None:
            return f'{head[:-1]} nil="true"/>'
        schema = options
    schema = resolve(schema, root)
    alternatives = alternatives_of(schema)
    if alternatives and not all(option.get("type") in SCALARS for option in alternatives):
        labels = labels_of(alternatives, root)
        chosen = next((n for n, option in enumerate(alternatives) if _fits(resolve(option, root), value)), 0)
        return f"{head}{_render(alternatives[chosen], root, value, labels[chosen])}{tail}"
    if isinstance(value, dict):
        properties, extra = properties_of(schema), cast("Schema", schema.get("additionalProperties") or {})
        inner = "".join(
            _render(properties[key], root, item, key)
            if key in properties
            else _render(extra, root, item, "entry").replace("<entry", f'<entry key="{attribute(key)}"', 1)
            for key, item in value.items()
        )
        return f"{head}{inner}{tail}"
    if isinstance(value, list):
        first = cast("list[Schema]", schema.get("prefixItems", []))
        kinds = [*first, *[cast("Schema", schema.get("items") or {})] * len(value)]
        return f"{head}{''.join(_render(kinds[n], root, item, 'item') for n, item in enumerate(value))}{tail}"
    return f"{head}{escape(spell(value))}{tail}"


def _fits(schema: Schema, value: JsonValue) -> bool:
    """Whether a value could be of an alternative, by its type and keys."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    if "const" in schema or "enum" in schema:
        return value in cast("list[JsonValue]", schema.get("enum", [schema.get("const")]))
    kind = kinds.get(str(schema.get("type")))
    if kind is None or not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    if isinstance(value, dict):
        constants = {key: inner["const"] for key, inner in properties_of(schema).items() if "const" in inner}
        required = cast("list[str]", schema.get("required", []))
        return all(key in value for key in required) and all(value.get(key) == it for key, it in constants.items())
    return True


def _outline(schema: Schema, root: Schema, name: str, depth: int) -> str:
    head, tail = tags(name)
    schema = without_null(schema, root) or schema
    schema = resolve(schema, root)
    if depth > 6:
        return f"{head}...{tail}"
    if "const" in schema or "enum" in schema:
        inner = "|".join(
            escape(spell(value)) for value in cast("list[JsonValue]", schema.get("enum", [schema.get("const")]))
        )
    elif alternatives := alternatives_of(schema):
        pairs = zip(labels_of(alternatives, root), alternatives, strict=True)
        inner = " or ".join(_outline(option, root, label, depth + 1) for label, option in pairs)
    elif schema.get("type") == "object":
        inner = "".join(_outline(part, root, key, depth + 1) for key, part in properties_of(schema).items())
    elif schema.get("type") == "array":
        inner = _outline(cast("Schema", schema.get("items") or {}), root, "item", depth + 1) + "..."
    else:
        inner = {"string": "text"}.get(str(schema.get("type")), str(schema.get("type", "text")))
    return f"{head}{inner}{tail}"


def tags(name: str) -> tuple[str, str]:
    """The opening and the closing tag of an element."""
    if NAME.fullmatch(name):
        return f"<{name}>", f"</{name}>"
    return f'<field name="{attribute(name)}">', "</field>"


def attribute(text: str) -> str:
    """A text inside double quotes."""
    return escape(text, {'"': "&quot;"})


def spell(value: JsonValue) -> str:
    """A value as text: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def properties_of(schema: Schema) -> Mapping[str, Schema]:
    """The properties of an object, in their order."""
    return cast("Mapping[str, Schema]", schema.get("properties", {}))


def _properties_in(part: dict[str, JsonValue]) -> list[str]:
    properties = part.get("properties")
    return list(properties) if isinstance(properties, dict) else []


def alternatives_of(schema: Schema) -> list[Schema]:
    """The alternatives of a schema; empty if it has none."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in kinds]
    found = schema.get("anyOf") or schema.get("oneOf") or []
    if not found and isinstance(merged := schema.get("allOf"), list) and len(merged) == 1:
        found = merged
    return cast("list[Schema]", found) if isinstance(found, list) and all(isinstance(it, dict) for it in found) else []


def resolve(schema: Schema, root: Schema) -> Schema:
    """A schema with its own `$ref` followed.

    Raises:
        GrammarError: the reference leads nowhere.
    """
    for _ in range(REFERENCES):
        if "$ref" not in schema:
            break
        target: object = root
        for part in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
            if name := part.replace("~1", "/").replace("~0", "~"):
                target = cast("Schema", target).get(name) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            raise GrammarError(f"the schema refers to {schema['$ref']}, which it does not have")
        schema = cast("Schema", target)
    return schema


def without_null(schema: Schema, root: Schema) -> Schema | None:
    """A schema that admits null, without it (empty if nothing else is left); None if it does not admit null."""
    schema = resolve(schema, root)
    alternatives = alternatives_of(schema)
    if schema.get("type") == "null":
        return {}
    rest = [option for option in alternatives if resolve(option, root).get("type") != "null"]
    if not alternatives or len(rest) == len(alternatives):
        return None
    return rest[0] if len(rest) == 1 else {"anyOf": cast("JsonValue", rest)}


def labels_of(alternatives: Sequence[Schema], root: Schema) -> list[str]:
    """A distinct element name for each alternative: its title, or its type."""
    labels: list[str] = []
    for option in alternatives:
        resolved = resolve(option, root)
        name = str(resolved.get("title") or resolved.get("type") or "option")
        name = name if NAME.fullmatch(name) else "option"
        labels.append(name if name not in labels else f"{name}{len(labels) + 1}")
    return labels
