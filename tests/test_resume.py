"""Runs that are cut off, wait, are done over, are copied: what was done is not done again, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import laws
from bridle.agent import Agent
from bridle.bounds import Astray, Limits
from bridle.card import Card, ThinkingCard
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.engine import scripted
from bridle.errors import UsageError
from bridle.evals.scripted import scripted_model
from bridle.fork import difference, fork
from bridle.how import StepSettings
from bridle.journal import Heard, Journal, RunEnded, Status, prompts
from bridle.model import Model
from bridle.replay import replay
from bridle.run import Run
from bridle.skill import Skill, read_skill, skill_from
from bridle.tool import CallKey, Service, Tool, tool
from bridle.toolbox import TOOLBOX
from crashes import Begun, Crash, Cut


class Form(BaseModel):
    """A few things."""

    color: Literal["red", "green"]
    count: Literal[1, 2, 3]


async def branch(context: Context) -> str:
    """A branch."""
    seen = await context.call("add_note", text=f"from {context.place}")
    return seen.text + await context.choose(["x", "y"], "Which?")


async def inner(context: Context) -> str:
    """What is given away."""
    await context.call("find_notes")
    return (await context.extract(Form, "Again.")).color


async def everything(context: Context) -> str:
    """Use every verb there is."""
    chosen = await context.choose(["a", "b"], "Which?")
    decided = await context.decide("Is it so?")
    await context.call("add_note", text="one")
    form = await context.extract(Form, "Fill it in.")
    vote = await context.vote(Form, 3, "Vote.")
    name = await context.ask("Who are you?")
    context.note("half of it")
    at_once = await context.parallel(branch, branch)
    given = await context.delegate(inner, "look")
    await context.call("add_note", text="two")
    left = await context.undo(context.bounds.calls[-1:])
    return f"{chosen} {decided.option} {form} {vote.value} {vote.share} {name} {at_once} {given} {left}"


EVERYTHING = skill_from(everything)


def random_model() -> Model:
    words = scripted.vocabulary()
    engine = scripted.engine(laws.random_script(words.size, 3), words, deterministic=True)
    return Model(engine, Card(name="random", thinking=ThinkingCard(budget=0)))


def agent(model: Model, folder: Path, journal: Journal, skill: Skill | str = EVERYTHING, **options: Any) -> Agent:
    options.setdefault("settings", StepSettings(thinking=None, seed=5, temperature=1.0))
    return Agent(model, workspace=folder, journal=journal, skill=skill, **options)


def notes(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "notes.db")) as found:
        return [str(row[0]) for row in found.execute("SELECT text FROM note")]


def person(question: str) -> str:
    return f"me, {len(question)}"


def test_a_run_cut_off_behind_any_write_comes_to_the_same_end(tmp_path: Path) -> None:
    """Its events are the same as if nothing had been, and so is the world."""
    path, folder = tmp_path / "journal.db", tmp_path / "work"
    with random_model() as model, Journal(path) as journal:
        folder.mkdir()
        whole = agent(model, folder, journal, answer=person).run("do it")
        assert whole.status is Status.DONE, whole.reason
        known = set(journal.names())
        count, noted = len(journal.events(whole.id)), notes(folder)
        assert count >= 25
        for cut in range(1, count):
            shutil.rmtree(folder)
            folder.mkdir()
            with Cut(path, cut) as cut_journal, pytest.raises(Crash):
                agent(model, folder, cut_journal, answer=person).run("do it")
            (run,) = set(journal.names()) - known
            known.add(run)
            assert len(journal.events(run)) == cut
            again = agent(model, folder, journal, answer=person).resume(run)
            assert (again.status, again.answer) == (Status.DONE, whole.answer), cut
            assert again.steps == whole.steps
            assert difference(journal, whole.id, run) == "", cut
            assert notes(folder) == noted, cut
            assert journal.verify(run) == ""
            laws.law_of_history(journal, run)


def test_what_is_done_is_not_taken_up(tmp_path: Path, journal: Journal) -> None:
    with random_model() as model:
        one = agent(model, tmp_path, journal, answer=person)
        run = one.run("do it")
        with pytest.raises(UsageError, match="is done"):
            one.resume(run.id)


def test_a_run_waits_for_a_person_as_long_as_it_takes(tmp_path: Path, journal: Journal) -> None:
    with random_model() as model:
        waiting = agent(model, tmp_path, journal).run("do it")
        assert (waiting.status, waiting.question) == (Status.PAUSED, "Who are you?")
        still = agent(model, tmp_path, journal).resume(waiting.id)
        assert (still.status, still.question) == (Status.PAUSED, "Who are you?")
        done = agent(model, tmp_path, journal).resume(waiting.id, "Bo")
    assert done.status is Status.DONE
    assert " Bo " in (done.answer or "")
    assert [it.body.text for it in journal.events(done.id) if isinstance(it.body, Heard)] == ["Bo"]
    assert notes(tmp_path)[0] == "one"


def test_a_skill_that_changed_is_not_gone_on_with(tmp_path: Path, journal: Journal) -> None:
    with random_model() as model:
        waiting = agent(model, tmp_path, journal).run("do it")
        with pytest.raises(UsageError, match="is not what it was"):
            agent(model, tmp_path, journal, skill=skill_from(inner, name="everything")).resume(waiting.id, "Bo")


@pytest.mark.parametrize("change", ["nothing", "its code", "its name"])
def test_nor_is_one_that_was_given_a_task_and_changed(tmp_path: Path, journal: Journal, change: str) -> None:
    folder = tmp_path / "helper"
    folder.mkdir()
    (folder / "SKILL.md").write_text("---\nname: helper\ndescription: Helps.\n---\n", encoding="utf-8")

    def helper(question: str) -> Skill:
        code = f"async def run(context):\n    return await context.ask({question!r})\n"
        (folder / "skill.py").write_text(code, encoding="utf-8")
        return read_skill(folder)

    helpers = [helper("Who?")]

    async def work(context: Context) -> str:
        """Give it away."""
        return await context.delegate(helpers[-1], "ask")

    with random_model() as model:
        one = agent(model, tmp_path, journal, skill=skill_from(work))
        waiting = one.run("do it")
        assert waiting.question == "Who?"
        if change == "its code":
            helpers.append(helper("Who? "))
        if change == "its name":
            helpers.append(skill_from(inner))
        if change == "nothing":
            assert one.resume(waiting.id, "Bo").answer == "Bo"
        else:
            with pytest.raises(Astray, match=r"is not what it was|goes to 'inner', and went to 'helper'"):
                one.resume(waiting.id, "Bo")


@pytest.mark.parametrize("change", ["question", "call", "arguments", "order"])
def test_a_run_that_goes_another_way_is_told_where(tmp_path: Path, journal: Journal, change: str) -> None:
    """And nothing is written: the record is as it was."""

    async def work(context: Context) -> str:
        """First one way, then another."""
        changed = len(journal.events(context.course.recorder.run)) > 1
        if change == "order" and changed:
            await context.call("add_note", text="one")
        await context.choose(["a", "b"], "What?" if changed and change == "question" else "Which?")
        if change != "order" or not changed:
            name = "find_notes" if changed and change == "call" else "add_note"
            await context.call(name, text="two" if changed and change == "arguments" else "one")
        return str(await context.ask("Who?"))

    skill = skill_from(work)
    with random_model() as model:
        waiting = agent(model, tmp_path, journal, skill=skill).run("do it")
        before = journal.events(waiting.id)
        with pytest.raises(Astray, match=r"goes another way at (choose#1|call 1)") as found:
            agent(model, tmp_path, journal, skill=skill).resume(waiting.id, "Bo")
    assert "fork" in found.value.hint
    assert journal.events(waiting.id) == before


def test_arguments_keep_their_order(tmp_path: Path, journal: Journal) -> None:
    """What the model reads of its own calls is letter by letter what it was, however the journal keeps keys."""
    booked = '{"tool": "add_event", "args": {"title": "lunch", "date": "2026-12-04", "time": "12:00"}}'
    with scripted_model([booked, '{"ask": "Is that all?"}', '{"answer": "Booked."}']) as model:
        one = agent(model, tmp_path, journal, skill="react")
        waiting = one.run("book lunch")
        assert waiting.status is Status.PAUSED
        done = one.resume(waiting.id, "yes")
    assert (done.status, done.answer) == (Status.DONE, "Booked.")
    assert list(done.calls[0].args) == ["title", "date", "time"]
    assert replay(journal, done.id, tools=TOOLBOX, catalogue=catalogue()) == ""


class World(Service):
    """What tools change: each call by its key, and how often it was begun."""

    def __init__(self) -> None:
        self.done: dict[str, int] = {}
        self.crash = False

    def act(self, key: str) -> None:
        self.done[key] = self.done.get(key, 0) + 1
        if self.crash:
            self.crash = False
            raise Crash


def remember(world: World, key: CallKey) -> str | None:
    """Whether it was done."""
    return "was done" if key.value in world.done else None


@tool(effect="probe", probe=remember)
def send(world: World, key: CallKey, text: str) -> str:
    """Send a text."""
    world.act(key.value)
    return f"sent {text}"


@tool(effect="unsafe")
def fire(world: World, key: CallKey) -> str:
    """Do what must not be done twice."""
    world.act(key.value)
    return "fired"


@tool(effect="pure")
def look(world: World, key: CallKey) -> str:
    """Look."""
    world.act(key.value)
    return "seen"


def caller(name: str, **args: str) -> Skill:
    async def work(context: Context) -> str:
        """Call once."""
        return (await context.call(name, **args)).text

    return skill_from(work)


def interrupted(tmp_path: Path, skill: Skill, tools: list[Tool], world: World, before: bool) -> str:
    """A run that was cut off in its call, before its effect or after."""
    kind = Begun if before else Journal
    with random_model() as model, kind(tmp_path / "journal.db") as journal:
        if before:
            with pytest.raises(Crash):
                agent(model, tmp_path, journal, skill=skill, tools=tools, services=[world]).run("go")
        else:
            world.crash = True
            run = agent(model, tmp_path, journal, skill=skill, tools=[_crashing(it) for it in tools], services=[world])
            with pytest.raises(Crash):
                asyncio.run(run.perform("go"))
    with Journal(tmp_path / "journal.db") as journal:
        return journal.find("last")


def _crashing(one: Tool) -> Tool:
    """A tool in which a crash is one of the process, not of the tool."""
    from dataclasses import replace

    async def call(**values: object) -> object:
        return one.function(**values)

    return replace(one, function=call)


@pytest.mark.parametrize("before", [True, False], ids=["before the effect", "after it"])
@pytest.mark.parametrize(("name", "args"), [("send", {"text": "hi"}), ("look", {}), ("fire", {})])
def test_a_call_of_which_nothing_is_known(tmp_path: Path, name: str, args: dict[str, str], before: bool) -> None:
    """What only looks is done again, the world is asked where it can be, and else a person."""
    world, tools = World(), [send, look, fire]
    skill = caller(name, **args)
    run = interrupted(tmp_path, skill, tools, world, before)
    with random_model() as model, Journal(tmp_path / "journal.db") as journal:

        def resume(answer: str | None = None) -> Run:
            return agent(model, tmp_path, journal, skill=skill, tools=tools, services=[world]).resume(run, answer)

        result = resume()
        (count,) = world.done.values() or (0,)
        if name == "send":
            assert count == 1
            assert result.answer == ("sent hi" if before else "was done")
        elif name == "look":
            assert result.answer == "seen"
        else:
            assert (result.status, count) == (Status.IN_DOUBT, 0 if before else 1)
            assert "Was it done?" in (result.question or "")
            result = resume("no" if before else "yes")
            assert result.status is Status.DONE
            assert list(world.done.values()) == [1]
        laws.law_of_history(journal, run)


def test_a_word_that_nothing_was_done_is_for_once(tmp_path: Path) -> None:
    """It was not done; the person says so; then it is, and the process is killed before that is written down."""
    world, skill = World(), caller("fire")
    run = interrupted(tmp_path, skill, [fire], world, before=True)
    with random_model() as model, Journal(tmp_path / "journal.db") as journal:
        world.crash = True
        crashing = agent(model, tmp_path, journal, skill=skill, tools=[_crashing(fire)], services=[world])
        with pytest.raises(UsageError, match="no question"):  # nobody was asked yet
            crashing.resume(run, "no")
        assert crashing.resume(run).status is Status.IN_DOUBT
        with pytest.raises(Crash):
            crashing.resume(run, "no")
        assert list(world.done.values()) == [1]
        again = agent(model, tmp_path, journal, skill=skill, tools=[fire], services=[world])
        assert again.resume(run).status is Status.IN_DOUBT
        assert again.resume(run, "yes").answer == "done"
        assert list(world.done.values()) == [1]
        laws.law_of_history(journal, run)
    with Journal(tmp_path / "journal.db") as journal:
        assert replay(journal, run, tools=[fire], catalogue=catalogue(), skill=skill) == ""


def test_a_replay_needs_no_model_and_no_tool(tmp_path: Path, journal: Journal) -> None:
    with random_model() as model:
        whole = agent(model, tmp_path, journal, answer=person).run("do it")
        waiting = agent(model, tmp_path, journal).run("do it")
    before = notes(tmp_path), journal.events(whole.id)
    shelf = catalogue()
    assert replay(journal, whole.id, tools=TOOLBOX, catalogue=shelf, skill=EVERYTHING) == ""
    assert replay(journal, waiting.id, tools=TOOLBOX, catalogue=shelf, skill=EVERYTHING) == ""
    assert before == (notes(tmp_path), journal.events(whole.id))


@pytest.mark.parametrize("replies", [['{"answer": "ok"}'], ["nonsense"] * 9], ids=["done", "failed"])
def test_a_run_of_a_shipped_skill_replays(tmp_path: Path, journal: Journal, replies: list[str]) -> None:
    settings = StepSettings(constrain=False)
    with scripted_model(replies) as model:
        run = agent(model, tmp_path, journal, skill="react", settings=settings).run("say ok")
    assert replay(journal, run.id, tools=TOOLBOX, catalogue=catalogue()) == ""


def test_a_replay_tells_what_is_not_as_it_was(tmp_path: Path, journal: Journal) -> None:
    said = ["one"]

    async def work(context: Context) -> str:
        """Say something."""
        await context.choose(["a", "b"], "Which?")
        if said[0] == "two":
            return "two"
        await context.choose(["a", "b"], "And now?")
        return said[0]

    skill = skill_from(work)
    with random_model() as model:
        run = agent(model, tmp_path, journal, skill=skill).run("go").id
    assert replay(journal, run, tools=(), catalogue=catalogue(), skill=skill) == ""
    said[0] = "three"
    assert "its answer is 'three'" in replay(journal, run, tools=(), catalogue=catalogue(), skill=skill)
    said[0] = "two"
    assert "step choose#2" in replay(journal, run, tools=(), catalogue=catalogue(), skill=skill)


@tool(name="add_note", effect="pure")
def add_nothing(text: str) -> str:
    """Save a note, as far as its reader can tell."""
    return f"saved {text}"


@tool(name="find_notes", effect="pure")
def find_nothing() -> str:
    """Find notes."""
    return "nothing"


def test_a_fork_with_nothing_changed_is_the_same_run(tmp_path: Path, journal: Journal) -> None:
    tools = [add_nothing, find_nothing]
    with random_model() as model:
        whole = agent(model, tmp_path, journal, answer=person, tools=tools).run("do it")
        events = journal.events(whole.id)
        for event in events[1:-1]:
            copy = fork(journal, whole.id, str(event.number))
            again = agent(model, tmp_path, journal, answer=person, tools=tools).resume(copy)
            assert again.answer == whole.answer, event
            assert difference(journal, whole.id, copy) == "", event
            assert journal.verify(copy) == ""


def test_a_fork_goes_on_from_what_was_changed(tmp_path: Path, journal: Journal) -> None:
    with random_model() as model:
        whole = agent(model, tmp_path, journal, answer=person).run("do it")
        copy = fork(journal, whole.id, "ask#1", said="somebody else")
        again = agent(model, tmp_path, journal, answer=person).resume(copy)
        assert "somebody else" in (again.answer or "")
        assert difference(journal, whole.id, copy).startswith("event ")
        other = fork(journal, whole.id, "call 1", result="Saved note 99")
        assert agent(model, tmp_path, journal, answer=person).resume(other).calls[0].result == "Saved note 99"


def test_a_copy_of_a_run_that_had_waited_is_the_same_run(tmp_path: Path, journal: Journal) -> None:
    """The end that was none is left out of it, and prompts that are told by what is new in them still tell all."""
    with random_model() as model:
        waiting = agent(model, tmp_path, journal).run("do it")
        whole = agent(model, tmp_path, journal, answer=person).resume(waiting.id)
        copy = fork(journal, whole.id, str(len(journal.events(whole.id))))
        again = agent(model, tmp_path, journal, answer=person).resume(copy)
    assert again.answer == whole.answer
    assert difference(journal, whole.id, copy) == ""
    assert list(prompts(journal.events(copy)).values()) == list(prompts(journal.events(whole.id)).values())


def test_a_copy_can_be_told_something(tmp_path: Path, journal: Journal) -> None:
    """At one step; the record holds it, and it replays."""
    replies = ['{"tool": "add_note", "args": {"text": "hi"}}', '{"answer": "noted"}', '{"answer": "NOTED"}']
    with scripted_model(replies) as model:
        one = agent(model, tmp_path, journal, skill="react", settings=StepSettings(thinking=None))
        run = one.run("note hi")
        copy = fork(journal, run.id, "act#2", prompt="Answer in capitals.")
        again = one.resume(copy)
    assert again.answer == "NOTED"
    shown = prompts(journal.events(copy))
    assert [it.text.count("Answer in capitals.") for it in shown.values()] == [0, 1]
    assert replay(journal, copy, tools=TOOLBOX, catalogue=catalogue()) == ""


def test_a_copy_takes_back_what_was_done_before_it_was_made(tmp_path: Path, journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Note something, and take it back."""
        await context.call("add_note", text="one")
        await context.ask("Shall it stay?")
        return f"{len(await context.undo(context.bounds.calls))} left"

    with random_model() as model:
        one = agent(model, tmp_path, journal, skill=skill_from(work))
        waiting = one.run("do it")
        copy = fork(journal, waiting.id, str(len(journal.events(waiting.id))))
        assert notes(tmp_path) == ["one"]
        assert one.resume(copy).status is Status.PAUSED
        assert one.resume(copy, "no").answer == "0 left"
    assert notes(tmp_path) == []


