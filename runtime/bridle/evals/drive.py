"""Other engines, each driven the way its own documentation says, in a process of its own.

OpenMP lets threads sleep where it should let them spin as soon as a process has more of them than there are cores: with
a second engine in one process both decode at two thirds of their speed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

from bridle.errors import EngineError
from bridle.evals.decode import BUDGET, Case
from bridle.grammar.schema import Schema

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
    return lambda seed: str(_guided(llama, asked)["call"])


def _guidance_told(llama: _Llama, asked: Asked) -> Write:
    """Writes JSON of the text, the seconds to its first token, and the tokens that were read."""

    def write(seed: int) -> str:
        done = _guided(llama, asked)
        usage = done._get_usage()  # it tells in no other way
        read = usage.input_tokens - usage.cached_input_tokens
        return json.dumps({"text": str(done["call"]), "first": usage.ttft_ms / 1000, "read": read})

    return write


def _guided(llama: _Llama, asked: Asked) -> Any:
    guidance: Any = import_module("guidance")
    call = guidance.json(name="call", schema=asked.schema, temperature=asked.temperature, max_tokens=BUDGET)
    return llama.guidance + asked.text + call


TOLD = "guidance, told"
"""The one that also says how it was done."""
PEERS: dict[str, Make] = {
    "llama-cpp-python, GBNF": _gbnf,
    "outlines, outlines_core": _outlines("outlines_core"),
    "outlines, llguidance": _outlines("llguidance"),
    "lm-format-enforcer": _enforcer,
    "guidance": _guidance,
}
"""Those that are compared."""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]
