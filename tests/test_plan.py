"""Plans: the order of tasks, and what is left when any of them fails: all, all but what was left out, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import laws
from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.context import Context
from bridle.errors import ToolError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.how import StepSettings
from bridle.journal import Journal, Status, StepTaken, Undone
from bridle.model import Model
from bridle.plan import LAST_TRY, Plan, Remedy, Report, Task, carry_out
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import tool


def plan_of(**needs: list[str]) -> Plan:
    return Plan(tasks=[Task(id=name, goal=f"do {name}", needs=list(needed)) for name, needed in needs.items()])


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ({"a": ["b"], "b": ["a"]}, "in a circle: a -> b -> a"),
        ({"a": ["a"]}, "in a circle: a -> a"),
        ({"a": ["x"]}, "a needs x, which is no task"),
        ({"a": [], "b": ["c"], "c": ["d"], "d": ["b"]}, "in a circle: b -> c -> d -> b"),
    ],
)
def test_what_has_no_order_is_no_plan(needs: dict[str, list[str]], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        plan_of(**needs)
    with pytest.raises(ValidationError, match="the same id"):
        Plan(tasks=[Task(id="a", goal="x"), Task(id="a", goal="y")])


def carried(
    plan: Plan, fails: Mapping[str, int], remedy: Plan | Remedy, folder: Path, **options: Any
) -> tuple[Report | None, Run, list[str]]:
    """A plan whose tasks write a file each, where some fail the first so many times, after they wrote it."""
    reports, order, failed, again = list[Report](), list[str](), dict(fails), set[str]()

    async def do(context: Context, task: Task, given: Mapping[str, str]) -> str:
        assert set(given) - {LAST_TRY} == set(task.needs)
        assert given.get(LAST_TRY, "") in ("", f"failed: {task.id} is stuck")
        again.update({task.id} if LAST_TRY in given else ())
        order.append(task.id)
        await context.call("write_file", path=f"{task.id}.txt", content=f"done {len(order)}")
        if failed.get(task.id, 0) > 0:
            failed[task.id] -= 1
            raise ToolError(f"{task.id} is stuck")
        return f"{task.id} is done"

    async def mend(context: Context, task: Task, reason: str, report: Report) -> Plan | Remedy:
        assert reason == f"{task.id} is stuck"
        return remedy

    async def work(context: Context) -> str:
        """Carry it out."""
        reports.append(await carry_out(context, plan, do, mend))
        return "done"

    with Journal(folder / "journal.db") as journal, scripted_model([]) as model:
        workspace = folder / "workspace"
        workspace.mkdir(exist_ok=True)
        result = Agent(model, workspace=workspace, journal=journal, skill=skill_from(work), **options).run("go")
        laws.law_of_history(journal, result.id)
    assert again <= set(fails)
    return (reports[0] if reports else None), result, order


def files(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "workspace").glob("*.txt")}


DIAMOND = plan_of(a=[], b=["a"], c=["a"], d=["b", "c"])


def test_tasks_are_done_when_what_they_need_is_there(tmp_path: Path) -> None:
    report, _, order = carried(DIAMOND, {}, "give up", tmp_path)
    assert report is not None
    assert (order[0], set(order[1:3]), order[3]) == ("a", {"b", "c"}, "d")
    assert report.results == {name: f"{name} is done" for name in "abcd"}
    assert files(tmp_path) == set("abcd")


def test_the_important_ones_come_first(tmp_path: Path) -> None:
    tasks = [
        Task(id=name, goal=name, priority=priority) for name, priority in zip("abcdef", (1, 9, 5, 7, 3, 2), strict=True)
    ]
    _, _, order = carried(Plan(tasks=tasks), {}, "give up", tmp_path)
    assert set(order[:4]) == set("bdce")


def test_a_task_is_tried_again(tmp_path: Path) -> None:
    report, _, order = carried(DIAMOND, {"b": 1}, "give up", tmp_path)
    assert report is not None
    assert (len(report.results), order.count("b")) == (4, 2)
    assert files(tmp_path) == set("abcd")


def test_a_failed_task_is_planned_anew(tmp_path: Path) -> None:
    report, _, order = carried(DIAMOND, {"b": 2}, plan_of(x=[], d=["x"]), tmp_path)
    assert report is not None
    assert set(report.results) == {"a", "c", "x", "d"}
    assert files(tmp_path) == {"a", "c", "x", "d"}
    assert order[-2:] == ["x", "d"]


def test_a_new_plan_that_is_none_gives_up(tmp_path: Path) -> None:
    report, _, _ = carried(DIAMOND, {"d": 2}, plan_of(a=[], d=[], e=["d"]), tmp_path)
    assert report is not None
    assert not report.undone
    assert set(report.results) == {"a", "b", "c", "d", "e"}


@st.composite
def graphs(draw: st.DrawFn) -> Plan:
    names = "abcdefg"[: draw(st.integers(1, 7))]
    needs = dict[str, list[str]]()
    for number, name in enumerate(names):
        known = st.lists(st.sampled_from(names[:number]), unique=True) if number else st.just(list[str]())
        needs[name] = draw(known)
    return plan_of(**needs)


@settings(deadline=None, max_examples=60)
@given(graphs(), st.data())
def test_whatever_fails_no_half_is_left(plan: Plan, data: st.DataObject) -> None:
    """At every node, and at several: skipped with all that needs it, or all undone."""
    fails = {task.id: data.draw(st.integers(0, 3)) for task in plan.tasks}
    remedy: Any = data.draw(st.sampled_from(["skip", "give up"]))
    with TemporaryDirectory() as folder:
        report, result, _ = carried(plan, fails, remedy, Path(folder))
        assert (result.status, report is not None) == (Status.DONE, True)
        assert report is not None
        left = files(Path(folder))
        stuck = {task for task, times in fails.items() if times >= 2}
        needs = {task.id: set(task.needs) for task in plan.tasks}
        reached = {task for task in needs if not needs[task] & stuck}
        if report.undone:
            assert remedy == "give up"
            assert left == set()
            assert report.lasting == []
        else:
            assert left == set(report.results)
            assert set(report.results) | set(report.left_out) == set(needs)
            assert all(report.left_out.values())
            assert not any(needs[task] & set(report.left_out) for task in report.results)
        assert not stuck & reached or remedy == "skip" or report.undone


def test_a_bound_of_the_run_ends_it(tmp_path: Path) -> None:
    report, result, _ = carried(DIAMOND, {}, "give up", tmp_path, limits=Limits(calls_per_tool=2))
    assert (report, result.status) == (None, Status.BUDGET)


def test_what_cannot_be_undone_is_told(tmp_path: Path) -> None:
    @tool(effect="unsafe")
    def launch() -> str:
        """Launch it."""
        return "launched"

    lasting = list[str]()

    async def work(context: Context) -> str:
        """Launch, write, take back."""
        await context.call("launch")
        await context.call("write_file", path="a.txt", content="x")
        lasting.extend(it.tool for it in await context.undo(context.bounds.calls))
        return "done"

    from bridle.toolbox import TOOLBOX

    with Journal(tmp_path / "journal.db") as journal, scripted_model([]) as model:
        agent = Agent(model, workspace=tmp_path, journal=journal, tools=[launch, *TOOLBOX], skill=skill_from(work))
        result = agent.run("go")
        undone = [it.body for it in journal.events(result.id) if isinstance(it.body, Undone)]
    assert lasting == ["launch"]
    assert [(it.tool, it.ok) for it in undone] == [("write_file", True), ("launch", False)]
    assert not (tmp_path / "a.txt").exists()


def test_the_skill_plans_does_and_tells(journal: Journal, tmp_path: Path) -> None:
    plan = {"tasks": [{"id": "look", "goal": "find the town"}, {"id": "note", "goal": "note it", "needs": ["look"]}]}
    fine, answer = json.dumps({"findings": []}), json.dumps
    replies = [json.dumps(plan), answer({"answer": "Oslo"}), fine, answer({"answer": "noted"}), fine, "All is done."]
    with scripted_model(replies, deterministic=True) as model:
        result = Agent(model, workspace=tmp_path, journal=journal, skill="plan-and-execute").run("Find it and note it.")
    assert (result.status, result.answer) == (Status.DONE, "All is done.")


def test_the_skill_gives_up_when_told(journal: Journal, tmp_path: Path) -> None:
    fault = json.dumps({"findings": [{"severity": "wrong", "quote": "", "problem": "that is no town"}]})
    plan = {"tasks": [{"id": "look", "goal": "find the town"}]}
    replies = [json.dumps(plan), '{"answer": "x"}', fault, '{"answer": "y"}', fault, "give up"]
    with scripted_model(replies, deterministic=True) as model:
        result = Agent(model, workspace=tmp_path, journal=journal, skill="plan-and-execute").run("Find it.")
    assert (result.status, (result.answer or "").startswith("It was given up")) == (Status.DONE, True)


ONE: Any = {"tasks": [{"id": "a", "goal": "look"}]}
TWO: Any = {"tasks": [{"id": "b", "goal": "look closely"}]}
GOOD: Any = {"findings": []}
BAD: Any = {"findings": [{"severity": "missing", "quote": "", "problem": "Nobody looks closely."}]}


def shipped(replies: list[Any], folder: Path, journal: Journal, review: Any, **options: Any) -> Run:
    said = [it if isinstance(it, str) else json.dumps(it) for it in replies]
    with scripted_model(said, deterministic=True) as model:
        settings = StepSettings(thinking=None, review=review, planner=options.pop("planner", None))
        agent = Agent(model, workspace=folder, journal=journal, skill="plan-and-execute", settings=settings, **options)
        return agent.run("look closely")


def test_a_person_may_look_at_a_plan(journal: Journal, tmp_path: Path) -> None:
    asked = list[str]()

    def person(question: str) -> str:
        asked.append(question)
        return "look closely" if len(asked) == 1 else "Yes."

    replies = [ONE, TWO, {"answer": "seen"}, GOOD, "All seen."]
    result = shipped(replies, tmp_path, journal, "person", answer=person)
    assert (result.status, result.answer) == (Status.DONE, "All seen.")
    assert ["a: look" in asked[0], "b: look closely" in asked[1], len(asked)] == [True, True, 2]
    waiting = shipped(replies, tmp_path, journal, "person")
    assert (waiting.status, "Shall it be done so?" in (waiting.question or "")) == (Status.PAUSED, True)


def test_a_critic_may_look_at_a_plan(journal: Journal, tmp_path: Path) -> None:
    replies = [ONE, BAD, TWO, GOOD, {"answer": "seen"}, GOOD, "All seen."]
    result = shipped(replies, tmp_path, journal, "critic")
    assert (result.status, result.answer, result.steps) == (Status.DONE, "All seen.", 7)


def test_a_stronger_model_may_plan(journal: Journal, tmp_path: Path) -> None:
    with scripted_model([json.dumps(TWO)]) as planner:
        planner.card = planner.card.model_copy(update={"name": "strong"})
        result = shipped([{"answer": "seen"}, GOOD, "All seen."], tmp_path, journal, "nobody", planner=planner)
    assert result.answer == "All seen."
    models = [it.body.model for it in journal.events(result.id) if isinstance(it.body, StepTaken)]
    assert models == ["strong", "scripted", "scripted", "scripted"]


def test_a_run_goes_on_with_the_model_that_makes_its_plans(journal: Journal, tmp_path: Path) -> None:
    with (
        scripted_model([json.dumps(ONE), json.dumps(TWO)]) as planner,
        scripted_model([json.dumps({"answer": "seen"}), json.dumps(GOOD), "All seen."], deterministic=True) as model,
    ):
        planner.card = planner.card.model_copy(update={"name": "strong"})

        def one(planner: Model | None) -> Agent:
            settings = StepSettings(thinking=None, review="person", planner=planner)
            return Agent(model, workspace=tmp_path, journal=journal, skill="plan-and-execute", settings=settings)

        waiting = one(planner).run("look closely")
        assert waiting.status is Status.PAUSED
        with pytest.raises(UsageError, match="are made by the model strong, not scripted"):
            one(None).resume(waiting.id, "look closely")
        again = one(planner).resume(waiting.id, "look closely")
        assert again.status is Status.PAUSED
        assert one(planner).resume(waiting.id, "yes").answer == "All seen."
    models = [it.body.model for it in journal.events(waiting.id) if isinstance(it.body, StepTaken)]
    assert models == ["strong", "strong", "scripted", "scripted", "scripted"]
