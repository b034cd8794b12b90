"""How a run stands, read from its events: what it is for, what it may still spend, what it waits for, what it keeps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, Field, JsonValue
from rich.markup import escape
from rich.tree import Tree

from bridle.journal import (
    CallAnswered,
    CallIntended,
    Decided,
    Delegated,
    Event,
    Heard,
    Kept,
    RunEnded,
    RunStarted,
    Status,
    StepTaken,
    beginning,
)
from bridle.observe.progress import arguments, shorten
from bridle.observe.trace import STYLES


class Budget(BaseModel):
    """So much of so much."""

    spent: float = 0
    limit: float | None = None


class GlobalState(BaseModel):
    """What does not end with the run."""

    preferences: dict[str, JsonValue] = {}
    """What skills keep from run to run, by type."""
    policy: dict[str, JsonValue] = {}
    permissions: list[str] = []
    """Calls that the person allowed for all of the run, as they were asked for."""


class WorkflowState(BaseModel):
    """What the run is about."""

    objective: str = ""
    status: Status = Status.RUNNING
    budgets: dict[str, Budget] = {}
    pending: list[str] = []
    """What it waits for: a question, calls of which nothing is known."""
    kept: dict[str, JsonValue] = {}


class TaskState(BaseModel):
    """One task of it."""

    skill: str
    objective: str
    steps: int = 0
    retries: int = 0
    """Attempts after a first one that could not be used."""
    kept: dict[str, JsonValue] = {}


class RunState(BaseModel):
    """All three layers."""

    everywhere: GlobalState = Field(default_factory=GlobalState, alias="global")
    workflow: WorkflowState = Field(default_factory=WorkflowState)
    tasks: dict[str, TaskState] = {}
    """By place in the run; the run's own skill is at the empty one."""


def state_of(events: Sequence[Event]) -> RunState:
    """How a run stands behind some events.

    Raises:
        JournalError: it has no beginning.
    """
    beginning(events[0].run if events else "", events)
    state = RunState()
    begun = dict[str, str]()
    for event in events:
        _read(state, event, begun)
    state.workflow.pending += [f"what came of {it}" for it in begun.values()]
    first, last = (datetime.fromisoformat(it.at) for it in (events[0], events[-1]))
    state.workflow.budgets.setdefault("seconds", Budget()).spent = round((last - first).total_seconds(), 3)
    return state


def _read(state: RunState, event: Event, begun: dict[str, str]) -> None:
    workflow, everywhere = state.workflow, state.everywhere
    match event.body:
        case RunStarted() as started:
            workflow.objective = started.task
            state.tasks[""] = TaskState(skill=started.skill, objective=started.task)
            if (way := started.way) is not None:
                everywhere.policy = way.policy
                limits = {"steps": way.steps, "tokens": way.tokens, "seconds": way.seconds}
                workflow.budgets = {name: Budget(limit=limit) for name, limit in limits.items()}
        case StepTaken() as step:
            task = _task(state, step.path)
            task.steps += 1
            task.retries += step.attempt > 1
            workflow.budgets.setdefault("steps", Budget()).spent += 1
            workflow.budgets.setdefault("tokens", Budget()).spent += step.tokens.sampled + step.tokens.forced
        case Decided(path=path):
            _task(state, path).steps += 1
            workflow.budgets.setdefault("steps", Budget()).spent += 1
        case Delegated(path=path, to=skill, task=objective):
            state.tasks[path] = TaskState(skill=skill, objective=objective)
        case Kept(layer="global", name=name, value=value):
            everywhere.preferences[name] = value
        case Kept(layer="workflow", name=name, value=value):
            workflow.kept[name] = value
        case Kept(path=path, name=name, value=value):
            _task(state, path).kept[name] = value
        case Heard(path=path, question=question, text=text):
            if path.startswith("approve@") and text.strip().casefold().startswith("always"):
                everywhere.permissions.append(question.partition(":")[0])
        case CallIntended() as call:
            begun[call.key] = f"{call.tool}{arguments(call.args)}"
        case CallAnswered(key=key):
            begun.pop(key, None)
        case RunEnded() as ended:
            workflow.status = ended.status
            workflow.pending = [ended.question] if ended.question else []
        case _:
            pass
    if not isinstance(event.body, RunEnded) and workflow.status is not Status.RUNNING:
        workflow.status, workflow.pending = Status.RUNNING, []  # it was taken up again


def _task(state: RunState, path: str) -> TaskState:
    place = path.rpartition("/")[0]
    while place not in state.tasks:  # a branch, or a verb with a conversation of its own
        place = place.rpartition("/")[0]
    return state.tasks[place]


def state_tree(run: str, state: RunState) -> Tree:
    """For people."""
    workflow = state.workflow
    tree = Tree(f"[bold]{run}[/] [{STYLES[workflow.status]}]{workflow.status}[/]")
    told = [f"{escape(name)} {_shown(value)}" for name, value in state.everywhere.preferences.items()]
    told += [f"policy {_shown(state.everywhere.policy)}"] if state.everywhere.policy else []
    told += [f"always: {escape(it)}" for it in state.everywhere.permissions]
    everywhere = tree.add("[bold]global[/]") if told else tree
    for it in told:
        everywhere.add(it)
    own = tree.add(f"[bold]workflow[/] {escape(shorten(workflow.objective, 300))}")
    for name, it in workflow.budgets.items():
        own.add(f"{name} {it.spent:g}" + (f" of {it.limit:g}" if it.limit is not None else ""))
    for name, value in workflow.kept.items():
        own.add(f"{escape(name)} {_shown(value)}")
    for it in workflow.pending:
        own.add(f"[cyan]waits for:[/] {escape(shorten(it, 300))}")
    for place, task in state.tasks.items():
        here = tree.add(f"[bold]task[/] {place or 'the run'}: {escape(task.skill)}, {task.steps} steps")
        if place:
            here.add(escape(shorten(task.objective, 300)))
        if task.retries:
            here.add(f"{task.retries} asked again")
        for name, value in task.kept.items():
            here.add(f"{escape(name)} {_shown(value)}")
    return tree


def _shown(value: JsonValue) -> str:
    return f"[dim]{escape(shorten(json.dumps(value, ensure_ascii=False), 300))}[/]"
