"""What skills keep, how a run stands, a person who is asked before a run fails, and steps that are taken once more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

import laws
from bridle.agent import Agent
from bridle.anew import take_anew
from bridle.bounds import Limits
from bridle.card import Card, ThinkingCard
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.engine import scripted
from bridle.errors import JournalError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.fork import fork
from bridle.how import StepSettings
from bridle.journal import CallAnswered, Journal, Kept, Status, StepFailed, StepTaken
from bridle.model import Model
from bridle.observe.standing import state_of
from bridle.replay import replay
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import tool

Work = Callable[[Context], Awaitable[str]]


class Preferences(BaseModel):
    currency: str = "EUR"
    seats: int = Field(default=1, ge=1)


class Trip(BaseModel):
    city: str = ""
    nights: int = 0


class Needed(BaseModel):
    who: str


@tool(effect="pure")
def read_page(page: str) -> str:
    """Read a page."""
    return "anything"


COUNTED = list[str]()


@tool(effect="pure", cache=30)
def count(name: str) -> int:
    """Count something."""
    COUNTED.append(name)
    return len(COUNTED)


def _tear_down(text: str) -> str:
    COUNTED.append(f"tear {text}")
    return ""


@tool(effect="idempotent", undo=_tear_down)
def put_up(text: str) -> str:
    """Put something up."""
    COUNTED.append(f"put {text}")
    return "up"


@tool(effect="unsafe")
def shout(text: str) -> str:
    """Cannot be taken back."""
    return "heard"


@tool(effect="pure")
def broken(page: str) -> str:
    """Never works."""
    raise ValueError("no")


TOOLS = [read_page, count, put_up, shout, broken]


def run(journal: Journal, folder: Path, skill: Work, replies: list[Any] | None = None, **settings: Any) -> Run:
    answer = settings.pop("answer", None)
    with scripted_model([json.dumps(it) for it in replies or []]) as model:
        agent = Agent(
            model,
            workspace=folder,
            journal=journal,
            tools=TOOLS,
            skill=skill_from(skill, name="works"),
            settings=StepSettings(thinking=None, **settings),
            answer=answer,
        )
        result = agent.run("go")
    laws.law_of_history(journal, result.id)
    again: dict[str, Any] = {
        "tools": TOOLS,
        "catalogue": catalogue(),
        "skill": skill_from(skill, name="works"),
    }
    assert replay(journal, result.id, **again) == ""
    return result


def test_layers_last_as_long_as_they_say(tmp_path: Path, journal: Journal) -> None:
    seen = list[Any]()

    async def inner(context: Context) -> str:
        """Look, and change."""
        seen.append((context.state(Trip).value.city, context.state(Trip, "task").value.nights))
        context.state(Trip).change(nights=3)
        context.state(Trip, "task").change(nights=9)
        return ""

    async def work(context: Context) -> str:
        """Keep things."""
        seen.append(context.state(Preferences, "global").value.currency)
        context.state(Preferences, "global").change(currency="NOK")
        trip, own = context.state(Trip), context.state(Trip, "task")
        trip.change(city="Oslo")
        own.change(nights=1)
        await context.delegate(inner, "look")
        seen.append((trip.value.nights, own.value.nights))
        return "done"

    first = run(journal, tmp_path, work)
    assert first.answer == "done", first.reason
    assert seen[:3] == ["EUR", ("Oslo", 0), (3, 1)]
    seen.clear()
    run(journal, tmp_path, work)
    assert seen[0] == "NOK"
    state = state_of(journal.events(first.id)).model_dump(mode="json", by_alias=True)
    assert state["global"]["preferences"] == {"Preferences": {"currency": "NOK", "seats": 1}}
    assert state["workflow"]["kept"] == {"Trip": {"city": "Oslo", "nights": 3}}
    assert {place: it["kept"] for place, it in state["tasks"].items()} == {
        "": {"Trip": {"city": "", "nights": 1}},
        "delegate#1": {"Trip": {"city": "", "nights": 9}},
    }


def test_what_was_read_goes_with_what_is_kept(tmp_path: Path, journal: Journal) -> None:
    """Into the next run as well: a preference that a web page could have written is no word of the person's."""

    async def keeps(context: Context) -> str:
        """Read, and keep."""
        await context.call("read_page", page="x")
        context.state(Preferences, "global").change(currency="XXX")
        return ""

    async def reads(context: Context) -> str:
        """Look."""
        assert not context.sources
        return context.state(Preferences, "global").value.currency + str(sorted(context.sources))

    run(journal, tmp_path, keeps)
    assert run(journal, tmp_path, reads).answer == "XXX['read_page']"


