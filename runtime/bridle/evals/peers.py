"""The same tool call by other engines: same file, same prompt, same schema, same machine, in turn with Bridle.

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
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from bridle.evals.decode import BUDGET, CALL, Case
from bridle.evals.server import Server, is_whole
from bridle.evals.server import version as server_version
from bridle.evals.server import writer as server_writer
from bridle.model import Model

CONTEXT = 2048
"""Tokens of a peer's context."""
THREADS = len(os.sched_getaffinity(0))
"""Of a peer: those that Bridle takes for a model that is not tiny."""

Write = Callable[[int], str]
"""One document, by the seed of its sampling."""


@dataclass(frozen=True)
class Result:
    """Medians of one engine. `ratio` is its time for a step over that of Bridle without drafts."""

    name: str
    version: str
    seconds_per_step: float
    ms_per_token: float
    tokens: float
    whole: float
    """Share of its documents that were whole and valid."""
    ratio: float = 1.0
    problem: str = ""
    """Why there are no figures."""

    def as_json(self) -> dict[str, JsonValue]:
        """Rounded for reading."""
        return {name: round(it, 4) if isinstance(it, float) else it for name, it in vars(self).items()}


def measure(
    model: Model,
    path: Path,
    repeat: int,
    on_round: Callable[[int, int], None] | None = None,
    *,
    server: Path | None = None,
) -> list[Result]:
    """Bridle with and without drafts, every peer that is installed, and a llama-server by the path of its binary.

    Raises:
        UsageError: the server does not start.
    """
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # what other engines warn of is not the reader's concern
        running = stack.enter_context(Server(server, path, context=CONTEXT, threads=THREADS)) if server else None
        return _measure(model, path, repeat, on_round, running)


def _measure(
    model: Model, path: Path, repeat: int, on_round: Callable[[int, int], None] | None, server: Server | None
) -> list[Result]:
    case = Case(model)
    tokens = list(case.prompt.tokens)

    def bridle(*, drafts: bool) -> Write:
        def write(seed: int) -> str:
            generation = asyncio.run(model.engine.generate(case.call(seed, drafts=drafts)))
            return model.engine.vocabulary.text(generation.ids)

        return write

    writers: dict[str, Write] = {"bridle": bridle(drafts=False), "bridle, with drafts": bridle(drafts=True)}
    problems: dict[str, str] = {}
    if server is not None:
        writers["llama-server"] = server_writer(server, tokens, CALL, BUDGET)
    llama = _Llama(path, tokens)
    for name, make in PEERS.items():
        try:
            writers[name] = make(llama, case.prompt.text)
        except Exception as error:  # a peer that cannot start is told, and the others are measured
            problems[name] = _reason(error)
    runs: dict[str, list[tuple[float, str]]] = {name: [] for name in writers}
    for number in range(repeat + 1):
        if on_round is not None:
            on_round(number, repeat + 1)
        for name, write in list(writers.items()):
            start = time.perf_counter()
            try:
                text = write(number)
            except Exception as error:  # the same
                problems[name] = _reason(error)
                del writers[name]
                continue
            if number:
                runs[name].append((time.perf_counter() - start, text))
    found = _results({name: runs[name] for name in writers}, problems, model)
    own = server_version(server.binary) if server is not None else ""
    return [replace(it, version=own) if it.name == "llama-server" else it for it in found]


def _results(
    runs: Mapping[str, Sequence[tuple[float, str]]], problems: Mapping[str, str], model: Model
) -> list[Result]:
    own, validator = statistics.median(seconds for seconds, _ in runs["bridle"]), Draft202012Validator(CALL)
    found: list[Result] = []
    for name, done in runs.items():
        lengths = [len(model.engine.vocabulary.tokenize(text, False)) for _, text in done]
        seconds = statistics.median(seconds for seconds, _ in done)
        found.append(
            Result(
                name,
                _version(name),
                seconds,
                statistics.median(1000 * took / max(1, n) for (took, _), n in zip(done, lengths, strict=True)),
                statistics.median(lengths),
                sum(is_whole(text, validator) for _, text in done) / len(done),
                seconds / own,
            )
        )
    return found + [Result(name, _version(name), 0, 0, 0, 0, 0, reason) for name, reason in problems.items()]


class _Llama:
    """llama-cpp-python's high-level model, which the peers stand on."""

    def __init__(self, path: Path, prompt: list[int]) -> None:
        bindings: Any = import_module("llama_cpp")
        self.bindings, self.path, self.prompt = bindings, path, prompt
        self.model: Any = bindings.Llama(str(path), n_ctx=CONTEXT, n_threads=THREADS, verbose=False)

    def write(self, seed: int, **options: Any) -> str:
        """A completion of the prompt."""
        done = self.model.create_completion(self.prompt, max_tokens=BUDGET, temperature=1.0, seed=seed, **options)
        return str(done["choices"][0]["text"])

    def process(self, seed: int, processor: Callable[[Any, Any], Any]) -> str:
        """A completion under a logits processor. llama-cpp-python swallows what it raises, and goes on unconstrained:
        here it is raised."""
        failed: list[Exception] = []

        def watched(tokens: Any, scores: Any) -> Any:
            try:
                return processor(tokens, scores)
            except Exception as error:  # raised below
                failed.append(error)
                return scores

        text = self.write(seed, logits_processor=self.bindings.LogitsProcessorList([watched]))
        if failed:
            raise failed[0]
        return text


def _gbnf(llama: _Llama, prompt: str) -> Write:
    grammar: Any = llama.bindings.LlamaGrammar.from_json_schema(json.dumps(CALL), verbose=False)
    return lambda seed: llama.write(seed, grammar=grammar)


def _outlines(backend: str) -> Callable[[_Llama, str], Write]:
    def make(llama: _Llama, prompt: str) -> Write:
        backends: Any = import_module("outlines.backends")
        model: Any = import_module("outlines").from_llamacpp(llama.model)
        processor = backends.get_json_schema_logits_processor(backend, model, json.dumps(CALL))

        def write(seed: int) -> str:
            processor.reset()
            return llama.process(seed, processor)

        return write

    return make


def _enforcer(llama: _Llama, prompt: str) -> Write:
    enforcer: Any = import_module("lmformatenforcer")
    integration: Any = import_module("lmformatenforcer.integrations.llamacpp")
    data = integration.build_token_enforcer_tokenizer_data(llama.model)

    def write(seed: int) -> str:
        return llama.process(seed, integration.build_llamacpp_logits_processor(data, enforcer.JsonSchemaParser(CALL)))

    return write


def _guidance(llama: _Llama, prompt: str) -> Write:
    guidance: Any = import_module("guidance")
    empty = guidance.models.LlamaCpp(llama.path, n_ctx=CONTEXT, n_threads=THREADS, echo=False)

    def write(seed: int) -> str:
        done = empty + prompt + guidance.json(name="call", schema=CALL, temperature=1.0, max_tokens=BUDGET)
        return str(done["call"])

    return write


PEERS: dict[str, Callable[[_Llama, str], Write]] = {
    "llama-cpp-python, GBNF": _gbnf,
    "outlines, outlines_core": _outlines("outlines_core"),
    "outlines, llguidance": _outlines("llguidance"),
    "outlines, xgrammar": _outlines("xgrammar"),
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
