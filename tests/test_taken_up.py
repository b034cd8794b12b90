"""Runs that are taken up, copied and gone over after the rarer things: answers that cross, undos that fail or are
repeated, kills while a person is asked, time that is used up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.errors import Misread, ToolError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.fork import fork
from bridle.how import StepSettings
from bridle.journal import CallAnswered, CallIntended, Event, Heard, Journal, Noted, Past, RunAborted, Status, Undone
from bridle.journal.event import Body
from bridle.policy import Policy
from bridle.replay import replay
from bridle.skill import skill_from
from bridle.tool import Tool, tool
from crashes import Begun, Crash, Cut

Work = Callable[[Context], Awaitable[str]]
DONE = list[str]()
"""What really happened."""
FAILING = [0]
"""How often taking back fails yet."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()
    FAILING[0] = 0


def recall(name: str) -> str:
    if FAILING[0]:
        FAILING[0] -= 1
        raise ToolError("no connection")
    DONE.append(f"recalled {name}")
    return "recalled"


@tool(effect="unsafe")
def pay(amount: int, to: str = "Mallory") -> str:
    """Pay."""
    DONE.append(f"{amount} to {to}")
    return "paid"


@tool(effect="unsafe", undo=recall)
def launch(name: str) -> str:
    """Launch."""
    DONE.append(f"launched {name}")
    return f"{name} is there"


@tool(effect="idempotent", undo=recall)
def put(name: str) -> str:
    """Put."""
    DONE.append(f"put {name}")
    return f"{name} is there"


@tool(effect="pure", cache=0.3)
def look() -> str:
    """Look."""
    DONE.append("looked")
    return "nothing"


TOOLS = [pay, launch, put, look]
ASK = Policy.model_validate({"rule": [{"tools": ["pay", "launch"], "then": "ask"}]})


def agent(journal: Journal, folder: Path, work: Work, **options: Any) -> Agent:
    settings = {name: options.pop(name) for name in ("policy", "undo") if name in options}
    return Agent(
        scripted_model(options.pop("replies", []), deterministic=options.pop("deterministic", False)),
        workspace=folder,
        journal=journal,
        tools=options.pop("tools", TOOLS),
        skill=skill_from(work, name="works"),
        settings=StepSettings(thinking=None, **settings),
        **options,
    )


def gone_over(journal: Journal, run: str, work: Work) -> str:
    """What a replay says, in which nothing may happen."""
    before = list(DONE)
    told = replay(journal, run, tools=TOOLS, catalogue=catalogue(), skill=skill_from(work, name="works"))
    assert before == DONE
    return told


async def pays(context: Context) -> str:
    """Pay once."""
    return (await context.call("pay", amount=1, to="Bo")).text


@pytest.mark.parametrize(("second", "paid"), [("no", []), ('{"amount": 9, "to": "Al"}', ["9 to Al"])])
def test_always_does_not_outrun_another_answer(tmp_path: Path, second: str, paid: list[str]) -> None:
    """One branch hears 'always', another hears something else, and the process is killed."""

    async def one(context: Context) -> str:
        """Pay by number."""
        return (await context.call("pay", amount=int(context.place[-2]), to="Bo")).text

    async def both(context: Context) -> str:
        """Pay twice."""
        return str(await context.parallel(one, one))

    async def person(question: str) -> str:
        await asyncio.sleep(0.02 if '"amount": 1' in question else 0.06)
        return "always" if '"amount": 1' in question else second

    path = tmp_path / "journal.db"
    with Cut(path, 5) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, both, policy=ASK, answer=person).run("go")
    with Journal(path) as journal:
        run = journal.find("last")
        last = journal.events(run)[-1].body
        assert isinstance(last, Heard)
        assert last.text == second
        agent(journal, tmp_path, both, policy=ASK).resume(run)
        assert ["1 to Bo", *paid] == DONE
        assert gone_over(journal, run, both) == ""


