"""The same tool calls by other engines: same file, same prompt, same schema, same machine, in turn with Bridle.

Every peer is driven the way its own documentation says, on llama.cpp through llama-cpp-python, with the prompt
evaluated beforehand and its grammar compiled. What is told is the time until its output is there, by step and by token:
engines write documents of different length (whitespace, strings of random weights), and some are not whole in time.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from bridle.evals.decode import BUDGET, Case
from bridle.evals.server import Server, is_whole
from bridle.evals.server import version as server_version
from bridle.evals.server import writer as server_writer
from bridle.evals.tasks import FLIGHT, Task
from bridle.model import Model

CONTEXT = 2048
"""Tokens of a peer's context."""
THREADS = len(os.sched_getaffinity(0))
"""Of a peer: those that Bridle takes for a model that is not tiny."""

Write: TypeAlias = Callable[[int], str]
"""One document, by the seed of its sampling."""
Make: TypeAlias = "Callable[[_Llama, Case], Write]"
"""What writes documents of a task."""


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
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # what other engines warn of is not the reader's concern
        peers = {**PEERS}
        if server is not None:
            running = stack.enter_context(Server(server, path, context=CONTEXT, threads=THREADS))
            peers["llama-server"] = lambda _, case: server_writer(
                running, case.prompt.tokens, case.schema, BUDGET, case.temperature
            )
        found, problems = _run(
            model, _Llama(path), peers, repeat, [Case(model, it, temperature) for it in tasks], on_round
        )
    own = server_version(server) if server is not None else ""
    told = _results(found, problems, model)
    return [replace(it, version=own) if it.name == "llama-server" else it for it in told]


def _run(
    model: Model,
    llama: _Llama,
    peers: Mapping[str, Make],
    repeat: int,
    cases: Sequence[Case],
    on_round: Callable[[int, int], None] | None,
) -> tuple[dict[str, list[Runs | None]], dict[str, str]]:
    """What every engine wrote, by task, and why some could not."""
    own: dict[str, Make] = {
        "bridle": lambda _, case: _own(model, case, drafts=False),
        "bridle, with drafts": lambda _, case: _own(model, case, drafts=True),
    }
    makers, rounds = own | dict(peers), repeat + 1
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
                    writers[name] = write = writers.get(name) or make(llama, case)
                    start = time.perf_counter()
                    text = write(number)
                    seconds = time.perf_counter() - start
                except Exception as error:  # what a peer cannot do is told, and the others are measured
                    problems[name] = _reason(error)
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


class _Llama:
    """llama-cpp-python's high-level model, which the peers stand on, and what they make of it once."""

    def __init__(self, path: Path) -> None:
        bindings: Any = import_module("llama_cpp")
        self.bindings, self.path = bindings, path
        self.model: Any = bindings.Llama(str(path), n_ctx=CONTEXT, n_threads=THREADS, verbose=False)

    @cached_property
    def guidance(self) -> Any:
        """guidance's model, which loads the file for itself."""
        return open_guidance(self.path)

    @cached_property
    def enforcer(self) -> Any:
        """lm-format-enforcer's view of the vocabulary."""
        return import_module("lmformatenforcer.integrations.llamacpp").build_token_enforcer_tokenizer_data(self.model)

    def write(self, case: Case, seed: int, **options: Any) -> str:
        """A completion of the prompt."""
        tokens = list(case.prompt.tokens)
        done = self.model.create_completion(
            tokens, max_tokens=BUDGET, temperature=case.temperature, seed=seed, **options
        )
        return str(done["choices"][0]["text"])

    def process(self, case: Case, seed: int, processor: Callable[[Any, Any], Any]) -> str:
        """A completion under a logits processor. llama-cpp-python swallows what it raises, and goes on unconstrained:
        here it is raised."""
        failed: list[Exception] = []

        def watched(tokens: Any, scores: Any) -> Any:
            try:
                return processor(tokens, scores)
            except Exception as error:  # raised below
                failed.append(error)
                return scores

        text = self.write(case, seed, logits_processor=self.bindings.LogitsProcessorList([watched]))
        if failed:
            raise failed[0]
        return text


def _gbnf(llama: _Llama, case: Case) -> Write:
    grammar: Any = llama.bindings.LlamaGrammar.from_json_schema(json.dumps(case.schema), verbose=False)
    return lambda seed: llama.write(case, seed, grammar=grammar)


def _outlines(backend: str) -> Make:
    def make(llama: _Llama, case: Case) -> Write:
        backends: Any = import_module("outlines.backends")
        model: Any = import_module("outlines").from_llamacpp(llama.model)
        processor = backends.get_json_schema_logits_processor(backend, model, json.dumps(case.schema))

        def write(seed: int) -> str:
            processor.reset()
            return llama.process(case, seed, processor)

        return write

    return make


def _enforcer(llama: _Llama, case: Case) -> Write:
    parser: Any = import_module("lmformatenforcer").JsonSchemaParser
    integration: Any = import_module("lmformatenforcer.integrations.llamacpp")

    def write(seed: int) -> str:
        held = integration.build_llamacpp_logits_processor(llama.enforcer, parser(case.schema))
        return llama.process(case, seed, held)

    return write


def _guidance(llama: _Llama, case: Case) -> Write:
    guidance: Any = import_module("guidance")

    def write(seed: int) -> str:
        call = guidance.json(name="call", schema=case.schema, temperature=case.temperature, max_tokens=BUDGET)
        return str((llama.guidance + case.prompt.text + call)["call"])

    return write


def open_guidance(path: Path) -> Any:
    """A model of guidance, without the thread that watches the machine: it would take time from all engines."""
    guidance: Any = import_module("guidance")
    return guidance.models.LlamaCpp(path, n_ctx=CONTEXT, n_threads=THREADS, echo=False, enable_monitoring=False)


PEERS: dict[str, Make] = {
    "llama-cpp-python, GBNF": _gbnf,
    "outlines, outlines_core": _outlines("outlines_core"),
    "outlines, llguidance": _outlines("llguidance"),
    "lm-format-enforcer": _enforcer,
    "guidance": _guidance,
}


def _version(name: str) -> str:
    try:
        return version(name.partition(",")[0])
    except PackageNotFoundError:
        return "not installed"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]
