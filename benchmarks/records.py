"""What a record costs and what it is good for: the journal's price, long runs, replays, copies, altered files.

    python benchmarks/records.py

- *cost*: what it takes to write a step behind a prompt of 2,000 tokens and more, and, to the disk, an intent.
- *long*: a run of 10,000 steps: how long it takes to list it, to read it, and to take it up to where it stands.
- *replays*: recorded runs gone over without a model, and whether any comes to something else.
- *copies*: runs copied at every place, nothing changed, gone on with, and whether any is another run then.
- *same*: every shipped skill that needs nothing but colt, done 20 times in the deterministic setting: how many runs
  differ from the first.
- *altered*: an exported run of 1,000 events with one byte changed, everywhere (each line as the reader reads it, behind
  the line before it); with each event left out, or changed with its neighbour; cut off behind each: is each found?
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import track

from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.card import Card, ThinkingCard
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.engine import scripted
from bridle.engine.base import Generation, Logits, Stop, Token, Usage
from bridle.errors import JournalError, UsageError
from bridle.fork import difference, fork
from bridle.grammar.said import Call
from bridle.how import StepSettings
from bridle.journal import Journal, RunStarted, StepTaken
from bridle.journal.export import export, read_event, read_export
from bridle.local import open_model
from bridle.model import Model
from bridle.prompt import Prompt
from bridle.record import Recorder
from bridle.replay import replay
from bridle.skill import Skill, skill_from
from bridle.tool import CallKey, tool
from bridle.turn import Attempt

CONSOLE = Console(stderr=True)
KEY = b"k" * 32


@tool(effect="idempotent")
def keep(key: CallKey, text: str) -> str:
    """Keep a text."""
    return f"kept {len(text)} letters as {key.value[-2:]}"


def working(steps: int) -> Skill:
    """A skill that chooses and calls in turn."""

    async def work(context: Context) -> str:
        """Choose and call."""
        said = ""
        for number in range(steps):
            said = await context.choose(["left", "right", "on"], f"Where to, {number}?")
            if number % 4 == 3:
                await context.call("keep", text=f"{said} {number}")
                context.messages.clear()
        return said

    return skill_from(work)


def model(seed: int) -> Model:
    """Random weights, the same every time."""
    words = scripted.vocabulary()

    def script(tokens: Any) -> Logits:
        import numpy as np

        return np.random.default_rng([seed, len(tokens), *tokens[-4:]]).normal(size=words.size).astype(np.float32)

    engine = scripted.engine(script, words, deterministic=True)
    return Model(engine, Card(name="random", thinking=ThinkingCard(budget=0)))


def agent(folder: Path, journal: Journal, seed: int, steps: int) -> Agent:
    """Does that skill."""
    return Agent(
        model(seed),
        workspace=folder,
        journal=journal,
        tools=[keep],
        skill=working(steps),
        limits=Limits(steps=10**6, tokens=10**8, seconds=10**6, calls_per_tool=10**6),
        settings=StepSettings(thinking=None, seed=seed, temperature=1.0),
    )


def cost(folder: Path) -> dict[str, float]:
    """Microseconds of a step that writes 60 tokens, or 200; milliseconds of an intent; medians."""
    found = dict[str, float]()
    with Journal(folder / "cost.db") as journal:
        for written in (60, 200):
            recorder = Recorder(journal, f"run-{written}")
            recorder.event(_started())
            steps, intents = list[float](), list[float]()
            for number in range(400):
                attempt = _attempt(number % 20, written)
                start = time.perf_counter()
                recorder.step("act#1", [attempt], {"answer": "x"}, asked="a", sources=(), came=True, seconds=0.1)
                middle = time.perf_counter()
                recorder.intent(f"run/{number}", Call("keep", {"text": "x" * 100}), "unsafe", ())
                steps.append(middle - start)
                intents.append(time.perf_counter() - middle)
            found[f"step of {written} tokens, us"] = round(median(steps) * 1e6, 1)
            found["intent, ms"] = round(median(intents) * 1e3, 3)
    return found


def _attempt(number: int, written: int) -> Attempt:
    """One of a conversation that begins with 2,000 tokens and grows by what was written and a result of 60 tokens."""
    count = 2000 + number * (written + 60)
    prompt = Prompt("word " * count, array("i", range(count)))
    tokens = tuple(Token(it, it % 2 == 0) for it in range(written))
    generation = Generation(tokens, Stop.END, Usage(prompt=count, sampled=written // 2, forced=written // 2))
    choices = [(0.5, 0.1, "x", 0.2)] * (written // 2)
    return Attempt(prompt, generation, "", "word " * written, pieces=["word "] * written, choices=choices)


def _started() -> RunStarted:
    return RunStarted(task="t", skill="s", model="m", format="json", workspace="/", seed=None, version="0")


def long(folder: Path, steps: int) -> dict[str, float]:
    """Seconds to list, read and take up a run of many steps."""
    with Journal(folder / "long.db") as journal:
        one = agent(folder, journal, 1, steps)
        waits = skill_from(_then_ask(working(steps)), name="long")
        one.skill = waits
        run = one.run("go").id
        told = {"events": float(len(journal.events(run)))}
        for name, does in _uses(journal, one, run).items():
            start = time.perf_counter()
            does()
            told[f"{name}, s"] = round(time.perf_counter() - start, 3)
        one.model.close()
    return told


def _uses(journal: Journal, one: Agent, run: str) -> dict[str, Callable[[], object]]:
    return {
        "list": lambda: journal.runs(20),
        "show": lambda: journal.events(run),
        "resume": lambda: one.resume(run),
        "verify": lambda: journal.verify(run),
    }


def _then_ask(skill: Skill) -> Any:
    async def work(context: Context) -> str:
        """Work, then ask."""
        await skill.load()(context)
        return str(await context.ask("Well?"))

    return work


def replays(folder: Path, runs: int) -> dict[str, int]:
    """How many recorded runs come to something else."""
    wrong = 0
    with Journal(folder / "replays.db") as journal:
        for seed in track(range(runs), "replays", console=CONSOLE):
            steps = Random(seed).randint(2, 12)
            one = agent(folder, journal, seed, steps)
            run = one.run("go").id
            one.model.close()
            wrong += replay(journal, run, tools=[keep], catalogue=catalogue(), skill=working(steps)) != ""
    return {"runs": runs, "otherwise": wrong}


def copies(folder: Path, runs: int) -> dict[str, int]:
    """How many copies, at every place of some runs, are other runs."""
    made = wrong = 0
    with Journal(folder / "copies.db") as journal:
        for seed in track(range(runs), "copies", console=CONSOLE):
            one = agent(folder, journal, seed, Random(seed).randint(3, 10))
            run = one.run("go").id
            for event in journal.events(run)[1:]:
                try:
                    copy = fork(journal, run, str(event.number))
                except UsageError:
                    continue
                one.resume(copy)
                made += 1
                wrong += difference(journal, run, copy) != ""
            one.model.close()
    return {"copies": made, "otherwise": wrong}


def same(folder: Path, times: int) -> dict[str, int]:
    """How many runs of each shipped skill that needs nothing but colt part from the first of it."""
    requests = {
        "chat": "hello",
        "clarify": "Book something nice",
        "intent-router": "Which files are there?",
        "plan-and-execute": "Read plan.txt and note what it says",
        "react": "Take a note: call Anna",
        "self-consistency": "What is 12 * 12?",
        "travel": "Flights from Oslo to Rome on Friday",
        "verify": "Say hello to Bo",
    }
    found = dict[str, int]()
    with open_model("colt", deterministic=True) as colt, Journal(folder / "same.db") as journal:
        for skill in track(list(requests), "same", console=CONSOLE):
            runs = list[str]()
            for _ in range(times):
                workspace = folder / skill
                shutil.rmtree(workspace, ignore_errors=True)
                workspace.mkdir()
                (workspace / "plan.txt").write_text("water the plants", encoding="utf-8")
                settings = StepSettings(thinking=colt.thinking, seed=1)
                one = Agent(colt, workspace=workspace, journal=journal, skill=skill, settings=settings)
                runs.append(one.run(requests[skill]).id)
            found[skill] = sum(difference(journal, runs[0], it) != "" for it in runs[1:])
    return {"times": times, **found}


def altered(folder: Path, events: int) -> dict[str, int]:
    """How many altered files are taken for whole."""
    with Journal(folder / "export.db") as journal:
        for number in range(events - 1):
            journal.append("run", _started() if number == 0 else _taken(number))
        journal.append("run", _taken(events))
        lines = list(export("run", journal.events("run"), KEY))
    path = folder / "run.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    whole = read_export(path, KEY)
    tried = missed = 0
    for number, event in enumerate(track(whole.events, "bytes", console=CONSOLE), 1):
        for line in _bytes(lines[number]):
            tried += 1
            with suppress(JournalError, UnicodeDecodeError):
                read_event("run", number, line.decode(), event.previous)
                missed += 1
    for text in track([*_bytes(lines[0]), *_moved(lines)], "lines", console=CONSOLE):
        path.write_bytes(text if b"\n" in text else b"".join([text, b"\n", *(it.encode() for it in lines[1:])]))
        tried += 1
        with suppress(JournalError):
            missed += read_export(path, KEY).signed is True
    return {"events": len(lines) - 1, "altered": tried, "missed": missed}


def _bytes(line: str) -> Iterator[bytes]:
    """A line, without its end, with one bit changed in each of its bytes."""
    told, random = line.rstrip("\n").encode(), Random(0)
    for at, byte in enumerate(told):
        yield told[:at] + bytes([byte ^ (1 << random.randrange(8))]) + told[at + 1 :]


def _moved(lines: list[str]) -> Iterator[bytes]:
    """Files with an event left out, changed with its neighbour, and cut off before each."""
    whole = [it.encode() for it in lines]
    for number in range(1, len(whole)):
        yield b"".join([*whole[:number], *whole[number + 1 :]])
        yield b"".join(whole[:number])
        if number + 1 < len(whole):
            yield b"".join([*whole[:number], whole[number + 1], whole[number], *whole[number + 2 :]])


def _taken(number: int) -> StepTaken:
    told: dict[str, Any] = {
        "path": f"act#{number}",
        "attempt": 1,
        "base": None,
        "shared_tokens": 0,
        "shared_text": 0,
        "stop": "end",
        "prompt_tokens": [number],
        "prompt_text": "p",
        "output_tokens": [1],
        "forced": "s",
        "thinking": "",
        "text": "t",
        "constrained": True,
        "prefill_seconds": 0,
        "decode_seconds": 0,
        "tokens": {},
        "certainty": {},
    }
    return StepTaken.model_validate(told)


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=["cost", "long", "replays", "copies", "same", "altered"])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--copied", type=int, default=20)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    does: dict[str, Callable[[Path], dict[str, Any]]] = {
        "cost": cost,
        "long": lambda folder: long(folder, options.steps),
        "replays": lambda folder: replays(folder, options.runs),
        "copies": lambda folder: copies(folder, options.copied),
        "same": lambda folder: same(folder, options.times),
        "altered": lambda folder: altered(folder, options.events),
    }
    found = dict[str, dict[str, Any]]()
    for name in options.only or list(does):
        with TemporaryDirectory() as folder:
            found[name] = does[name](Path(folder))
            CONSOLE.print(name, found[name])
    if options.json:
        print(json.dumps(found))
    sys.exit(any(it.get("otherwise") or it.get("missed") for it in found.values()))


if __name__ == "__main__":
    main()
