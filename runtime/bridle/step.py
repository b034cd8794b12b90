"""One step: a prompt and a form go in, a typed value comes out.

The model thinks (hidden, within its budget), then writes a document. What is written is read into a value; if it cannot
be read, or a validator refuses it, the model is asked again with the exact complaint. Attempts, tokens and time are
bounded, all attempts together. Then the fallback model takes the step, if there is one; then the caller gets an error
that holds every attempt and the best part of a value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Generic, TypeVar

from pydantic import JsonValue

from bridle.engine.base import Sampling, Stop, Usage
from bridle.errors import BridleError, BudgetError, ContextError, EngineError, FormatError, UsageError
from bridle.grammar.afterwards import check
from bridle.grammar.base import Form, Tree
from bridle.grammar.thinking import Thinking
from bridle.parse import parse, recover
from bridle.prompt import Message
from bridle.repair import best, complaint, plain
from bridle.turn import Attempt, Progress, Turn, Writer

T = TypeVar("T")


@dataclass(frozen=True)
class Step(Generic[T]):
    """What is asked of the model once."""

    messages: Sequence[Message]
    form: Form[T]
    thinking: Thinking | None = None
    sampling: Sampling | None = None
    """None for what the model's card recommends."""
    max_tokens: int = 1024
    """Of one attempt: thinking and document together."""
    constrain: bool = True
    """Hold the document to the form while it is written; without, the reply is read tolerantly."""
    retries: int = 2
    """How often the model may be asked again; the fallback model as often."""
    total_tokens: int | None = None
    """Of all attempts together, the fallback model's as well; None for `max_tokens` each."""
    session: Hashable = None
    priority: int = 0
    """Of steps that wait for a place in the engine, higher ones start earlier; nothing waits for ever."""
    deadline: float | None = None
    """The moment of `time.monotonic` when all attempts must be over."""
    fallback: Writer | None = None
    """The model that takes the step where the first fails; None for the one that its card names."""
    on_progress: Callable[[Progress], None] | None = None
    """Called on the engine's thread."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a step."""

    value: T
    attempts: tuple[Attempt, ...]

    @property
    def cut(self) -> bool:
        """The document was brought to its end because the budget ran out: it is whole, but not what was meant."""
        return self.attempts[-1].cut

    @property
    def text(self) -> str:
        """The document as the model wrote it, without thinking."""
        return self.attempts[-1].text

    @property
    def thinking(self) -> str:
        """What the model thought before it."""
        return self.attempts[-1].thinking

    @property
    def usage(self) -> Usage:
        """Of all attempts together."""
        return total([attempt.generation.usage for attempt in self.attempts])


class StepError(FormatError):
    """No attempt gave a usable value, or the step was stopped.

    `attempts` are all that were made, by every model that was asked. `partial` is the fullest value that any of them
    told; no validator has passed it.
    """

    def __init__(
        self,
        message: str,
        attempts: Sequence[Attempt],
        stop: Stop | None = None,
        partial: JsonValue | None = None,
        hint: str = "",
    ) -> None:
        text = attempts[-1].text if attempts else ""
        super().__init__(message, text=text, hint=hint or "see the run's trace", partial=partial)
        self.attempts = tuple(attempts)
        self.stop = stop
        """Why the step was stopped, if that is why it failed: `BUDGET` if the tokens of all attempts are spent."""


async def take(step: Step[T], model: Writer) -> Outcome[T]:
    """Take a step with a model; where it fails, with its fallback.

    Raises:
        UsageError: the step may not write a single token.
        GrammarError: the form cannot be compiled.
        BudgetError: no document of the form fits `max_tokens`.
        ContextError: the prompt does not fit the context, and there is no fallback.
        EngineError: the model failed before it wrote anything, and there is no fallback.
        StepError: every attempt failed, or the step was cancelled or ran past its deadline.
    """
    if step.max_tokens < 1:
        raise UsageError(f"max_tokens of a step has to be at least 1, not {step.max_tokens}")
    taking = _Taking(step)
    try:
        return await taking.by(model)
    except (StepError, ContextError, EngineError) as failure:
        stopped = isinstance(failure, StepError) and failure.stop is not None
        if stopped or (fallback := await taking.fallback(model)) is None:
            raise
        why = f"{model.name} failed: {failure.message}"
    try:
        return await taking.by(fallback, f"taken by the fallback model, for {why}")
    except (ContextError, EngineError) as failure:
        raise taking.failure(
            f"{why}; {fallback.name} failed as well: {failure.message}", hint=failure.hint
        ) from failure


_COUNTS = attrgetter(*(it.name for it in fields(Usage)))


def total(usages: Sequence[Usage]) -> Usage:
    """The sum of usages."""
    return Usage(*map(sum, zip(*map(_COUNTS, usages), strict=True)))


