"""What the policy of a run leaves of its tools as things stand: after what was said, read, called and allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from bridle.approval import approve, arguments
from bridle.bounds import Bounds
from bridle.grammar.action import Call
from bridle.grammar.keywords import Schema
from bridle.journal import Status
from bridle.policy import OPEN, Policy, Verdict, Word
from bridle.prompt import Message
from bridle.record import digest
from bridle.tool import Tool


class Hearing(Protocol):
    """Asks the person; see `Course.hear`."""

    async def __call__(
        self, path: str, question: str, status: Status = Status.PAUSED, within: float | None = None
    ) -> str:
        """What they say."""
        ...


@dataclass(frozen=True)
class Gate:
    """Lets calls pass, or does not."""

    bounds: Bounds
    policy: Policy = OPEN
    people: list[str] = field(default_factory=list[str])
    """What people said, and nobody else: what a policy trusts."""
    settled: set[str] = field(default_factory=set[str])
    """Tools that the person allowed for all of the run."""

    def verdict(self, tool: Tool, skill: str, sources: Collection[str], beyond: Word = "deny") -> Verdict:
        """What holds for a tool, used by a skill that has read what came of others, its sources; `beyond` is the word
        for one that the task was not found to need."""
        verdict, scope = self.policy.verdict(tool, skill, sources), self.bounds.scope
        if scope is None or tool.name in scope or verdict.word == "deny":
            return verdict
        return replace(verdict, word=beyond, rules=(*verdict.rules, "scope"))

    def left(self, schemas: Mapping[str, Schema], verdicts: Mapping[str, Verdict]) -> dict[str, Schema]:
        """What can be said of the arguments of tools; those of which nothing can are left out."""
        found, results = dict[str, Schema](), self.bounds.results
        for name, verdict in verdicts.items():
            spent = verdict.calls is not None and self.bounds.uses(name) >= verdict.calls
            if not spent and (narrowed := verdict.narrowed(schemas[name], self.people, results)) is not None:
                found[name] = narrowed
        return found

    async def passed(self, place: str, call: Call, tool: Tool, verdict: Verdict, ask: Hearing) -> Call:
        """The call that the policy, and the person if it says so, let pass.

        Raises:
            PolicyError: there is none.
            Ended: the person has to be asked, and nobody is there.
        """
        self._check(call, verdict)
        if verdict.word != "ask" or tool.name in self.settled:
            return call
        exactly = digest([Message("user", f"{tool.name} {arguments(call)}")])
        hear = partial(ask, f"approve@{place}.{exactly}", within=self.policy.approval_seconds)
        passed, always = await approve(call, tool, hear)
        if always:
            self.settled.add(tool.name)
        if passed is not call:  # a person is held to the rules as well
            self._check(passed, verdict)
        return passed

    def _check(self, call: Call, verdict: Verdict) -> None:
        verdict.check(call, self.bounds.uses(call.tool), self.people, self.bounds.results)