def test_what_is_kept_for_all_is_said_once(tmp_path: Path, journal: Journal) -> None:
    """Neither reading it nor copying a run says it anew."""

    async def keeps(context: Context) -> str:
        """Keep, then ask nobody."""
        context.state(Preferences, "global").change(seats=2)
        return await context.choose(["a", "b"])

    async def later(context: Context) -> str:
        """Keep something else."""
        context.state(Preferences, "global").change(seats=5)
        return ""

    old = run(journal, tmp_path, keeps, ["a"])
    assert journal.keepers() == {old.id}
    new = run(journal, tmp_path, later)
    fork(journal, old.id, "choose#1")
    assert (kept := journal.kept("Preferences")) is not None
    assert kept.value["seats"] == 5
    assert journal.keepers() == {new.id}


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        (Preferences, {"seats": 0}, "this is no Preferences: seats"),
        (Preferences, {"seats": "many"}, "this is no Preferences: seats"),
        (Needed, None, "this is no Needed: who"),
    ],
)
def test_what_does_not_fit_is_not_kept(
    tmp_path: Path, journal: Journal, kind: type[BaseModel], changes: dict[str, Any] | None, why: str
) -> None:
    async def work(context: Context) -> str:
        """Try."""
        context.state(kind).change(**changes or {})
        return ""

    result = run(journal, tmp_path, work)
    assert result.reason.startswith(why)
    assert not [it for it in journal.events(result.id) if isinstance(it.body, Kept)]


def test_a_run_that_is_taken_up_keeps_what_it_had(tmp_path: Path, journal: Journal) -> None:
    """Though others changed what is kept for all since."""
    seen = list[int]()

    async def work(context: Context) -> str:
        """Look, ask, look."""
        seen.append(context.state(Preferences, "global").value.seats)
        await context.ask("Well?")
        return str(context.state(Preferences, "global").value.seats)

    async def change(context: Context) -> str:
        """Change it."""
        context.state(Preferences, "global").change(seats=seats)
        return ""

    seats = 4
    run(journal, tmp_path, change)
    waiting = run(journal, tmp_path, work)
    seats = 7
    run(journal, tmp_path, change)
    with scripted_model([]) as model:
        agent = Agent(model, workspace=tmp_path, journal=journal, skill=skill_from(work, name="works"),
                      tools=TOOLS, settings=StepSettings(thinking=None))  # fmt: skip
        assert agent.resume(waiting.id, "on").answer == "4"
    assert set(seen) == {4}


def test_branches_see_again_what_they_saw(tmp_path: Path, journal: Journal) -> None:
    """When the run is taken up nothing takes time any more, and the one that was slow would be the first."""
    seen = list[str]()
    ready = asyncio.Event()

    async def slow(context: Context) -> str:
        """Change something late."""
        await asyncio.wait_for(ready.wait(), 5)
        context.state(Trip).change(city="Rome")
        return ""

    async def quick(context: Context) -> str:
        """Look before and after."""
        before = context.state(Trip).value.city
        ready.set()
        await asyncio.sleep(0.05)
        seen.append(f"{before}, {context.state(Trip).value.city}")
        return ""

    async def work(context: Context) -> str:
        """Do both, then ask."""
        context.state(Trip).change(city="Oslo")
        await context.parallel(slow, quick)
        return str(await context.ask("Well?"))

    waiting = run(journal, tmp_path, work)
    ready.set()
    with scripted_model([]) as model:
        agent = Agent(model, workspace=tmp_path, journal=journal, skill=skill_from(work, name="works"),
                      tools=TOOLS, settings=StepSettings(thinking=None))  # fmt: skip
        assert agent.resume(waiting.id, "on").answer == "on"
    assert set(seen) == {"Oslo, Rome"}
    assert state_of(journal.events(waiting.id)).workflow.kept == {"Trip": {"city": "Rome", "nights": 0}}


