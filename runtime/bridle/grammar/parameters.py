"""The parameters of a tool as its JSON Schema has them: by name, with their parts, references followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, cast

from pydantic import JsonValue

from bridle.grammar.keywords import Schema

_Shapes: TypeAlias = Mapping[str, Schema]


@dataclass(frozen=True)
class Parameter:
    """One parameter, or a part of one."""

    name: str
    needed: bool
    spec: Schema
    """What it is, where it is not made of parts or options."""
    parts: Sequence[Parameter] = ()
    options: Sequence[Parameter] = ()
    """Of which it is one (`anyOf`)."""
    again: str = ""
    """The name of its type, if it is a part of that type itself."""

    @property
    def note(self) -> str:
        """What it may be, in few words: `integer`, `a|b|c`, `{part, part}`; nothing for a string, which goes without
        saying."""
        if self.again:
            return self.again
        if self.options:
            return " or ".join(option.note or "string" for option in self.options)
        if self.parts:
            return f"{{{noted(self.parts)}}}"
        if "enum" in self.spec:
            return "|".join(str(option) for option in cast("Sequence[JsonValue]", self.spec["enum"]))
        kind = self.spec.get("type")
        return "" if kind in (None, "string") else str(kind)


def parameters(schema: Schema) -> tuple[Parameter, ...]:
    """The parameters of the tool whose arguments a schema describes."""
    return _parts(schema, cast("_Shapes", schema.get("$defs", {})), frozenset())


def noted(parts: Sequence[Parameter]) -> str:
    """Parameters in few words: `needed, other: integer, optional?, where: {city, street}`."""
    told = (f"{it.name}{'' if it.needed else '?'}{f': {it.note}' if it.note else ''}" for it in parts)
    return ", ".join(told)


def leaves(schema: Schema) -> list[Parameter]:
    """A tool's parameters; of one with parts, its parts, which are needed where it is needed as well.

    >>> size = {"type": "object", "properties": {"width": {}, "height": {}}, "required": ["width"]}
    >>> [(it.name, it.needed) for it in leaves({"properties": {"id": {}, "size": size}, "required": ["size"]})]
    [('id', False), ('width', True), ('height', False)]
    """
    return list(_leaves(parameters(schema), needed=True))


def _leaves(parts: Sequence[Parameter], *, needed: bool) -> Iterator[Parameter]:
    for part in parts:
        if part.parts:
            yield from _leaves(part.parts, needed=needed and part.needed)
        else:
            yield replace(part, needed=needed and part.needed)


def _parts(schema: Schema, shapes: _Shapes, outer: frozenset[str]) -> tuple[Parameter, ...]:
    required = cast("Sequence[str]", schema.get("required", ()))
    specs = cast("_Shapes", schema.get("properties", {})).items()
    return tuple(_parameter(name, name in required, spec, shapes, outer) for name, spec in specs)


def _parameter(name: str, needed: bool, spec: Schema, shapes: _Shapes, outer: frozenset[str]) -> Parameter:
    """`shapes` are those with names, `outer` the names of those that this one is a part of."""
    kind = str(spec.get("$ref", "")).removeprefix("#/$defs/")
    if kind in outer:
        return Parameter(name, needed, spec, again=kind)
    if kind in shapes:
        return _parameter(name, needed, shapes[kind], shapes, outer | {kind})
    of = cast("Sequence[Schema]", spec.get("anyOf", ()))
    options = tuple(_parameter(name, needed, option, shapes, outer) for option in of)
    return Parameter(name, needed, spec, () if options else _parts(spec, shapes, outer), options)
