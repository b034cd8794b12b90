"""Adverse circumstances: two who go on with one run, branches that hurry, failures that a skill puts up with, answers
that say neither yes nor no, and effects that may have happened."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel

from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.errors import BridleError, ToolError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.fork import fork
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.observed import Observed
from bridle.grammar.said import Call
from bridle.how import StepSettings
from bridle.journal import Heard, Journal, Pending, Status, StepFailed, ending
from bridle.person import Question
from bridle.plan import Plan, Remedy, Report, Task, carry_out
from bridle.policy import Policy
from bridle.replay import replay
from bridle.route import route
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import tool
from crashes import Begun, Crash, Cut

Work = Callable[[Context], Awaitable[str]]
DONE = list[str]()
"""What really happened."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


@tool(effect="unsafe")
def pay(amount: int, to: str = "Mallory") -> str:
    """Pay."""
    DONE.append(f"{amount} to {to}")
    return "paid"


def _recall(name: str, result: str, pace: str = "?") -> str:
    DONE.append(f"recalled {name} at {pace}: {result}")
    return "recalled"


@tool(effect="unsafe", undo=_recall, doubt=lambda result: "too far" if "far" in result else "")
def launch(name: str, pace: str = "slow") -> str:
    """Launch."""
    DONE.append(f"launched {name}")
    return f"{name} is there"


@tool(effect="unsafe")
async def dawdle() -> str:
    """Take long."""
    DONE.append("dawdled")
    await asyncio.sleep(30)
    return ""


@tool(effect="pure")
def look() -> str:
    """Look."""
    return "nothing new"


TOOLS = [pay, launch, dawdle, look]


def agent(journal: Journal, folder: Path, work: Work, replies: list[str] | None = None, **options: Any) -> Agent:
    settings = {name: options.pop(name) for name in ("policy", "undo", "retries", "constrain") if name in options}
    return Agent(
        scripted_model(replies or []),
        workspace=folder,
        journal=journal,
        tools=TOOLS,
        skill=skill_from(work, name="works"),
        settings=StepSettings(thinking=None, **settings),
        **options,
    )


def comes_to_the_same(journal: Journal, run: Run, work: Work) -> bool:
    skill = skill_from(work, name="works")
    return replay(journal, run.id, tools=TOOLS, catalogue=catalogue(), skill=skill) == ""


ASK = Policy.model_validate({"rule": [{"tools": ["pay", "launch"], "then": "ask"}]})


def yes(question: str) -> str:
    return "yes"


def no(question: str) -> str:
    return "no, never to Eve"


async def pays(context: Context) -> str:
    """Pay once."""
    return (await context.call("pay", amount=1, to="Bo")).text


def test_only_one_goes_on_with_a_run(tmp_path: Path, journal: Journal) -> None:
    waiting = agent(journal, tmp_path, pays, policy=ASK).run("go")
    assert waiting.status is Status.PAUSED

    async def meanwhile(question: str) -> str:
        with Journal(journal.path) as other:
            one = agent(other, tmp_path, pays, policy=ASK, undo=True)
            with pytest.raises(UsageError, match="somebody is at work on the run"):
                await one.go_on(waiting.id, "yes")
        return "yes"

    with Journal(journal.path) as book:
        one = agent(book, tmp_path, pays, policy=ASK, undo=True, answer=meanwhile)
        assert one.resume(waiting.id).status is Status.DONE
        assert book.verify(waiting.id) == ""
    assert DONE == ["1 to Bo"]


class Form(BaseModel):
    color: Literal["red", "green"]


