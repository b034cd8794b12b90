"""A plan: tasks and what each needs, done in rounds: what has all that it needs at once, so that a run that is taken up
goes the same way.

A task that fails is tried again, left out with a reason, planned anew, or brings the plan to its end; then what was
done is undone, the last first. A plan ends with every task done or left out, or with nothing of it left.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bridle.bounds import CallMade, Ended
from bridle.context import Context
from bridle.errors import BridleError, JournalError
from bridle.journal import Status

AT_ONCE = 4
"""Tasks that are done at once."""
TRIES = 2
"""Times that a task is tried before it counts as failed."""
LAST_TRY = "the last try"
PLANS = 3
"""Plans that are made for one request, the first counted."""


class Task(BaseModel):
    """One thing to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,23}$")]
    goal: Annotated[str, Field(min_length=1, max_length=300)]
    needs: Annotated[list[str], Field(max_length=8)] = []
    """Tasks whose results it needs."""
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    """Higher ones first, where there is a choice."""


class Tasks(BaseModel):
    """Tasks, some of which may need others that are known elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: Annotated[list[Task], Field(min_length=1, max_length=12)]

    def __str__(self) -> str:
        """A line each, for people and critics."""
        return "\n".join(
            f"{it.id}: {it.goal}" + (f" (after {', '.join(it.needs)})" if it.needs else "") for it in self.tasks
        )


class Plan(Tasks):
    """Tasks that can be brought into an order."""

    @model_validator(mode="after")
    def _has_an_order(self) -> Plan:
        needs = {task.id: task.needs for task in self.tasks}
        if len(needs) < len(self.tasks):
            raise ValueError("two tasks have the same id")
        for task, needed in needs.items():
            for it in needed:
                if it not in needs:
                    raise ValueError(f"{task} needs {it}, which is no task")
        if circle := cycle(needs):
            raise ValueError(f"tasks need each other in a circle: {' -> '.join(circle)}")
        return self


def cycle(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Names that need each other in a circle, the first once more at the end; empty if there is no circle.

    >>> cycle({"a": ["b"], "b": ["c"], "c": ["b"]})
    ['b', 'c', 'b']
    """
    done = set[str]()
    for start in needs:
        path: list[tuple[str, list[str]]] = [(start, list(needs.get(start, ())))]
        while path:
            name, left = path[-1]
            if name in done or not left:
                done.add(name)
                path.pop()
                continue
            following, names = left.pop(), [it for it, _ in path]
            if following in names:
                return [*names[names.index(following) :], following]
            path.append((following, list(needs.get(following, ()))))
    return []


@dataclass(frozen=True)
class Done:
    """What a task came to."""

    result: str


@dataclass(frozen=True)
class Failed:
    """Why a task was not done."""

    reason: str


Remedy: TypeAlias = Literal["skip", "plan again", "give up"]
Do: TypeAlias = Callable[[Context, Task, Mapping[str, str]], Awaitable[str]]
"""Does a task in a context of its own, with the results of what it needs, and why the last try failed (`LAST_TRY`);
raises where it fails."""
Mend: TypeAlias = Callable[[Context, Task, str, "Report"], Awaitable["Tasks | Remedy"]]
"""What to do about a failed task: tasks for all that is not done yet, which may need what is, or a remedy."""


