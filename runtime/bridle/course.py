"""The course of a run: its steps and its calls, each within the run's bounds and journaled as it comes.

One for all branches of a run: they spend from one purse and write into one record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import JsonValue

from bridle.bounds import Bounds, CallMade, Ended
from bridle.decide import Calibration, Decision, choose
from bridle.engine.base import Stop
from bridle.errors import BridleError, BudgetError
from bridle.grammar.action import Call
from bridle.grammar.base import Choice
from bridle.how import StepSettings
from bridle.journal import Heard, Status, Undone
from bridle.model import Model
from bridle.prompt import Message
from bridle.record import Recorder, as_json
from bridle.step import Outcome, Step, StepError, take
from bridle.tool import CallKey, Effect, Observation, Service, Tool
from bridle.turn import Attempt, Progress, Writer
from bridle.vote import Vote, vote

T = TypeVar("T")


@dataclass(frozen=True)
class Course:
    """A run under way."""

    recorder: Recorder
    bounds: Bounds
    settings: StepSettings
    services: Mapping[type[Service], Service]
    person: Callable[[str], str | None] | None = None
    """Asks the person at once; without one (or if it gives None) a question pauses the run."""
    listen: Callable[[Progress], None] | None = None
    """Hears signs of life, on the engine's thread."""

    async def step(self, path: str, step: Step[T], model: Writer) -> Outcome[T]:
        """Take a step.

        Raises:
            Ended: a bound of the run is met, or no attempt gave a value.
        """
        start = time.monotonic()
        try:
            outcome = await take(step, model)
        except (BudgetError, StepError) as error:
            raise self._end(error, step, path, start) from None
        self._record(path, outcome.attempts, as_json(outcome.value), start)
        return outcome

    async def vote(self, path: str, step: Step[T], model: Writer, count: int) -> Vote[T]:
        """Take a step several times at once.

        Raises:
            Ended: a bound of the run is met, or no attempt of any gave a value.
        """
        start = time.monotonic()
        try:
            found = await vote(step, model, count)
        except (BudgetError, StepError) as error:
            raise self._end(error, step, path, start) from None
        for number, outcome in enumerate(found.outcomes, 1):
            self._record(f"{path}.{number}", outcome.attempts, as_json(outcome.value), start)
        for number, failed in enumerate(found.failed, len(found.outcomes) + 1):
            self._record(f"{path}.{number}", failed.attempts, None, start)
        return found

    async def weigh(
        self, path: str, messages: Sequence[Message], choice: Choice[str], model: Model, calibration: Calibration
    ) -> Decision[str]:
        """Let a model weigh the options of a choice.

        Raises:
            Ended: a bound of the run is met.
        """
        self.bounds.left()
        start = time.monotonic()
        decision = await choose(messages, choice, model, calibration, session=self.recorder.run)
        self.bounds.spend((), steps=1)
        question, seconds = messages[-1].content, time.monotonic() - start
        self.recorder.decision(path, question, choice.options, decision, seconds)
        return decision

    async def call(self, place: str, call: Call, tool: Tool) -> Observation:
        """Make a call: the intent first and durably, then the effect, then what came of it. `place` is where in the run
        it stands; with the run, it names the call for ever.

        Raises:
            Ended: a bound of the run is met: the tool was used too often, say.
        """
        self.bounds.left()
        self.bounds.use(tool.name)
        key = f"{self.recorder.run}/{place}"
        self.recorder.intent(key, call, tool.effect)
        seen = await tool.call(call.args, {**self.services, CallKey: CallKey(key)})
        self.recorder.outcome(key, tool.name, seen)
        self.bounds.calls.append(CallMade(tool.name, call.args, seen.value, seen.ok, key, place))
        return seen

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
            seen = await tool.take_back(made.args, made.result, {**self.services, CallKey: CallKey(made.key)})
            self.recorder.event(Undone(key=made.key, tool=tool.name, ok=seen.ok, text=seen.text))
            if seen.ok:
                self.bounds.undone.add(made.key)
            else:
                lasting.append(made)
        return lasting

    def hear(self, question: str) -> str:
        """What the person says to a question.

        Raises:
            Ended: nobody is there to answer: the run pauses.
        """
        answer = self.person(question) if self.person else None
        if answer is None:
            raise Ended(Status.PAUSED, "it has a question", question)
        self.recorder.event(Heard(question=question, text=answer))
        return answer

    def _end(self, error: BudgetError | StepError, step: Step[Any], path: str, start: float) -> BridleError:
        """What a failed step means for the run."""
        limits = self.bounds.limits
        if isinstance(error, BudgetError):
            if step.max_tokens < (step.total_tokens or 0):  # it is the step's own budget that is too small
                return error
            return Ended(Status.BUDGET, f"it has only {step.total_tokens} of {limits.tokens} tokens left")
        self._record(path, error.attempts, None, start)
        if error.stop is Stop.DEADLINE:
            return Ended(Status.BUDGET, f"it took longer than {limits.seconds:g} s")
        if error.stop is Stop.BUDGET:
            return Ended(Status.BUDGET, f"it made {self.bounds.usage.output} of {limits.tokens} tokens")
        return Ended(Status.FAILED, error.message)

    def _record(self, path: str, attempts: Sequence[Attempt], value: JsonValue, start: float) -> None:
        self.bounds.spend(attempts)
        self.recorder.step(path, attempts, value, seconds=time.monotonic() - start)
