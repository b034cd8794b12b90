"""What a rule says of arguments: a JSON Schema that has to mean what it says, for a slip in it would forbid nothing.

Schemas of tools may hold what nobody knows; those of rules may not.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal, cast

from pydantic import JsonValue

from bridle.errors import GrammarError
from bridle.grammar.check import checker, is_pattern
from bridle.grammar.formats import CHECKED
from bridle.grammar.hold import hold
from bridle.grammar.keywords import KIND_OF, Schema, parts
from bridle.grammar.other import without_not
from bridle.grammar.shaping import shape_of

NEWEST = "https://json-schema.org/draft/2020-12/schema"
"""The draft that rules are of."""
_SAID = """
    type enum const properties patternProperties additionalProperties required propertyNames minProperties maxProperties
    unevaluatedProperties dependentRequired dependentSchemas items prefixItems minItems maxItems uniqueItems contains
    minContains maxContains unevaluatedItems minLength maxLength pattern format minimum maximum exclusiveMinimum
    exclusiveMaximum multipleOf anyOf allOf oneOf not if then else
    $comment title description default examples deprecated
"""
KEYWORDS = frozenset(_SAID.split())
"""What can be said in a rule; the last line for people."""


def see_meant(args: Schema) -> None:
    """See that all that a rule says of arguments is understood.

    Raises:
        GrammarError: it is not; where, and what.

    >>> see_meant({"properties": {"path": {"pattern": "("}}})
    Traceback (most recent call last):
    bridle.errors.GrammarError: at properties/path/pattern: '(' is no regular expression
    """
    for key in args:
        if KIND_OF.get(key, "object") != "object":
            raise GrammarError(f"at {key}: it says nothing of an object, as arguments are: say properties.NAME.{key}")
    see_schema(args)


def see_schema(schema: Schema) -> None:
    """See that all of a JSON Schema is understood.

    Raises:
        GrammarError: it is not; where, and what.
    """
    _see(schema, ())
    checker({"$schema": NEWEST, **schema})


def spelled(args: Schema) -> JsonValue:
    """A narrowing as a grammar is made of it; the check after keeps to its own words."""
    return without_not(cast("JsonValue", args))


def unheld(before: Schema, after: Schema, syntax: Literal["json", "xml"] = "json") -> list[str]:
    """Where no grammar holds a schema that held it before it was narrowed; nothing where no value is left.

    >>> tool = {"type": "object", "properties": {"a": {"type": "string"}}}
    >>> unheld(tool, {"allOf": [tool, {"properties": {"a": {"pattern": "^(?!x)"}}}]})
    ['/properties/a: pattern ^(?!x)']
    """
    held = hold if syntax == "json" else shape_of
    try:
        known = held(before).loose
        return [it for it in held(after).loose if it not in known]
    except GrammarError:
        return []


def _see(schema: Schema, way: tuple[str, ...]) -> None:
    for key in schema:
        if key not in KEYWORDS:
            like = get_close_matches(key, KEYWORDS, 1)
            raise GrammarError(
                f"at {'/'.join((*way, key))}: there is no keyword {key}" + (f", but there is {like[0]}" if like else "")
            )
    spelled = [("pattern", schema["pattern"])] if "pattern" in schema else []
    if isinstance(keyed := schema.get("patternProperties"), dict):
        spelled += [("patternProperties", key) for key in keyed]
    for key, pattern in spelled:
        if isinstance(pattern, str) and not is_pattern(pattern):
            raise GrammarError(f"at {'/'.join((*way, key))}: {pattern!r} is no regular expression")
    if isinstance(name := schema.get("format"), str) and name not in CHECKED:
        raise GrammarError(f"at {'/'.join((*way, 'format'))}: there is no format {name}")
    for names, part in parts(schema):
        if isinstance(part, dict):
            _see(part, (*way, *names))
