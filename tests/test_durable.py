"""What a record is worth: values come back as they were, nothing is done twice or believed unseen, and one thing that
is wrong hides no other."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, SecretStr

from bridle.agent import Agent
from bridle.context import Context
from bridle.errors import JournalError, ToolError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.fork import fork
from bridle.how import StepSettings
from bridle.journal import CallAnswered, CallIntended, Journal, Noted, RunEnded, RunStarted, Status, Tokens
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import Tool, tool

Work = Callable[[Context], Awaitable[str]]
Change = Callable[[bytes], bytes]
WORLD = list[str]()
"""What really happened."""
ONLINE = [True]


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    WORLD.clear()
    ONLINE[0] = True


@pytest.fixture
def agent(journal: Journal, tmp_path: Path) -> Callable[..., Agent]:
    def made(work: Work, tools: Sequence[Tool] = (), replies: Sequence[Any] = (), *, undo: bool = False) -> Agent:
        return Agent(
            scripted_model(replies),
            workspace=tmp_path,
            journal=journal,
            tools=list(tools),
            skill=skill_from(work, name="work"),
            settings=StepSettings(thinking=None, undo=undo),
        )

    return made


class Once(BaseModel):
    amount: Annotated[int, AfterValidator(lambda euros: euros * 100)]


class Renamed(BaseModel):
    city: str = Field(default="nowhere", alias="City")


class Hidden(BaseModel):
    word: SecretStr
    left_out: str = Field(exclude=True)


@pytest.mark.parametrize(
    ("kind", "reply"),
    [(Once, {"amount": 5}), (Renamed, {"City": "Oslo"}), (Hidden, {"word": "hunter2", "left_out": "x"})],
)
def test_a_value_comes_back_as_it_was(agent: Callable[..., Agent], kind: type[BaseModel], reply: Any) -> None:
    seen = list[BaseModel]()

    async def work(context: Context) -> str:
        seen.append(await context.extract(kind, "Fill it in."))
        await context.ask("Go on?")
        return repr(seen[-1])

    waiting: Run = agent(work, replies=[reply]).run("go")
    done = agent(work).resume(waiting.id, "yes")
    assert (done.status, seen[0]) == (Status.DONE, seen[1])
    assert seen[0] == kind.model_validate(reply)


def test_what_is_kept_is_told_where_it_would_come_back_otherwise(agent: Callable[..., Agent]) -> None:
    async def work(context: Context) -> str:
        prefs = context.state(Renamed, "workflow")
        assert prefs.change(City="Oslo").city == "Oslo"
        assert prefs.change(city="Rome").city == "Rome"
        with pytest.raises(UsageError, match="cannot be kept"):
            context.state(Empty, "workflow").change(word="hunter2")
        return prefs.value.city

    class Empty(BaseModel):
        word: SecretStr = SecretStr("")

    assert agent(work).run("go").answer == "Rome"


class Prefs(BaseModel):
    city: str = "none"
    days: int = 0


def test_what_another_run_changed_meanwhile_stays(agent: Callable[..., Agent]) -> None:
    async def slow(context: Context) -> str:
        prefs = context.state(Prefs, "global")
        await context.ask("Go on?")
        return repr(prefs.change(days=3))

    async def quick(context: Context) -> str:
        return repr(context.state(Prefs, "global").change(city="Paris"))

    waiting = agent(slow).run("go")
    agent(quick).run("go")
    assert agent(slow).resume(waiting.id, "yes").answer == "Prefs(city='Paris', days=3)"


def damage(journal: Journal, run: str, kind: str, change: Change) -> None:
    """Change the last event of a kind in the file itself."""
    last = "rowid = (SELECT max(rowid) FROM event WHERE run = ? AND kind = ?)"
    with closing(sqlite3.connect(journal.path)) as file, file:
        [(body,)] = file.execute(f"SELECT CAST(body AS BLOB) FROM event WHERE {last}", (run, kind))
        file.execute(f"UPDATE event SET body = CAST(? AS TEXT) WHERE {last}", (change(body), run, kind))


DAMAGES: list[Change] = [lambda it: it[:-5], lambda it: it.replace(b"Oslo", b"Evil"), lambda it: b"\xff" + it]


@pytest.mark.parametrize("how", DAMAGES)
def test_what_a_damaged_run_kept_is_not_believed(agent: Callable[..., Agent], journal: Journal, how: Change) -> None:
    def keeping(city: str) -> Work:
        async def work(context: Context) -> str:
            prefs = context.state(Prefs, "global")
            before = prefs.value.city
            if city:
                prefs.change(city=city)
            return before

        return work

    first, second = agent(keeping("Rome")).run("go"), agent(keeping("Oslo")).run("go")
    damage(journal, second.id, "kept", how)
    assert agent(keeping("")).run("go").answer == "Rome"
    assert journal.keepers() == {first.id}


def test_a_probe_that_fails_is_no_word_that_nothing_was_done(agent: Callable[..., Agent], journal: Journal) -> None:
    def asked(key: str) -> str | None:
        if not ONLINE[0]:
            raise ConnectionError("the network is down")
        return "sent" if key in WORLD else None

    @tool(effect="probe", probe=asked)
    def send(key: str) -> str:
        """Send."""
        WORLD.append(key)
        return "sent"

    async def work(context: Context) -> str:
        return (await context.call("send", key="k")).text

    run = agent(work, [send]).run("go").id
    for event in journal.events(run)[2:]:  # killed when it had been sent, before that could be written down
        with closing(sqlite3.connect(journal.path)) as file, file:
            file.execute("DELETE FROM event WHERE run = ? AND number = ?", (run, event.number))
    ONLINE[0] = False
    with Journal(journal.path) as again:
        resumed = Agent(
            scripted_model([]), workspace=journal.path.parent, journal=again, tools=[send],
            skill=skill_from(work, name="work"), settings=StepSettings(thinking=None),
        )  # fmt: skip
        assert resumed.resume(run).status is Status.IN_DOUBT
        assert not [it for it in again.events(run) if isinstance(it.body, CallAnswered)]
        ONLINE[0] = True
        done = resumed.resume(run)
    assert (done.status, done.answer, WORLD) == (Status.DONE, "sent", ["k"])


def test_half_characters_end_no_run(agent: Callable[..., Agent], journal: Journal, tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("coffee", encoding="utf-8")
    from bridle.toolbox import TOOLBOX

    @tool(effect="pure")
    def fail() -> str:
        """Fail."""
        raise ToolError("no \udce9")

    async def work(context: Context) -> str:
        context.note("note \udce9")
        told = [(await context.call(name)).text for name in ("list_files", "fail")]
        said = await context.ask("Go on?")
        return f"{told} {said} \udce9"

    waiting = agent(work, [*TOOLBOX, fail]).run("go")
    done = agent(work, [*TOOLBOX, fail]).resume(waiting.id, "\udce9")
    assert done.status is Status.DONE
    with Journal(journal.path) as again:
        ended = again.events(done.id)[-1].body
        assert isinstance(ended, RunEnded)
        assert "caf" in str(ended.answer)
        assert "\\udce9" in str(ended.answer)
        assert again.verify(done.id) == ""


def test_arguments_that_are_no_json_end_the_run_and_nothing_else(agent: Callable[..., Agent]) -> None:
    @tool(effect="idempotent")
    def measure(x: float) -> str:
        """Measure."""
        WORLD.append(str(x))
        return "ok"

    async def work(context: Context) -> str:
        return (await context.call("measure", x=float("nan"))).text

    run = agent(work, [measure]).run("go")
    assert (run.status, WORLD) == (Status.FAILED, [])
    assert "cannot be written as JSON" in run.reason


def cancel(what: str) -> str:
    WORLD.remove(what)
    return "cancelled"


@tool(effect="unsafe", undo=cancel)
def book(what: str) -> str:
    """Book."""
    WORLD.append(what)
    return f"booked {what}"


@tool(effect="unsafe", undo=cancel)
def grab(what: str) -> object:
    """Book, and tell of it what nobody can write down."""
    WORLD.append(what)
    return object()


async def travel(context: Context) -> str:
    await context.call("book", what="flight")
    if await context.choose(["go", "fail"]) == "fail":
        raise ValueError("no hotel")
    await context.call("book", what="hotel")
    return "booked"


def test_what_was_done_is_taken_back_though_its_result_cannot_be_told(agent: Callable[..., Agent]) -> None:
    async def work(context: Context) -> str:
        seen = await context.call("grab", what="flight")
        assert "it was done, but" in seen.text
        raise ValueError("no hotel")

    assert agent(work, [grab], undo=True).run("go").status is Status.FAILED
    assert WORLD == []


def test_a_copy_does_anew_what_was_taken_back(agent: Callable[..., Agent], journal: Journal) -> None:
    failed = agent(travel, [book], ["fail"], undo=True).run("go")
    assert (failed.status, WORLD) == (Status.FAILED, [])
    copy = fork(journal, failed.id, "choose#1")
    assert agent(travel, [book], ["go"], undo=True).resume(copy).status is Status.DONE
    assert WORLD == ["flight", "hotel"]


def test_a_copy_that_fails_leaves_what_a_run_that_was_done_did(agent: Callable[..., Agent], journal: Journal) -> None:
    done = agent(travel, [book], ["go"], undo=True).run("go")
    copy = fork(journal, done.id, "choose#1")
    assert agent(travel, [book], ["fail"], undo=True).resume(copy).status is Status.FAILED
    assert WORLD == ["flight", "hotel"]


def test_a_copy_is_whole_or_not_there(agent: Callable[..., Agent], journal: Journal) -> None:
    done = agent(travel, [book], ["go"]).run("go")
    before = journal.everything()
    with closing(sqlite3.connect(journal.path)) as file, file:
        when = "BEFORE INSERT ON event WHEN new.number = 3"
        file.execute(f"CREATE TRIGGER full {when} BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    with pytest.raises(JournalError):
        fork(journal, done.id, "choose#1")
    assert journal.everything() == before


def test_a_copy_has_no_more_time_than_was_left(agent: Callable[..., Agent], journal: Journal) -> None:
    done = agent(travel, [book], ["go"]).run("go")
    copy = fork(journal, done.id, "call 2")
    own, its = journal.events(done.id), journal.events(copy)
    assert [it.at for it in its[1:]] == [it.at for it in own[1 : len(its)]]
    assert journal.runs(1)[0].run == copy


def test_a_run_that_went_on_is_not_listed_by_an_earlier_end(bridle: Any) -> None:
    from bridle import settings

    with Journal(settings.load().journal) as journal:
        started = RunStarted(
            task="pay", skill="react", model="colt", workspace=".", format="json", seed=1, version="0.1"
        )
        journal.append("r1", started)
        journal.append("r1", RunEnded(status=Status.BUDGET, steps=1, tokens=Tokens(), seconds=1.0))
        journal.append("r1", CallIntended(key="r1/1", tool="pay", args={}, effect="unsafe"))
        assert journal.runs()[0].status is Status.RUNNING
    assert "0 runs were taken out" in bridle("runs", "prune", "--keep", "0", "--days", "0", "--yes").out


def test_one_flipped_bit_hides_one_run(bridle: Any) -> None:
    from bridle import settings

    with Journal(settings.load().journal) as journal:
        for name in ("r1", "r2"):
            started = RunStarted(
                task=f"task of {name}", skill="react", model="colt", workspace=".", format="json", seed=1, version="0.1"
            )
            journal.append(name, started)
            journal.append(name, Noted(path="note", text="x"))
        damage(journal, "r1", "run.started", lambda it: it.replace(b"task of r1", b"t\xe1sk of r1"))
        assert {it.run for it in journal.runs()} == {"r1", "r2"}
        assert (journal.verify("r1"), journal.verify("r2")) == ("event 1 was changed", "")
    assert "task of r2" in bridle("runs", "list").out
    assert "r1: event 1 was changed" in bridle("runs", "verify").err


def test_a_cancellation_of_something_inside_is_a_mistake_of_its_own(agent: Callable[..., Agent]) -> None:
    async def give_up() -> None:
        inner = asyncio.ensure_future(asyncio.sleep(9))
        inner.cancel()
        await inner

    @tool(effect="pure")
    async def wait() -> str:
        """Wait."""
        await give_up()
        return "never"

    async def work(context: Context) -> str:
        seen = await context.call("wait")
        assert seen.text == "error: the tool raised CancelledError"
        await give_up()
        return "never"

    run = agent(work, [wait]).run("go")
    assert (run.status, run.reason) == (Status.FAILED, "CancelledError")
