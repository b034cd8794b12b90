"""Minutes of random load on one engine: arrivals, cancellations, deadlines, priorities, shared and unlike prompts.

    python benchmarks/soak.py MODEL.gguf --minutes 10

Every output that ends by itself must be a whole document of its form; memory must stay flat after the first minute; no
cell of the model's memory may be left over; nobody may wait for longer than the load explains.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from rich.console import Console
from rich.progress import Progress

from bridle.engine.base import Request, Sampling, Stop
from bridle.engine.llama import LlamaBackend, LlamaSettings
from bridle.engine.thread import EngineThread
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.parse import parse
from bridle.toolbox import TOOLBOX

SEQUENCES = 64
TALLY: Counter[str] = Counter()
WAITS: list[float] = []
WRONG: list[str] = []


async def one(engine: EngineThread, compiler: Compiler, form: Actions, number: int, random: Random) -> None:
    """One request with a fate of its own."""
    shared = random.choice(["You use tools. " * 20, "You are terse. " * 10, f"Nobody else says {number}. "])
    prompt = engine.vocabulary.tokenize(shared + "word " * random.randint(1, 200) + f"request {number}", False)
    budget = random.randint(80, 200)
    document = Document(compiler, [Phase("document", form.grammar(), json=True)], budget)
    sampling = Sampling(random.choice([0.0, 1.0, 2.0]), seed=number)
    fate = random.random()
    begun: list[float] = []
    start = time.monotonic()
    request = Request(
        prompt,
        budget,
        document,
        sampling,
        session=random.choice([None, number % 9]),
        priority=random.choice([0, 0, 0, 1, -1]),
        deadline=start + random.uniform(0, 5) if fate < 0.15 else None,
        on_tokens=lambda back, tokens: begun.append(time.monotonic()),
    )
    task = asyncio.ensure_future(engine.generate(request))
    if 0.15 <= fate < 0.3:
        await asyncio.sleep(random.uniform(0, 3))
        task.cancel()
    try:
        generation = await task
    except asyncio.CancelledError:
        TALLY["cancelled"] += 1
        return
    TALLY[generation.stop.value] += 1
    WAITS.append((begun[0] if begun else time.monotonic()) - start)
    if generation.stop is Stop.END:
        try:
            form.load(parse(engine.vocabulary.text(generation.ids), form.syntax))
        except Exception as error:  # whatever it is, it is a failure to report
            WRONG.append(f"request {number}: {error}")
    elif generation.stop is not Stop.DEADLINE:
        WRONG.append(f"request {number} ended by {generation.stop}")


async def load(engine: EngineThread, compiler: Compiler, minutes: float, seed: int) -> list[float]:
    """Keep about `SEQUENCES` requests under way; resident memory in MiB, once a second."""
    form = Actions({tool.name: tool.schema for tool in TOOLBOX})
    random, memory = Random(seed), list[float]()
    under_way: set[asyncio.Task[None]] = set()
    end, number = time.monotonic() + 60 * minutes, 0
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("load", total=60 * minutes)
        while (left := end - time.monotonic()) > 0:
            while len(under_way) < random.randint(SEQUENCES // 2, SEQUENCES + 16):
                number += 1
                under_way.add(asyncio.ensure_future(one(engine, compiler, form, number, random)))
            _, under_way = await asyncio.wait(under_way, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            memory.append(resident())
            progress.update(bar, completed=60 * minutes - left)
        await asyncio.gather(*under_way)
    return memory


def resident() -> float:
    """MiB of this process in memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def main() -> None:
    """Read the command line, load the engine, tell what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    backend = LlamaBackend(options.model, LlamaSettings(context=1024, cells=16384, slots=SEQUENCES))
    compiler = Compiler(backend.vocabulary)
    with EngineThread(backend) as engine:
        memory = asyncio.run(load(engine, compiler, options.minutes, options.seed))
        left = engine.busy
    half = memory[len(memory) // 5 :]
    growth = statistics.mean(half[-len(half) // 5 :]) - statistics.mean(half[: len(half) // 5])
    told = {
        "requests": sum(TALLY.values()),
        **TALLY,
        "first_token_p50": round(statistics.median(WAITS), 2),
        "first_token_max": round(max(WAITS), 2),
        "memory_mib": round(half[-1]),
        "memory_growth_mib": round(growth, 1),
        "memory_by_tenth": [round(memory[len(memory) * tenth // 10]) for tenth in range(10)],
        "slots_left_busy": left,
        "wrong": WRONG[:20],
    }
    print(json.dumps(told, indent=1))
    sys.exit(bool(WRONG or left))


if __name__ == "__main__":
    main()