def test_a_call_that_was_cut_off_is_made_anew_in_a_copy(tmp_path: Path) -> None:
    world, skill = World(), caller("send", text="hi")
    run = interrupted(tmp_path, skill, [send], world, before=True)
    with random_model() as model, Journal(tmp_path / "journal.db") as journal:
        agent(model, tmp_path, journal, skill=skill, tools=[send], services=[world]).resume(run)
        last = str(len(journal.events(run)))
        copy = fork(journal, run, "3")  # behind the intent, before the answer
        assert [it.body.kind for it in journal.events(copy)] == ["run.started"]
        done = agent(model, tmp_path, journal, skill=skill, tools=[send], services=[world]).resume(copy)
        assert done.answer == "sent hi"
        assert int(last) > 3
        assert len(world.done) == 2


@pytest.mark.parametrize(
    ("at", "options", "complaint"),
    [
        ("act#9", {}, "has no place act#9; there are: choose#1"),
        ("1", {}, "has no place 1"),
        ("choose#1", {"result": "x"}, "is not a call"),
        ("call 1", {"said": "x"}, "is not a question"),
        ("call 1", {"prompt": "x"}, "is not a step"),
    ],
)
def test_a_fork_that_cannot_be(tmp_path: Path, journal: Journal, at: str, options: Any, complaint: str) -> None:
    with random_model() as model:
        whole = agent(model, tmp_path, journal, answer=person).run("do it")
    count = journal.count()
    with pytest.raises(UsageError, match=complaint):
        fork(journal, whole.id, at, **options)
    assert journal.count() == count


