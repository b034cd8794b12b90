"""What an agent's step begins with: who it is, what tools it has and how they can be called, what form its reply takes.

A model trained on Bridle's own prompts (its card says `terse`) gets the tool list and nothing else; without tools, the
options of a choice, or that a document is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from pydantic import JsonValue

from bridle.grammar.base import Form
from bridle.grammar.keywords import Schema
from bridle.grammar.observed import NOTHING, Results, held_to_results
from bridle.grammar.span import Source, copied, held_to
from bridle.grammar.thinking import Thinking
from bridle.prompt import Message
from bridle.tool import Tool


def brief(
    instructions: str, tools: Sequence[Tool], form: Form[object], thinking: Thinking | None, *, terse: bool = False
) -> str:
    """The system message.

    >>> from bridle.grammar.action import Actions
    >>> from bridle.toolbox import TOOLBOX
    >>> tools = TOOLBOX[:2]
    >>> print(brief("", tools, Actions({tool.name: tool.schema for tool in tools}), None, terse=True))
    Tools:
    list_files(folder?): List what is in a folder.
    find_files(name, folder?): Find files by name.
    """
    lines = [f"{tool.signature()}: {tool.description}" for tool in tools]
    if terse:
        return "\n".join([_head(tools, form), *lines])
    parts = [instructions.strip()]
    if tools:
        notes = [f"- {line}{_notes(tool)}" for line, tool in zip(lines, tools, strict=True)]
        parts.append("You have these tools:\n" + "\n".join(notes))
    if thinking is not None:
        marks = f"{thinking.open.strip()}{thinking.close.strip()}"
        where = "" if thinking.native else f", inside {marks}"
        parts.append(f"Think first, briefly{where}; nobody reads that part.")
    parts.append(form.instructions())
    return "\n\n".join(part for part in parts if part)


def arguments(
    tools: Sequence[Tool], messages: Sequence[Message], observed: Results = NOTHING, *, copies: bool = False
) -> dict[str, Schema]:
    """What the arguments of each tool may be after some messages and results; a tool that has to copy what nobody said,
    or to name what no result holds, is left out.

    `copies`: see `bridle.card.PromptCard`.
    """
    people = [message.content for message in messages if message.role == "user"]
    results = [message.content for message in messages if message.role == "tool"]
    said: dict[Source, list[str]] = {"request": people, "results": results, "anything": people + results}
    held = dict[str, Schema]()
    for tool in tools:
        if (schema := held_to_results(tool.schema, observed)) is None:
            continue
        if (schema := held_to(copied(schema) if copies else schema, said)) is not None:
            held[tool.name] = schema
    return held


def _head(tools: Sequence[Tool], form: Form[object]) -> str:
    syntax = form.syntax.upper()
    if tools:
        return "Tools:" if syntax == "JSON" else f"Tools, {syntax}:"
    return f"Reply, {syntax}:" if syntax != "TEXT" else form.instructions() or "Reply:"


def _notes(tool: Tool) -> str:
    """What the tool's docstring says of its parameters, a line each."""
    properties = cast("Mapping[str, Mapping[str, JsonValue]]", tool.schema.get("properties", {}))
    notes = [f"\n    {name}: {spec['description']}" for name, spec in properties.items() if "description" in spec]
    return "".join(notes)