async def acts(context: Context) -> str:
    """Act until there is an answer."""
    while True:
        action = await context.act()
        if not hasattr(action, "tool"):
            return str(getattr(action, "text", ""))
        await context.call(action)  # pyright: ignore[reportArgumentType, reportCallIssue]


FAILS = {"tool": "broken", "args": {"page": "x"}}


def test_a_person_is_asked_before_a_run_fails(tmp_path: Path, journal: Journal) -> None:
    asked = list[str]()

    def person(question: str) -> str:
        asked.append(question)
        return "give up"

    replies = [FAILS] * 3 + [{"answer": "I gave up"}]
    assert run(journal, tmp_path, acts, replies).status is Status.FAILED
    done = run(journal, tmp_path, acts, replies, hand_over=True, answer=person)
    assert (done.status, done.answer) == (Status.DONE, "I gave up")
    assert asked[0].startswith("I cannot go on: the call broken came to the same result 3 times")
    assert "The task: go. Nothing was done yet. What now?" in asked[0]
    assert done.messages[-2].content == "give up"


def test_a_step_that_came_to_nothing_is_handed_over_once(tmp_path: Path, journal: Journal) -> None:
    """On another day the person's word is the next thing: the step is not tried again."""
    settings = StepSettings(thinking=None, constrain=False, retries=0, hand_over=True)
    kept: dict[str, Any] = {"workspace": tmp_path, "journal": journal, "tools": [read_page], "settings": settings,
                            "skill": skill_from(acts, name="works")}  # fmt: skip
    with scripted_model(["nonsense"]) as model:
        waiting = Agent(model, **kept).run("go")
    assert waiting.status is Status.PAUSED
    assert "What now?" in (waiting.question or "")
    with scripted_model([json.dumps({"answer": "fine"})]) as model:
        done = Agent(model, **kept).resume(waiting.id, "just say fine")
    assert (done.status, done.answer) == (Status.DONE, "fine")
    bodies = [it.body for it in journal.events(done.id)]
    assert [it.path for it in bodies if isinstance(it, StepFailed)] == ["act#1"]
    assert [it.path for it in bodies if isinstance(it, StepTaken)] == ["act#1", "act#2"]
    assert replay(journal, done.id, tools=[read_page], catalogue=catalogue(), skill=kept["skill"]) == ""


