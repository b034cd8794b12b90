"""How one model serves many agents at once: each with a history of its own, a few tool calls after each other.

The agents share a system prompt, as agents of one program do; their requests and the results they get differ. What is
told: how long a step takes from asking to its value, when its first token comes, and how much of the prompts did not
have to be read again.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from math import ceil
from random import Random
from typing import Any

from pydantic import JsonValue

from bridle.engine.base import Sampling
from bridle.evals.decode import BUDGET
from bridle.evals.tasks import FLIGHT
from bridle.model import Model
from bridle.prompt import Message
from bridle.step import Step, take
from bridle.turn import Progress

WORDS = [
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "inlet",
    "jetty",
    "knoll",
    "larch",
    "maple",
    "north",
    "otter",
    "pearl",
]


@dataclass(frozen=True)
class Load:
    """What came of some agents at work together. Seconds of a step are from asking to its value."""

    agents: int
    steps: int
    """Of all agents together."""
    seconds: float
    tokens_per_second: float
    steps_per_second: float
    step_p50: float
    step_p95: float
    first_token_p50: float
    reused_share: float
    """Of the tokens of all prompts, what was not read again."""
    read_per_new: float | None
    """Tokens read after the first step of an agent, over those of its prompts that its prompt before did not have; None
    if there was one step."""
    whole: float = 1.0
    """Share of the documents that were whole and valid."""
    ratio: float = 1.0
    """Its seconds over those of the first way, which is Bridle."""

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: None if value is None else round(float(value), 4) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Turn:
    """One step of one agent, taken."""

    text: str
    first: float
    """When its first token came, by `time.perf_counter`."""
    output: int
    prompt: Sequence[int]
    """Its tokens."""
    reused: int
    """Of these, not read again."""
    whole: bool = True
    """The document is whole and valid."""


Take = Callable[[Sequence[Message], int, int], Awaitable[Turn]]
"""Takes a step: what was said, the agent's number, the seed of the sampling."""


async def measure(model: Model, agents: int, steps: int, *, seed: int = 0, max_tokens: int = BUDGET) -> Load:
    """Let agents work at once, each `steps` steps after each other."""
    form = FLIGHT.form(model)

    async def take_turn(messages: Sequence[Message], number: int, seed: int) -> Turn:
        heard: list[float] = []

        def on_progress(progress: Progress) -> None:
            if progress.stage != "reading":
                heard.append(time.perf_counter())

        sampling, session = Sampling(1.0, seed=seed), f"bench-{number}"
        step = Step(messages, form, None, sampling, max_tokens, session=session, on_progress=on_progress, retries=0)
        outcome = await take(step, model)
        usage = outcome.usage
        prompt = outcome.attempts[-1].prompt.tokens
        return Turn(outcome.text, heard[0], usage.output, prompt, usage.reused)

    return await measure_turns(take_turn, FLIGHT.system(model), agents, steps, seed=seed)


def in_turn(ways: Mapping[str, Callable[[int], Load]], seeds: Sequence[int]) -> dict[str, Load]:
    """What each way comes to: all take their turn in each round, which has a seed; figures are medians over rounds, and
    ratios those of medians."""
    found: dict[str, list[Load]] = {name: [] for name in ways}
    for seed in seeds:
        for name, way in ways.items():
            found[name].append(way(seed))
    medians = {name: _median(loads) for name, loads in found.items()}
    first = next(iter(medians.values())).seconds
    return {name: replace(load, ratio=load.seconds / first) for name, load in medians.items()}


def _median(loads: Sequence[Load]) -> Load:
    medians: dict[str, Any] = {}
    for name in (it.name for it in fields(Load) if it.name not in ("agents", "steps")):
        values = [getattr(load, name) for load in loads]
        medians[name] = None if None in values else statistics.median(values)
    return replace(loads[0], **medians)


async def measure_turns(
    take: Take, system: Message, agents: int, steps: int, *, seed: int = 0, together: bool = True
) -> Load:
    """Let agents work, each `steps` steps after each other: all at once, or one agent after another."""
    took: list[float] = []
    first: list[float] = []
    turns: list[Turn] = []
    read: list[int] = []
    new: list[int] = []

    async def work(number: int) -> None:
        random = Random(seed * 1000 + number)
        before: Sequence[int] = ()
        messages = [system, Message("user", f"agent {number}: {_text(random, 12)}")]
        for place in range(steps):
            start = time.perf_counter()
            turn = await take(messages, number, seed * 1000 + number * 100 + place)
            took.append(time.perf_counter() - start)
            first.append(turn.first - start)
            if place:
                same = takewhile(lambda pair: pair[0] == pair[1], zip(before, turn.prompt, strict=False))
                new.append(len(turn.prompt) - sum(1 for _ in same))
                read.append(len(turn.prompt) - turn.reused)
            before = turn.prompt
            turns.append(turn)
            messages += [Message("assistant", turn.text), Message("tool", _text(random, 30))]

    start = time.perf_counter()
    if together:
        await asyncio.gather(*map(work, range(agents)))
    else:
        for number in range(agents):
            await work(number)
    seconds = time.perf_counter() - start
    return Load(
        agents=agents,
        steps=len(took),
        seconds=seconds,
        tokens_per_second=sum(turn.output for turn in turns) / seconds,
        steps_per_second=len(took) / seconds,
        step_p50=statistics.median(took),
        step_p95=sorted(took)[ceil(0.95 * len(took)) - 1],
        first_token_p50=statistics.median(first),
        reused_share=sum(turn.reused for turn in turns) / sum(len(turn.prompt) for turn in turns),
        read_per_new=sum(read) / sum(new) if new else None,
        whole=sum(turn.whole for turn in turns) / len(turns),
    )


def _text(random: Random, words: int) -> str:
    return " ".join(random.choices(WORDS, k=words))
