"""Where a skill stands in its run: what was said so far, whose results that may depend on, and how a step goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from pydantic import JsonValue
from typing_extensions import Unpack

from bridle.bounds import Bounds
from bridle.brief import arguments, brief
from bridle.course import Course
from bridle.delegate import NOBODY, Delegates
from bridle.errors import UsageError
from bridle.grammar.action import Actions
from bridle.grammar.base import Form
from bridle.grammar.observed import observed_in
from bridle.grammar.said import REPLIES, Answer, Call
from bridle.how import How, asked, shown
from bridle.prompt import Message, Role, sources
from bridle.shots import Shot
from bridle.step import Outcome, Step
from bridle.tool import FAILED, Tool
from bridle.turn import Writer
from bridle.verdict import PolicyError

T = TypeVar("T")


@dataclass
class Conversation:
    """One conversation of a run. `messages` are what the model sees of it, without thinking."""

    course: Course
    task: str
    model: Writer
    tools: Sequence[Tool]
    instructions: str = ""
    messages: list[Message] = field(default_factory=list[Message])
    catalogue: Delegates = NOBODY
    """The skills that a task can be given to."""
    shots: Sequence[Shot] = ()
    """Examples of what is to be done about requests."""
    skill: str = ""
    """The name of the skill at work."""
    place: str = ""
    """Where in its run it is: empty, or the verb that it was made for, as `parallel#1.2/`."""
    learned: frozenset[str] = frozenset()
    """The tools whose results others told it of: whoever gave it its task, or did one for it."""

    def __post_init__(self) -> None:
        self._verbs: Counter[str] = Counter()
        self._calls = 0

    @property
    def sources(self) -> frozenset[str]:
        """The tools whose results all that is said from here on may depend on: the label of the next value."""
        return self.learned | sources(self.messages)

    @property
    def bounds(self) -> Bounds:
        """What the run has spent of what it may."""
        return self.course.bounds

    @property
    def result(self) -> str | None:
        """What the last call came to, where nothing was said since and it did not fail: it can be shown."""
        last = self.messages[-1] if self.messages else None
        return last.content if last and last.role == "tool" and not last.content.startswith(FAILED) else None

    @property
    def beside_others(self) -> bool:
        """Whether it is in a branch of several at once."""
        return "parallel#" in self.place

    def _say(self, role: Role, content: str, thinking: str = "") -> None:
        """Go on with the conversation."""
        self.messages.append(Message(role, content, thinking, self.sources))

    def _branch(self, verb: str, instructions: str, messages: list[Message]) -> Self:
        place = f"{self.path(verb)}/"
        return replace(self, instructions=instructions, messages=messages, learned=self.sources, place=place)

    def path(self, verb: str) -> str:
        """The next place of a verb, as `act#2` or `delegate#1/act#1`."""
        self._verbs[verb] += 1
        return f"{self.place}{verb}#{self._verbs[verb]}"

    def _tool(self, name: str) -> Tool:
        tool = next((tool for tool in self.tools if tool.name == name), None)
        if tool is None:
            raise UsageError(f"there is no tool '{name}'; there are: {', '.join(tool.name for tool in self.tools)}")
        return tool

    def _offer(
        self, path: str, tool: str | None, within: Mapping[str, JsonValue] | None
    ) -> tuple[Actions, Sequence[Tool]]:
        """What can be said of the tools that there are (or one), after what was said and the policy; and these."""
        tools, settings = self.tools if tool is None else [self._tool(tool)], self.course.settings
        results = self.bounds.results
        said = arguments(tools, self.messages, results, copies=self.model.card.prompt.copies)
        read = {it for one in tools if one.name in said for it in observed_in(one.schema)}
        learned = read & results.keys()  # what can be said of other branches' results depends on them
        self.learned |= {settings.policy.label(it) for it in learned}
        if tool is not None and tool not in said:
            raise UsageError(f"nothing was said that {tool} could be called with")
        held = self.course.allowed(path, tools, self.skill, said, self.sources)
        if tool is not None and tool not in held:
            raise PolicyError(f"the policy leaves nothing of {tool} here")
        offered = [it for it in tools if it.name in held or it.name not in said]
        if tool is not None and within is not None:
            held[tool] = {"allOf": [dict(held[tool]), dict(within)]}
        cites = settings.policy.cite
        form = Actions(
            held,
            settings.format,
            self.model.style,
            {it.name: it.check for it in offered},
            ("refuse",) if tool else REPLIES if cites else (*REPLIES, "show"),
            ("show",) if self.result is None else (),
            sorted(self.bounds.worked(self.place)) if cites else (),
        )
        return form, offered

    def _spelled(self, call: Call) -> str:
        """A call as the model would write it."""
        return Actions({call.tool: {}}, self.course.settings.format, self.model.style).spell(call)

    def _unfounded(self, answer: Answer) -> str:
        """Why the policy does not let an answer stand."""
        policy, calls = self.course.settings.policy, self.bounds.results
        if policy.cite:
            worked, calls = self.bounds.worked(self.place), dict[str, list[JsonValue]]()
            for made in (worked[it] for it in answer.cites):
                calls.setdefault(made.tool, []).append(made.result)
        return policy.unfounded(answer.text, calls)

    async def _step(
        self, verb: str, form: Form[T], tools: Sequence[Tool], question: str = "", **how: Unpack[How]
    ) -> Outcome[T]:
        """Take one step; see `Course.step`."""
        path, step = self.path(verb), self._written(form, tools, question, **how)
        return await self.course.step(path, step, how.get("model", self.model))

    def _written(self, form: Form[T], tools: Sequence[Tool], question: str = "", **how: Unpack[How]) -> Step[T]:
        """A step that goes on with the conversation.

        Raises:
            Ended: a bound of the run is met.
        """
        course, settings, bounds = self.course, self.course.settings, self.bounds
        left, thinking = bounds.left(), how.get("thinking", settings.thinking)
        told = "\n\n".join(filter(None, (self.instructions, how.get("instructions", ""))))
        model = how.get("model", self.model)
        system = brief(told, tools, form, thinking, terse=model.card.prompt.terse)
        return Step(
            messages=[Message("system", system, sources=self.sources), *shown(how), *self.messages, *asked(question)],
            form=form,
            thinking=thinking,
            sampling=settings.sampling(model, thinking, bounds.steps),
            max_tokens=min(how.get("tokens", bounds.limits.step_tokens), bounds.limits.step_tokens, left),
            constrain=settings.constrain,
            retries=settings.retries,
            total_tokens=left,
            fallback=settings.fallback,
            session=course.recorder.run,
            deadline=bounds.deadline,
            on_progress=course.listen,
        )