class _Taking(Generic[T]):
    """A step under way: what was tried, and what is left of its bounds."""

    def __init__(self, step: Step[T]) -> None:
        self.step = step
        self.attempts: list[Attempt] = []
        self.partials: list[JsonValue | None] = []

    async def by(self, model: Writer, note: str = "") -> Outcome[T]:
        """Ask one model, and again with the complaint, until it gives a value. `note`: why it is not the first one."""
        messages = list(self.step.messages)
        thinking = model.thinking if note and self.step.thinking else self.step.thinking
        for number in range(self.step.retries + 1):
            attempt = await self._ask(model, messages, thinking)
            if note and number == 0:
                attempt = replace(attempt, notes=(note, *attempt.notes))
            self.attempts.append(attempt)
            if (stop := attempt.generation.stop) in (Stop.CANCELLED, Stop.DEADLINE):
                raise self.failure(f"the step was stopped: {stop}", stop)
            try:
                value, mends = read(self.step.form, attempt)
            except FormatError as error:
                self.attempts[-1] = replace(attempt, error=error.message)
                self.partials.append(error.partial)
                again = complaint(error.message, attempt.text, self.step.form.syntax)
                messages += [Message("assistant", attempt.text), Message("user", again)]
                continue
            self.attempts[-1] = replace(attempt, mends=mends)
            return Outcome(value, tuple(self.attempts))
        count = "1 attempt" if len(self.attempts) == 1 else f"{len(self.attempts)} attempts"
        raise self.failure(f"no usable reply in {count}: {self.attempts[-1].error}")

    async def fallback(self, model: Writer) -> Writer | None:
        """The model that takes over.

        Raises:
            StepError: it cannot be opened.
        """
        if self.step.fallback is not None:
            return self.step.fallback
        try:
            return await asyncio.to_thread(model.fallback)
        except BridleError as error:
            raise self.failure(f"the fallback model cannot be opened: {error.message}", hint=error.hint) from error

    async def _ask(self, model: Writer, messages: Sequence[Message], thinking: Thinking | None) -> Attempt:
        step, spent = self.step, total([attempt.generation.usage for attempt in self.attempts]).output
        left = step.max_tokens if step.total_tokens is None else min(step.max_tokens, step.total_tokens - spent)
        if left <= 0:
            raise self.failure(f"the step has spent its {step.total_tokens} tokens", Stop.BUDGET)
        turn = Turn(
            messages=messages,
            form=step.form,
            max_tokens=left,
            thinking=thinking,
            sampling=step.sampling,
            constrain=step.constrain,
            session=step.session,
            priority=step.priority,
            deadline=step.deadline,
            on_progress=_numbered(step.on_progress, len(self.attempts)),
        )
        try:
            return await model.write(turn)
        except BridleError as error:
            if not self.attempts:
                raise
            stop = Stop.BUDGET if isinstance(error, BudgetError) else None
            raise self.failure(error.message, stop, error.hint) from error  # with what was written before it

    def failure(self, message: str, stop: Stop | None = None, hint: str = "") -> StepError:
        """The error of this step, with all that was tried."""
        return StepError(message, self.attempts, stop, best(self.partials), hint)


def _numbered(tell: Callable[[Progress], None] | None, attempt: int) -> Callable[[Progress], None] | None:
    """Progress that says which attempt it is of."""
    return tell and (lambda progress: tell(replace(progress, attempt=attempt)))


def read(form: Form[T], attempt: Attempt) -> tuple[T, tuple[str, ...]]:
    """The value of a reply, and what was mended to read it.

    Raises:
        FormatError: there is none.
    """
    unfinished = attempt.generation.stop is Stop.BUDGET
    if attempt.held_by == "mask" and not unfinished:
        return _load(form, parse(attempt.text, form.syntax)), ()
    try:
        recovered = recover(attempt.text, form.syntax, form.roots, form.names, form.schema)
    except FormatError as error:
        raise _cut_off(attempt, error.partial) if unfinished else error from None
    if unfinished and recovered.cut:
        raise _cut_off(attempt, plain(recovered.tree))
    value = _load(form, recovered.tree)
    check(form, value, attempt.text.strip())
    return value, recovered.mends


def _cut_off(attempt: Attempt, partial: JsonValue) -> FormatError:
    tokens = attempt.generation.usage.output
    return FormatError(f"the reply was cut off after {tokens} tokens; write less", text=attempt.text, partial=partial)


def _load(form: Form[T], tree: Tree) -> T:
    try:
        return form.load(tree)
    except FormatError as error:
        if error.partial is None and form.syntax != "text":
            error.partial = plain(tree)
        raise
