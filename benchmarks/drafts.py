"""What drafts are worth where arguments are copied: colt's own tasks, with and without, step by step in turn.

    python benchmarks/drafts.py models/colt/colt.gguf --cases 150

The tasks are those of colt's evaluation. colt itself costs nothing, so that only the count of decode calls tells; a
costed copy (`costed_model.py`) also tells the time. Both ways must write the same.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import track

from bridle.card import read_card
from bridle.engine.base import Engine, Generation, Request
from bridle.engine.llama import LlamaSettings, open_engine
from bridle.engine.thread import EngineThread
from bridle.model import Model
from bridle.step import Step, take

COLT = Path(__file__).resolve().parents[1] / "models" / "colt"


@dataclass
class Sum:
    """Over all steps of one way. Seconds are without reading prompts."""

    decodes: int = 0
    output: int = 0
    forced: int = 0
    seconds: float = 0.0
    texts: list[str] = field(default_factory=list[str])

    def told(self) -> dict[str, float]:
        """For the table."""
        return {
            "decodes_per_token": round(self.decodes / self.output, 3),
            "forced_share": round(self.forced / self.output, 3),
            "tokens_per_second": round(self.output / self.seconds, 1),
            "tokens": self.output,
        }


class Way:
    """The engine, with drafts or without."""

    def __init__(self, engine: EngineThread, *, drafts: bool) -> None:
        self._engine, self._drafts = engine, drafts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def generate(self, request: Request) -> Generation:
        """See `Engine.generate`."""
        return await self._engine.generate(replace(request, drafts=self._drafts))


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", default=COLT / "colt.gguf")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=4242)
    options = parser.parse_args()
    sys.path.insert(0, str(COLT / "recipe"))
    recipe: Any = import_module("turns")

    sums = {"without drafts": Sum(), "with drafts": Sum()}
    with open_engine(options.model, LlamaSettings(context=2048)) as engine:
        card = read_card(COLT / "card.toml")
        ways = [
            (Model(cast("Engine", Way(engine, drafts=bool(drafts))), card), it)
            for drafts, it in enumerate(sums.values())
        ]
        for case in track(
            list(recipe.cases(recipe.World(), options.cases, options.seed)), console=Console(stderr=True)
        ):
            step: Step[Any] = Step(case.messages, case.form, ways[0][0].thinking, max_tokens=256, retries=0)
            for model, _ in ways:  # reads the prompt, and compiles the form for each
                asyncio.run(take(step, model))
            for model, it in ways:
                start = time.perf_counter()
                outcome = asyncio.run(take(step, model))
                usage = outcome.usage
                it.seconds += time.perf_counter() - start - usage.prefill_seconds
                it.decodes += usage.decodes
                it.output += usage.output
                it.forced += usage.forced
                it.texts.append(outcome.text)
    plain, drafted = sums.values()
    same = sum(first == second for first, second in zip(plain.texts, drafted.texts, strict=True))
    print(json.dumps({name: it.told() for name, it in sums.items()} | {"same": same, "steps": len(plain.texts)}))


if __name__ == "__main__":
    main()