@dataclass
class Report:
    """How a plan went."""

    plan: Plan
    results: dict[str, str] = field(default_factory=dict[str, str])
    """Of the tasks that were done, in the order of their ends."""
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """Tasks that were not done, with the reason."""
    undone: bool = False
    """It was given up, and what it did was undone."""
    lasting: list[CallMade] = field(default_factory=list[CallMade])
    """Calls that could not be undone, of a plan that was given up or of a try that failed."""

    @property
    def waiting(self) -> list[Task]:
        """Tasks that are neither done nor left out."""
        return [it for it in self.plan.tasks if it.id not in self.results and it.id not in self.left_out]

    @property
    def ready(self) -> list[Task]:
        """Those of them that have all they need, the important ones first."""
        fit = [it for it in self.waiting if all(need in self.results for need in it.needs)]
        return sorted(fit, key=lambda it: -it.priority)

    def renewed(self, plan: Tasks) -> Plan | None:
        """What is done, with the rest of new tasks; None if that is no plan."""
        kept = [it for it in self.plan.tasks if it.id in self.results]
        try:
            return Plan(tasks=[*kept, *(it for it in plan.tasks if it.id not in self.results)])
        except ValidationError:
            return None

    def take_up(self, plan: Plan) -> None:
        """Go on with another plan; what that does without is left out."""
        dropped = {it.id: "the new plan does without it" for it in self.waiting} | self.left_out
        self.plan, wanted = plan, {it.id for it in plan.tasks}
        self.left_out = {name: why for name, why in dropped.items() if name not in wanted}

    def leave_out(self, task: str, reason: str) -> None:
        """Leave a task out, and with it all that needs it."""
        self.left_out[task] = reason
        for it in self.waiting:
            if task in it.needs:
                self.leave_out(it.id, f"it needs {task}, which was left out")


async def carry_out(
    context: Context, plan: Plan, do: Do, mend: Mend, *, at_once: int = AT_ONCE, tries: int = TRIES
) -> Report:
    """Do a plan.

    Raises:
        Ended: a bound of the run is met, or it has a question; what was done by then stays done.
    """
    report, begun, plans = Report(plan), len(context.bounds.calls), 1
    while report.ready:
        batch = report.ready[:at_once]
        ends = await context.parallel(*(partial(_try, task, do, report, tries) for task in batch))
        failures = list[tuple[Task, str]]()
        for task, end in zip(batch, ends, strict=True):
            match end:
                case Done(result):
                    report.results[task.id] = result
                case Failed(reason):
                    failures.append((task, reason))
        for task, reason in failures:
            context.note(f"{task.id} failed: {reason}")
            try:
                remedy = await mend(context, task, reason, report)
            except Exception as error:
                context.note(f"nothing helps: {_why(error)}")
                remedy = "give up"
            if isinstance(remedy, Tasks) and plans < PLANS and (renewed := report.renewed(remedy)):
                plans += 1
                report.take_up(renewed)
                break
            if remedy == "skip":
                report.leave_out(task.id, reason)
                continue
            report.lasting += await context.undo(context.own(begun))
            report.undone = True
            report.left_out |= {it.id: reason if it.id == task.id else "the plan was given up" for it in report.waiting}
            return report
    return report


async def _try(task: Task, do: Do, report: Report, tries: int, context: Context) -> Done | Failed:
    """A task in a branch; what a try that failed has done is undone before the next."""
    reason = ""
    given = {need: report.results[need] for need in task.needs}
    for number in range(tries):
        begun = len(context.bounds.calls)
        context.note(task.goal if number == 0 else f"again: {task.goal}")
        told = {**given, LAST_TRY: f"failed: {reason}"} if reason else given
        try:
            return Done(await do(context, task, told))
        except Exception as error:
            reason, refused = _why(error), isinstance(error, Ended) and error.status is Status.REFUSED
        if lasting := await context.undo(context.own(begun)):
            report.lasting += lasting
            names = ", ".join(dict.fromkeys(it.tool for it in lasting))
            return Failed(f"{reason}; it is not tried again: nothing takes back {names}")
        if refused:  # who is asked often enough does what must not be done
            break
    return Failed(reason)


def _why(error: Exception) -> str:
    """Why what does a task, or mends it, failed: foreign code, whose bug is no reason to leave half of a plan.

    Raises:
        Ended: that ends the run, and is no failure of a task's.
        JournalError: nothing of it can be written down: whoever else went on with the run answers for what was done.
    """
    if isinstance(error, JournalError) or (isinstance(error, Ended) and error.final):
        raise error
    return error.message if isinstance(error, BridleError) else f"{type(error).__name__}: {error}"
