"""The bounds of a run: what it may spend, what it has spent, and the end of it when that is all.

All that a run sets going (branches, delegates) spends from the same purse.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from bridle.engine.base import Usage
from bridle.errors import BridleError
from bridle.grammar.said import Call
from bridle.journal import Status
from bridle.journal.chain import canonical_json
from bridle.step import total
from bridle.tool import Tool
from bridle.turn import Attempt

SAME_FAILURE = 3
"""The same call failing this often ends the run; so does the same call with the same result."""


@dataclass(frozen=True)
class Limits:
    """The bounds of a run. A run that meets one ends with what it has."""

    steps: int = 20
    """Times that the model is asked."""
    tokens: int = 20_000
    """Tokens made."""
    seconds: float = 600.0
    calls_per_tool: int = 50
    step_tokens: int = 1024
    """Tokens made in one step."""

    def within(self, steps: int | None, tokens: int | None, seconds: float | None) -> Limits:
        """These, or others where those are narrower."""
        return replace(
            self,
            steps=min(self.steps, steps or self.steps),
            tokens=min(self.tokens, tokens or self.tokens),
            seconds=min(self.seconds, seconds or self.seconds),
        )


class Ended(BridleError):
    """A verb found that the run is over; the agent turns it into the run's end."""

    def __init__(self, status: Status, reason: str, question: str | None = None, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.status = status
        self.reason = reason
        self.question = question

    @property
    def final(self) -> bool:
        """Nothing that a skill does about errors stands in its way."""
        return self.status not in (Status.FAILED, Status.REFUSED)


class Astray(Ended):
    """A run that was taken up does something else than it did before."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            Status.FAILED,
            f"the run goes another way at {place}: {why}",
            hint="its skill, its tools or their order have changed; fork it instead: bridle runs fork",
        )

    @property
    def final(self) -> bool:
        """See `Ended.final`."""
        return True


@dataclass(frozen=True)
class CallMade:
    """One call of a run, for its result."""

    by: Tool = field(repr=False, compare=False)
    """What it was made with, which can take it back."""
    args: Mapping[str, JsonValue]
    result: JsonValue
    """What its run goes by: what came of it, or what a policy leaves of that."""
    ok: bool
    key: str = ""
    """Names it for ever."""
    place: str = ""
    """Where in the run it was made, as `parallel#1.2/3`."""
    begun: float = float("-inf")
    """When, on the monotonic clock; long ago, where it is known from a record."""
    open: bool = False
    """It did not work, and may have been done all the same; or what came of it was not read yet."""

    @property
    def tool(self) -> str:
        """The name of what it was made with."""
        return self.by.name


@dataclass
class Bounds:
    """What a run has spent of what it may."""

    limits: Limits
    before: float = 0.0
    """Seconds that it took before it was taken up; they count from the first that is new."""
    started: float = field(default_factory=time.monotonic)
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    calls: list[CallMade] = field(default_factory=list[CallMade])
    came: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue], repr=False)
    """What came of calls that are in quarantine, by key: for what takes them back, and nobody else."""
    undone: set[str] = field(default_factory=set[str])
    """Keys of calls that were taken back."""
    undos: Counter[str] = field(default_factory=Counter[str])
    """How often it was tried, by key."""
    scope: frozenset[str] | None = None
    """The tools that the task was found to need; None for all."""
    changed: float = float("-inf")
    """When something last may have changed: the end of a call with an effect, or of one that was taken back."""
    outside: int = 0
    """Calls under way, and questions to a person: a run is not ended in the middle of one."""
    _results: dict[str, list[JsonValue]] = field(default_factory=dict[str, list[JsonValue]])
    _told: int = 0
    """Calls whose results are in there,"""
    _back: int = 0
    """and how many had been taken back then."""
    _uses: Counter[str] = field(default_factory=Counter[str])
    _same: Counter[str] = field(default_factory=Counter[str])

    @property
    def deadline(self) -> float:
        """When it has to be over, on the monotonic clock."""
        return self.started + self.limits.seconds

    @property
    def seconds(self) -> float:
        """What it took so far."""
        return time.monotonic() - self.started + self.before

    def wake(self) -> None:
        """From here on it does what is new: what it took before counts."""
        self.started, self.before = self.started - self.before, 0.0

    @contextmanager
    def waiting(self) -> Generator[None]:
        """While the world or a person is waited for."""
        self.outside += 1
        try:
            yield
        finally:
            self.outside -= 1

    def left(self) -> int:
        """The tokens left.

        Raises:
            Ended: there is nothing left of something.
        """
        limits = self.limits
        if self.steps >= limits.steps:
            raise Ended(Status.BUDGET, f"it took {limits.steps} steps")
        self.in_time()
        left = limits.tokens - self.usage.output
        if left <= 0:
            raise Ended(Status.BUDGET, f"it made {limits.tokens} tokens")
        return left

    def in_time(self) -> None:
        """See that there is time left.

        Raises:
            Ended: there is none.
        """
        if time.monotonic() >= self.deadline:
            raise Ended(Status.BUDGET, f"it took longer than {self.limits.seconds:g} s")

    def spend(self, attempts: Sequence[Attempt], *, steps: int = 0) -> None:
        """Count what a step took; `steps` are those in which nothing was written."""
        self.steps += len(attempts) + steps
        self.usage = total([self.usage, *(attempt.generation.usage for attempt in attempts)])

    def use(self, tool: str) -> None:
        """Count a call that is about to be made.

        Raises:
            Ended: the tool was used too often.
        """
        self._uses[tool] += 1
        if self._uses[tool] > self.limits.calls_per_tool:
            raise Ended(Status.BUDGET, f"{tool} was used {self.limits.calls_per_tool} times")

    @property
    def results(self) -> dict[str, list[JsonValue]]:
        """What calls came to, by tool, in their order; of those that failed or were taken back, nothing."""
        if self._back != len(self.undone):
            self._results, self._told, self._back = {}, 0, len(self.undone)
        for made in self.calls[self._told :]:
            if made.ok and made.key not in self.undone:
                self._results.setdefault(made.tool, []).append(made.result)
        self._told = len(self.calls)
        return self._results

    def read(self, made: CallMade) -> None:
        """Put a call in its place, now that what came of it was read."""
        number = next(number for number, it in enumerate(self.calls) if it.key == made.key)
        self.calls[number] = made
        self._results, self._told = {}, 0

    def worked(self, place: str) -> dict[int, CallMade]:
        """The calls of one conversation, by their numbers, that did not fail and were not taken back."""
        calls = {it.place.removeprefix(place): it for it in self.calls if it.ok and it.place.startswith(place)}
        return {int(it): made for it, made in calls.items() if it.isdigit() and made.key not in self.undone}

    def same(self, call: Call, seconds: float) -> CallMade | None:
        """The same call as it was made not longer ago, if nothing can have changed since."""
        since = max(self.changed, time.monotonic() - seconds)
        known = (it for it in reversed(self.calls) if it.ok and it.begun > since and it.tool == call.tool)
        return next((it for it in known if dict(it.args) == dict(call.args)), None)

    def uses(self, tool: str) -> int:
        """How often a tool was used."""
        return self._uses[tool]

    def so_far(self) -> str:
        """What calls came to, for people."""
        done = [f"{made.tool}: {made.result}"[:300] for made in self.calls if made.ok and made.key not in self.undone]
        return f"So far: {'; '.join(done)}" if done else "Nothing was done yet."

    def forgive(self) -> None:
        """Count calls that come to the same from the beginning: somebody has looked at them."""
        self._same.clear()

    def came_to(self, place: str, call: Call, result: str) -> None:
        """Count what a call came to that the model chose in some conversation.

        Raises:
            Ended: it came to the same too often.
        """
        same = canonical_json([place, call.tool, dict(call.args), result])
        self._same[same] += 1
        if self._same[same] >= SAME_FAILURE:
            raise Ended(
                Status.FAILED, f"the call {call.tool} came to the same result {SAME_FAILURE} times: {result[:200]}"
            )
