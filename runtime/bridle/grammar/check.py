"""A validator for what no grammar holds: `jsonschema-rs`, offline and in linear time.

Patterns are respelled first (`bridle.grammar.pattern`); those with look-around or back-references run in an engine that
counts its steps and gives up, so that no text takes for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import cast

import jsonschema_rs
from pydantic import JsonValue

from bridle.errors import FormatError, GrammarError
from bridle.grammar.keywords import References, Schema, rebased, rebuild
from bridle.grammar.pattern import translate

BACKTRACKS = 200_000
"""Steps that a pattern with look-around may take; some hundredths of a second."""
MESSAGE = 300
"""Characters of a validator's message that are kept."""
OLDER = "http://json-schema.org/draft-07/schema#"
"""The draft that a schema is tried in that names none and is not of the newest: lists in `items`, say."""
_WHOLE = "bridle:whole"
"""The address under which parts of a schema find it."""
_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS)


def checker(schema: Schema | bool) -> Callable[[JsonValue], None]:
    """A check that raises `FormatError` for a value that does not fit, with where and why.

    Raises:
        GrammarError: it is no valid JSON Schema, or refers to what it does not hold; where, and why.
    """
    try:
        return check_of(dated(schema))
    except RecursionError:
        raise GrammarError("the schema nests too deeply") from None


class Parts:
    """Checks of parts of one schema, made once for each; references in them are pointers from its top."""

    def __init__(self, whole: Schema) -> None:
        self._draft = {"$schema": whole["$schema"]} if "$schema" in whole else {}
        self._registry = jsonschema_rs.Registry([(_WHOLE, _readable(cast("JsonValue", whole)))])
        self._known: dict[str, Callable[[JsonValue], None]] = {}

    def accept(self, part: Schema | bool, value: JsonValue) -> bool:
        """Whether a value fits a part."""
        if isinstance(part, bool):
            return part
        key = json.dumps(part)
        if key not in self._known:
            readable = cast("Schema", rebased(_readable(cast("JsonValue", part)), f"{_WHOLE}#"))
            self._known[key] = check_of({**self._draft, **readable}, self._registry)
        return accepts(self._known[key], value)


def dated(schema: Schema | bool) -> Schema | bool:
    """A schema with patterns as the validator reads them, and with the draft in which it is valid.

    Raises:
        GrammarError: it is valid in none; where, and why.
    """
    readable = cast("dict[str, JsonValue] | bool", _readable(cast("JsonValue", schema)))
    older = {"$schema": OLDER, **readable} if isinstance(readable, dict) and "$schema" not in readable else None
    try:
        jsonschema_rs.meta.validate(readable)
    except jsonschema_rs.ValidationError as error:
        if older is not None and jsonschema_rs.meta.is_valid(older):  # it only does not say which draft it is of
            return older
        where = "/".join(map(str, error.instance_path)) or "the top"
        raise GrammarError(f"not a valid JSON Schema, at {where}: {_short(error.message)}") from None
    except (jsonschema_rs.ReferencingError, ValueError) as error:  # an unknown `$schema`, say
        raise GrammarError(f"not a valid JSON Schema: {_short(str(error))}") from None
    return readable


def check_of(readable: Schema | bool, registry: jsonschema_rs.Registry | None = None) -> Callable[[JsonValue], None]:
    """The check of a schema that is `dated`.

    Raises:
        GrammarError: it refers to what it does not hold; where.
    """
    try:
        validator = jsonschema_rs.validator_for(
            cast("dict[str, JsonValue] | bool", readable),
            validate_formats=True,
            offline=True,
            pattern_options=_PATTERNS,
            registry=registry,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        strays = References(readable).strays() if isinstance(readable, Mapping) else iter(())
        where, reference = next(strays, ("", ""))
        why = f"{where}: it refers to {reference}, which it does not hold" if where else _short(str(error))
        raise GrammarError(f"not a valid JSON Schema{', at ' if where else ': '}{why}") from None

    def check(value: JsonValue) -> None:
        try:
            validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            where = ".".join(map(str, error.instance_path))
            raise FormatError(f"{where}: {_short(error.message)}" if where else _short(error.message)) from None
        except ValueError as error:  # a number or a depth that it does not read
            raise FormatError(_short(str(error))) from None

    return check


def accepts(check: Callable[[JsonValue], None], value: JsonValue) -> bool:
    """Whether a value passes a check."""
    try:
        check(value)
    except FormatError:
        return False
    return True


def is_pattern(pattern: str) -> bool:
    """Whether a pattern is a regular expression at all."""
    return _respelled(pattern) is not None


@lru_cache(1024)
def _respelled(pattern: str) -> str | None:
    """A pattern as the validator reads it, unchanged if it can be: references may go through it. None if it is none."""
    for spell in (lambda: pattern, lambda: translate(pattern).text):
        try:
            text = spell()
            jsonschema_rs.validator_for({"pattern": text}, offline=True, pattern_options=_PATTERNS)
        except (ValueError, GrammarError):
            continue
        return text
    return None


def _readable(schema: JsonValue) -> JsonValue:
    """A schema with its patterns respelled, and without those that are none."""
    if not isinstance(schema, dict):
        return schema
    result = rebuild(schema, _readable)
    if isinstance(pattern := result.get("pattern"), str):
        if (respelled := _respelled(pattern)) is None:
            del result["pattern"]
        else:
            result["pattern"] = respelled
    if isinstance(found := result.get("patternProperties"), dict):
        spelled: dict[str, JsonValue] = {}
        for key, value in found.items():
            if (text := _respelled(key)) is not None:
                while text in spelled:  # two spellings of one pattern
                    text += "(?:)"
                spelled[text] = value
        result["patternProperties"] = spelled
    return result


def _short(message: str) -> str:
    line = message.split("\n\nFailed validating")[0].replace("\n", " ")
    return line if len(line) <= MESSAGE else f"{line[:MESSAGE]}..."
