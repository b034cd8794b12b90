"""Which tokens go into the next decode: continuous batching over one model.

Every running sequence puts what it owes into the batch: the token it sampled, those forced after it and a draft of
what may follow, or the next stretch of its prompt. Long prompts go in stretches beside the decoding of others, so
that nobody waits for them. A prompt that begins like one being read waits for it, and then shares it.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from contextlib import suppress
from functools import partial

import numpy as np

from bridle.engine.archive import Archive
from bridle.engine.base import Backend, Logits, Part, Request
from bridle.engine.lookup import NOTHING, Worth
from bridle.engine.mask import Mask, Together, allocate
from bridle.engine.prefix import Prefixes, Slot, common
from bridle.engine.sample import Sampler
from bridle.engine.sequence import Sequence
from bridle.errors import BridleError, BusyError, ContextError, EngineError, UsageError

STRETCH = 256
"""Prompt tokens that one sequence evaluates beside the decoding of others."""
WORTH_WAITING = 32
"""Prompt tokens of another sequence that are worth waiting for, rather than evaluating them twice."""
PRIORITY_SECONDS = 10.0
"""Waiting time that one point of priority stands for."""
QUEUE = 4_096
"""Requests that may wait, if not said; more are turned away."""


class Scheduler:
    """Runs sequences to their end, a decode at a time. Not thread-safe: one thread owns it.

    `deterministic` gives every request the same decodes, whatever ran before or runs beside it: one at a time, from
    an empty memory, without drafts. Else batches differ in shape, and with them the rounding of the scores.
    """

    def __init__(
        self, backend: Backend, *, archive: Archive | None = None, deterministic: bool = False, queue: int = QUEUE
    ) -> None:
        self.backend = backend
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self._deterministic = deterministic
        self._queue = queue
        self._prefixes = Prefixes(backend, None if deterministic else archive)
        self._slots: dict[Sequence, Slot] = {}
        self._sampler = Sampler(backend.vocabulary.size, backend.exponentials)
        self._worth = Worth()

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self.running and not self.waiting

    @property
    def cells(self) -> int:
        """Cells of the model's memory that are in use or promised."""
        return self._prefixes.cells()

    def submit(self, sequence: Sequence) -> None:
        """Queue a sequence; its future tells how it ended."""
        try:
            if (refusal := self._refusal(sequence.request)) is not None:
                raise refusal
            sequence.make_room()
            sequence.check(time.monotonic())
            insort(self.waiting, sequence, key=_turn)
        except Exception as error:
            sequence.future.set_exception(_told(error))

    def step(self) -> None:
        """Everything that runs gets one decode further."""
        start = time.perf_counter()
        self._expire()
        self._admit()
        if plan := self._plan():
            said = sum(len(sequence.output) for sequence, _ in plan)
            if (rows := self._decode(plan)) is not None:
                self._choose(plan, rows)
            self._retire()
            seconds = time.perf_counter() - start
            self._worth.time(sum(len(part.tokens) for _, part in plan), seconds)
            if all(part.wanted and sequence.request.drafts for sequence, part in plan):
                self._worth.pace(sum(len(sequence.output) for sequence, _ in plan) - said, seconds)

    def close(self, reason: str) -> None:
        """Fail whatever is left."""
        for sequence in [*self.running, *self.waiting]:
            sequence.future.set_exception(EngineError(reason))
        self.running.clear()
        self.waiting.clear()

    def _refusal(self, request: Request) -> BridleError | None:
        hash(request.session)  # raises here, where only this request fails of it
        if not request.prompt:
            return EngineError("an empty prompt cannot be continued")
        if request.max_tokens < 1:
            return UsageError(f"max_tokens has to be at least 1, not {request.max_tokens}")
        needed = len(request.prompt) + request.max_tokens
        if needed > self.backend.context:
            return too_long(len(request.prompt), needed, self.backend.context)
        ids, last = np.asarray(request.prompt), self.backend.vocabulary.size - 1
        if (stranger := int(ids.max())) > last or (stranger := int(ids.min())) < 0:
            return UsageError(f"the prompt has token {stranger}, but the model's tokens are 0 to {last}")
        if len(self.waiting) >= self._queue:
            return BusyError(f"{self._queue} requests are waiting already", hint="try again later")
        return None

    def _expire(self) -> None:
        now = time.monotonic()
        for sequence in [*self.running, *self.waiting]:
            sequence.check(now)
        for sequence in [sequence for sequence in self.waiting if sequence.stop]:
            self.waiting.remove(sequence)
            sequence.future.set_result(sequence.generation())
        self._retire()

    def _admit(self) -> None:
        most = 1 if self._deterministic else self.backend.slots
        for sequence in self.waiting.copy():
            if len(self.running) >= most:
                break
            if self._better_wait(sequence):
                continue
            request = sequence.request
            if self._deterministic:
                self._prefixes.clear()
            cells = len(request.prompt) + request.max_tokens
            try:
                slot = self._prefixes.acquire(sequence.tokens, request.session, cells, request.stable)
            except BaseException as error:
                self.waiting.remove(sequence)
                sequence.future.set_exception(_told(error))
                continue
            if slot is None:
                break
            self.waiting.remove(sequence)
            sequence.slot, sequence.evaluated = slot.id, slot.length
            sequence.usage.reused = sequence.evaluated
            self._slots[sequence] = slot
            self.running.append(sequence)
            self._attempt(sequence, sequence.begin)
        self._retire()

    def _better_wait(self, sequence: Sequence) -> bool:
        """Whether a running sequence is about to evaluate much of this one's prompt; found out once for each."""
        reader = sequence.reader
        if reader in self._slots and sequence.shared - reader.evaluated >= WORTH_WAITING:
            return True
        reading = [other for other in self.running if other.prefilling]
        sequence.reader = None
        if not reading or not self.backend.rewinds:
            return False
        prompt = sequence.tokens
        shared = {other: common(other.tokens[: len(other.request.prompt)], prompt[:-1]) for other in reading}
        reader = max(shared, key=lambda other: shared[other])
        soon = shared[reader]
        if soon < WORTH_WAITING or soon - self._prefixes.nearest(prompt)[1] < WORTH_WAITING:
            return False
        sequence.reader, sequence.shared = reader, soon
        return True

    def _plan(self) -> list[tuple[Sequence, Part]]:
        room = self.backend.batch
        plan: list[tuple[Sequence, Part]] = []
        decoding = sum(not sequence.prefilling for sequence in self.running)
        lengths = self._draft_lengths(decoding)
        for sequence in sorted(self.running, key=lambda sequence: sequence.prefilling):
            pending, sequence.draft = sequence.pending, NOTHING
            take = min(len(pending), room, STRETCH if decoding and sequence.prefilling else room)
            if sequence.evaluated < (end := self._slots[sequence].keep_at):
                take = min(take, end - sequence.evaluated)
            if not take:
                continue
            tokens, wanted = pending[:take], int(take == len(pending))
            if wanted and not self._attempt(sequence, partial(sequence.guess, lengths, room - take)):
                continue
            room -= take
            if count := len(sequence.draft.tokens):
                tokens, wanted = np.concatenate((tokens, sequence.draft.tokens)), 1 + count
                room -= count
            plan.append((sequence, Part(sequence.slot, sequence.evaluated, tokens, wanted)))
        return plan

    def _draft_lengths(self, decoding: int) -> tuple[int, ...]:
        if self._deterministic or not self.backend.rewinds:
            return ()
        return self._worth.lengths(max(decoding, 1))

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
            sequence.usage.own_seconds += seconds / len(plan)
            if sequence.prefilling:
                sequence.usage.prefill_seconds += seconds
            else:
                sequence.usage.decode_seconds += seconds
            sequence.evaluated += len(part.tokens) - len(sequence.draft.tokens)
            slot = self._slots[sequence]
            slot.tokens, slot.length = sequence.tokens, sequence.evaluated
            self._prefixes.keep(slot)
            self._attempt(sequence, partial(sequence.report, part.start))
        return rows

    def _choose(self, plan: SequenceOf[tuple[Sequence, Part]], rows: list[Logits]) -> None:
        self._fill([sequence for sequence, part in plan if part.wanted and not sequence.future.done()])
        at = 0
        for sequence, part in plan:
            mine, at = rows[at : at + part.wanted], at + part.wanted
            if part.wanted and not sequence.future.done():
                self._attempt(sequence, partial(self._take, sequence, part, mine))

    def _take(self, sequence: Sequence, part: Part, rows: list[Logits]) -> None:
        draft = sequence.draft
        came = sequence.choose(rows, self._sampler)
        if len(draft.tokens):
            self._worth.learn(draft, came)
        self._keep(sequence, part)

    def _fill(self, choosing: SequenceOf[Sequence]) -> None:
        """Compute the masks of all who choose now in parallel, where masks can."""
        groups: defaultdict[Together, list[tuple[Sequence, Mask]]] = defaultdict(list)

        def group(sequence: Sequence) -> None:
            mask = sequence.request.mask
            if mask is not None and mask.together is not None and not sequence.request.scores:
                groups[mask.together].append((sequence, mask))

        for sequence in choosing:
            self._attempt(sequence, partial(group, sequence))
        for together, members in groups.items():
            if len(members) > 1:
                start = time.perf_counter()
                rows = allocate(self.backend.vocabulary.size, len(members))
                with suppress(BaseException):  # whose it was shows when each fills its own
                    together([mask for _, mask in members], rows)
                    seconds = time.perf_counter() - start
                    for (sequence, _), row in zip(members, rows, strict=True):
                        sequence.row = row
                        sequence.usage.mask_seconds += seconds

    def _keep(self, sequence: Sequence, part: Part) -> None:
        """Drop from memory what was drafted and did not come, and what the mask took back."""
        slot = self._slots[sequence]
        dropped = sequence.evaluated < part.start + len(part.tokens)
        if dropped and not self.backend.trim(slot.id, sequence.evaluated):
            sequence.evaluated = 0
        slot.tokens, slot.length = sequence.tokens, sequence.evaluated

    def _retire(self) -> None:
        for sequence in [sequence for sequence in self.running if sequence.stop]:
            self.running.remove(sequence)
            self._prefixes.release(self._slots.pop(sequence))
            sequence.future.set_result(sequence.generation())

    def _attempt(self, sequence: Sequence, act: Callable[[], object]) -> bool:
        """Do what runs a request's own mask, callbacks or sampling; False if that failed, and the request with it."""
        try:
            act()
        except BaseException as error:  # a panic of llguidance's is one; the others are not to blame
            self._fail(sequence, error)
            return False
        return True

    def _fail(self, sequence: Sequence, error: BaseException) -> None:
        self.running.remove(sequence)
        self._prefixes.drop(self._slots.pop(sequence))
        sequence.future.set_exception(_told(error))


def _turn(sequence: Sequence) -> float:
    """When a waiting sequence is due, beside others."""
    return sequence.arrived - PRIORITY_SECONDS * sequence.request.priority


def _told(error: BaseException) -> BridleError:
    """What a request's future says of an error: a stranger's is the cause of one of ours."""
    if isinstance(error, BridleError):
        return error
    failure = EngineError(
        f"the request failed in its values, its mask, its sampling or a callback: {type(error).__name__}: {error}",
        hint="the error's cause has the place; other requests go on",
    )
    failure.__cause__ = error
    return failure


def too_long(prompt: int, needed: int, context: int) -> ContextError:
    """The error for a prompt and budget that no context of this size can hold."""
    return ContextError(
        f"the prompt has {prompt} tokens and its output may take {needed - prompt}: {needed} in all, "
        f"but the context holds {context}",
        hint="shorten the request or what it quotes, allow fewer output tokens, or load with a larger context",
    )
