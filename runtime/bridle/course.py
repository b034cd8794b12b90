"""The course of a run: its steps and its calls, each within the run's bounds and journaled as it comes.

One for all branches of a run: they spend from one purse and write into one record. What the record has from before is
not done again: a run that was killed or waits for a person is taken up by doing its skill once more.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

from pydantic import JsonValue

from bridle.approval import settle
from bridle.bounds import Astray, Bounds, CallMade, Ended
from bridle.decide import Calibration, Decision, choose
from bridle.engine.base import Generation, Stop
from bridle.errors import BridleError, BudgetError
from bridle.gate import Gate
from bridle.grammar.action import Call
from bridle.grammar.base import Choice
from bridle.grammar.keywords import Schema
from bridle.how import StepSettings
from bridle.journal import (
    Counted,
    Delegated,
    Heard,
    Made,
    Noted,
    Past,
    Returned,
    Ruled,
    Status,
    StepFailed,
    StepTaken,
    Undone,
)
from bridle.journal.replay import APPROVAL, DOUBT
from bridle.model import Model
from bridle.person import Person
from bridle.policy import PolicyError
from bridle.prompt import Message, Prompt
from bridle.prompt import sources as sources_of
from bridle.record import Recorder, as_json, digest, usage_of
from bridle.state import Store
from bridle.step import Outcome, Step, StepError, take
from bridle.tool import CallKey, Effect, Observation, Service, Teller, Tool, render
from bridle.turn import Attempt, Progress, Writer
from bridle.vote import Vote, most, vote

T = TypeVar("T")


Anew: TypeAlias = Callable[[Step[Any], Writer, Sequence[StepTaken]], Awaitable[None]]
"""Takes a step again that was taken before, to see what comes of it now."""


@dataclass(frozen=True)
class Course:
    """A run under way."""

    recorder: Recorder
    gate: Gate
    settings: StepSettings
    services: Mapping[type[Service], Service]
    person: Person = field(default_factory=Person)
    listen: Callable[[Progress], None] | None = None
    """Hears signs of life, on the engine's thread."""
    past: Past = field(default_factory=Past)
    """What the run did before."""
    anew: Anew | None = None

    @property
    def bounds(self) -> Bounds:
        """What it has spent of what it may."""
        return self.gate.bounds

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
        start = time.monotonic()
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
        start = time.monotonic()
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
        await self._left()
        known, asked = self.past.decision(path), digest(messages)
        if known is not None:
            _same(path, known.asked, asked)
            told = tuple(known.probabilities)
            decision = Decision(known.option, max(told), told, known.sure)
        elif isinstance(model, Model):
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

    def allowed(
        self,
        path: str,
        tools: Sequence[Tool],
        skill: str,
        schemas: Mapping[str, Schema],
        sources: Collection[str] = (),
    ) -> dict[str, Schema]:
        """What the policy leaves of the arguments of some tools to a skill that has read what came of others, its
        sources; those that it takes away are left out."""
        verdicts = {it.name: self.gate.verdict(it, skill, sources) for it in tools if it.name in schemas}
        if all(it.plain for it in verdicts.values()):
            return dict(schemas)
        self.tell(Ruled(path=path, verdicts={name: str(it) for name, it in verdicts.items() if not it.plain}))
        return self.gate.left(schemas, verdicts)

    async def call(
        self, place: str, call: Call, tool: Tool, skill: str = "", sources: Collection[str] = ()
    ) -> Observation:
        """Make a call: the intent first and durably, then the effect, then what came of it. `place` is where in the run
        it stands; with the run, it names the call for ever. `sources` are the tools whose results its arguments may
        depend on.

        A call that was begun before, and of which nobody knows what came, is made again where that does no harm, or the
        world is asked (`Effect`); else a person.

        Raises:
            Ended: a bound of the run is met: the tool was used too often, say. Or the person has to be asked.
            Astray: another call was made there before.
        """
        await self._left()
        begun, made = time.monotonic(), self.past.call(place)
        if made is not None:
            call = self._as_then(place, call, tool, made)
        else:
            try:
                if refused := self.past.refused(place):
                    raise PolicyError(refused)
                verdict = self.gate.verdict(tool, skill, sources, "ask")
                call = await self.gate.passed(place, call, tool, verdict, self.hear)
            except PolicyError as error:
                self.tell(Ruled(path=f"call {place}", verdicts={tool.name: error.message}))
                return Observation(False, error.message, f"error: {error.message}")
        self.bounds.use(tool.name)
        key = made.intent.key if made is not None else f"{self.recorder.run}/{place}"
        if made is None:
            self.recorder.intent(key, call, tool.effect, sources)
        if made is not None and made.answer is not None:
            answer = made.answer
            seen = Observation(answer.ok, answer.result, answer.text, answer.seconds, open=answer.open)
        else:
            services = {**self.services, CallKey: CallKey(key), Teller: Teller(self._hears)}
            seen = None
            if made is not None:
                seen = await settle(call, tool, services, self.hear, f"{DOUBT}{place}.{made.begun}")
                if seen is None and tool.effect is Effect.UNSAFE:  # a word that it was not done is for this once alone
                    self.recorder.intent(key, call, tool.effect, sources)
            try:
                seen = seen or await self._made(call, tool, services)
            except asyncio.CancelledError:  # it may have been done: whoever takes back has to know of it
                self.bounds.calls.append(CallMade(tool.name, call.args, None, False, key, place, open=True, by=tool))
                raise
            self.recorder.outcome(key, tool.name, seen)
        if made is not None:
            begun = float("-inf")
        told = CallMade(tool.name, call.args, seen.value, seen.ok, key, place, begun, seen.open, tool)
        self.bounds.calls.append(told)
        return seen

    async def _left(self) -> None:
        """See that there is something left; a skill that stops at nothing can be stopped here.

        Raises:
            Ended: there is not.
        """
        try:
            self.bounds.left()
        except Ended:
            await asyncio.sleep(0)
            raise

    def _as_then(self, place: str, call: Call, tool: Tool, made: Made) -> Call:
        """A call that was let pass before, as it was: what was ruled then is not ruled anew.

        Raises:
            Astray: it is another one.
        """
        if made.intent.tool != call.tool:
            raise Astray(f"call {place}", f"it is {call.tool} now, and was {made.intent.tool}")
        if (known := self.past.heard(self.gate.asked(place, call))) is not None:
            call = self.gate.settle(call, tool, known.text)
        if made.intent.args != dict(call.args):
            raise Astray(f"call {place}", f"the arguments of {call.tool} are not what they were")
        return call

    async def _made(self, call: Call, tool: Tool, services: Mapping[type[Service], Service]) -> Observation:
        """What comes of a call, or came of the same a moment ago."""
        if tool.cache and (same := self.bounds.same(call, tool.cache)) is not None:
            return Observation(True, same.result, render(same.result), cached=True)
        try:
            with self.bounds.waiting():
                return await tool.call(call.args, services)
        finally:
            if tool.effect is not Effect.PURE:
                self.bounds.changed = time.monotonic()

    async def take_back(self, calls: Sequence[CallMade]) -> list[CallMade]:
        """Take back what calls did, the last first. Given back are those that nothing takes back, or that failed to be.

        Calls of tools that only look did nothing, nor did those that failed, unless they may have been done all the
        same.
        """
        lasting: list[CallMade] = []
        for made in reversed([it for it in calls if (it.ok or it.open) and it.key not in self.bounds.undone]):
            tool = made.by
            if tool is not None and tool.effect is Effect.PURE:
                continue
            if tool is None:
                lasting.append(made)
                continue
            done = self.past.undone(made.place)
            if done is None:
                with self.bounds.waiting():
                    seen = await tool.take_back(made.args, made.result, {**self.services, CallKey: CallKey(made.key)})
                self.bounds.changed = time.monotonic()
                done = Undone(key=made.key, tool=tool.name, ok=seen.ok, text=seen.text)
                self.recorder.event(done)
            if done.ok:
                self.bounds.undone.add(made.key)
            else:
                lasting.append(made)
        return lasting

    async def hear(self, path: str, question: str, status: Status = Status.PAUSED, within: float | None = None) -> str:
        """What the person says to a question; after more than `within` seconds it is not taken, and asked again.

        Raises:
            Ended: nobody is there to answer: the run waits.
            Astray: another question was asked there before.
        """
        if (known := self.past.heard(path)) is not None:
            _same(path, known.question, question)
            self._believe(path, known.text)
            return known.text
        with self.bounds.waiting():
            answer, seconds = await self.person.answer(question)
        if answer is None:
            raise Ended(status, "it has a question", question)
        if within is not None and seconds > within:
            raise Ended(status, f"the answer came after {seconds:.0f} s, and was good for {within:g} s", question)
        self.recorder.event(Heard(path=path, question=question, text=answer))
        self._believe(path, answer)
        return answer

    def _believe(self, path: str, said: str) -> None:
        """Trust the words of a person; not those why a call may not be made."""
        if not path.startswith((DOUBT, APPROVAL)):
            self.gate.people.append(said)

    def tell(self, body: Noted | Delegated | Returned | Ruled | StepFailed) -> None:
        """Journal what a skill says of itself, once."""
        if not self.past.has_told(body):
            self.recorder.event(body)

    def _hears(self, text: str, done: int, total: int) -> None:
        if self.listen is not None:
            self.listen(Progress("calling", text, done, total))

    def _known(self, attempts: Sequence[StepTaken], step: Step[T]) -> Outcome[T]:
        """What a step came to that was taken before."""
        _same(attempts[-1].path, attempts[-1].asked, digest(step.messages))
        again = tuple(_again(it) for it in attempts)
        self.bounds.spend(again)
        last = attempts[-1]
        return Outcome(step.form.load(json.loads(last.spelled) if last.spelled else last.value), again)

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
            _same(path, attempts[-1].asked, digest(step.messages))
        self.bounds.spend([_again(it) for it in attempts])
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


def _same(path: str, before: str, now: str) -> None:
    if before and before != now:  # older journals do not say what was asked
        raise Astray(path, "what is asked there is not what was asked then")


def _again(taken: StepTaken) -> Attempt:
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
    )
