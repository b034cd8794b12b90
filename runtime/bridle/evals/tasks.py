"""What the decoding benchmarks ask: a conversation, and the tools of which one must be called next.

Tasks are read from JSON lines in the layout of BFCL (Patil et al., 2025): `question`, turns of messages of which the
first is asked, and `function`, each with `name`, `description` and `parameters`. These are JSON Schema with Python's
names for types, which are put right here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, JsonValue

from bridle.brief import brief
from bridle.errors import UsageError
from bridle.grammar.action import Actions
from bridle.grammar.schema import Schema
from bridle.model import Model
from bridle.prompt import Message
from bridle.tool import Effect, Tool

_CITIES = ["Amsterdam", "Barcelona", "Copenhagen", "Dublin", "Edinburgh", "Frankfurt", "Gothenburg", "Helsinki"]
_FLIGHT: Schema = {
    "type": "object",
    "properties": {
        "traveller": {"type": "string", "minLength": 3, "maxLength": 24},
        "origin": {"enum": [*_CITIES]},
        "destination": {"enum": [*_CITIES]},
        "departure_date": {"type": "string", "format": "date"},
        "cabin_class": {"enum": ["economy", "premium economy", "business"]},
        "checked_bags": {"type": "integer", "minimum": 0, "maximum": 4},
        "window_seat": {"type": "boolean"},
    },
    "required": ["traveller", "origin", "destination", "departure_date", "cabin_class", "checked_bags", "window_seat"],
}
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "String": "string", "Boolean": "boolean"}
"""What BFCL calls the types of JSON Schema."""
_KEPT = {
    *("type", "enum", "const", "anyOf", "$ref", "$defs", "description"),
    *("properties", "required", "additionalProperties", "items", "minItems", "maxItems"),
    *("minimum", "maximum", "minLength", "maxLength", "pattern", "format"),
}
"""What constrains a value; the rest of a parameter are notes of that data set, such as `optional`."""


@dataclass(frozen=True)
class CallForm(Actions):
    """The action form without its other ways out, so that every output is a call."""

    def grammar(self) -> str:
        """See `Form.grammar`."""
        return Actions(self.tools, self.syntax, self.style, replies=()).grammar()


@dataclass(frozen=True)
class Task:
    """A conversation, and the tools of which one must be called next."""

    name: str
    messages: Sequence[Message]
    """Without the system message, which says what the tools are."""
    tools: Sequence[Tool]

    def form(self, model: Model) -> CallForm:
        """The form of the call, as a model spells it."""
        return CallForm({tool.name: tool.schema for tool in self.tools}, "json", model.style)

    def system(self, model: Model) -> Message:
        """The message that says what the tools are."""
        return Message("system", brief("", self.tools, self.form(model), None, terse=model.card.prompt.terse))

    @property
    def schema(self) -> Schema:
        """The whole call, for engines that know schemas alone."""
        calls = [_call(tool) for tool in self.tools]
        shared: dict[str, JsonValue] = {}
        for tool in self.tools:
            shared |= cast("dict[str, JsonValue]", tool.schema.get("$defs", {}))
        whole: dict[str, JsonValue] = calls[0] if len(calls) == 1 else {"anyOf": cast("JsonValue", calls)}
        return {**whole, "$defs": shared} if shared else whole


def read_tasks(path: Path, limit: int = 0) -> list[Task]:
    """The tasks of a file, or of all such files in a folder; or `limit` of them, spread over all.

    Raises:
        UsageError: there are none, or one cannot be read; the message says where.
    """
    files = sorted(path.glob("*.json*")) if path.is_dir() else [path]
    tasks = [task for file in files for task in _read(file)]
    if not tasks:
        raise UsageError(f"there are no tasks in {path}", hint="name a file of JSON lines in the layout of BFCL")
    return tasks[:: max(1, len(tasks) // limit)][:limit] if limit else tasks


def _read(file: Path) -> list[Task]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    tasks: list[Task] = []
    for number, line in enumerate(lines, 1):
        try:
            tasks += [_task(json.loads(line))] if line.strip() else []
        except (ValueError, LookupError, TypeError) as error:
            hint = "each line is an object with 'id', 'question' and 'function'"
            raise UsageError(f"{file}, line {number}, is no task: {error!r}", hint=hint) from None
    return tasks


def _task(told: Any) -> Task:
    turn = told["question"][0]
    messages = [Message(message["role"], str(message["content"])) for message in turn if message["role"] != "system"]
    tools = [
        declared(it["name"], it.get("description", ""), _standard(it["parameters"], top=True))
        for it in told["function"]
    ]
    if not tools or not messages:
        raise ValueError("it asks nothing, or has no function")
    return Task(str(told["id"]), messages, tools)


def declared(name: str, description: str, schema: Schema) -> Tool:
    """A tool that is only offered, never run."""
    return Tool(name, " ".join(description.split()), schema, Effect.PURE, 1.0, lambda: None, BaseModel, {})


def _standard(schema: Mapping[str, Any], *, top: bool = False) -> dict[str, JsonValue]:
    """Parameters as JSON Schema."""
    found: dict[str, JsonValue] = {key: value for key, value in schema.items() if key in _KEPT}
    kind = str(schema.get("type", ""))
    if kind in ("any", ""):
        found.pop("type", None)
    else:
        found["type"] = _TYPES.get(kind, kind)
    for key in ("properties", "$defs"):
        if isinstance(inner := schema.get(key), Mapping):
            found[key] = {name: _standard(it) for name, it in cast("Mapping[str, Any]", inner).items()}
    if isinstance(items := schema.get("items"), Mapping):
        found["items"] = _standard(cast("Mapping[str, Any]", items))
    if isinstance(ways := schema.get("anyOf"), list):
        found["anyOf"] = [_standard(it) for it in cast("list[Mapping[str, Any]]", ways)]
    if "enum" in found:
        found.pop("type", None)  # the members say it, and not all of them agree with the type beside them
    return found | {"type": "object"} if top else found


def _call(tool: Tool) -> dict[str, JsonValue]:
    schema = {key: value for key, value in tool.schema.items() if key != "$defs"}
    return {
        "type": "object",
        "properties": {"tool": {"const": tool.name}, "args": _closed(schema)},
        "required": ["tool", "args"],
        "additionalProperties": False,
    }


def _closed(value: Any) -> Any:
    """A schema whose objects have the properties that they name and no others."""
    if isinstance(value, list):
        return [_closed(it) for it in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {key: _closed(it) for key, it in cast("dict[str, Any]", value).items()}
    is_object = found.get("type") == "object" and isinstance(found.get("properties"), dict)
    return {"additionalProperties": False, **found} if is_object else found


_REQUEST = (
    "Book a flight for Ana Pereira from Dublin to Helsinki on 2026-12-03, business class, two bags, a window seat."
)
FLIGHT = Task(
    "flight", [Message("user", _REQUEST)], [declared("book_flight", "Book a flight for one traveller.", _FLIGHT)]
)
"""A call of the common kind: a few names to choose from, a date, numbers, one short text."""
