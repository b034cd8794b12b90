"""The second phase: colt does tasks itself, and learns from what an evaluation verified.

Rejection sampling, as Zelikman et al. (2022) and Yuan et al. (2023) have it.

Every task is tried several times with some chance in it. What was done right is learned once more, token for token as
it was written, without the tokens that the grammar forced; most of all where it was right only now and then, since
there is something to learn. As many made-up sessions beside it keep the rest from being forgotten.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
from data import KINDS, LONGEST, Example
from sessions import World
from suite import cases

from bridle.card import read_card
from bridle.engine.llama import LlamaSettings, open_engine
from bridle.evals.cases import Case, Suite
from bridle.evals.dataset import tokens
from bridle.evals.report import Report
from bridle.evals.suite import evaluate, variants
from bridle.evals.trajectory import read_trajectory
from bridle.how import StepSettings
from bridle.journal import Journal
from bridle.model import Model

WORLDS = (World(), World(), World(only="chain"), World(only="missing"), World(only="injection"), World(only="refusal"))
"""What is practised, of what training shows; nothing that is held out."""
AT_ONCE = 16
SURE = 0.25
"""Share of the tasks that are always right that are learned as well."""


def practise(gguf: Path, card: Path, journal: Path, count: int, *, tries: int = 4, seed: int = 31) -> list[Example]:
    """Do `count` tasks of each world and return what was right as sequences to learn."""
    told = [it for number, world in enumerate(WORLDS) for it in cases(world, count, seed + number)]
    suite = Suite(
        name="practice",
        digest="",
        cases=tuple(Case.model_validate({**it, "name": f"{number}"}) for number, it in enumerate(told)),
    )
    engine = open_engine(gguf, LlamaSettings(context=2048, cells=1024 * AT_ONCE, slots=AT_ONCE))
    with Journal(journal) as book, Model(engine, read_card(card)) as model:
        ways = variants(model, ["temperature=0.8"], StepSettings(thinking=model.thinking))
        report = asyncio.run(evaluate(model, suite, ways, book, repeat=tries, at_once=AT_ONCE))
        return [example for run in chosen(report, Random(seed)) for example in learned(book, run)]


def chosen(report: Report, random: Random) -> list[str]:
    """One good run of each task, of those that were right now and then; and of some that always were."""
    good, tried = defaultdict[str, list[str]](list), defaultdict[str, int](int)
    for result in report.results:
        tried[result.case] += 1
        if result.passed and result.valid:
            good[result.case].append(result.run)
    return [
        random.choice(runs) for case, runs in sorted(good.items()) if len(runs) < tried[case] or random.random() < SURE
    ]


def learned(journal: Journal, run: str) -> list[Example]:
    """The steps of a run as sequences of which only what colt chose is learned."""
    trajectory = read_trajectory(journal, run)
    made = [tokens(trajectory, step) for step in trajectory.steps]
    call, context = KINDS.index("call"), KINDS.index("context")
    return [
        Example(
            np.array(it["tokens"], np.uint16),
            np.where(np.array(it["loss_mask"]) > 0, call, context).astype(np.uint8),
        )
        for it in made
        if len(np.array(it["tokens"])) <= LONGEST
    ]