def test_an_answer_that_is_too_old_is_not_written_over(tmp_path: Path, journal: Journal) -> None:
    policy = ASK.model_copy(update={"approval_seconds": 0.4})

    async def work(context: Context) -> str:
        """Pay, and wait."""
        paid = (await context.call("pay", amount=1, to="Bo")).text
        return paid + await context.ask("And?")

    run = agent(journal, tmp_path, work, policy=policy).run("go").id
    for said in ("perhaps", "hm", '{"amount": 5, "to": "Bo"}'):
        asyncio.run(asyncio.sleep(0.25))
        agent(journal, tmp_path, work, policy=policy).resume(run, said)
    assert DONE == ["5 to Bo"]
    assert gone_over(journal, run, work) == ""
    assert agent(journal, tmp_path, work, policy=policy).resume(run, "!").answer == "paid!"


def test_an_abort_takes_back_what_was_not_come_by_again(tmp_path: Path, journal: Journal) -> None:
    """Branches one after the other: the first waits again, and the second, which was done, is not reached."""

    async def asks(context: Context) -> str:
        """Ask."""
        return await context.ask("Well?")

    async def launches(context: Context) -> str:
        """Launch."""
        return (await context.call("launch", name="x")).text

    async def both(context: Context) -> str:
        """Both."""
        return str(await context.parallel(asks, launches))

    async def stopped() -> None:
        asked = asyncio.Event()

        async def person(question: str) -> str:
            asked.set()
            await asyncio.sleep(30)
            return ""

        one = agent(journal, tmp_path, both, deterministic=True, undo=True, answer=person)
        doing = asyncio.create_task(one.go_on(journal.find("last")))
        await asked.wait()
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing

    assert agent(journal, tmp_path, both, deterministic=True, undo=True).run("go").status is Status.PAUSED
    asyncio.run(stopped())
    assert DONE == ["launched x", "recalled x"]


def test_a_call_in_doubt_is_named_where_its_question_is_broken_off(tmp_path: Path) -> None:
    async def stopped(journal: Journal) -> None:
        asked = asyncio.Event()

        async def person(question: str) -> str:
            asked.set()
            await asyncio.sleep(30)
            return ""

        doing = asyncio.create_task(
            agent(journal, tmp_path, pays, undo=True, answer=person).go_on(journal.find("last"))
        )
        await asked.wait()
        doing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await doing

    path = tmp_path / "journal.db"
    with Begun(path) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, pays, undo=True).run("go")
    with Journal(path) as journal:
        asyncio.run(stopped(journal))
        assert journal.runs(1)[0].answer.endswith("this stays: pay")


def test_undos_are_remembered_one_by_one(tmp_path: Path, journal: Journal) -> None:
    """The first try failed and the second worked: so they do again where the run is taken up."""

    async def work(context: Context) -> str:
        """Try to take back."""
        await context.call("launch", name="x")
        if not await context.undo(context.bounds.calls):
            return (await context.call("launch", name="y")).text
        await context.undo(context.bounds.calls)
        context.note("it took two")
        return await context.ask("Well?")

    FAILING[0] = 1
    run = agent(journal, tmp_path, work).run("go").id
    assert gone_over(journal, run, work) == ""
    assert agent(journal, tmp_path, work).resume(run, "ok").answer == "ok"
    assert DONE == ["launched x", "recalled x"]


async def fails(context: Context) -> str:
    """Launch, take back in vain, fail."""
    await context.call("launch", name="x")
    await context.undo(context.bounds.calls)
    raise ToolError("no")


def test_what_failed_to_be_taken_back_is_tried_again_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    FAILING[0] = 1
    with Cut(path, 6) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, fails, undo=True).run("go")
    with Journal(path) as journal:
        run = journal.find("last")
        assert isinstance(journal.events(run)[-1].body, RunAborted)
        assert gone_over(journal, run, fails) == ""
        agent(journal, tmp_path, fails, undo=True).resume(run)
        assert DONE == ["launched x", "recalled x"]
        assert gone_over(journal, run, fails) == ""
        with pytest.raises(UsageError, match="was taken back before"):
            fork(journal, run, str(journal.events(run)[-1].number))


