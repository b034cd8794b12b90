"""Runs with one planted mistake: whether `bridle runs why` names the step that made it.

    python benchmarks/planted.py --runs 320
    python benchmarks/planted.py --runs 70 --critic colt

A scripted model does small tasks with the real tools (read two files, work something out, note it, answer), each with
one mistake: a word of an argument misspelled, a number changed, a note saved twice, a file that is not there and never
found, a number in the answer that nothing gave. Two kinds no check of the record alone can see, since they say what
somebody did say: another file that exists, and a task that is left undone; they are counted with the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bridle.agent import Agent
from bridle.evals.scripted import scripted_model
from bridle.how import StepSettings
from bridle.journal import Journal, StepTaken
from bridle.local import open_model
from bridle.model import Model
from bridle.observe.why import criticise, suspects

WORDS = (
    *("harbor", "lantern", "meadow", "pocket", "ribbon", "saddle", "timber"),
    *("violet", "walnut", "zephyr", "cobalt", "drizzle", "ember", "fable"),
)
KINDS = ("none", "misspelled", "number", "twice", "lost", "answer", "other file", "left undone")


def call(tool: str, **args: Any) -> dict[str, Any]:
    """A call as the model writes it."""
    return {"tool": tool, "args": args}


def misspelled(random: Random, word: str) -> str:
    """A word with a letter too many."""
    at = random.randrange(1, len(word))
    return word[:at] + random.choice("xyz") + word[at:]


def made(random: Random, kind: str) -> tuple[str, dict[str, str], list[Any], int]:
    """A task, files, the model's replies, and the number of the reply with the mistake (from 0; -1 for none)."""
    name, second, topic, thing = random.sample(WORDS, 4)
    price, count = random.randint(11, 99), random.randint(3, 9)
    files = {f"{name}.txt": f"the {topic} costs {price}", f"{second}.txt": f"the {topic} is sold out"}
    task = f"Read {name}.txt and {second}.txt, work out what {count} {topic} cost, note {thing} and tell me"
    replies: list[Any] = [
        call("read_file", path=f"{name}.txt"),
        call("read_file", path=f"{second}.txt"),
        call("calculate", expression=f"{price} * {count}"),
        call("add_note", text=thing),
        {"answer": f"{count} {topic} cost {price * count}."},
    ]
    wrong = {"misspelled": 3, "number": 2, "twice": 4, "lost": 1, "answer": 4, "other file": 0, "left undone": 3}
    match kind:
        case "misspelled":
            replies[3] = call("add_note", text=misspelled(random, thing))
        case "number":
            replies[2] = call("calculate", expression=f"{price + 100} * {count}")
            replies[4] = {"answer": f"{count} {topic} cost {(price + 100) * count}."}
        case "twice":
            replies.insert(4, replies[3])
        case "lost":
            replies[1] = call("read_file", path=f"{second}.csv")
        case "answer":
            replies[4] = {"answer": f"{count} {topic} cost {price * count + 1}."}
        case "other file":
            replies[0] = call("read_file", path=f"{second}.txt")
            replies[2] = call("calculate", expression=f"{count} * {count}")
            replies[4] = {"answer": f"{count} {topic} cost {count * count}."}
        case "left undone":
            del replies[3]
        case _:
            pass
    return task, files, replies, wrong.get(kind, -1)


def named(random: Random, kind: str, critic: Model | None) -> bool:
    """Whether the step with the mistake, or what came of it, is named first; for none, whether nothing grave is."""
    task, files, replies, wrong = made(random, kind)
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal.db") as journal:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        with scripted_model(replies) as model:
            agent = Agent(model, workspace=Path(folder), journal=journal, settings=StepSettings(thinking=None))
            events = journal.events(agent.run(task).id)
    steps = [it.number for it in events if isinstance(it.body, StepTaken)]
    if critic is not None:
        number = asyncio.run(criticise(critic, events)).number
        following = steps[wrong + 1] if wrong + 1 < len(steps) else len(events) + 1
        return steps[wrong] <= number < following
    found = [it for it in suspects(events) if it.grave]
    return not found if wrong < 0 else bool(found) and found[0].number == steps[wrong]


def measure(
    runs: int,
    seed: int,
    show: Callable[[range], Iterable[int]] = lambda it: it,
    critic: Model | None = None,
) -> dict[str, float]:
    """The share that is named, by kind of mistake. A critic always names an event: it is shown no run without one."""
    random, right, count = Random(seed), Counter[str](), Counter[str]()
    kinds = KINDS if critic is None else KINDS[1:]
    for number in show(range(runs)):
        kind = kinds[number % len(kinds)]
        count[kind] += 1
        right[kind] += named(random, kind, critic)
    return {kind: round(right[kind] / count[kind], 4) for kind in kinds}


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--critic", help="a model's name or file: it names the event, instead of the checks")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(stderr=True)
    with open_model(options.critic) if options.critic else nullcontext() as critic:
        found = measure(options.runs, options.seed, lambda it: track(it, "runs", console=console), critic)
    if options.json:
        print(json.dumps(found))
        return
    table = Table("mistake", "named", box=None)
    for kind, share in found.items():
        table.add_row(kind, f"{share:.0%}")
    Console().print(table)


if __name__ == "__main__":
    main()
