"""An agent: a model, tools, a skill and a workspace; given a task, it makes a run.

>>> from bridle.engine import scripted
>>> from bridle.card import Card
>>> from bridle.journal import Journal
>>> from bridle.model import Model
>>> import pathlib, tempfile
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> engine = scripted.engine(['{"tool": "calculate", "args": {"expression": "6*7"}}', '{"answer": "It is 42."}'])
>>> model = Model(engine, Card(name="scripted", thinking={"budget": 0}))
>>> with Journal(folder / "journal.db") as journal:
...     run = Agent(model, workspace=folder, journal=journal).run("What is 6*7?")
>>> run.status.value, run.answer, [(call.tool, call.result) for call in run.calls]
('done', 'It is 42.', [('calculate', '42')])
>>> engine.close()
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from bridle._version import __version__
from bridle.bounds import Astray, Bounds, Ended, Limits
from bridle.catalogue import Catalogue
from bridle.catalogue import catalogue as shipped
from bridle.context import Context
from bridle.course import Anew, Course
from bridle.delegate import Work
from bridle.errors import BridleError, JournalError, Misread, SkillError, UsageError
from bridle.gate import Gate
from bridle.how import StepSettings
from bridle.journal import (
    Event,
    Journal,
    Offered,
    Past,
    RunAborted,
    RunEnded,
    RunStarted,
    Said,
    Status,
    beginning,
    ending,
    last_own,
)
from bridle.journal.store import new_run
from bridle.overhear import overhear
from bridle.person import Ask, Letter, Person, Question
from bridle.prompt import Message
from bridle.recall import own_calls, spent, take_back_all
from bridle.record import Recorder, told
from bridle.resume import check_same, way_of
from bridle.run import Run
from bridle.running import Overtime, in_time, is_stopped
from bridle.scope import choose_scope
from bridle.skill import Skill
from bridle.tool import Service, Tool
from bridle.toolbox import TOOLBOX, Workspace
from bridle.toolbox.dates import Clock
from bridle.turn import Progress, Writer
from bridle.verdict import PolicyError


class Agent:
    """Makes runs. One agent may make several at once.

    Args:
        model: what thinks.
        workspace: the folder that tools work in; it must exist.
        journal: where runs are recorded.
        tools: what it may use; the toolbox if not given.
        skill: a skill, or the name of one.
        limits: the bounds of each run.
        settings: how steps are taken; the model's own thinking and JSON if not given.
        services: what tools are handed besides the workspace and a clock.
        catalogue: the skills that there are; those that ship if not given.
        answer: asks the person at once; without it a question pauses the run.
        on_event: hears every journaled event.
        on_progress: hears signs of life, on the engine's thread.

    Raises:
        UsageError: the workspace or the skill does not exist.
    """

    def __init__(
        self,
        model: Writer,
        *,
        workspace: Path,
        journal: Journal,
        tools: Sequence[Tool] = TOOLBOX,
        skill: Skill | str = "react",
        limits: Limits | None = None,
        settings: StepSettings | None = None,
        services: Sequence[Service] = (),
        catalogue: Catalogue | None = None,
        answer: Ask | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.model = model
        self.journal = journal
        self.catalogue = catalogue or shipped()
        self.skill = self.catalogue.named(skill) if isinstance(skill, str) else skill
        self.tools = tools
        self.limits = limits or Limits()
        self.settings = settings or StepSettings(thinking=model.thinking)
        self._services: dict[type[Service], Service] = {Workspace: Workspace(workspace), Clock: Clock()}
        self._services |= {type(service): service for service in services}
        self._answer = answer
        self._on_event = on_event
        self._on_progress = on_progress

    def run(self, task: str, *, history: Sequence[Message] = (), parent: str | None = None) -> Run:
        """`perform`, for code that is not async."""
        return asyncio.run(self.perform(task, history=history, parent=parent))

    async def perform(self, task: str, *, history: Sequence[Message] = (), parent: str | None = None) -> Run:
        """Do a task. Errors of the model and its tools end the run and are told in it, never raised.

        Args:
            task: what to do.
            history: the conversation that it continues.
            parent: the run of that conversation.

        Raises:
            UsageError: the task is empty.
            SkillError: the skill cannot be loaded.
            UsageError: it does not fit as things stand.
            JournalError: the run cannot be recorded.
        """
        if not task.strip():
            raise UsageError("the task is empty", hint="say what to do")
        run = new_run()
        recorder = Recorder(self.journal, run, self._on_event)
        context = self._context(recorder, task, [*history, Message("user", task)], Past())
        work = context.equip(self.skill)
        started = RunStarted(
            task=task,
            skill=self.skill.name,
            model=self.model.name,
            format=self.settings.format,
            tools=[
                Offered(name=it.name, description=it.description, parameters=json.dumps(it.schema))
                for it in context.tools
            ],
            workspace=str(cast("Workspace", self._services[Workspace]).root),
            seed=self.settings.seed,
            deterministic=self.model.deterministic,
            version=__version__,
            parent=parent,
            history=[Said(role=it.role, content=it.content, sources=sorted(it.sources)) for it in history],
            digest=self.skill.digest,
            way=way_of(self.settings, self.limits, self.model.card),
        )
        with self.journal.hold(run):
            recorder.event(started)  # the agent opens and closes what its context writes
            return await self._work(context, work)

    def stream(
        self, task: str, *, history: Sequence[Message] = (), parent: str | None = None
    ) -> AsyncGenerator[Event | Progress | Run]:
        """`perform`, with all that happens on the way: events as they are journaled, signs of life of the model and of
        tools, and the run in the end. Whoever stops listening stops the run.

        Raises:
            BridleError: as `perform`.
        """

        def begin(hear: Callable[[Event | Progress], None]) -> Coroutine[Any, Any, Run]:
            agent = copy(self)
            agent._on_event = agent._on_progress = hear
            return agent.perform(task, history=history, parent=parent)

        return overhear(begin)

    def resume(self, run: str, answer: str | None = None) -> Run:
        """`go_on`, for code that is not async."""
        return asyncio.run(self.go_on(run, answer))

    async def go_on(self, run: str, answer: str | None = None) -> Run:
        """Take up a run that was killed, stopped, or waits for a person: what it did before is not done again.

        It has to be the run of an agent like this one: with these tools, settings and limits (`bridle.resume`).

        Args:
            run: its id.
            answer: what the person says to its question.

        Raises:
            UsageError: it is done, or its skill is another one by now. Or it does not wait for an answer. Or somebody
                else is at work on it.
            Astray: it does something else than it did before.
            JournalError: it cannot be read or recorded, or is not as it was written.
        """
        with self.journal.hold(run):
            return await self._taken_up(run, answer)

    async def _taken_up(self, run: str, answer: str | None) -> Run:
        events = self.journal.sound(run)
        started, ended = beginning(run, events), ending(events)
        planner = self.settings.planner.name if self.settings.planner else ""
        check_same(run, started, ended, self.model.name, planner, self.skill.digest)
        letter = None
        if answer is not None:
            if ended is None or ended.question is None:
                raise UsageError(f"the run {run} has no question to be answered", hint=f"bridle runs show {run}")
            letter = Letter(answer, ended.question, datetime.fromisoformat(last_own(events).at))
        recorder, past = Recorder(self.journal, run, self._on_event, events), Past(events, again=True)
        if (aborted := past.aborted) is not None:  # killed while it was taken back: nothing is done anew any more
            context = self._context(recorder, started.task, [Message("user", started.task)], past)
            spent(context.bounds, events)
            return await self._abort(context, aborted.status, aborted.reason)
        return await self.revisit(started, past, recorder, letter)

    async def revisit(
        self,
        started: RunStarted,
        past: Past,
        recorder: Recorder,
        letter: Letter | None = None,
        anew: Anew | None = None,
    ) -> Run:
        """Do a run's skill once more over what it did before; what it did not is done now, and recorded.

        Raises:
            Astray: it does something else than it did before.
        """
        history = [Message(it.role, it.content, sources=frozenset(it.sources)) for it in started.history]
        messages = [*history, Message("user", started.task)]
        context = self._context(recorder, started.task, messages, past, letter, anew)
        return await self._work(context, context.equip(self.skill))

    def _context(
        self,
        recorder: Recorder,
        task: str,
        messages: list[Message],
        past: Past,
        letter: Letter | None = None,
        anew: Anew | None = None,
    ) -> Context:
        policy = self.settings.policy
        limits = self.limits.within(policy.steps, policy.tokens, policy.seconds)
        course = Course(
            recorder=recorder,
            gate=Gate(Bounds(limits, past.seconds), policy, [task]),
            settings=self.settings,
            services=self._services,
            person=Person(self._answer, letter),
            listen=self._on_progress,
            past=past,
            anew=anew,
        )
        return Context(course, task, self.model, self.tools, messages=messages, catalogue=self.catalogue)

    async def _work(self, context: Context, work: Work[str]) -> Run:
        try:
            answer = await self._said(context, work)
        except (Astray, JournalError):  # nothing of this is news of the run, or none can be written down
            raise
        except Ended as end:
            if not end.final:
                return await self._abort(context, end.status, end.reason)
            return self._end(context, end.status, None, end.question, end.reason)
        except Overtime:
            return self._end(
                context, Status.BUDGET, None, None, f"it took longer than {context.bounds.limits.seconds:g} s"
            )
        except asyncio.CancelledError as error:
            if not is_stopped():  # of something that the skill itself began
                return await self._abort(context, Status.FAILED, type(error).__name__)
            await self._abort(context, Status.CANCELLED, "it was stopped")
            raise
        except BridleError as error:
            return await self._abort(context, Status.FAILED, error.message)
        except (Exception, SystemExit) as error:  # a skill is foreign code: its bug ends its run, not the caller
            return await self._abort(context, Status.FAILED, f"{type(error).__name__}: {error}")
        return self._end(context, Status.DONE, answer, None, "")

    async def _said(self, context: Context, work: Work[str]) -> str:
        """What the skill says in the end, to the task or of it.

        Raises:
            PolicyError: it claims what nothing shows.
            Overtime: it does not end.
            Exception: whatever it raises.
        """
        bounds, policy = context.bounds, self.settings.policy
        if policy.scope == "task":
            bounds.scope = await choose_scope(context)
        try:
            answer = await in_time(work(context), lambda: bounds.deadline, lambda: bounds.outside > 0)
        except Misread as error:
            answer = error.message
        if not isinstance(cast("object", answer), str):
            kind = type(answer).__name__
            raise SkillError(f"the skill '{self.skill.name}' came to {kind}, and an answer is text")
        if why := policy.unfounded(answer, bounds.results):  # whatever verb it came by
            raise PolicyError(why)
        return answer

    async def _abort(self, context: Context, status: Status, reason: str) -> Run:
        """End a run that comes to nothing, and take back what it did, if that is wanted."""
        course = context.course
        if not self.settings.undo and course.past.aborted is None:
            return self._end(context, status, None, None, reason)
        if course.past.aborted is None:
            course.recorder.event(RunAborted(status=status, reason=reason), durable=True)
        tools = [*self.tools, *context.tools]
        with suppress(BridleError):  # its skill may be gone by now
            tools += self.skill.tools()
        left = await take_back_all(context, own_calls(self.journal, course.recorder.run), tools)
        stays = f"; this stays: {', '.join(left)}" if left else ""
        return self._end(context, status, None, None, f"{reason}; what was done is taken back{stays}", undone=True)

    def _end(
        self,
        context: Context,
        status: Status,
        answer: str | None,
        question: str | None,
        reason: str,
        *,
        undone: bool = False,
    ) -> Run:
        bounds, recorder = context.bounds, context.course.recorder
        if status is Status.BUDGET:
            answer = f"Not finished: {reason}. {bounds.so_far()}"
        ended = RunEnded(
            status=status,
            answer=answer,
            question=question,
            pending=question.pending if isinstance(question, Question) else None,
            reason=reason,
            undone=undone,
            steps=bounds.steps,
            tokens=told(bounds.usage),
            seconds=round(bounds.seconds, 6),
        )
        recorder.event(ended)
        return Run.of(recorder.run, ended, self.skill.name, self.model.name, bounds.calls, context.messages)
