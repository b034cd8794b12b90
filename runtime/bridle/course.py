"""The course of a run: its steps and its calls, each within the run's bounds and journaled as it comes.

One for all branches of a run: they spend from one purse and write into one record. What the record has from before is
not done again: a run that was killed or waits for a person is taken up by doing its skill once more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
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
    HandedOver,
    Heard,
    Noted,
    Past,
    Returned,
    Ruled,
    Status,
    StepTaken,
    Undone,
)
from bridle.journal.replay import DOUBT
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
        if stuck := self.past.stuck(path):
            raise Ended(Status.FAILED, stuck)
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
        self.bounds.left()
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
        self.bounds.left()
        try:
            verdict = self.gate.verdict(tool, skill, sources, "ask")
            call = await self.gate.passed(place, call, tool, verdict, self.hear)
        except PolicyError as error:
            self.tell(Ruled(path=f"call {place}", verdicts={tool.name: error.message}))
            return Observation(False, error.message, f"error: {error.message}")
        self.bounds.use(tool.name)
        begun, made = time.monotonic(), self.past.call(place)
        key = made.intent.key if made is not None else f"{self.recorder.run}/{place}"
        if made is None:
            self.recorder.intent(key, call, tool.effect, sources)
        elif (before := made.intent).tool != call.tool:
            raise Astray(f"call {place}", f"it is {call.tool} now, and was {before.tool}")
        elif before.args != dict(call.args):
            raise Astray(f"call {place}", f"the arguments of {call.tool} are not what they were")
        if made is not None and made.answer is not None:
            answer = made.answer
            seen = Observation(answer.ok, answer.result, answer.text, answer.seconds)
        else:
            services = {**self.services, CallKey: CallKey(key), Teller: Teller(self._hears)}
            seen = None
            if made is not None:
                seen = await settle(call, tool, services, partial(self.hear, f"{DOUBT}{place}.{made.begun}"))
                if seen is None and tool.effect is Effect.UNSAFE:  # a word that it was not done is for this once alone
                    self.recorder.intent(key, call, tool.effect, sources)
            seen = seen or await self._made(call, tool, services)
            self.recorder.outcome(key, tool.name, seen)
        if made is not None:
            begun = float("-inf")
        self.bounds.calls.append(CallMade(tool.name, call.args, seen.value, seen.ok, key, place, begun))
        return seen

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

    async def take_back(self, calls: Sequence[CallMade], tools: Sequence[Tool]) -> list[CallMade]:
        """Take back what calls did, the last first. Given back are those that nothing takes back, or that failed to be.

        Calls that failed, and those of tools that only look, did nothing.
        """
        by_name = {tool.name: tool for tool in tools}
        lasting: list[CallMade] = []
        for made in reversed([it for it in calls if it.ok and it.key not in self.bounds.undone]):
            tool = by_name.get(made.tool)
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
            self.gate.people.append(known.text)
            return known.text
        with self.bounds.waiting():
            answer, seconds = await self.person.answer(question)
        if answer is None:
            raise Ended(status, "it has a question", question)
        if within is not None and seconds > within:
            raise Ended(status, f"the answer came after {seconds:.0f} s, and was good for {within:g} s", question)
        self.recorder.event(Heard(path=path, question=question, text=answer))
        self.gate.people.append(answer)
        return answer

    def tell(self, body: Noted | Delegated | Returned | Ruled | HandedOver) -> None:
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