def test_a_step_that_failed_is_not_taken_again_once_a_skill_went_on(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Put up with a failure."""
        try:
            found = (await context.extract(Form)).color
        except BridleError:
            found = "neither"
            await context.call("pay", amount=1, to="Bo")
        return f"{found} {await context.ask('And now?')}"

    loose: dict[str, Any] = {"constrain": False, "retries": 1}
    first = agent(journal, tmp_path, work, ["nonsense"] * 2, **loose).run("go")
    assert first.status is Status.PAUSED, first.reason
    failed = [it.body.path for it in journal.events(first.id) if isinstance(it.body, StepFailed)]
    assert failed == ["extract#1"]
    assert comes_to_the_same(journal, first, work)
    again = agent(journal, tmp_path, work, ['{"color": "red"}'] * 2, **loose).resume(first.id, "on")
    assert (again.answer, again.steps, DONE) == ("neither on", 2, ["1 to Bo"])


def test_a_step_that_ended_its_run_is_taken_again(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Put up with nothing."""
        return (await context.extract(Form)).color

    loose: dict[str, Any] = {"constrain": False, "retries": 0}
    failed = agent(journal, tmp_path, work, ["nonsense"], **loose).run("go")
    assert failed.status is Status.FAILED
    assert comes_to_the_same(journal, failed, work)
    assert agent(journal, tmp_path, work, ['{"color": "red"}'], **loose).resume(failed.id).answer == "red"


def test_a_copy_asks_anew_for_what_it_does_anew(tmp_path: Path, journal: Journal) -> None:
    done = agent(journal, tmp_path, pays, policy=ASK, answer=yes).run("go")
    assert DONE == ["1 to Bo"]
    copy = fork(journal, done.id, "call 1")
    assert not [it for it in journal.events(copy) if isinstance(it.body, Heard)]
    assert agent(journal, tmp_path, pays, policy=ASK).resume(copy).status is Status.PAUSED
    assert DONE == ["1 to Bo"]


@pytest.mark.parametrize(
    ("said", "status", "answer", "paid"),
    [
        ("n", Status.DONE, "paid", ["1 to Bo"]),
        ("No.", Status.DONE, "paid", ["1 to Bo"]),
        ("not done", Status.IN_DOUBT, None, []),
        ("I do not know", Status.IN_DOUBT, None, []),
        ("yes", Status.DONE, "done", []),
        ("it came to: 12 paid", Status.DONE, "12 paid", []),
    ],
)
def test_doubt_is_settled_by_a_plain_word(
    tmp_path: Path, said: str, status: Status, answer: str | None, paid: list[str]
) -> None:
    with Begun(tmp_path / "journal.db") as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, pays).run("go")
    with Journal(tmp_path / "journal.db") as journal:
        run = journal.find("last")
        assert agent(journal, tmp_path, pays).resume(run).status is Status.IN_DOUBT
        result = agent(journal, tmp_path, pays).resume(run, said)
        assert (result.status, result.answer, DONE) == (status, answer, paid)
        if status is Status.IN_DOUBT:
            assert agent(journal, tmp_path, pays).resume(run, "yes").answer == "done"
            assert not DONE


def test_rules_hold_for_the_values_that_a_tool_gets(tmp_path: Path, journal: Journal, compiler: Compiler) -> None:
    """A number that was told as text, and a value that the tool has of its own."""
    narrowing = {"properties": {"amount": {"maximum": 10}, "to": {"enum": ["Bo"]}}}
    told = Policy.model_validate({"rule": [{"tools": ["pay"], "args": narrowing}]})
    tried: list[Mapping[str, Any]] = [{"amount": "9999", "to": "Bo"}, {"amount": 1}, {"amount": "7", "to": "Bo"}]

    async def work(context: Context) -> str:
        """Try."""
        return str([(await context.call("pay", **args)).ok for args in tried])

    result = agent(journal, tmp_path, work, policy=told).run("go")
    assert (result.answer, DONE) == ("[False, False, True]", ["7 to Bo"])
    held = told.verdict(pay).narrowed(pay.schema, [])
    assert held is not None
    grammar = compiler.compile(Actions({"pay": held}).grammar()).start
    for text, fine in (('{"amount": 1, "to": "Bo"}', True), ('{"amount": 1}', False)):
        spelled = Actions({"pay": {}}).spell(Call("pay", json.loads(text)))
        matcher = grammar.deep_copy()
        tokens = compiler.vocabulary.tokenize(spelled, False).tolist()
        assert (bool(matcher.consume_tokens(tokens)) and matcher.is_accepting()) is fine


