"""What a skill works with: the verbs, over one run.

A verb is a step of the model, a call of a tool, a word with a person, or other work set going. Each one checks the
run's bounds before it begins and journals what came of it, so that a skill is ordinary code and its run is a record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast, overload

from pydantic import JsonValue, TypeAdapter, ValidationError
from typing_extensions import Unpack

from bridle.apart import made_of
from bridle.asking import ASKED
from bridle.bounds import CallMade, Ended
from bridle.conversation import Conversation
from bridle.decide import PLAIN, Calibration, Decision
from bridle.delegate import Delegate, Work
from bridle.errors import UsageError, describe
from bridle.fitting import see_fits
from bridle.grammar import form_of
from bridle.grammar.base import Choice, Form, Text
from bridle.grammar.finite import wordy
from bridle.grammar.said import Action, Answer, Call, Refuse, Show
from bridle.how import How
from bridle.journal import Delegated, Layer, Noted, Returned, Ruled, Status, read_at
from bridle.person import Question
from bridle.policy import Quarantine
from bridle.prompt import Message
from bridle.record import as_json
from bridle.review import CRITIC, Review
from bridle.state import M, State
from bridle.tool import FAILED, Observation, Tool
from bridle.turn import Writer
from bridle.vote import Vote

T = TypeVar("T")

VARIED = 0.8
"""The temperature of a vote where the model would always say the same."""


class Context(Conversation):
    """One run under way, and what can be done in it."""

    def equip(self, skill: Delegate, tools: Sequence[str] | None = None) -> Work[str]:
        """Take on what a skill brings and allows: instructions, examples, its own tools, which replace others of their
        names; of all tools those that it allows, and that are named, if any are. Returns the skill's function.

        Raises:
            SkillError: it cannot be loaded.
            UsageError: it does not fit as things stand, or the policy does not fit its tools.
        """
        work, own = skill.load(), skill.tools()
        offered = {it.name: it for it in (*self.tools, *own)}
        if self.bounds.scope is not None and not self.sources:  # chosen while nothing was read that could choose it
            self.bounds.scope |= {it.name for it in own}
        self.tools = [it for it in offered.values() if skill.allows(it.name) and (tools is None or it.name in tools)]
        if not self.course.past.begun:  # what was begun under a policy is gone on with under it
            see_fits(self.course.settings.policy, self.tools, self.course.settings.format, skill.name)
        self.skill, self.instructions, self.shots = skill.name, skill.instructions, skill.shots()
        if why := skill.unfit(self):
            raise UsageError(f"the skill '{skill.name}' cannot be used: {why}")
        return work

    async def act(
        self, tool: str | None = None, *, within: Mapping[str, JsonValue] | None = None, **how: Unpack[How]
    ) -> Action:
        """Let the model choose what to do next: call a tool, answer, or ask.

        Args:
            tool: the only one that it can call, and has to unless it refuses; it chooses the arguments.
            within: a JSON Schema of what the arguments of that tool are held to beside its own:
                `{"properties": {"price": {"maximum": 300}}}`.
            how: see `How`.

        Raises:
            Ended: a bound of the run is met, no attempt gave a usable action, or the model refuses.
            UsageError: there is no such tool, or nothing was said that it could be called with.
            PolicyError: the policy leaves nothing of that tool.
        """
        path = self.path("act")
        form, offered = self._offer(path, tool, within)
        if self.shots and not self.model.card.prompt.terse:
            known = [it for it in self.shots if (it.tool in form.tools if it.tool else tool is None)]
            how = {"examples": [(it.request, form.spell(it.action)) for it in known], **how}
        step = self._written(form, offered, **how)
        try:
            outcome = await self.course.step(path, step, how.get("model", self.model))
        except Ended as end:
            await self._hand_over(end)
            return await self.act(tool, within=within, **how)
        action, result = outcome.value, self.result
        self._say("assistant", form.spell(action), outcome.thinking)
        if isinstance(action, Show):
            action = action.answer(result or "")
        if isinstance(action, Refuse):
            await self._hand_over(Ended(Status.REFUSED, action.text.strip() or "the model refuses"))
            return await self.act(tool, within=within, **how)
        if isinstance(action, Answer) and (why := self._unfounded(action)):
            self.course.tell(Ruled(path=path, verdicts={"answer": why}))
            self._say("tool", f"{FAILED}{why}")
            await self._came_to(Call("answer", {"text": action.text}), why)
            return await self.act(tool, within=within, **how)
        if outcome.cut and isinstance(action, Call):
            self._say("tool", f"{FAILED}the call was cut off because it grew too long; write less")
            await self._came_to(action, "cut off")
            return await self.act(tool, within=within, **how)
        return action

    async def reply(self, question: str = "", **how: Unpack[How]) -> str:
        """Let the model answer in free text."""
        outcome = await self._step("reply", Text(), (), question, **how)
        self._say("assistant", outcome.value)
        return outcome.value

    async def choose(self, options: Sequence[str], question: str = "", **how: Unpack[How]) -> str:
        """Let the model pick one of a few texts."""
        return (await self._step("choose", Choice(list(options)), (), question, **how)).value

    async def decide(
        self,
        question: str,
        options: Sequence[str] = ("yes", "no"),
        calibration: Calibration = PLAIN,
        **how: Unpack[How],
    ) -> Decision[str]:
        """Let the model weigh a few texts: the likeliest, how likely it is, and whether that is enough to act on.

        Nothing is written; a first token is enough for most questions. Where `thinking` is asked for, and from a model
        behind a server, which tells no probabilities, an option is written instead, and is never sure.

        Raises:
            Ended: a bound of the run is met.
        """
        path, form, model = self.path("decide"), Choice(list(options)), how.get("model", self.model)
        if how.get("thinking") is None:
            messages = self._written(form, (), question, **{**how, "thinking": None}).messages
            if (weighed := await self.course.weigh(path, messages, form, model, calibration)) is not None:
                return weighed
        chosen = await self.course.step(path, self._written(form, (), question, **how), model)
        return Decision(chosen.value, None, (), False)

    async def extract(self, kind: type[T] | Mapping[str, JsonValue], question: str = "", **how: Unpack[How]) -> T:
        """Let the model fill in a type (anything pydantic knows) or a JSON Schema."""
        form: Form[Any] = form_of(kind, self.course.settings.format, self.model.style)
        return (await self._step("extract", form, (), question, **how)).value

    async def vote(self, kind: type[T], count: int, question: str = "", **how: Unpack[How]) -> Vote[T]:
        """Let the model fill in a type several times at once, and take what most of it comes to."""
        form: Form[Any] = form_of(kind, self.course.settings.format, self.model.style)
        path, step = self.path("vote"), self._written(form, (), question, **how)
        if step.sampling is not None and step.sampling.temperature <= 0:
            step = replace(step, sampling=replace(step.sampling, temperature=VARIED))
        return await self.course.vote(path, step, self.model, count)

    async def verify(self, draft: str, criteria: str = "", **how: Unpack[How]) -> Review:
        """Let a critic that did not write a draft look at it, and at nothing but the task and the criteria.

        The critic is the `model` that is given; the same one, in a conversation of its own, if none is.
        """
        judge = self._branch("verify", f"{CRITIC}{criteria}", [Message("user", self.task)])
        return await judge.extract(Review, f"The draft:\n{draft}\n\nWhat is wrong with it?", **how)

    async def quarantine(
        self, text: str, kind: type[T] | Mapping[str, JsonValue], question: str = "", **how: Unpack[How]
    ) -> T:
        """Let the model read a text that nobody vouches for, and nothing else, without tools, and fill in a type that
        has no room for words (`bridle.grammar.finite`): what it says can be no instruction, so that this conversation
        does not depend on the text.

        Raises:
            Ended: a bound of the run is met, or no attempt gave a value.
            UsageError: the type has room for words.
        """
        if where := wordy(form_of(kind)):
            raise UsageError(
                f"{where} has room for words, and the text may have put them there",
                hint="quarantine fills in choices, truth values, numbers and days",
            )
        reader = self._branch("quarantine", "", [Message("user", text)])
        return await reader.extract(kind, question, **how)

    @overload
    async def call(self, call: Call, /) -> Observation: ...
    @overload
    async def call(self, call: str, /, **args: JsonValue) -> Observation: ...
    async def call(self, call: Call | str, /, **args: JsonValue) -> Observation:
        """Run a tool for real, and show the model what came of it: `call("read_file", path="a.txt")`.

        Raises:
            Ended: the tool was used too often, or this call keeps failing or repeating itself.
            UsageError: there is no such tool.
        """
        if by_code := isinstance(call, str):
            call = Call(call, args)
            self._say("assistant", self._spelled(call))
        self._calls += 1
        number, tool, policy = self._calls, self._tool(call.tool), self.course.settings.policy
        place, kept = f"{self.place}{number}", policy.kept_apart(tool.name)
        read = partial(self._read_apart, read_at(place), tool, kept) if kept else None
        try:
            observation = await self.course.call(place, call, tool, self.skill, self.sources, read)
        finally:  # that it failed is news of what came of it
            self.learned |= {policy.label(tool.name)}
        self._say("tool", f"[{number}] {observation.text}" if observation.ok and policy.cite else observation.text)
        if not by_code:  # a skill that polls goes round in no circle
            await self._came_to(call, observation.text)
        return observation

    async def _read_apart(self, path: str, tool: Tool, kept: Quarantine, seen: Observation) -> Observation:
        """What a policy leaves of what came of a call."""
        self.course.tell(Ruled(path=path, verdicts={tool.name: "what came of it is read apart"}))
        text, place = Message("user", seen.text, sources=frozenset({tool.name})), path.removesuffix("extract#1")
        reader = replace(self, instructions="", messages=[text], learned=self.sources, place=place)

        async def read() -> JsonValue:
            return await reader.extract(kept.held, kept.question)

        return await made_of(seen, tool.name, read)

    async def undo(self, calls: Sequence[CallMade]) -> list[CallMade]:
        """Take back what calls did, the last first. Given back are those that nothing takes back, or that failed to be.

        Calls of tools that only look did nothing, nor did those that failed, unless they may have been done all the
        same: those that took too long, or whose result was not believed.
        """
        return await self.course.take_back(calls)

    def own(self, begun: int) -> list[CallMade]:
        """The calls of this conversation and its branches, of all that were made since there were `begun` of them."""
        return [it for it in self.bounds.calls[begun:] if it.place.startswith(self.place)]

    def state(self, kind: type[M], layer: Layer = "workflow") -> State[M]:
        """A typed value that is kept in the journal, of all runs (`global`), of this one (`workflow`), or of the task
        at hand (`task`); it begins as the type does. `state(Trip).change(city="Oslo")`, then `state(Trip).value.city`.

        Raises:
            UsageError: what was kept is not of that type, or nothing was and the type has no value of its own.
        """
        return State(self, kind, layer)

    async def ask(self, question: str, kind: type[T] | None = None) -> T | str:
        """Ask the person. The answer is also shown to the model. With `kind`, it is read as that type.

        Raises:
            Ended: nobody is there to answer: the run pauses. Or no answer was of the type.
        """
        wanted = question
        for _ in range(ASKED):
            answer = await self.course.hear(self.path("ask"), Question(wanted))
            self._say("user", answer)
            if kind is None:
                return answer
            try:
                return TypeAdapter(kind).validate_strings(answer.strip())
            except ValidationError as error:
                wanted = f"That cannot be used ({describe(error)}). {question}"
        raise Ended(Status.FAILED, f"no usable answer to: {question}")

    def tell(self, text: str) -> None:
        """Tell the model something, as a part of the conversation."""
        self._say("user", text)

    def note(self, text: str) -> None:
        """Tell whoever watches what is going on, in a few words."""
        self.course.tell(Noted(path=self.path("note"), text=text))

    @overload
    async def delegate(
        self, work: Delegate, task: str, *, tools: Sequence[str] | None = None, model: Writer | None = None
    ) -> str: ...
    @overload
    async def delegate(
        self, work: Work[T], task: str, *, tools: Sequence[str] | None = None, model: Writer | None = None
    ) -> T: ...
    async def delegate(
        self,
        work: Work[Any] | Delegate,
        task: str,
        *,
        tools: Sequence[str] | None = None,
        model: Writer | None = None,
    ) -> Any:
        """Let a skill (see `catalogue`) or a function do a task, in a conversation of its own.

        It may use the tools of this run and its own, those that it allows itself, or the named ones among them, and
        spends from the same bounds.

        Raises:
            Ended: a bound of the run is met, or it has a question.
            SkillError: the skill cannot be loaded.
            UsageError: it does not fit as things stand.
        """
        child = self._branch("delegate", "", [Message("user", task)])
        child.task, child.model, path = task, model or self.model, child.place.rstrip("/")
        if callable(work):
            function, name, digest = work, getattr(work, "__name__", ""), ""
            child.shots, child.tools = (), [it for it in self.tools if tools is None or it.name in tools]
        else:
            function, name, digest = child.equip(work, tools), work.name, work.digest
        self.course.give(Delegated(path=path, to=name, task=task, digest=digest))
        try:
            result = await function(child)
        finally:  # what an error says may be what a result said
            self.learned |= child.sources
        self.course.tell(Returned(path=path, value=as_json(result)))
        return result

    async def parallel(self, *branches: Work[T]) -> list[T]:
        """Do several things at once, each in a copy of this conversation; their results, in order.

        Every branch comes to its end, then the first error of them is raised. A model that is to do the same every
        time takes them one after the other.
        """
        path = self.path("parallel")
        contexts = [
            replace(self, messages=list(self.messages), place=f"{path}.{number}/")
            for number in range(1, len(branches) + 1)
        ]
        work = [partial(branch, it) for branch, it in zip(branches, contexts, strict=True)]
        if self.model.deterministic:
            found = [result for one in work for result in await asyncio.gather(one(), return_exceptions=True)]
        else:
            found = await asyncio.gather(*(one() for one in work), return_exceptions=True)
        self.learned |= frozenset[str]().union(*(it.sources for it in contexts))
        failed = [it for it in found if isinstance(it, BaseException)]
        if failed:  # what ends the run, or lets it wait, is not hidden behind what a skill may do something about
            raise min(failed, key=lambda it: not isinstance(it, Ended) or not it.final)
        return cast("list[T]", found)

    async def _came_to(self, call: Call, text: str) -> None:
        """Count what a call came to; too often the same ends the run, or hands it over."""
        try:
            self.bounds.came_to(self.place, call, text)
        except Ended as end:
            await self._hand_over(end)

    async def _hand_over(self, end: Ended) -> None:
        """Ask the person how to go on, if runs are handed over before they fail."""
        if end.final or not self.course.settings.hand_over:
            raise end
        self.bounds.forgive()
        await self.ask(f"I cannot go on: {end.reason}. The task: {self.task}. {self.bounds.so_far()} What now?")