def test_what_is_made_again_is_taken_back_again(tmp_path: Path, journal: Journal) -> None:
    """A call that its skill broke off and took back; it is made again where the run is taken up, and works."""
    quick = [False]

    @tool(effect="idempotent", undo=recall, name="put")
    async def slow_put(name: str) -> str:
        """Put."""
        DONE.append(f"put {name}")
        if not quick[0]:
            await asyncio.sleep(30)
        return ""

    async def work(context: Context) -> str:
        """Break it off."""
        try:
            await asyncio.wait_for(context.call("put", name="x"), 0.1)
        except TimeoutError:
            await context.undo(context.bounds.calls)
        await context.ask("Well?")
        raise ToolError("no")

    def one() -> Agent:
        return agent(journal, tmp_path, work, tools=[slow_put], undo=True)

    run = one().run("go").id
    quick[0] = True
    one().resume(run, "stop")
    assert DONE == ["put x", "recalled x", "put x", "recalled x"]


def test_two_branches_take_a_call_back_once(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Both at once."""
        await context.call("launch", name="x")
        made = list(context.bounds.calls)
        await context.parallel(lambda branch: branch.undo(made), lambda branch: branch.undo(made))
        return ""

    agent(journal, tmp_path, work).run("go")
    assert DONE == ["launched x", "recalled x"]


class Unanswered(Journal):
    """A journal that crashes before an outcome is written."""

    def append(self, run: str, body: Body, **how: Any) -> Event:
        if isinstance(body, CallAnswered | Undone):
            raise Crash
        return super().append(run, body, **how)


def test_a_copy_takes_over_no_word_about_what_it_does_anew(tmp_path: Path) -> None:
    """It was not made, said the person of a call that the copy then makes: of that one they have to be asked again."""
    path = tmp_path / "journal.db"
    with Begun(path) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, pays).run("go")
    with Journal(path) as journal:
        run = journal.find("last")
        agent(journal, tmp_path, pays).resume(run)
        assert agent(journal, tmp_path, pays).resume(run, "no").status is Status.DONE
        second = [it.number for it in journal.events(run) if isinstance(it.body, CallIntended)][1]
        copy = fork(journal, run, str(second))
    with Unanswered(path) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, pays).resume(copy)
    with Journal(path) as journal:
        assert agent(journal, tmp_path, pays).resume(copy).status is Status.IN_DOUBT
        assert DONE == ["1 to Bo", "1 to Bo"]


def test_a_copy_of_a_run_in_doubt_knows_what_was_allowed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    def other(question: str) -> str:
        return '{"amount": 5, "to": "Bo"}'

    with Begun(path) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, pays, policy=ASK, answer=other).run("go")
    with Journal(path) as journal:
        run = journal.find("last")
        assert agent(journal, tmp_path, pays, policy=ASK).resume(run).status is Status.IN_DOUBT
        copy = fork(journal, run, str(journal.events(run)[-1].number))
        assert agent(journal, tmp_path, pays, policy=ASK).resume(copy).status is Status.IN_DOUBT
        assert agent(journal, tmp_path, pays, policy=ASK).resume(copy, "no").status is Status.DONE
        assert DONE == ["5 to Bo"]


def test_a_copy_hears_what_it_was_told_to_hear(tmp_path: Path, journal: Journal) -> None:
    run = agent(journal, tmp_path, pays, policy=ASK).run("go").id
    for said in ("perhaps", "no"):
        agent(journal, tmp_path, pays, policy=ASK).resume(run, said)
    last = [it.body.path for it in journal.events(run) if isinstance(it.body, Heard)][-1]
    copy = fork(journal, run, last, said="yes")
    assert agent(journal, tmp_path, pays, policy=ASK).resume(copy).status is Status.DONE
    assert DONE == ["1 to Bo"]


def test_a_replay_does_nothing(tmp_path: Path) -> None:
    """Where a call was begun, or its undo, and the process was killed."""

    async def puts(context: Context) -> str:
        """Put, and fail."""
        await context.call("put", name="x")
        raise ToolError("no")

    for number, crashing in enumerate((Begun(tmp_path / "0.db"), Unanswered(tmp_path / "1.db"))):
        with crashing, pytest.raises(Crash):
            agent(crashing, tmp_path, puts, undo=True).run("go")
        with Journal(tmp_path / f"{number}.db") as journal:
            assert gone_over(journal, journal.find("last"), puts) == ""


def test_a_tool_that_takes_other_arguments_by_now_stops_no_abort(tmp_path: Path) -> None:
    @tool(effect="idempotent", undo=recall, name="put")
    def other_put(name: str, where: str) -> str:
        """Put."""
        return name + where

    async def work(context: Context) -> str:
        """Launch, put, fail."""
        await context.call("launch", name="x")
        await context.call("put", name="y")
        raise ToolError("no")

    path = tmp_path / "journal.db"
    with Cut(path, 6) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, work, undo=True).run("go")
    with Journal(path) as journal:
        changed: list[Tool] = [launch, other_put]
        end = agent(journal, tmp_path, work, undo=True, tools=changed).resume(journal.find("last"))
        assert end.reason.endswith("this stays: put")
        assert DONE == ["launched x", "put y", "recalled x"]


def test_time_that_is_used_up_hides_nothing(tmp_path: Path) -> None:
    """What was done is told, and a call in doubt is asked about."""

    @tool(effect="pure")
    async def nap() -> str:
        """Take a nap."""
        await asyncio.sleep(0.4)
        return ""

    async def work(context: Context) -> str:
        """Nap, pay, look."""
        await context.call("nap")
        await context.call("pay", amount=1)
        await context.ask("Well?")
        await context.call("nap")
        return ""

    class Third(Journal):
        def append(self, run: str, body: Body, **how: Any) -> Event:
            event = super().append(run, body, **how)
            if isinstance(body, CallIntended) and body.tool == "pay":
                raise Crash
            return event

    path = tmp_path / "journal.db"
    options: dict[str, Any] = {"tools": [nap, pay], "limits": Limits(seconds=0.3)}
    with Third(path) as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, work, tools=[nap, pay], limits=Limits(seconds=5)).run("go")
    with Journal(path) as journal:
        run = journal.find("last")
        doubtful = agent(journal, tmp_path, work, **options).resume(run)
        assert doubtful.status is Status.IN_DOUBT
        waiting = agent(journal, tmp_path, work, **options).resume(run, "yes")
        assert (waiting.status, waiting.question) == (Status.PAUSED, "Well?")
        over = agent(journal, tmp_path, work, **options).resume(run, "go on")
        assert (over.status, [it.tool for it in over.calls]) == (Status.BUDGET, ["nap", "pay"])


def test_the_seconds_of_a_record_are_those_in_which_anything_went_on() -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)

    def at(number: int, seconds: float, body: Body) -> Event:
        return Event("r", number, (begun + timedelta(seconds=seconds)).isoformat(), body, "", "")

    def answered(seconds: float) -> CallAnswered:
        return CallAnswered(key="r/1", tool="t", ok=True, result=None, text="", seconds=seconds)

    def note(number: int) -> Noted:
        return Noted(path=f"note#{number}", text="")

    together = [at(1, 0, note(1)), at(2, 30, answered(10)), at(3, 30, answered(10)), at(4, 30, answered(30))]
    beside = [at(1, 0, note(1)), at(2, 9.9, note(2)), at(3, 10, answered(10)), at(4, 500, answered(2))]
    assert Past(together, again=True).seconds == pytest.approx(30)
    assert Past(beside, again=True).seconds == pytest.approx(12)
    assert Past(beside).seconds == 0


def test_what_is_kept_for_a_while_does_not_keep_itself(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Look, and look."""
        for _ in range(6):
            await context.call("look")
            await asyncio.sleep(0.15)
        return ""

    agent(journal, tmp_path, work).run("go")
    assert len(DONE) >= 2


def test_no_one_claims_more_by_being_misread(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Say that it was misread."""
        raise Misread("All tests pass.")

    policy = Policy.model_validate({"claim": [{"says": "tests pass", "needs": ["look"]}]})
    assert agent(journal, tmp_path, work, policy=policy).run("go").status is Status.FAILED
    assert agent(journal, tmp_path, work).run("go").answer == "All tests pass."


def test_brackets_without_end_are_no_arguments(tmp_path: Path, journal: Journal) -> None:
    def hostile(question: str) -> str:
        return '{"a":' * 100_000

    done = agent(journal, tmp_path, pays, policy=ASK, answer=hostile).run("go")
    assert (done.status, DONE) == (Status.DONE, [])
    assert len(json.dumps(done.answer)) < 1_000
