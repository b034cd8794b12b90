"""The agents of `bridle bench agents`, served by other engines: the same messages, each step a tool call.

A llama-server serves them at once and gives every agent a slot. guidance has one sequence: its agents take turns, step
by step or each with all its steps after another, which leaves it more of their prompts to reuse. Neither sees to it
that a document is whole when its tokens run out; so that is told as well.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from bridle.errors import UsageError
from bridle.evals.agents import Load, Turn, measure_turns
from bridle.evals.decode import BUDGET
from bridle.evals.drive import TOLD, Asked, Process
from bridle.evals.server import Completion, Server, is_whole
from bridle.evals.tasks import FLIGHT
from bridle.model import Model
from bridle.prompt import Message

Ask = Callable[[Sequence[Message], int, int], Turn]
"""Takes a step and waits for it: what was said, the agent's number, the seed of the sampling."""


async def measure_server(
    server: Server, model: Model, agents: int, steps: int, *, seed: int = 0, max_tokens: int = BUDGET
) -> Load:
    """Let agents work at once on a server that has the model's file; the model makes their prompts.

    The server should have a slot for each agent.
    """
    validator: Any = Draft202012Validator(FLIGHT.schema)

    def ask(messages: Sequence[Message], number: int, seed: int) -> Turn:
        tokens, heard = model.template.prompt(messages).tokens, list[float]()

        def on_text(_: str) -> None:
            heard.append(time.perf_counter())

        slot = number % server.slots
        done: Completion = server.complete(tokens, FLIGHT.schema, max_tokens, seed=seed, slot=slot, on_text=on_text)
        first = heard[0] if heard else time.perf_counter()
        return Turn(done.text, first, done.tokens, tokens, done.reused, is_whole(done.text, validator))

    return await _measure(ask, agents, model, agents, steps, seed=seed, together=True)


async def measure_guidance(
    path: Path,
    model: Model,
    agents: int,
    steps: int,
    *,
    together: bool,
    seed: int = 0,
) -> Load:
    """Let agents take turns on guidance: step by step (`together`), or each with all its steps after another.

    Raises:
        UsageError: guidance is not installed.
    """
    if find_spec("guidance") is None:
        raise UsageError("guidance is not installed", hint="see benchmarks/README.md for how to")
    validator: Any = Draft202012Validator(FLIGHT.schema)
    with Process(TOLD, path) as process:

        def ask(messages: Sequence[Message], _: int, seed: int) -> Turn:
            prompt, start = model.template.prompt(messages), time.perf_counter()
            told = json.loads(process.make(Asked(prompt.tokens, prompt.text, FLIGHT.schema, 1.0))(seed))
            text, output = str(told["text"]), len(model.engine.vocabulary.tokenize(told["text"], False))
            read = told["read"] - output  # of all its decodes together
            reused = min(max(len(prompt.tokens) - read, 0), len(prompt.tokens))
            whole = is_whole(text, validator)
            return Turn(text, start + told["first"], output, prompt.tokens, reused, whole)

        warm = [FLIGHT.system(model), Message("user", "warm up")]
        ask(warm, 0, 0)
        return await _measure(ask, 1, model, agents, steps, seed=seed, together=together)


async def _measure(ask: Ask, at_once: int, model: Model, agents: int, steps: int, *, seed: int, together: bool) -> Load:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(at_once) as pool:

        def take(messages: Sequence[Message], number: int, seed: int) -> Awaitable[Turn]:
            return loop.run_in_executor(pool, ask, messages, number, seed)

        return await measure_turns(take, FLIGHT.system(model), agents, steps, seed=seed, together=together)
