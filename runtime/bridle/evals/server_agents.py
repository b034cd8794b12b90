"""The agents of `bridle bench agents`, served by a llama-server: the same messages, at once, each step a tool call.

The server holds its documents to the call's JSON Schema, gives every agent a slot, and does not see to it that a
document is whole when its tokens run out; so that is told as well.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from jsonschema import Draft202012Validator

from bridle.evals.agents import Load, Turn, measure_turns
from bridle.evals.decode import BUDGET, CALL, form_and_system
from bridle.evals.server import Completion, Server, is_whole
from bridle.model import Model
from bridle.prompt import Message


async def measure(
    server: Server, model: Model, agents: int, steps: int, *, seed: int = 0, max_tokens: int = BUDGET
) -> Load:
    """Let agents work at once on a server that has the model's file; the model makes their prompts.

    The server should have a slot for each agent.
    """
    _, system = form_and_system(model)
    validator: Any = Draft202012Validator(CALL)
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
            done = server.complete(tokens, CALL, max_tokens, seed=seed, slot=slot, on_text=on_text)
            return done, [*heard, time.perf_counter()][0]

        return await measure_turns(take, system, agents, steps, seed=seed)