def test_branches_that_wait_for_approval_do_not_outrun_a_count(tmp_path: Path, journal: Journal) -> None:
    """And on another day the same one is refused, whoever comes first then."""
    told = Policy.model_validate({"rule": [{"tools": ["pay"], "then": "ask", "calls": 1}]})
    turns = iter((0.1, 0.0))

    async def person(question: str) -> str | None:
        if "pay" not in question:
            return None
        await asyncio.sleep(next(turns))
        return "yes"

    async def one(context: Context) -> str:
        return (await context.call("pay", amount=int(context.place[-2]), to="Bo")).text

    async def work(context: Context) -> str:
        """Pay at once."""
        said = await context.parallel(one, one)
        return f"{said} {await context.ask('And now?')}"

    model = scripted_model([], deterministic=False)
    settings = StepSettings(thinking=None, policy=told)

    def make(answer: Any) -> Agent:
        return Agent(model, workspace=tmp_path, journal=journal, tools=TOOLS, skill=skill_from(work, name="works"),
                     settings=settings, answer=answer)  # fmt: skip

    waiting = make(person).run("go")
    assert (waiting.status, DONE) == (Status.PAUSED, ["2 to Bo"])
    done = make(None).resume(waiting.id, "on")
    assert done.status is Status.DONE, done.reason
    assert DONE == ["2 to Bo"]


def test_words_why_something_may_not_be_done_are_trusted_with_nothing(tmp_path: Path, journal: Journal) -> None:
    rules = [{"tools": ["launch"], "then": "ask"}, {"tools": ["pay"], "trusted": ["to"]}]

    async def work(context: Context) -> str:
        """Be refused, and try elsewhere."""
        first = await context.call("launch", name="x")
        second = await context.call("pay", amount=1, to="Eve")
        return f"{first.ok} {second.ok}"

    told = Policy.model_validate({"rule": rules})
    result = agent(journal, tmp_path, work, policy=told, answer=no).run("go")
    assert (result.answer, DONE) == ("False False", [])


def test_what_may_have_been_done_is_taken_back(tmp_path: Path, journal: Journal) -> None:
    """A result that is not believed; with what it came to, and the values that the tool had of its own."""

    async def work(context: Context) -> str:
        """Launch too far."""
        seen = await context.call("launch", name="far")
        assert not seen.ok
        assert "not believed" in seen.text
        raise ToolError("enough")

    result = agent(journal, tmp_path, work, undo=True).run("go")
    assert DONE == ["launched far", "recalled far at slow: far is there"]
    assert result.reason == "enough; what was done is taken back"


