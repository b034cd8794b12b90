"""A run that comes to nothing is taken back, whatever happens to the process meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import laws
from bridle.agent import Agent
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.errors import BridleError, JournalError, SkillError, ToolError
from bridle.evals.scripted import scripted_model
from bridle.fork import difference
from bridle.how import StepSettings
from bridle.journal import Journal, Noted, RunAborted, RunEnded, Status, UndoIntended
from bridle.replay import replay
from bridle.skill import read_skill, require, skill_from
from bridle.tool import CallKey, Service, Tool, tool
from bridle.toolbox import TOOLBOX
from bridle.toolbox.workspace import Workspace
from crashes import Begun, Crash, Cut

Work = Callable[[Context], Awaitable[str]]


class Shop(Service):
    """What was sold, by the keys of the calls."""

    def __init__(self) -> None:
        self.sold: dict[str, str] = {}


def take(shop: Shop, key: CallKey) -> str:
    """Take something back."""
    shop.sold.pop(key.value, None)
    return "taken back"


@tool(effect="idempotent", undo=take)
def sell(shop: Shop, key: CallKey, what: str) -> str:
    """Sell something."""
    shop.sold[key.value] = what
    return f"sold {what}"


@tool(effect="unsafe")
def shout(what: str) -> str:
    """Say something aloud."""
    return what


TOOLS = [*TOOLBOX, sell, shout]


def agent(journal: Journal, folder: Path, shop: Shop, work: Work, tools: Sequence[Tool] = TOOLS, **how: Any) -> Agent:
    return Agent(
        scripted_model([]),
        workspace=folder,
        journal=journal,
        tools=tools,
        services=[shop],
        skill=skill_from(work, name="works"),
        settings=StepSettings(thinking=None, undo=True),
        **how,
    )


def maybe(question: str) -> str:
    return "perhaps"


async def inner(context: Context) -> str:
    """Sell what is handed over."""
    return (await context.call("sell", what="inside")).text


async def comes_to_nothing(context: Context) -> str:
    """Do a few things, and then fail."""
    await context.call("write_file", path="old.txt", content="new")
    await context.call("sell", what="a boat")
    await context.delegate(inner, "go on")
    await context.parallel(inner, inner)
    await context.call("write_file", path="new.txt", content="new")
    await context.undo(context.bounds.calls[1:2])
    raise ToolError("it cannot be done")


def test_what_is_taken_back_is_taken_back_to_the_end(tmp_path: Path) -> None:
    """A process that is killed behind any write leaves nothing of a run that failed, once the run is resumed."""
    folder, path = tmp_path / "work", tmp_path / "journal.db"

    def begin() -> Shop:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "old.txt").write_text("old", encoding="utf-8")
        return Shop()

    def is_clean(shop: Shop) -> bool:
        names = sorted(it.name for it in folder.iterdir() if not it.name.startswith("."))
        return names == ["old.txt"] and (folder / "old.txt").read_text(encoding="utf-8") == "old" and not shop.sold

    with Journal(path) as journal:
        shop = begin()
        whole = agent(journal, folder, shop, comes_to_nothing).run("go")
        assert whole.reason == "it cannot be done; what was done is taken back"
        assert is_clean(shop)
        count, known = len(journal.events(whole.id)), set(journal.names())
        for cut in range(1, count):
            shop = begin()
            with Cut(path, cut) as cut_journal, pytest.raises(Crash):
                agent(cut_journal, folder, shop, comes_to_nothing).run("go")
            (run,) = set(journal.names()) - known
            known.add(run)
            again = agent(journal, folder, shop, comes_to_nothing).resume(run)
            assert (again.status, again.reason, again.steps) == (Status.FAILED, whole.reason, whole.steps), cut
            assert is_clean(shop), cut
            assert difference(journal, whole.id, run) == "", cut
            laws.law_of_history(journal, run)
            skill = skill_from(comes_to_nothing, name="works")
            assert replay(journal, run, tools=TOOLS, catalogue=catalogue(), skill=skill) == "", cut


def test_a_run_that_was_being_taken_back_does_nothing_anew(tmp_path: Path) -> None:
    """Even where its skill would not fail any more; and what nothing takes back is named."""
    shop, path, works = Shop(), tmp_path / "journal.db", [False]

    @require(lambda context: not works[0], "it is over")
    async def work(context: Context) -> str:
        """Fail at first."""
        await context.call("sell", what="a boat")
        await context.call("shout", what="sold")
        if not works[0]:
            raise ToolError("it cannot be done")
        await context.call("sell", what="two boats")
        return "fine"

    with Cut(path, 6) as cut_journal, pytest.raises(Crash):
        agent(cut_journal, tmp_path, shop, work).run("go")
    works[0] = True
    with Journal(path) as journal:
        run = journal.find("last")
        assert isinstance(journal.events(run)[-1].body, RunAborted)
        without = [it for it in TOOLS if it.name != "shout"]
        end = agent(journal, tmp_path, shop, work, without).resume(run)
        assert end.status is Status.FAILED
        assert end.reason.endswith("taken back; this stays: shout, whose tool is not at hand")
        assert shop.sold == {}
        kinds = [type(it.body) for it in journal.events(run)]
        assert kinds.count(UndoIntended) == 1
        assert kinds[-1] is RunEnded


def test_what_is_put_back_twice_is_put_back_once(tmp_path: Path) -> None:
    """Wherever the first time was stopped."""
    workspace, file = Workspace(tmp_path), tmp_path / "a.txt"
    for number, before in enumerate([None, b"before"]):
        file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)
        key = str(number)
        workspace.keep(key, "a.txt", b"after")
        file.write_bytes(b"after")
        workspace.put_back(key, "a.txt", b"after")
        workspace.put_back(key, "a.txt", b"after")
        assert (file.read_bytes() if file.exists() else None) == before
        file.write_bytes(b"later")
        workspace.put_back(key, "a.txt", b"after")
        assert file.read_bytes() == b"later"
    file.write_bytes(b"before")
    workspace.keep("stopped", "a.txt", b"after")
    workspace.put_back("stopped", "a.txt", b"after")  # stopped behind the write, before it was told
    file.write_bytes(b"before")
    workspace.keep("changed", "a.txt", b"after")
    file.write_bytes(b"by somebody else")
    with pytest.raises(ToolError, match="was changed since"):
        workspace.put_back("changed", "a.txt", b"after")


def test_who_lost_a_run_to_another_machine_takes_nothing_back(tmp_path: Path, journal: Journal) -> None:
    """Whatever its skill puts up with: there, no lock holds."""
    shop = Shop()

    async def work(context: Context) -> str:
        """Put up with everything, and clean up."""
        try:
            await context.call("sell", what="a boat")
            await context.ask("May I go on?")
            context.note("so I do")
        except BridleError as error:
            await context.undo(context.bounds.calls)
            raise error from None
        return "fine"

    def meanwhile(question: str) -> str:
        with Journal(journal.path) as other:
            other.append(journal.find("last"), Noted(path="note#9", text="I went on"))
        return "yes"

    with pytest.raises(JournalError, match="somebody else went on"):
        agent(journal, tmp_path, shop, work, answer=meanwhile).run("go")
    assert list(shop.sold.values()) == ["a boat"]


def test_a_person_who_does_not_answer_is_not_asked_for_ever(tmp_path: Path) -> None:
    shop = Shop()

    async def work(context: Context) -> str:
        """Say it."""
        return (await context.call("shout", what="x")).text

    with Begun(tmp_path / "journal.db") as crashing, pytest.raises(Crash):
        agent(crashing, tmp_path, shop, work).run("go")
    with Journal(tmp_path / "journal.db") as journal:
        vague = agent(journal, tmp_path, shop, work, answer=maybe)
        for _ in range(2):
            assert vague.resume(journal.find("last")).status is Status.IN_DOUBT
        sure = agent(journal, tmp_path, shop, work).resume(journal.find("last"), "yes")
        assert (sure.status, sure.answer) == (Status.DONE, "done")


def test_steps_that_changed_since_they_were_read_are_not_carried_out(tmp_path: Path) -> None:
    (tmp_path / "SKILL.md").write_text("---\nname: it\ndescription: it\n---\n", encoding="utf-8")
    steps = tmp_path / "steps.yaml"
    steps.write_text("steps:\n  - answer: one\n", encoding="utf-8")
    skill = read_skill(tmp_path)
    steps.write_text("steps:\n  - answer: two\n", encoding="utf-8")
    with pytest.raises(SkillError, match="is not what it was"):
        skill.load()
