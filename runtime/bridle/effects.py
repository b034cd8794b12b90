"""What a run does in the world, each within its bounds and its policy, journaled as it comes: calls, once and for all;
and what is taken back.

What the record has from before is not done again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias, TypeVar

from bridle.approval import approved, doubt, question, what_came
from bridle.asking import Asking
from bridle.bounds import Astray, CallMade, Ended
from bridle.grammar.keywords import Schema
from bridle.grammar.said import Call
from bridle.how import StepSettings
from bridle.journal import Delegated, Made, Noted, Returned, Ruled, Status, UndoIntended, Undone
from bridle.journal.replay import DOUBT
from bridle.tool import FAILED, CallKey, Effect, Observation, Service, Teller, Tool, render
from bridle.turn import Progress
from bridle.verdict import PolicyError, Verdict

T = TypeVar("T")
Read: TypeAlias = Callable[[Observation], Awaitable[Observation]]
"""Makes of what came of a call what its run may go by."""


@dataclass(frozen=True, kw_only=True)
class Effects(Asking):
    """The world, as a run under way meets it."""

    settings: StepSettings
    services: Mapping[type[Service], Service]
    listen: Callable[[Progress], None] | None = None
    """Hears signs of life, on the engine's thread."""
    undoing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)
    """Two branches may take back the same."""

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
        self,
        place: str,
        call: Call,
        tool: Tool,
        skill: str = "",
        sources: Collection[str] = (),
        read: Read | None = None,
    ) -> Observation:
        """Make a call: the intent first and durably, then the effect, then what came of it. `place` is where in the run
        it stands; with the run, it names the call for ever. `sources` are the tools whose results its arguments may
        depend on; where `read` is given, nobody in the run sees more of what came than that makes of it.

        A call that was begun before, and of which nobody knows what came, is made again where that does no harm, or the
        world is asked (`Effect`); else a person.

        Raises:
            Ended: a bound of the run is met: the tool was used too often, say. Or the person has to be asked.
            Astray: another call was made there before.
        """
        begun, made = time.monotonic(), self.past.call(place)
        verdict = self.gate.verdict(tool, skill, sources, "ask")
        if made is not None:
            call = self._as_then(place, call, tool, verdict, made)
        else:
            try:
                if refused := self.past.refused(place):
                    raise PolicyError(refused)
                await self.fresh()
                call = await self._passed(place, call, tool, verdict)
            except PolicyError as error:
                self.tell(Ruled(path=f"call {place}", verdicts={tool.name: error.message}))
                return Observation(False, error.message, f"{FAILED}{error.message}")
        self.bounds.use(tool.name)
        key = made.intent.key if made is not None else f"{self.recorder.run}/{place}"
        if made is not None and made.answer is not None:
            then = made.answer
            seen = Observation(then.ok, then.result, then.text, then.seconds, open=then.open)
        else:
            seen = await self._done(key, place, call, tool, sources, made)
        when = begun if made is None and not seen.cached else float("-inf")
        done = CallMade(tool, call.args, seen.value, seen.ok, key, place, when, seen.open)
        if read is None:
            self.bounds.calls.append(done)
            return seen
        self.bounds.came[key] = seen.value
        self.bounds.calls.append(replace(done, result=None, ok=False, open=seen.ok or seen.open))
        shown = await read(seen)
        self.bounds.read(replace(done, result=shown.value, ok=shown.ok, open=shown.open))
        return shown

    async def _done(
        self, key: str, place: str, call: Call, tool: Tool, sources: Collection[str], made: Made | None
    ) -> Observation:
        """Make a call, or find out what came of one that was begun; written down before and after."""
        services = {**self.services, CallKey: CallKey(key), Teller: Teller(self._hears)}
        seen, anew = None, made is None
        try:
            if made is not None:
                seen, by_person = await self._settled(call, tool, services, f"{DOUBT}{place}.{made.begun}")
                anew = seen is None and by_person  # a word that it was not is for once
            if anew:
                self.recorder.intent(key, call, tool.effect, sources)
            if seen is None:
                self.recorder.doing()
                self.bounds.undos[key] = self.past.undos(place)  # what was taken back then is not what is done now
                seen = await self._carried_out(call, tool, services)
        except asyncio.CancelledError:  # it may have been done: whoever takes back has to know of it
            self.bounds.calls.append(CallMade(tool, call.args, None, False, key, place, open=True))
            raise
        self.recorder.outcome(key, tool.name, seen)
        return seen

    async def _settled(
        self, call: Call, tool: Tool, services: Mapping[type[Service], Service], path: str
    ) -> tuple[Observation | None, bool]:
        """What came of a call that was begun and of which nothing is known, and whether a person says so; None if it is
        to be made (again): where that does no harm, where the world says that it was not, or where the person does, who
        is asked as well where the world cannot be. A person who says neither is asked again: words that are taken for
        the wrong one of the two would lose an effect, or double it.

        Raises:
            Ended: the person has to be asked, and is not there.
        """
        if tool.effect in (Effect.PURE, Effect.IDEMPOTENT):
            return None, False
        if tool.probe is not None:
            self.recorder.doing()
            seen = await tool.probe.call(tool.probe.among(call.args), services)
            if seen.ok:
                return (seen if seen.value is not None else None), False
        text = await self.insist(path, doubt(call, tool), what_came, Status.IN_DOUBT)
        return (Observation(True, text, text) if text else None), True

    async def _passed(self, place: str, call: Call, tool: Tool, verdict: Verdict) -> Call:
        """The call that the policy, and the person if it says so, let pass.

        Raises:
            PolicyError: there is none.
            Ended: the person has to be asked, and nobody is there.
        """
        self.gate.check(call, tool, verdict)
        if verdict.word != "ask":
            return call
        path, seconds = self.gate.asked(place, call), self.gate.policy.approval_seconds
        if self.gate.is_settled(verdict) and self.past.heard_last(path) is None:
            return call
        given = await self.insist(path, question(call, tool, seconds), partial(approved, call, tool), within=seconds)
        passed = self.gate.settle(call, verdict, given)
        self.gate.check(passed, tool, verdict)  # a person is held to the rules as well, and others went on meanwhile
        return passed

    async def fresh(self) -> None:
        """See that there is something left for what is new; a skill that stops at nothing can be stopped here.

        Raises:
            Ended: there is not.
        """
        try:
            self.bounds.wake()
            self.bounds.left()
        except Ended:
            await asyncio.sleep(0)
            raise

    def _as_then(self, place: str, call: Call, tool: Tool, verdict: Verdict, made: Made) -> Call:
        """A call that was let pass before, as it was: what was ruled then is not ruled anew.

        Raises:
            Astray: it is another one.
        """
        if made.intent.tool != call.tool:
            raise Astray(f"call {place}", f"it is {call.tool} now, and was {made.intent.tool}")
        heard = self.past.heard_last(self.gate.asked(place, call))
        if heard is not None and (given := approved(call, tool, heard.text)) is not None:
            call = self.gate.settle(call, verdict, given)
        if made.intent.args != dict(call.args):
            raise Astray(f"call {place}", f"the arguments of {call.tool} are not what they were")
        return call

    async def _carried_out(self, call: Call, tool: Tool, services: Mapping[type[Service], Service]) -> Observation:
        """What comes of a call, or came of the same a moment ago."""
        if tool.cache and (same := self.bounds.same(call, tool.cache)) is not None:
            came = self.bounds.came.get(same.key, same.result)
            return Observation(True, came, render(came), cached=True)
        try:
            with self.bounds.waiting():
                return await tool.call(call.args, services)
        finally:
            if tool.effect is not Effect.PURE:
                self.bounds.changed = time.monotonic()

    async def take_back(self, calls: Sequence[CallMade]) -> list[CallMade]:
        """Take back what calls did, the last first: each intent first and durably, then the effect, then its outcome.
        Given back are those that nothing takes back, or that failed to be.

        Calls of tools that only look did nothing, nor did those that failed, unless they may have been done all the
        same.
        """
        async with self.undoing:
            return [it for it in reversed(calls) if not await self._taken_back(it)]

    async def _taken_back(self, made: CallMade) -> bool:
        """Whether nothing lasts of a call, which is taken back if it did something."""
        key, place, bounds = made.key, made.place, self.bounds
        if made.by.effect is Effect.PURE or not (made.ok or made.open) or key in bounds.undone:
            return True
        number = bounds.undos[key]
        bounds.undos[key] += 1
        done = self.past.undone(place, number)
        if done is None:
            if not self.past.undoing(place, number):
                self.recorder.event(UndoIntended(key=key, tool=made.tool), durable=True)
            self.recorder.doing()
            with bounds.waiting():
                came = bounds.came.get(key, made.result)
                seen = await made.by.take_back(made.args, came, {**self.services, CallKey: CallKey(key)})
            bounds.changed = time.monotonic()
            done = Undone(key=key, tool=made.tool, ok=seen.ok, text=seen.text)
            self.recorder.event(done)
        if done.ok:
            bounds.undone.add(key)
        return done.ok

    def give(self, body: Delegated) -> None:
        """Journal that a task is given away, once.

        Raises:
            Astray: it was given to another one, or that one is not what it was.
        """
        known = self.past.delegated(body.path)
        if known is not None and known.to != body.to:
            raise Astray(body.path, f"its task goes to '{body.to}', and went to '{known.to}'")
        if known is not None and known.digest and known.digest != body.digest:
            raise Astray(body.path, f"the skill '{body.to}' is not what it was; fork it before that")
        if known is None:
            self.recorder.event(body)

    def tell(self, body: Noted | Returned | Ruled) -> None:
        """Journal what a skill says of itself, once."""
        if not self.past.has_told(body):
            self.recorder.event(body)

    def _hears(self, text: str, done: int, total: int) -> None:
        if self.listen is not None:
            self.listen(Progress("calling", text, done, total))
