"""Observed values: arguments that an earlier result of the run holds, and no others (grounded arguments).

A parameter that is marked with a path into results becomes a choice of what stands there; while nothing does, the tool
is not offered. A path begins with the tool: `find_orders[*].id`, `open_ticket.number`, `list_files[*]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from bridle.errors import UsageError
from bridle.grammar.keywords import Schema, filled

OBSERVED = "x-bridle-observed"
"""The word of a JSON Schema by which a value says where it stood before."""
MOST = 500
"""Values that are offered at most: the latest."""
Results: TypeAlias = Mapping[str, Sequence[JsonValue]]
"""What the calls of each tool came to, by its name."""
NOTHING: Results = {}
_PATH = re.compile(r"(?P<tool>[\w-]+)(?P<steps>(?:\.[\w-]+|\[\*\])*)")
_STEP = re.compile(r"\.([\w-]+)|\[\*\]")


@dataclass(frozen=True)
class Observed:
    """Marks a value that stands in an earlier result.

    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[int, Observed("find_orders[*].id")]).json_schema()
    {'type': 'integer', 'x-bridle-observed': 'find_orders[*].id'}
    """

    path: str

    def __post_init__(self) -> None:
        read_path(self.path)

    def __get_pydantic_json_schema__(
        self, core: object, handler: Callable[[object], dict[str, JsonValue]]
    ) -> dict[str, JsonValue]:
        """The schema with the mark."""
        return {**handler(core), OBSERVED: self.path}


def read_path(path: str) -> tuple[str, tuple[str, ...]]:
    """The tool of a path, and its steps; `*` for all of a list.

    Raises:
        UsageError: it is none.

    >>> read_path("find_orders[*].id")
    ('find_orders', ('*', 'id'))
    """
    if (match := _PATH.fullmatch(path)) is None:
        raise UsageError(f"{path!r} leads into no result", hint="a tool and a way into it: find_orders[*].id")
    return match["tool"], tuple(name or "*" for name in _STEP.findall(match["steps"]))


def values_at(path: str, results: Results) -> list[JsonValue]:
    """The texts, numbers and truth values at a path, each once, the latest last.

    >>> values_at("find[*].id", {"find": [[{"id": 1}, {"id": 2, "name": "x"}], [{"id": 1}]]})
    [2, 1]
    """
    tool, steps = read_path(path)
    found = [it for result in results.get(tool, ()) for it in _walk(result, steps)]
    latest = list({json.dumps(it): it for it in reversed(found)}.values())[:MOST]
    return latest[::-1]


def held_to_results(schema: Schema, results: Results) -> Schema | None:
    """A schema whose marked values are held to what the results hold.

    Properties for which they hold nothing are left out; None where one of them is required.

    >>> schema = {"properties": {"id": {"type": "integer", "x-bridle-observed": "find[*].id"}}, "required": ["id"]}
    >>> held_to_results(schema, {"find": [[{"id": 7}]]})["properties"]
    {'id': {'enum': [7]}}
    >>> held_to_results(schema, {}) is None
    True
    """

    def hold(part: Schema) -> JsonValue:
        found = values_at(str(part[OBSERVED]), results)
        return {"enum": found} if found else False

    return filled(schema, OBSERVED, hold)


def observed_in(schema: Schema) -> set[str]:
    """The tools whose results a schema's values are taken from.

    >>> observed_in({"properties": {"id": {"type": "integer", "x-bridle-observed": "find[*].id"}}})
    {'find'}
    """
    tools = set[str]()

    def note(part: Schema) -> JsonValue:
        tools.add(read_path(str(part[OBSERVED]))[0])
        return True

    filled(schema, OBSERVED, note)
    return tools


def _walk(value: JsonValue, steps: Sequence[str]) -> Iterator[JsonValue]:
    if not steps:
        if isinstance(value, str | int | float | bool):
            yield value
    elif steps[0] == "*":
        for it in value if isinstance(value, list) else ():
            yield from _walk(it, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _walk(value[steps[0]], steps[1:])
