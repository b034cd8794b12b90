"""The course of a run: its steps, beside its effects, each within the run's bounds and journaled as it comes.

One for all branches of a run: they spend from one purse and write into one record. What the record has from before is
not done again: a run that was killed or waits for a person is taken up by doing its skill once more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from pydantic import JsonValue

from bridle.asking import same_question
from bridle.bounds import Ended
from bridle.decide import Calibration, Decision, choose
from bridle.effects import Effects
from bridle.engine.base import Generation, Stop
from bridle.errors import BridleError, BudgetError, FormatError
from bridle.grammar.base import Choice
from bridle.journal import Counted, Status, StepFailed, StepTaken
from bridle.model import Model
from bridle.prompt import Message, Prompt
from bridle.prompt import sources as sources_of
from bridle.record import as_json, digest, usage_of
from bridle.state import Store
from bridle.step import Outcome, Step, StepError, read, take
from bridle.turn import Attempt, Writer
from bridle.vote import Vote, most, vote

T = TypeVar("T")


Anew: TypeAlias = Callable[[Step[Any], Writer, Sequence[StepTaken]], Awaitable[None]]
"""Takes a step again that was taken before, to see what comes of it now."""


@dataclass(frozen=True, kw_only=True)
class Course(Effects):
    """A run under way."""

    anew: Anew | None = None

    @cached_property
    def store(self) -> Store:
        """What it keeps."""
        return Store(self.recorder, self.past)

    async def step(self, path: str, step: Step[T], model: Writer) -> Outcome[T]:
        """Take a step.

        Raises:
            Ended: a bound of the run is met, or no attempt gave a value.
            Astray: another one was taken there before.
        """
        if text := self.past.prompted(path):
            step = replace(step, messages=[*step.messages, Message("user", text)])
        if (known := self.past.step(path)) is not None:
            if self.anew is not None:
                await self.anew(step, model, known)
            return self._known(known, step)
        self._fail_again(path, step)
        step, start = await self._due(step), time.monotonic()
        try:
            outcome = await take(step, model)
        except (BudgetError, StepError) as error:
            raise self._end(error, step, path, start) from None
        self._record(path, step, outcome.attempts, start, as_json(outcome.value), came=True)
        return outcome

    async def vote(self, path: str, step: Step[T], model: Writer, count: int) -> Vote[T]:
        """Take a step several times at once.

        Raises:
            Ended: a bound of the run is met, or no attempt of any gave a value.
            Astray: another one was taken there before.
        """
        places = [f"{path}.{number}" for number in range(1, count + 1)]
        known = {it: self._known(found, step) for it in places if (found := self.past.step(it)) is not None}
        if known and self.past.has_counted(path):
            return most(list(known.values()), ())
        self._fail_again(path, step)
        step, start = await self._due(step), time.monotonic()
        try:
            found = await vote(step, model, count)
        except (BudgetError, StepError) as error:
            raise self._end(error, step, path, start) from None
        outcomes = list[Outcome[T]]()
        for place, outcome in zip(places, found.outcomes, strict=False):
            if place not in known:  # it was cut off while they were written down
                self._record(place, step, outcome.attempts, start, as_json(outcome.value), came=True)
            outcomes.append(known.get(place, outcome))
        for place, failed in zip(places[len(found.outcomes) :], found.failed, strict=True):
            self._record(place, step, failed.attempts, start)
        self.recorder.event(Counted(path=path, votes=count))
        return most(outcomes, found.failed)

    async def weigh(
        self, path: str, messages: Sequence[Message], choice: Choice[str], model: Writer, calibration: Calibration
    ) -> Decision[str] | None:
        """Let a model weigh the options of a choice; None for one behind a server, which tells no probabilities.

        Raises:
            Ended: a bound of the run is met.
            Astray: something else was weighed there before.
        """
        known, asked = self.past.decision(path), digest(messages)
        if known is not None:
            same_question(path, known.asked, asked)
            told = tuple(known.probabilities)
            decision = Decision(known.option, max(told), told, known.sure)
        elif isinstance(model, Model):
            await self.fresh()
            start = time.monotonic()
            decision = await choose(messages, choice, model, calibration, session=self.recorder.run)
            question, seconds = messages[-1].content, time.monotonic() - start
            self.recorder.decision(
                path, question, choice.options, decision, asked=asked, sources=sources_of(messages), seconds=seconds
            )
        else:
            return None
        self.bounds.spend((), steps=1)
        return decision

    async def _due(self, step: Step[T]) -> Step[T]:
        """A step that is new, with the time that there is.

        Raises:
            Ended: there is none.
        """
        await self.fresh()
        return replace(step, deadline=self.bounds.deadline)

    def _known(self, attempts: Sequence[StepTaken], step: Step[T]) -> Outcome[T]:
        """What a step came to that was taken before."""
        same_question(attempts[-1].path, attempts[-1].asked, digest(step.messages))
        taken = tuple(again(it) for it in attempts)
        self.bounds.spend(taken)
        last = attempts[-1]
        try:  # as then: not every value comes back from the JSON that it makes, or comes back as the same
            value, _ = read(step.form, taken[-1])
        except FormatError:  # an older version read it otherwise
            value = step.form.load(json.loads(last.spelled) if last.spelled else last.value)
        return Outcome(value, taken)

    def _fail_again(self, path: str, step: Step[Any]) -> None:
        """Fail where a step did before: the skill may have gone another way for it.

        Raises:
            Ended: it did.
            Astray: another one was taken there before.
        """
        if (failed := self.past.failed(path)) is None:
            return
        attempts, reason = failed
        if attempts:
            same_question(path, attempts[-1].asked, digest(step.messages))
        self.bounds.spend([again(it) for it in attempts])
        raise Ended(Status.FAILED, reason)

    def _end(self, error: BudgetError | StepError, step: Step[Any], path: str, start: float) -> BridleError:
        """What a failed step means for the run."""
        limits = self.bounds.limits
        if isinstance(error, BudgetError):
            if step.max_tokens < (step.total_tokens or 0):  # it is the step's own budget that is too small
                return error
            return Ended(Status.BUDGET, f"it has only {step.total_tokens} of {limits.tokens} tokens left")
        self._record(path, step, error.attempts, start)
        if error.stop is Stop.DEADLINE:
            return Ended(Status.BUDGET, f"it took longer than {limits.seconds:g} s")
        if error.stop is Stop.BUDGET:
            return Ended(Status.BUDGET, f"it made {self.bounds.usage.output} of {limits.tokens} tokens")
        self.recorder.event(StepFailed(path=path, reason=error.message))
        return Ended(Status.FAILED, error.message)

    def _record(
        self,
        path: str,
        step: Step[Any],
        attempts: Sequence[Attempt],
        start: float,
        value: JsonValue = None,
        *,
        came: bool = False,
    ) -> None:
        self.bounds.spend(attempts)
        seconds, asked, sources = time.monotonic() - start, digest(step.messages), sources_of(step.messages)
        self.recorder.step(path, attempts, value, asked=asked, sources=sources, came=came, seconds=seconds)


def again(taken: StepTaken) -> Attempt:
    """An attempt as far as the journal's word for it is needed again."""
    generation = Generation((), Stop(taken.stop), usage_of(taken.tokens))
    return Attempt(
        Prompt(""),
        generation,
        taken.thinking,
        taken.text,
        error=taken.error,
        cut=taken.cut,
        model=taken.model,
        held_by=taken.held_by or "nothing",
    )