def test_how_a_run_stands(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Ask."""
        await context.choose(["a"])
        return str(await context.ask("Which day?"))

    waiting = run(journal, tmp_path, work, ["a"])
    state = state_of(journal.events(waiting.id))
    assert (state.workflow.objective, state.workflow.status) == ("go", Status.PAUSED)
    assert state.workflow.pending == ["Which day?"]
    steps = state.workflow.budgets["steps"]
    assert (steps.spent, steps.limit) == (1, 20)
    assert state.tasks[""].skill == "works"
    with pytest.raises(JournalError, match="no beginning"):
        state_of(journal.events(waiting.id)[1:])


def _random(seed: int) -> Model:
    words = scripted.vocabulary()
    engine = scripted.engine(laws.random_script(words.size, seed), words, deterministic=True)
    return Model(engine, Card(name="random", thinking=ThinkingCard(budget=0)))


async def chooses(context: Context) -> str:
    """Choose, call, choose."""
    first = await context.choose(["left", "right", "on"], "Where to?")
    await context.call("read_page", page=first)
    return first + await context.choose(["up", "down"], "And then?") + await context.reply("Say it.", tokens=12)


@pytest.mark.parametrize(("temperature", "seed", "chance"), [(0.0, None, 0), (1.0, 5, 0), (1.0, None, 3)])
def test_steps_are_taken_again(
    tmp_path: Path, journal: Journal, temperature: float, seed: int | None, chance: int
) -> None:
    skill = skill_from(chooses, name="works")
    settings = StepSettings(thinking=None, temperature=temperature, seed=seed)
    again: dict[str, Any] = {"tools": [read_page], "catalogue": catalogue(), "skill": skill}
    with _random(1) as model:
        made = Agent(model, workspace=tmp_path, journal=journal, tools=[read_page], skill=skill, settings=settings,
                     limits=Limits(step_tokens=40)).run("go")  # fmt: skip
    assert made.status is Status.DONE, made.reason
    count = len(journal.events(made.id))
    with _random(1) as same:
        found = take_anew(journal, made.id, same, **again)
    assert [it.path for it in found] == ["choose#1", "choose#2", "reply#1"]
    assert [it.parts for it in found] == [""] * 3
    assert sum(it.chance for it in found) == chance
    assert all(it.drift == 0 for it in found)
    if chance:
        return
    parted = list[str]()
    for other in range(2, 8):
        with _random(other) as otherwise:
            parted += [it.parts for it in take_anew(journal, made.id, otherwise, **again)]
    assert any("then, " in it for it in parted), "other weights say something else"
    assert len(journal.events(made.id)) == count, "nothing is written"


def test_a_run_that_fails_is_taken_back(tmp_path: Path, journal: Journal) -> None:
    """The last first; what nothing takes back is named; and it is not gone on with."""

    async def work(context: Context) -> str:
        """Do things, and fail."""
        for text in ("a", "b"):
            await context.call("put_up", text=text)
        await context.call("shout", text="x")
        raise ValueError("a bug")

    COUNTED.clear()
    result = run(journal, tmp_path, work, undo=True)
    assert COUNTED == ["put a", "put b", "tear b", "tear a"]
    assert result.reason == "ValueError: a bug; what was done is taken back; this stays: shout"
    with scripted_model([]) as model, pytest.raises(UsageError, match="was taken back"):
        Agent(model, workspace=tmp_path, journal=journal, tools=TOOLS, skill=skill_from(work, name="works")).resume(
            result.id
        )
    COUNTED.clear()
    assert run(journal, tmp_path, work).reason == "ValueError: a bug"
    assert COUNTED == ["put a", "put b"]


def test_a_run_that_is_stopped_is_taken_back(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Do something, and wait."""
        await context.call("put_up", text="a")
        waits.set()
        await asyncio.sleep(60)
        return ""

    async def stopped() -> None:
        with scripted_model([]) as model:
            agent = Agent(model, workspace=tmp_path, journal=journal, tools=TOOLS, skill=skill_from(work),
                          settings=StepSettings(thinking=None, undo=True))  # fmt: skip
            doing = asyncio.create_task(agent.perform("go"))
            await waits.wait()
            doing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await doing

    waits = asyncio.Event()
    COUNTED.clear()
    asyncio.run(stopped())
    assert COUNTED == ["put a", "tear a"]
    assert journal.runs(1)[0].status is Status.CANCELLED


def test_what_only_looks_may_be_looked_up(tmp_path: Path, journal: Journal) -> None:
    """As long as nothing happened in between."""

    async def work(context: Context) -> str:
        """Count."""
        seen = [(await context.call("count", name=name)).value for name in ("a", "b", "a")]
        await context.call("put_up", text="x")
        return str([*seen, (await context.call("count", name="a")).value])

    COUNTED.clear()
    result = run(journal, tmp_path, work)
    assert result.answer == "[1, 2, 1, 4]"
    answered = [it.body for it in journal.events(result.id) if isinstance(it.body, CallAnswered)]
    assert [it.cached for it in answered] == [False, False, True, False, False]


def test_what_was_taken_back_changed_something(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Count between doing something and taking it back."""
        await context.call("put_up", text="x")
        seen = [(await context.call("count", name="a")).value for _ in range(2)]
        await context.undo(context.bounds.calls)
        return str([*seen, (await context.call("count", name="a")).value])

    COUNTED.clear()
    assert run(journal, tmp_path, work).answer == "[2, 2, 4]"


def test_what_does_something_is_not_looked_up() -> None:
    with pytest.raises(UsageError, match="not kept"):
        tool(effect="idempotent", cache=1)(lambda: None)
