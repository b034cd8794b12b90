"""The same tool calls by other engines: same file, same prompt, same schema, same machine, in turn with Bridle.

Prompts are evaluated beforehand and grammars compiled. What is told is the time until the output is there, by step and
by token: engines write documents of different length (whitespace, strings of random weights), and some are not whole
in time.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from bridle.errors import BridleError
from bridle.evals.decode import BUDGET, Case
from bridle.evals.drive import CONTEXT, PEERS, THREADS, Asked, Process, Write
from bridle.evals.server import Server, is_whole
from bridle.evals.server import version as server_version
from bridle.evals.server import writer as server_writer
from bridle.evals.tasks import FLIGHT, Task
from bridle.model import Model


@dataclass(frozen=True)
class Runs:
    """What one engine wrote of one task."""

    done: list[tuple[float, str]]
    validator: Any

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(seconds for seconds, _ in self.done)


@dataclass(frozen=True)
class Result:
    """One engine: of each task the median over its repetitions, then the mean of all tasks that it can do."""

    name: str
    version: str
    seconds_per_step: float
    ms_per_token: float
    tokens: float
    whole: float
    """Share of its documents that were whole and valid."""
    ratio: float = 1.0
    """Its time over that of Bridle without drafts, on the same tasks."""
    tasks: int = 0
    """Tasks that it can do."""
    problem: str = ""
    """Why it cannot do the others."""

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: round(it, 4) if isinstance(it, float) else it for name, it in vars(self).items()}


def measure(
    model: Model,
    path: Path,
    repeat: int,
    tasks: Sequence[Task] = (FLIGHT,),
    on_round: Callable[[int, int], None] | None = None,
    *,
    temperature: float = 1.0,
    server: Path | None = None,
) -> list[Result]:
    """Bridle with and without drafts, every peer that is installed, and a llama-server by the path of its binary.

    Raises:
        UsageError: the server does not start.
    """
    cases = [Case(model, task, temperature) for task in tasks]
    with ExitStack() as stack:
        makers: dict[str, Callable[[Case], Write]] = {
            "bridle": lambda case: _own(model, case, drafts=False),
            "bridle, with drafts": lambda case: _own(model, case, drafts=True),
        }
        for name in PEERS:
            process = stack.enter_context(Process(name, path))
            makers[name] = lambda case, process=process: process.make(Asked.of(case))
        if server is not None:
            running = stack.enter_context(Server(server, path, context=CONTEXT, threads=THREADS))
            makers["llama-server"] = lambda case: server_writer(
                running, case.prompt.tokens, case.schema, BUDGET, case.temperature
            )
        found, problems = _run(makers, repeat, cases, on_round)
    own = server_version(server) if server is not None else ""
    told = _results(found, problems, model)
    return [replace(it, version=own) if it.name == "llama-server" else it for it in told]


def _run(
    makers: Mapping[str, Callable[[Case], Write]],
    repeat: int,
    cases: Sequence[Case],
    on_round: Callable[[int, int], None] | None,
) -> tuple[dict[str, list[Runs | None]], dict[str, str]]:
    """What every engine wrote, by task, and why some could not."""
    rounds = repeat + 1
    found: dict[str, list[Runs | None]] = {name: [None] * len(cases) for name in makers}
    problems: dict[str, str] = {}
    for place, case in enumerate(cases):
        writers: dict[str, Write] = {}
        for number in range(rounds):
            if on_round is not None:
                on_round(place * rounds + number, rounds * len(cases))
            for name, make in makers.items():
                if number and name not in writers:
                    continue
                try:
                    writers[name] = write = writers.get(name) or make(case)
                    start = time.perf_counter()
                    text = write(number)
                    seconds = time.perf_counter() - start
                except BridleError as error:  # what a peer cannot do is told, and the others are measured
                    problems[name] = error.message
                    writers.pop(name, None)
                    found[name][place] = None
                    continue
                if number:
                    runs = found[name][place] = found[name][place] or Runs([], Draft202012Validator(case.schema))
                    runs.done.append((seconds, text))
    return found, problems


def _own(model: Model, case: Case, *, drafts: bool) -> Write:
    def write(seed: int) -> str:
        generation = asyncio.run(model.engine.generate(case.call(seed, drafts=drafts)))
        return model.engine.vocabulary.text(generation.ids)

    return write


def _results(found: Mapping[str, Sequence[Runs | None]], problems: Mapping[str, str], model: Model) -> list[Result]:
    told: list[Result] = []
    for name, tasks in found.items():
        mine = [(runs, own) for runs, own in zip(tasks, found["bridle"], strict=True) if runs and own]
        if not mine:
            told.append(Result(name, _version(name), 0, 0, 0, 0, 0, 0, problems.get(name, "")))
            continue
        seconds = sum(runs.seconds for runs, _ in mine)
        lengths = [len(model.engine.vocabulary.tokenize(text, False)) for runs, _ in mine for _, text in runs.done]
        whole = [is_whole(text, runs.validator) for runs, _ in mine for _, text in runs.done]
        tokens = max(1, statistics.mean(lengths))
        told.append(
            Result(
                name=name,
                version=_version(name),
                seconds_per_step=seconds / len(mine),
                ms_per_token=1000 * seconds / len(mine) / tokens,
                tokens=tokens,
                whole=sum(whole) / len(whole),
                ratio=seconds / sum(own.seconds for _, own in mine),
                tasks=len(mine),
                problem=problems.get(name, ""),
            )
        )
    return told


def _version(name: str) -> str:
    try:
        return version(name.partition(",")[0])
    except PackageNotFoundError:
        return "not installed"
