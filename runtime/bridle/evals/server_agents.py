"""The agents of `bridle bench agents`, served by a llama-server: the same messages, at once, each step a tool call.

The server holds its documents to a JSON
Schema of all actions, gives every agent a slot, and does not see to it that a document is whole when its tokens run
out; so that is told as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from bridle.brief import brief
from bridle.evals.agents import Load, Turn, measure_turns
from bridle.evals.server import Completion, Server, is_whole
from bridle.grammar.action import Actions
from bridle.grammar.schema import Schema
from bridle.model import Model
from bridle.prompt import Message
from bridle.toolbox import TOOLBOX


async def measure(
    server: Server, model: Model, agents: int, steps: int, *, seed: int = 0, max_tokens: int = 96
) -> Load:
    """Let agents work at once on a server that has the model's file; the model makes their prompts.

    The server should have a slot for each agent.
    """
    tools = {tool.name: tool.schema for tool in TOOLBOX}
    form, schema = Actions(tools, "json", model.style), action_schema(tools)
    validator: Any = Draft202012Validator(schema)
    system = brief("", TOOLBOX, form, None, terse=model.card.prompt.terse)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(agents) as pool:

        async def take(messages: Sequence[Message], number: int, seed: int) -> Turn:
            tokens = model.template.prompt(messages).tokens
            done, first = await loop.run_in_executor(pool, ask, tokens, number, seed)
            whole = is_whole(done.text, validator)
            return Turn(done.text, first, done.tokens, done.prompt, done.reused, whole)

        def ask(tokens: Sequence[int], number: int, seed: int) -> tuple[Completion, float]:
            heard: list[float] = []

            def on_text(_: str) -> None:
                heard.append(time.perf_counter())

            slot = number % server.slots
            done = server.complete(tokens, schema, max_tokens, seed=seed, slot=slot, on_text=on_text)
            return done, [*heard, time.perf_counter()][0]

        return await measure_turns(take, system, agents, steps, seed=seed)


def action_schema(tools: Mapping[str, Schema]) -> dict[str, JsonValue]:
    """The action form in JSON as a schema: a call of one of the tools, an answer, or a question."""
    calls = [_closed({"tool": {"const": name}, "args": dict(schema)}) for name, schema in tools.items()]
    return {"anyOf": [*calls, _closed({"answer": {"type": "string"}}), _closed({"ask": {"type": "string"}})]}


def _closed(properties: Mapping[str, JsonValue]) -> JsonValue:
    names = cast("list[JsonValue]", list(properties))
    return {"type": "object", "properties": dict(properties), "required": names, "additionalProperties": False}
