"""What tests of the engine share: requests run to their end on scripted scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import laws
from bridle.engine import scripted
from bridle.engine.base import Generation, Logits, Request
from bridle.engine.scheduler import Scheduler
from bridle.engine.scripted import ScriptedBackend
from bridle.engine.sequence import Sequence as Running
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase

ARGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
}
CALL = '{"tool": "forecast", "args": {"city": "Oslo", "days": 3}}'


def drain(backend: ScriptedBackend, *requests: Request) -> list[Generation]:
    """Run requests to their end on this thread."""
    scheduler = Scheduler(backend)
    sequences = [Running(request, backend.vocabulary) for request in requests]
    for sequence in sequences:
        scheduler.submit(sequence)
    for _ in range(5_000):
        if scheduler.idle:
            break
        scheduler.step()
    return [sequence.future.result(timeout=0) for sequence in sequences]


def call_document(compiler: Compiler, budget: int = 200) -> Document:
    return Document(compiler, [Phase("document", Actions({"forecast": ARGS}).grammar())], budget)


def copycat(size: int, seed: int = 0) -> scripted.Script:
    """Random scores, with a lean towards what followed the last token before: a model that drafts suit."""
    noise = laws.random_script(size, seed)

    def script(tokens: Sequence[int]) -> Logits:
        row = noise(tokens)
        before = [place for place in range(len(tokens) - 1) if tokens[place] == tokens[-1]]
        if before:
            row[tokens[before[-1] + 1]] += 10
        return row

    return script
