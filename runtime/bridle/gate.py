"""What the policy of a run leaves of its tools as things stand: after what was said, read, called and allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from bridle.approval import Approval, arguments
from bridle.bounds import Bounds
from bridle.errors import ToolError
from bridle.grammar.keywords import Schema
from bridle.grammar.said import Call
from bridle.journal.replay import asked_of
from bridle.policy import OPEN, Policy
from bridle.prompt import Message
from bridle.record import digest
from bridle.tool import Tool
from bridle.verdict import Verdict, Word


@dataclass(frozen=True)
class Gate:
    """Lets calls pass, or does not."""

    bounds: Bounds
    policy: Policy = OPEN
    people: list[str] = field(default_factory=list[str])
    """What people said, and nobody else: what a policy trusts."""
    settled: set[tuple[str, tuple[str, ...]]] = field(default_factory=set[tuple[str, tuple[str, ...]]])
    """Tools that the person allowed for all of the run, each with the rules that had them asked."""

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

    def is_settled(self, verdict: Verdict) -> bool:
        """Whether the person allowed a tool for all of the run."""
        return (verdict.tool, tuple(verdict.rules)) in self.settled

    def asked(self, place: str, call: Call) -> str:
        """Where a person is asked about exactly this call."""
        exactly = digest([Message("user", f"{call.tool} {arguments(call)}")])
        return asked_of(place, exactly)

    def settle(self, call: Call, verdict: Verdict, given: Approval) -> Call:
        """The call that a person lets pass."""
        if given.always:
            self.settled.add((verdict.tool, tuple(verdict.rules)))
        if given.call is not call:
            self.people.append(arguments(given.call))
        return given.call

    def check(self, call: Call, tool: Tool, verdict: Verdict) -> None:
        """See that a call keeps to the rules with the values that the tool would get; one whose arguments do not fit is
        not made anyway."""
        with suppress(ToolError):
            call = Call(call.tool, tool.whole(call.args))
        verdict.check(call, self.bounds.uses(call.tool), self.people, self.bounds.results)
