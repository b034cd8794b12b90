"""How one model serves many agents at once: each with a history of its own, a few tool calls after each other.

The agents share a system prompt, as agents of one program do; their requests and the results they get differ. What is
told: how long a step takes from asking to its value, when its first token comes, and how much of the prompts did not
have to be read again.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from random import Random

from pydantic import JsonValue

from bridle.brief import brief
from bridle.engine.base import Sampling, Usage
from bridle.grammar.action import Actions
from bridle.model import Model
from bridle.prompt import Message
from bridle.step import Progress, Step, take, total
from bridle.toolbox import TOOLBOX

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

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: round(float(value), 4) for name, value in vars(self).items()}


async def measure(model: Model, agents: int, steps: int, *, seed: int = 0, max_tokens: int = 96) -> Load:
    """Let agents work at once, each `steps` steps after each other."""
    form = Actions({tool.name: tool.schema for tool in TOOLBOX}, "json", model.style)
    system = brief("", TOOLBOX, form, None, terse=model.card.prompt.terse)
    took: list[float] = []
    first: list[float] = []
    usages: list[Usage] = []

    async def work(number: int) -> None:
        random = Random(seed * 1000 + number)
        messages = [Message("system", system), Message("user", f"agent {number}: {_text(random, 12)}")]
        for place in range(steps):
            heard: list[float] = []

            def on_progress(progress: Progress, heard: list[float] = heard) -> None:
                if progress.stage != "reading":
                    heard.append(time.perf_counter())

            sampling = Sampling(1.0, seed=seed * 1000 + number * 100 + place)
            step = Step(
                messages,
                form,
                None,
                sampling,
                max_tokens,
                session=f"bench-{number}",
                on_progress=on_progress,
                retries=0,
            )
            start = time.perf_counter()
            outcome = await take(step, model)
            took.append(time.perf_counter() - start)
            first.append(heard[0] - start)
            usages.append(outcome.usage)
            messages += [Message("assistant", outcome.text), Message("tool", _text(random, 30))]

    start = time.perf_counter()
    await asyncio.gather(*(work(number) for number in range(agents)))
    seconds = time.perf_counter() - start
    usage = total(usages)
    return Load(
        agents=agents,
        steps=len(took),
        seconds=seconds,
        tokens_per_second=usage.output / seconds,
        steps_per_second=len(took) / seconds,
        step_p50=statistics.median(took),
        step_p95=sorted(took)[int(0.95 * (len(took) - 1))],
        first_token_p50=statistics.median(first),
        reused_share=usage.reused / usage.prompt,
    )


def _text(random: Random, words: int) -> str:
    return " ".join(random.choices(WORDS, k=words))
