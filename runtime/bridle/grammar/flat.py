"""What JSON Schema says of one place, as alternatives that need no more looking up.

`$ref`, `allOf`, `anyOf`, `oneOf` and boolean schemas are followed and multiplied out: a place is a choice among
branches, and a branch is a list of schemas that all hold, none of which refers or branches at its top.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from pydantic import JsonValue

from bridle.errors import GrammarError
from bridle.grammar.keywords import KEYWORDS_OF, References, Schema
from bridle.values import same

BRANCHES = 256
"""Alternatives of one place at most."""
DEPTH = 100
"""Schemas within one another at most."""

_SILENT = {
    "$ref", "allOf", "anyOf", "$defs", "definitions", "$schema", "$id", "$anchor", "$comment", "description", "default",
    "examples", "deprecated", "readOnly", "writeOnly", "discriminator",
}  # fmt: skip
"""Words of a part that say nothing once it is expanded."""
_SAYS_NOTHING = _SILENT - {"$ref", "allOf", "anyOf"}


@dataclass(frozen=True, eq=False)
class Part:
    """A schema, where its references lead, and its own path for messages."""

    schema: Schema | bool
    references: References
    where: str = ""

    @property
    def words(self) -> Schema:
        """The keywords; none for a boolean schema."""
        return self.schema if isinstance(self.schema, Mapping) else {}

    @property
    def says_something(self) -> bool:
        """Whether it rules anything out, as far as a look tells."""
        return self.schema is False or bool(self.words.keys() - _SAYS_NOTHING)

    def listed(self, word: str) -> list[JsonValue]:
        """The list under a keyword; empty if there is none."""
        return _listed(self.words.get(word))

    def mapped(self, word: str) -> dict[str, JsonValue]:
        """The mapping under a keyword; empty if there is none."""
        found = self.words.get(word)
        return found if isinstance(found, dict) else {}

    def number(self, word: str, default: float) -> float:
        """The number under a keyword, or the default."""
        found = self.words.get(word)
        return found if isinstance(found, int | float) and not isinstance(found, bool) else default

    @cached_property
    def identity(self) -> str:
        """The same for parts that say the same."""
        said = {word: it for word, it in self.words.items() if word not in _SAYS_NOTHING}
        return json.dumps(said if self.words else self.schema, sort_keys=True)

    def inner(self, schema: JsonValue, *path: str | int) -> Part:
        """A schema inside this one."""
        where = "/".join(filter(None, [self.where, *map(str, path)]))
        if not isinstance(schema, bool | dict):
            raise GrammarError(f"not a valid JSON Schema, at {where}: {schema!r} is no schema")
        return Part(schema, self.references, where)

    def only(self, words: Schema) -> Part:
        """Some of its own words, at the same place."""
        return Part(words, self.references, self.where)

    def target(self) -> Part:
        """Where its `$ref` leads.

        Raises:
            GrammarError: out of the schema.
        """
        reference, found = str(self.words["$ref"]), self.references.target(self.words["$ref"])
        if found is None:
            raise GrammarError(f"{here(self)}: it refers to {reference}, which it does not hold")
        return Part(found, self.references, reference)


def here(part: Part) -> str:
    """The place of a part, for messages."""
    return part.where or "the schema"


@dataclass(frozen=True, eq=False)
class Branch:
    """Schemas that all hold, and what an alternative is called if it has a name of its own."""

    parts: tuple[Part, ...] = ()
    title: str = ""

    @property
    def values(self) -> list[JsonValue] | None:
        """The values that `enum` and `const` leave; None if there are neither."""
        found: list[JsonValue] | None = None
        for part in self.parts:
            for listed in ([part.words["const"]] if "const" in part.words else None, part.words.get("enum")):
                if isinstance(listed, list):
                    found = [it for it in listed if found is None or any(same(it, other) for other in found)]
        return found

    @property
    def kinds(self) -> set[str]:
        """The types of JSON values that are possible; "integer" stands for whole numbers only.

        Where no `type` is given, keywords that are of one type alone tell; without any, everything is possible.
        """
        said = [_types(part) for part in self.parts if "type" in part.words]
        if not said:
            words = {word for part in self.parts for word in part.words}
            hinted = {kind for kind, of_kind in KEYWORDS_OF.items() if words & set(of_kind)}
            return hinted or {"object", "array", "string", "number", "boolean", "null"}
        kinds = said[0]
        for other in said[1:]:
            both = kinds & other
            if ("integer" in kinds and "number" in other) or ("number" in kinds and "integer" in other):
                both = both | {"integer"}
            kinds = both
        return kinds - {"integer"} if "number" in kinds else kinds


Branches: TypeAlias = list[Branch]


def branches(parts: Sequence[Part]) -> Branches:
    """The alternatives of a place at which all parts hold; none if nothing can stand there.

    Raises:
        GrammarError: a reference leads nowhere, or in a circle; or there are too many alternatives.
    """
    found = [Branch()]
    for part in parts:
        found = _both(found, _expand(part, (), {}), part)
    return found


def _expand(part: Part, followed: tuple[str, ...], known: dict[str, Branches]) -> Branches:
    """The alternatives of one part, on the way along the references `followed`; `known` are those of their targets."""
    if isinstance(part.schema, bool):
        return [Branch()] if part.schema else []
    words = part.words
    for word in ("$dynamicRef", "$recursiveRef"):
        if word in words:
            raise GrammarError(f"{here(part)}: {word} is not held in XML", hint="use $ref")
    own = {word: value for word, value in words.items() if word not in _SILENT}
    found = [Branch((part.only(own),))] if own else [Branch()]
    if "$ref" in words:
        target = part.target()
        if (identity := target.identity) in followed or len(followed) > DEPTH:
            raise GrammarError(f"{here(part)}: {words['$ref']} leads back to itself")
        if identity not in known:  # a target that is met again and again is expanded once
            known[identity] = _expand(target, (*followed, identity), known)
        referred = known[identity]
        found = _both(found, referred, part)
    for number, inner in enumerate(_listed(words.get("allOf"))):
        found = _both(found, _expand(part.inner(inner, "allOf", number), followed, known), part)
    for word in ("anyOf", "oneOf"):
        if word in words:
            options = [
                Branch(it.parts, it.title or _title(it))
                for number, inner in enumerate(_listed(words[word]))
                for it in _expand(part.inner(inner, word, number), followed, known)
            ]
            found = _both(found, options, part)
    return found


def _both(some: Branches, others: Branches, part: Part) -> Branches:
    if len(some) * len(others) > BRANCHES:
        raise GrammarError(f"{here(part)}: there are more than {BRANCHES} alternatives")
    return [
        Branch(tuple({it.identity: it for it in (*one.parts, *other.parts)}.values()), other.title or one.title)
        for one in some
        for other in others
    ]


def _title(branch: Branch) -> str:
    return next((str(part.words["title"]) for part in reversed(branch.parts) if "title" in part.words), "")


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _types(part: Part) -> set[str]:
    said = part.words["type"]
    return {str(kind) for kind in said} if isinstance(said, list) else {str(said)}
