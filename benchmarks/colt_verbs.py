"""How well a model does the verbs of a skill, on words and sentences that colt's training never shows; how it routes.

    python benchmarks/colt_verbs.py --cases 150

Each verb is asked as the runtime asks it, greedily and under the grammar, with thinking as the model's card has it. A
reply counts if its value is the right one, letter for letter. Routing goes over the skills that ship: 200 requests for
one of them, and 100 that could be for either of two; it asks where the two likeliest are closer than the margin.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, get_args

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bridle.brief import brief
from bridle.catalogue import catalogue
from bridle.decide import choose
from bridle.grammar.base import Choice
from bridle.local import open_model
from bridle.model import Model
from bridle.prompt import Message
from bridle.route import MARGIN, NONE, QUESTION, listed, said_of, weighed
from bridle.step import Step, StepError, take

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models" / "colt" / "recipe"))
recipe: Any = import_module("verbs")
values: Any = import_module("values")
CONSOLE = Console(stderr=True)
SKILLS = catalogue().skills


async def right(model: Model, exercise: Any) -> bool:
    """Whether the model does an exercise."""
    terse = model.card.prompt.terse
    said = [Message("user", it) for it in exercise.said]
    messages = [Message("system", brief("", (), exercise.form, None, terse=terse)), *said]
    wanted: Any = json.loads(exercise.reply) if exercise.form.syntax == "json" else exercise.reply
    if exercise.weighed:
        return (await choose(messages, exercise.form, model)).option == wanted
    step = Step(messages, exercise.form, model.thinking, max_tokens=400)
    try:
        outcome = await take(step, model)
    except StepError:
        return False
    return bool(outcome.value == exercise.form.load(wanted))


@dataclass
class Routed:
    """One request, and where it went."""

    clear: bool
    right: bool
    asked: bool


async def routed(model: Model, made: Any, random: Random, *, clear: bool) -> Routed:
    """Route a request over the skills that ship."""
    told = random.sample(skills := recipe.shipped(random), len(skills))
    if clear:
        wanted = random.choice(told)
        label, request = wanted[0], made.request(wanted)
    else:
        label, request = made.either(told)
    options = [*(name for name, _, _ in told), NONE]
    question = f"{listed([(name, about) for name, about, _ in told])}\n{QUESTION}"
    form = Choice(options)
    system = brief("", (), form, None, terse=model.card.prompt.terse)
    messages = [Message("system", system), Message("user", request), Message("user", question)]
    decision = await choose(messages, form, model)
    said = said_of([SKILLS[name] for name, _, _ in told])
    found = weighed(request, dict(zip(options, decision.probabilities, strict=True)), said)
    best, second = sorted(found.values(), reverse=True)[:2]
    return Routed(clear, max(found, key=found.__getitem__) == label, best - second < MARGIN)


def share(found: Sequence[bool]) -> float:
    """How many of some are so."""
    return sum(found) / len(found) if found else 0.0


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-m", "--model", default="colt")
    parser.add_argument("--cases", type=int, default=150, help="of each verb")
    parser.add_argument("--half", choices=["seen", "unseen"], default="unseen")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    random = Random(options.seed)
    made = recipe.Verbs(random, values.Values(random, options.half), options.half)
    with open_model(options.model) as model:
        shares = dict[str, float]()
        for verb in get_args(recipe.Verb):
            exercises = list[Any]()
            while len(exercises) < options.cases:
                if (it := made.exercise(verb)).clear:
                    exercises.append(it)
            found = [asyncio.run(right(model, it)) for it in track(exercises, verb, console=CONSOLE)]
            shares[verb] = round(share(found), 4)
        kinds = [True] * 200 + [False] * 100
        routes = [asyncio.run(routed(model, made, random, clear=it)) for it in track(kinds, "routing", console=CONSOLE)]
    clear, either = ([it for it in routes if it.clear is kind] for kind in (True, False))
    told = {
        "verbs": shares,
        "routing": {
            "right, of clear ones": share([it.right for it in clear]),
            "right, of clear ones, with asking": share([it.right or it.asked for it in clear]),
            "asked, of clear ones": share([it.asked for it in clear]),
            "asked, of those that could be either": share([it.asked for it in either]),
        },
    }
    if options.json:
        print(json.dumps(told))
        return
    table = Table("", "right", title=f"{options.model}, {options.cases} of each verb, {options.half} words", box=None)
    for group in told.values():
        for name, value in group.items():
            table.add_row(name, f"{value:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
