"""A model may refuse, whatever else is taken away: its run says so, and nothing that it did not want is done."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

import laws
from bridle.agent import Agent
from bridle.bounds import Ended
from bridle.catalogue import catalogue
from bridle.cli.run import exit_code
from bridle.context import Context
from bridle.errors import FormatError
from bridle.evals.cases import Case
from bridle.evals.score import score
from bridle.evals.scripted import scripted_model
from bridle.grammar.action import Actions
from bridle.grammar.said import Refuse
from bridle.how import StepSettings
from bridle.journal import Journal, Status
from bridle.observe.why import suspects
from bridle.plan import Plan, Remedy, Report, Task, carry_out
from bridle.policy import Policy
from bridle.replay import replay
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import tool

BOOKED = list[str]()
WHY = {"refuse": "It is not mine to sell."}
Work = Callable[[Context], Awaitable[str]]


def unbook(what: str) -> str:
    """Take it back."""
    BOOKED.remove(what)
    return "taken back"


@tool(effect="idempotent", undo=unbook)
def book(what: str) -> str:
    """Book something."""
    BOOKED.append(what)
    return "booked"


def run(replies: list[Any], journal: Journal, skill: Work | None = None, **options: Any) -> Run:
    BOOKED.clear()
    syntax: Literal["json", "xml"] = "xml" if any(str(it).startswith("<") for it in replies) else "json"
    with scripted_model([it if isinstance(it, str) else json.dumps(it) for it in replies]) as model:
        answer = options.pop("answer", None)
        chosen = StepSettings(thinking=None, format=syntax, **options)
        agent = Agent(model, workspace=journal.path.parent, journal=journal, tools=[book], settings=chosen,
                      answer=answer, skill=skill_from(skill) if skill else "react")  # fmt: skip
        result = agent.run("Sell the bridge")
        if result.status is Status.REFUSED and not options.get("undo"):
            again = agent.resume(result.id)
            assert (again.status, again.reason) == (Status.REFUSED, result.reason), "it is not asked twice"
    laws.law_of_history(journal, result.id)
    shelf = catalogue()
    assert replay(journal, result.id, tools=[book], catalogue=shelf, skill=skill_from(skill) if skill else "") == ""
    return result


@pytest.mark.parametrize("reply", [WHY, "<refuse>It is not mine to sell.</refuse>"])
def test_a_refusal_ends_its_run_and_says_why(reply: Any, journal: Journal) -> None:
    result = run([reply], journal)
    assert (result.status, result.answer, result.reason) == (Status.REFUSED, None, "It is not mine to sell.")
    assert exit_code(result) == 1
    assert result.messages[-1].role == "assistant"
    assert suspects(journal.events(result.id))[0].reason == result.reason


def test_what_was_done_before_is_taken_back_where_that_is_wanted(journal: Journal) -> None:
    booked = {"tool": "book", "args": {"what": "a room"}}
    assert run([booked, WHY], journal).status is Status.REFUSED
    assert BOOKED == ["a room"]
    undone = run([booked, WHY], journal, undo=True)
    assert undone.reason == "It is not mine to sell.; what was done is taken back"
    assert BOOKED == []


def test_a_given_tool_can_be_refused_and_nothing_else_be_said(journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Book."""
        try:
            await context.act("book")
        except Ended as end:
            return f"refused: {end.reason}" if end.status is Status.REFUSED else "failed"
        return "booked"

    assert run([WHY], journal, work).answer == "refused: It is not mine to sell."
    assert run([{"answer": "It is done."}], journal, work).answer != "It is done."


def test_a_delegate_may_refuse_and_another_be_asked(journal: Journal) -> None:
    async def inner(context: Context) -> str:
        """Book."""
        return str(await context.act())

    async def work(context: Context) -> str:
        """Let others book."""
        try:
            return await context.delegate(inner, "sell it")
        except Ended:
            return await context.reply("What now?")

    assert run([WHY, "We rent it."], journal, work).answer == "We rent it."


def test_it_stands_on_no_call_and_claims_nothing(journal: Journal) -> None:
    told = {"cite": True, "unsafe": "allow", "claim": [{"says": "sell", "needs": ["book"]}]}
    booked = {"tool": "book", "args": {"what": "a room"}}
    assert run([booked, WHY], journal, policy=Policy.model_validate(told)).status is Status.REFUSED
    denied = Policy.model_validate({"default": "deny"})
    assert run([WHY], journal, policy=denied).status is Status.REFUSED


def test_a_person_may_be_asked_how_to_go_on(journal: Journal) -> None:
    def rented(question: str) -> str:
        return "Rent it, then." if "not mine to sell" in question else "no"

    result = run([WHY, {"answer": "Rented."}], journal, hand_over=True, answer=rented)
    assert (result.answer, result.messages[2].content) == ("Rented.", "Rent it, then.")


def test_a_case_may_expect_it(journal: Journal, tmp_path: Path) -> None:
    case = Case.model_validate({"request": "Sell the bridge", "expect": {"refuses": True, "calls": []}})
    assert all(it.holds for it in score(case, run([WHY], journal), tmp_path))
    assert not all(it.holds for it in score(case, run([{"answer": "Sold."}], journal), tmp_path))


def test_a_refusal_without_a_word_is_told_all_the_same(journal: Journal) -> None:
    assert run([{"refuse": " "}], journal).reason == "the model refuses"


def test_a_plan_asks_nobody_twice_who_refused(journal: Journal) -> None:
    async def does(context: Context, task: Task, given: Mapping[str, str]) -> str:
        """Act on it."""
        return str(await context.act())

    async def mends(context: Context, task: Task, reason: str, report: Report) -> Remedy:
        """Nothing helps."""
        return "give up"

    async def work(context: Context) -> str:
        """Plan."""
        report = await carry_out(context, Plan(tasks=[Task(id="a", goal="sell")]), does, mends)
        return str(report.left_out)

    assert run([WHY, {"answer": "fine, done"}], journal, work).answer == "{'a': 'It is not mine to sell.'}"


def test_it_is_in_the_form_whatever_is_taken_away() -> None:
    assert Actions({}).load(dict(WHY)) == Refuse("It is not mine to sell.")
    form = Actions({"book": book.schema}, replies=("refuse",))
    with pytest.raises(FormatError, match="a call is due"):
        form.load({"answer": "no"})