def test_where_two_runs_part(tmp_path: Path, journal: Journal) -> None:
    def say(*texts: str) -> str:
        with scripted_model(list(texts)) as model:
            return agent(model, tmp_path, journal, skill="chat").run("hello").id

    one, same, other = say("good day"), say("good day"), say("good evening")
    assert difference(journal, one, same) == ""
    assert "what was written: 'good day' and 'good evening'" in difference(journal, one, other)


def test_limits_hold_over_all_of_a_run(tmp_path: Path, journal: Journal) -> None:
    """What was spent before it was cut off counts."""
    with random_model() as model:
        waiting = agent(model, tmp_path, journal).run("do it")

        def ends(steps: int, answer: str | None = None) -> Run:
            return agent(model, tmp_path, journal, limits=Limits(steps=steps)).resume(waiting.id, answer)

        stopped = ends(waiting.steps, "Bo")
        assert (stopped.status, stopped.reason) == (Status.BUDGET, f"it took {waiting.steps} steps")
        more = ends(40)
    assert more.status is Status.DONE
    assert isinstance(journal.events(waiting.id)[-1].body, RunEnded)


def test_nothing_is_lost_or_done_twice_when_processes_are_killed() -> None:
    """A short go of the benchmark that kills thousands."""
    script = Path(__file__).resolve().parents[1] / "benchmarks" / "kills.py"
    if not script.is_file():
        pytest.skip("an installed Bridle has no benchmarks")
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "25", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] >= 25
    assert told["runs"] > 1
