"""The same tool calls by other engines: same file, same prompt, same schema, same machine, in turn with Bridle.

Every peer is driven the way its own documentation says, on llama.cpp through llama-cpp-python, with the prompt
evaluated beforehand and its grammar compiled. Each has a process of its own: OpenMP lets threads sleep where it should
let them spin as soon as a process has more of them than there are cores, and a second engine in one process makes both
half as fast. What is told is the time until its output is there, by step and by token:
engines write documents of different length (whitespace, strings of random weights), and some are not whole in time.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from bridle.errors import BridleError, EngineError
from bridle.evals.decode import BUDGET, Case
from bridle.evals.server import Server, is_whole
from bridle.evals.server import version as server_version
from bridle.evals.server import writer as server_writer
from bridle.evals.tasks import FLIGHT, Task
from bridle.grammar.schema import Schema
from bridle.model import Model

CONTEXT = 2048
"""Tokens of a peer's context."""
THREADS = len(os.sched_getaffinity(0))
"""Of a peer: those that Bridle takes for a model that is not tiny."""

Write: TypeAlias = Callable[[int], str]
"""One document, by the seed of its sampling."""
Make: TypeAlias = "Callable[[_Llama, Asked], Write]"
"""What writes documents of a task."""


@dataclass(frozen=True)
class Asked:
    """A task, as a peer is given it."""

    tokens: Sequence[int]
    text: str
    schema: Schema
    temperature: float

    @classmethod
    def of(cls, case: Case) -> Asked:
        """What a peer needs of a case."""
        return cls(case.prompt.tokens, case.prompt.text, dict(case.schema), case.temperature)


@dataclass(frozen=True)
class Problem:
    """Why a peer could not do what it was asked."""

    reason: str


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


class Process:
    """A peer in a process of its own, from entering the context to leaving it."""

    def __init__(self, name: str, path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(name, path, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()  # which ends it
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()

    def make(self, asked: Asked) -> Write:
        """What writes documents of a task.

        Raises:
            EngineError: the peer cannot do it; so does writing.
        """
        self._ask(asked)
        return lambda seed: str(self._ask(seed))

    def _ask(self, what: Asked | int) -> object:
        try:
            self._pipe.send(what)
            told = self._pipe.recv()
        except (EOFError, OSError):
            raise EngineError("its process ended") from None
        if isinstance(told, Problem):
            raise EngineError(told.reason)
        return told


def _serve(name: str, path: Path, pipe: Connection) -> None:
    """The peer's process: takes tasks and seeds, and gives documents, until its pipe is closed."""
    warnings.simplefilter("ignore")  # what other engines warn of is not the reader's concern
    llama, write = _Llama(path), None
    while True:
        try:
            what = pipe.recv()
        except EOFError:
            return
        try:
            if isinstance(what, Asked):
                write = {**PEERS, TOLD: _guidance_told}[name](llama, what)
                pipe.send("")
            elif write is not None:
                pipe.send(write(what))
        except Exception as error:  # it is foreign code: whatever it raises is told
            pipe.send(Problem(_reason(error)))


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
        self.path = path
        self.bindings: Any = import_module("llama_cpp")

    @cached_property
    def model(self) -> Any:
        """The file, loaded."""
        return self.bindings.Llama(str(self.path), n_ctx=CONTEXT, n_threads=THREADS, verbose=False)

    @cached_property
    def guidance(self) -> Any:
        """guidance's model, without the thread that watches the machine: it takes time of what it watches."""
        guidance: Any = import_module("guidance")
        options = {"n_ctx": CONTEXT, "n_threads": THREADS, "echo": False, "enable_monitoring": False}
        return guidance.models.LlamaCpp(self.path, **options)

    @cached_property
    def enforcer(self) -> Any:
        """lm-format-enforcer's view of the vocabulary."""
        return import_module("lmformatenforcer.integrations.llamacpp").build_token_enforcer_tokenizer_data(self.model)

    def write(self, asked: Asked, seed: int, **options: Any) -> str:
        """A completion of the prompt."""
        tokens = list(asked.tokens)
        done = self.model.create_completion(
            tokens, max_tokens=BUDGET, temperature=asked.temperature, seed=seed, **options
        )
        return str(done["choices"][0]["text"])

    def process(self, asked: Asked, seed: int, processor: Callable[[Any, Any], Any]) -> str:
        """A completion under a logits processor. llama-cpp-python swallows what it raises, and goes on unconstrained:
        here it is raised."""
        failed: list[Exception] = []

        def watched(tokens: Any, scores: Any) -> Any:
            try:
                return processor(tokens, scores)
            except Exception as error:  # raised below
                failed.append(error)
                return scores

        text = self.write(asked, seed, logits_processor=self.bindings.LogitsProcessorList([watched]))
        if failed:
            raise failed[0]
        return text


def _gbnf(llama: _Llama, asked: Asked) -> Write:
    grammar: Any = llama.bindings.LlamaGrammar.from_json_schema(json.dumps(asked.schema), verbose=False)
    return lambda seed: llama.write(asked, seed, grammar=grammar)


def _outlines(backend: str) -> Make:
    def make(llama: _Llama, asked: Asked) -> Write:
        backends: Any = import_module("outlines.backends")
        model: Any = import_module("outlines").from_llamacpp(llama.model)
        processor = backends.get_json_schema_logits_processor(backend, model, json.dumps(asked.schema))

        def write(seed: int) -> str:
            processor.reset()
            return llama.process(asked, seed, processor)

        return write

    return make


def _enforcer(llama: _Llama, asked: Asked) -> Write:
    parser: Any = import_module("lmformatenforcer").JsonSchemaParser
    integration: Any = import_module("lmformatenforcer.integrations.llamacpp")

    def write(seed: int) -> str:
        held = integration.build_llamacpp_logits_processor(llama.enforcer, parser(asked.schema))
        return llama.process(asked, seed, held)

    return write


def _guidance(llama: _Llama, asked: Asked) -> Write:
    guidance: Any = import_module("guidance")

    def write(seed: int) -> str:
        call = guidance.json(name="call", schema=asked.schema, temperature=asked.temperature, max_tokens=BUDGET)
        return str((llama.guidance + asked.text + call)["call"])

    return write


def _guidance_told(llama: _Llama, asked: Asked) -> Write:
    """The same, with what guidance says of it: JSON of the text, the seconds to its first token, and tokens read."""
    guidance: Any = import_module("guidance")

    def write(seed: int) -> str:
        call = guidance.json(name="call", schema=asked.schema, temperature=asked.temperature, max_tokens=BUDGET)
        done = llama.guidance + asked.text + call
        usage = done._get_usage()  # it tells in no other way
        read = usage.input_tokens - usage.cached_input_tokens
        return json.dumps({"text": str(done["call"]), "first": usage.ttft_ms / 1000, "read": read})

    return write


TOLD = "guidance, told"
"""The peer that also says how it was done."""


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
