"""Which tokens go into the next decode: continuous batching over one model.

Every running sequence puts what it owes into the batch: the token it sampled and those forced after it, or the next
stretch of its prompt. Long prompts go in stretches beside the decoding of others, so that nobody waits for them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence as SequenceOf

from bridle.engine.base import Backend, Logits, Part
from bridle.engine.prefix import Prefixes, Slot
from bridle.engine.sample import Sampler
from bridle.engine.sequence import Sequence
from bridle.errors import BridleError, ContextError, EngineError

STRETCH = 256
"""Prompt tokens that one sequence evaluates beside the decoding of others."""


class Scheduler:
    """Runs sequences to their end, a decode at a time. Not thread-safe: one thread owns it."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self._prefixes = Prefixes(backend)
        self._slots: dict[Sequence, Slot] = {}
        self._sampler = Sampler(backend.vocabulary.size)

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self.running and not self.waiting

    def submit(self, sequence: Sequence) -> None:
        """Queue a sequence; its future tells how it ended."""
        if not sequence.request.prompt:
            sequence.future.set_exception(EngineError("an empty prompt cannot be continued"))
            return
        needed = len(sequence.request.prompt) + sequence.request.max_tokens
        if needed > self.backend.context:
            sequence.future.set_exception(too_long(len(sequence.request.prompt), needed, self.backend.context))
        else:
            self.waiting.append(sequence)

    def step(self) -> None:
        """Everything that runs gets one decode further."""
        self._expire()
        self._admit()
        if parts := self._plan():
            if (rows := self._decode(parts)) is not None:
                self._choose(parts, rows)
            self._retire()

    def close(self, reason: str) -> None:
        """Fail whatever is left."""
        for sequence in [*self.running, *self.waiting]:
            sequence.future.set_exception(EngineError(reason))
        self.running.clear()
        self.waiting.clear()

    def _expire(self) -> None:
        now = time.monotonic()
        for sequence in [*self.running, *self.waiting]:
            sequence.check(now)
        for sequence in [sequence for sequence in self.waiting if sequence.stop]:
            self.waiting.remove(sequence)
            sequence.future.set_result(sequence.generation())
        self._retire()

    def _admit(self) -> None:
        while self.waiting:
            sequence = self.waiting[0]
            request = sequence.request
            slot = self._prefixes.acquire(request.prompt, request.session, len(request.prompt) + request.max_tokens)
            if slot is None:
                return
            self.waiting.popleft()
            sequence.slot, sequence.evaluated = slot.id, len(slot.tokens)
            sequence.tally.reused = sequence.evaluated
            self._slots[sequence] = slot
            self.running.append(sequence)
            try:
                sequence.begin()
            except BridleError as error:
                self._fail(sequence, error)
        self._retire()

    def _plan(self) -> list[tuple[Sequence, Part]]:
        room = self.backend.batch
        plan: list[tuple[Sequence, Part]] = []
        decoding = any(not sequence.prefilling for sequence in self.running)
        for sequence in sorted(self.running, key=lambda sequence: sequence.prefilling):
            pending = sequence.pending
            take = min(len(pending), room, STRETCH if decoding and sequence.prefilling else room)
            if take:
                part = Part(sequence.slot, sequence.evaluated, pending[:take], wanted=take == len(pending))
                plan.append((sequence, part))
                room -= take
        return plan

    def _decode(self, plan: SequenceOf[tuple[Sequence, Part]]) -> list[Logits] | None:
        start = time.perf_counter()
        try:
            rows = self.backend.decode([part for _, part in plan])
        except EngineError as error:
            for sequence, _ in plan:
                self._fail(sequence, error)
            return None
        seconds = time.perf_counter() - start
        for sequence, part in plan:
            if sequence.prefilling:
                sequence.tally.prefill_seconds += seconds
            else:
                sequence.tally.decode_seconds += seconds
            sequence.evaluated += len(part.tokens)
            if sequence.request.on_prefill is not None and part.start < len(sequence.request.prompt):
                done = min(sequence.evaluated, len(sequence.request.prompt))
                sequence.request.on_prefill(done, len(sequence.request.prompt))
        return rows

    def _choose(self, plan: SequenceOf[tuple[Sequence, Part]], rows: list[Logits]) -> None:
        wanted = [sequence for sequence, part in plan if part.wanted]
        for sequence, logits in zip(wanted, rows, strict=True):
            try:
                evaluated = sequence.evaluated
                sequence.choose(logits, self._sampler)
                if sequence.evaluated < evaluated and not self.backend.trim(sequence.slot, sequence.evaluated):
                    sequence.evaluated = 0
            except BridleError as error:
                self._fail(sequence, error)

    def _retire(self) -> None:
        for sequence in [sequence for sequence in self.running if sequence.stop]:
            self.running.remove(sequence)
            self._prefixes.release(self._slots.pop(sequence), sequence.tokens[: sequence.evaluated])
            sequence.future.set_result(sequence.generation())

    def _fail(self, sequence: Sequence, error: BridleError) -> None:
        self.running.remove(sequence)
        self._prefixes.drop(self._slots.pop(sequence))
        sequence.future.set_exception(error)


def too_long(prompt: int, needed: int, context: int) -> ContextError:
    """The error for a prompt and budget that no context of this size can hold."""
    return ContextError(
        f"the prompt has {prompt} tokens and its output may take {needed - prompt}: {needed} in all, "
        f"but the context holds {context}",
        hint="shorten the request or what it quotes, allow fewer output tokens, or load with a larger context",
    )
