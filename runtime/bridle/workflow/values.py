"""What stands in a step, filled in: strings are templates over the variables, and types are written in short.

A string that is one expression, as `{{ trip.days + 1 }}`, gives the value itself; any other gives text. Templates are
Jinja's, in its sandbox.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import JsonValue, TypeAdapter

from bridle.errors import SkillError

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
_WHOLE = re.compile(r"\s*\{\{((?:(?!\}\}).)*)\}\}\s*", re.DOTALL)
TYPES: Mapping[str, type] = {
    "string": str,
    "text": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "date": datetime.date,
    "time": datetime.time,
}
"""Types by the names that steps have for them."""


def fill(value: Any, variables: Mapping[str, Any], place: str) -> Any:
    """A value with its templates filled in, at any depth.

    >>> fill({"to": "{{ who }}", "days": "{{ days + 1 }}"}, {"who": "Bo", "days": 2}, "")
    {'to': 'Bo', 'days': 3}

    Raises:
        SkillError: a template is not one, or speaks of what there is not.
    """
    match value:
        case str():
            return _fill(value, variables, place)
        case dict():
            pairs = cast("dict[Any, Any]", value).items()
            return {str(key): fill(it, variables, place) for key, it in pairs}
        case list():
            return [fill(it, variables, place) for it in cast("list[Any]", value)]
        case _:
            return value


def is_expression(value: Any) -> bool:
    """Whether a value is one expression, and no question.

    >>> is_expression("{{ n > 3 }}"), is_expression("Is {{ n }} enough?"), is_expression(True)
    (True, False, True)
    """
    return not isinstance(value, str) or _WHOLE.fullmatch(value) is not None


def _fill(text: str, variables: Mapping[str, Any], place: str) -> Any:
    if "{" not in text:
        return text
    try:
        if whole := _WHOLE.fullmatch(text):
            value = _ENVIRONMENT.compile_expression(whole[1], undefined_to_none=False)(**variables)
            return str(value) if isinstance(value, StrictUndefined) else value  # which raises
        return _ENVIRONMENT.from_string(text).render(**variables)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise SkillError(f"{place}: {text.strip()!r} cannot be filled in: {error}") from None


def schema_of(written: Any, place: str) -> dict[str, JsonValue]:
    """The JSON Schema of a type as it is written in short.

    >>> schema_of({"city": "string", "days?": "integer", "how": ["car", "train"]}, "")["required"]
    ['city', 'how']
    >>> schema_of(["integer"], "")
    {'type': 'array', 'items': {'type': 'integer'}}

    Raises:
        SkillError: it is no type.
    """
    match written:
        case str() if written in TYPES:
            return cast("dict[str, JsonValue]", TypeAdapter(TYPES[written]).json_schema())
        case [str() as only] if only in TYPES:
            return {"type": "array", "items": schema_of(only, place)}
        case [dict()]:
            return {"type": "array", "items": schema_of(cast("list[Any]", written)[0], place)}
        case list() if written:
            return {"enum": cast("list[JsonValue]", written)}
        case {"type": str(), **rest} if rest.keys() & {"properties", "items", "enum", "pattern", "minimum", "maximum"}:
            return cast("dict[str, JsonValue]", written)
        case dict() if written:
            fields = cast("dict[str, Any]", written)
            return {
                "type": "object",
                "properties": {name.rstrip("?"): schema_of(it, place) for name, it in fields.items()},
                "required": [name for name in fields if not name.endswith("?")],
                "additionalProperties": False,
            }
        case _:
            raise SkillError(
                f"{place}: {written!r} is no type; there are: {', '.join(TYPES)}, a list of options, "
                "a list of one type, and a mapping of names to types"
            )