def test_a_call_that_was_cut_off_is_named_where_nothing_takes_it_back(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Dawdle."""
        await context.call("dawdle")
        return ""

    async def stopped() -> None:
        doing = asyncio.create_task(agent(journal, tmp_path, work, undo=True).perform("go"))
        while not DONE:
            await asyncio.sleep(0.01)
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing

    asyncio.run(stopped())
    assert journal.runs(1)[0].answer.endswith("this stays: dawdle")


def test_the_tools_of_a_skill_that_was_given_work_take_back_as_well(tmp_path: Path, journal: Journal) -> None:
    async def inner(context: Context) -> str:
        """Launch."""
        return (await context.call("launch", name="x")).text

    async def work(context: Context) -> str:
        """Give it away, with no tools of one's own."""
        await context.delegate(inner, "go")
        context.tools = [look]
        raise ToolError("enough")

    agent(journal, tmp_path, work, undo=True).run("go")
    assert DONE[1:] == ["recalled x at slow: x is there"]


def test_branches_that_look_alike_are_no_circle(tmp_path: Path, journal: Journal) -> None:
    async def one(context: Context) -> str:
        return (await context.call(Call("look", {}))).text

    async def work(context: Context) -> str:
        """Look in three places at once, and once more and more from code."""
        await context.parallel(one, one, one)
        for _ in range(4):
            await context.call("look")
        return "fine"

    assert agent(journal, tmp_path, work).run("go").answer == "fine"


@tool(effect="pure")
def secrets() -> list[str]:
    """Tell secrets."""
    return ["a1", "b2"]


@tool(effect="unsafe")
def publish(code: Annotated[str, Observed("secrets[*]")]) -> str:
    """Publish."""
    DONE.append(code)
    return "out"


def test_what_another_branch_read_is_read_by_whoever_may_say_it(tmp_path: Path, journal: Journal) -> None:
    told = Policy.model_validate(
        {"unsafe": "allow", "rule": [{"tools": ["publish"], "after": ["secrets"], "then": "deny"}]}
    )

    async def reads(context: Context) -> str:
        text = (await context.call("secrets")).text
        known.set()
        return text

    async def says(context: Context) -> str:
        await known.wait()
        action = await context.act()
        return (await context.call(action)).text if isinstance(action, Call) else "nothing"

    async def work(context: Context) -> str:
        """Read in one branch, say in another."""
        context.tools = [secrets, publish]
        return str(await context.parallel(reads, says))

    known = asyncio.Event()
    reply = '{"tool": "publish", "args": {"code": "b2"}}'
    agent(journal, tmp_path, work, [reply, '{"answer": "ok"}'], policy=told).run("go")
    assert not DONE


def test_a_question_in_one_branch_is_not_hidden_by_a_failure_in_another(tmp_path: Path, journal: Journal) -> None:
    async def fails(context: Context) -> str:
        raise ToolError("no")

    async def asks(context: Context) -> str:
        return str(await context.ask("Which?"))

    async def work(context: Context) -> str:
        """Put up with failures."""
        try:
            return str(await context.parallel(fails, asks))
        except ToolError:
            return "put up with"

    waiting = agent(journal, tmp_path, work).run("go")
    assert (waiting.status, waiting.question) == (Status.PAUSED, "Which?")


def test_a_plan_takes_back_its_own_work_and_no_other(tmp_path: Path, journal: Journal) -> None:
    """Also where a task has a bug."""

    async def do(context: Context, task: Task, given: Mapping[str, str]) -> str:
        await context.call("launch", name=task.id)
        if task.id == "b":
            raise KeyError("a bug")
        return task.id

    async def mend(context: Context, task: Task, reason: str, report: Report) -> Plan | Remedy:
        raise ValueError("another")

    async def planned(context: Context) -> str:
        plan = Plan(tasks=[Task(id="a", goal="a"), Task(id="b", goal="b", needs=["a"])])
        report = await carry_out(context, plan, do, mend)
        return f"{report.undone} {report.lasting}"

    async def beside(context: Context) -> str:
        return (await context.call("launch", name="other")).text

    async def work(context: Context) -> str:
        """Both at once."""
        return str(await context.parallel(planned, beside))

    result = agent(journal, tmp_path, work).run("go")
    assert result.answer == "['True []', 'other is there']", result.reason
    launched = {it.removeprefix("launched ") for it in DONE if it.startswith("launched")}
    recalled = {it.split()[1] for it in DONE if it.startswith("recalled")}
    assert (launched, recalled) == ({"a", "b", "other"}, {"a", "b"})


def test_a_task_that_cannot_be_taken_back_is_not_tried_again(tmp_path: Path, journal: Journal) -> None:
    async def do(context: Context, task: Task, given: Mapping[str, str]) -> str:
        await context.call("pay", amount=1, to="Bo")
        raise ToolError("the critic objects")

    async def mend(context: Context, task: Task, reason: str, report: Report) -> Plan | Remedy:
        return "skip"

    async def work(context: Context) -> str:
        """Pay as planned."""
        report = await carry_out(context, Plan(tasks=[Task(id="a", goal="a")]), do, mend)
        return f"{report.left_out['a']} / {[it.tool for it in report.lasting]}"

    result = agent(journal, tmp_path, work).run("go")
    assert DONE == ["1 to Bo"]
    assert result.answer == ("the critic objects; it is not tried again: nothing takes back pay / ['pay']")


def test_where_no_skill_fits_none_is_found(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Route to nothing."""
        return str((await route(context, [])).skill == "")

    assert agent(journal, tmp_path, work).run("go").answer == "True"


def test_a_front_end_is_told_which_call_it_is_asked_about(tmp_path: Path, journal: Journal) -> None:
    """There and then, in what came of the run, and in the journal."""
    asked = list[Question]()

    def listen(question: Question) -> None:
        asked.append(question)

    waiting = agent(journal, tmp_path, pays, policy=ASK, answer=listen).run("go")
    pending = Pending(tool="pay", args={"amount": 1, "to": "Bo"}, effect="unsafe", seconds=ASK.approval_seconds)
    assert [it.pending for it in asked] == [waiting.pending] == [pending]
    ended = ending(journal.events(waiting.id))
    assert ended is not None
    assert ended.pending == pending
    assert waiting.as_json()["pending"] == pending.model_dump()


def test_what_was_allowed_long_ago_is_asked_about_again(tmp_path: Path) -> None:
    """An answer that was written down, and no call behind it: the process was killed, and is taken up too late."""
    for seconds, times in ((60.0, 1), (0.05, 2)):
        policy, asked = ASK.model_copy(update={"approval_seconds": seconds}), list[str]()

        def allows(question: str, asked: list[str] = asked) -> str:
            asked.append(question)
            return "yes"

        path = tmp_path / f"{times}.db"
        with Cut(path, 2) as crashing, pytest.raises(Crash):
            agent(crashing, tmp_path, pays, policy=policy, answer=allows).run("go")
        time.sleep(0.1)
        with Journal(path) as journal:
            run = journal.find("last")
            assert isinstance(journal.events(run)[-1].body, Heard)
            done = agent(journal, tmp_path, pays, policy=policy, answer=allows).resume(run)
            assert (done.status, len(asked)) == (Status.DONE, times)
            assert comes_to_the_same(journal, done, pays)


def test_always_holds_for_the_rules_that_had_it_asked(tmp_path: Path, journal: Journal) -> None:
    """Not for those that come after something was read."""
    rules = [{"tools": ["pay"], "then": "ask"}, {"tools": ["pay"], "after": ["look"], "then": "ask"}]
    policy, asked = Policy.model_validate({"rule": rules}), list[str]()

    def always(question: str) -> str:
        asked.append(question)
        return "always"

    async def work(context: Context) -> str:
        """Pay, look, pay."""
        for amount in (1, 2):
            await context.call("pay", amount=amount, to="Bo")
        await context.call("look")
        for amount in (3, 4):
            await context.call("pay", amount=amount, to="Bo")
        return "done"

    run = agent(journal, tmp_path, work, policy=policy, answer=always).run("go")
    assert [it.partition(": ")[2][:2] for it in asked] == ["1,", "3,"]
    assert comes_to_the_same(journal, run, work)


def test_a_run_that_is_taken_up_has_the_time_that_it_had_left(tmp_path: Path, journal: Journal) -> None:
    """What it waited for a person does not count."""

    async def work(context: Context) -> str:
        """Take long, again and again."""
        for number in range(9):
            await context.call("rest")
            await context.ask(f"Shall I go on ({number})?")
        return "rested"

    @tool(effect="pure")
    async def rest() -> str:
        """Rest."""
        await asyncio.sleep(0.3)
        return "rested"

    def one() -> Agent:
        return Agent(
            scripted_model([]),
            workspace=tmp_path,
            journal=journal,
            tools=[rest],
            skill=skill_from(work, name="works"),
            settings=StepSettings(thinking=None),
            limits=Limits(seconds=0.8),
        )

    waiting = one().run("go")
    time.sleep(0.6)
    waiting = one().resume(waiting.id, "yes")
    assert waiting.status is Status.PAUSED
    waiting = one().resume(waiting.id, "yes")  # a call that was begun in time comes to its end
    assert waiting.status is Status.PAUSED
    ended = one().resume(waiting.id, "yes")
    assert (ended.status, ended.reason) == (Status.BUDGET, "it took longer than 0.8 s")
