"""Where a skill stands in its run: what was said so far, whose results that may depend on, and how a step goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from typing_extensions import Unpack

from bridle.bounds import Bounds
from bridle.brief import brief
from bridle.course import Course
from bridle.delegate import NOBODY, Delegates
from bridle.errors import UsageError
from bridle.grammar.base import Form
from bridle.how import How, asked, shown
from bridle.prompt import Message, Role, sources
from bridle.shots import Shot
from bridle.step import Outcome, Step
from bridle.tool import Tool
from bridle.turn import Writer

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
