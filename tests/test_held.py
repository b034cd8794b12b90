"""A run is one worker's, and its record is believed only while it is as it was written."""

# pyright: reportUnknownMemberType=false
# The types of apsw mention one that it does not export.

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from bridle.agent import Agent
from bridle.context import Context
from bridle.errors import JournalError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.fork import fork
from bridle.how import StepSettings
from bridle.journal import CallIntended, Journal, Status
from bridle.journal.export import own_key
from bridle.observe.why import suspects
from bridle.policy import Policy
from bridle.skill import skill_from
from bridle.tool import tool

PAID = list[float]()


@tool(effect="unsafe")
def pay(amount: float) -> str:
    """Pay."""
    PAID.append(amount)
    return "paid"


async def pays(context: Context) -> str:
    """Pay."""
    return (await context.call("pay", amount=1.0)).text


def payer(journal: Journal, folder: Path, **rules: Any) -> Agent:
    PAID.clear()
    settings = StepSettings(thinking=None, policy=Policy.model_validate({"unsafe": "ask", **rules}))
    skill = skill_from(pays, name="pays")
    return Agent(scripted_model([]), workspace=folder, journal=journal, tools=[pay], skill=skill, settings=settings)


WORKER = """
import sys, time
from pathlib import Path
from bridle.agent import Agent
from bridle.evals.scripted import scripted_model
from bridle.journal import Journal
from bridle.skill import skill_from
from bridle.tool import tool

folder, what = Path(sys.argv[1]), sys.argv[2]
world = folder / "world.txt"

def was_kept(key: str) -> str | None:
    return "kept" if key in (world.read_text() if world.exists() else "") else None

@tool(effect="probe", probe=was_kept)
def keep(key: str) -> str:
    "Keep."
    (folder / "begun").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    with world.open("a") as file:
        file.write(key + chr(10))
    return "kept"

async def work(context):
    "Keep one."
    return (await context.call("keep", key="x")).text

with Journal(folder / "journal.db") as journal:
    one = Agent(scripted_model([]), workspace=folder, journal=journal, tools=[keep], skill=skill_from(work, name="w"))
    print(one.run("go").status if what == "run" else one.resume(journal.find("last")).status)
"""


def worker(folder: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), what], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def has_begun(folder: Path) -> None:
    until((folder / "begun").exists)


def test_a_run_that_is_under_way_is_not_taken_up_by_another_process(tmp_path: Path) -> None:
    first = worker(tmp_path, "run")
    has_begun(tmp_path)
    second = worker(tmp_path, "resume")
    assert "somebody is at work on the run" in second.communicate()[1]
    (tmp_path / "go").touch()
    assert first.communicate()[0] == "done\n"
    assert (tmp_path / "world.txt").read_text() == "x\n"
    assert not list((tmp_path / "journal.db-runs").iterdir())


def test_of_two_who_take_up_a_killed_run_one_does(tmp_path: Path) -> None:
    killed = worker(tmp_path, "run")
    has_begun(tmp_path)
    killed.kill()
    killed.communicate()
    with Journal(tmp_path / "journal.db") as journal:
        assert not journal.held(journal.find("last"))
    both = [worker(tmp_path, "resume") for _ in range(2)]
    until(lambda: any(it.poll() is not None for it in both))
    (tmp_path / "go").touch()
    told = [it.communicate() for it in both]
    assert sorted(out for out, _ in told) == ["", "done\n"]
    assert (tmp_path / "world.txt").read_text() == "x\n"


def test_one_journal_by_two_names_has_one_lock(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with Journal(tmp_path / "journal.db") as journal:
        (tmp_path / "b" / "other.db").symlink_to(tmp_path / "journal.db")
        with Journal(tmp_path / "b" / "other.db") as other, journal.hold("r"):
            assert other.held("r")


def test_a_child_that_outlives_its_parent_holds_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db") as journal:
        with journal.hold("r"):
            if not (child := os.fork()):
                time.sleep(60)
                os._exit(0)
        try:
            assert not journal.held("r")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_pruning_leaves_runs_that_somebody_is_at_work_on_or_can_take_up(bridle: Any) -> None:
    home = Path(os.environ["BRIDLE_HOME"])
    bridle("run", "What is 12 * 12?")
    path = next(it for it in home.rglob("*.db"))
    ends = "DELETE FROM event WHERE kind = 'run.ended'"
    apsw.Connection(str(path)).execute(ends)
    prune = ("runs", "prune", "--keep", "0", "--days", "0", "--yes")
    with Journal(path) as journal:
        run = journal.find("last")
        assert bridle(*prune).out.startswith("0 runs")
        with journal.hold(run):
            assert bridle(*prune, "--unfinished").out.startswith("0 runs")
        assert bridle(*prune, "--unfinished").out.startswith("1 runs")


def forged(journal: Journal, run: str) -> None:
    apsw.Connection(str(journal.path)).execute(
        "UPDATE event SET body = json_remove(body, '$.way.policy') WHERE run = ? AND number = 1", (run,)
    )


def test_nothing_is_done_upon_a_record_that_was_changed(tmp_path: Path, journal: Journal) -> None:
    run = payer(journal, tmp_path).run("go")
    forged(journal, run.id)
    for does in (
        lambda: payer(journal, tmp_path).resume(run.id, "yes"),
        lambda: fork(journal, run.id, "2"),
    ):
        with pytest.raises(JournalError, match="event 1 was changed"):
            does()
    assert not PAID


def test_a_changed_run_is_not_exported(bridle: Any, tmp_path: Path) -> None:
    bridle("run", "What is 12 * 12?")
    path = next(it for it in Path(os.environ["BRIDLE_HOME"]).rglob("*.db"))
    with Journal(path) as journal:
        forged(journal, journal.find("last"))
    told = bridle("runs", "export", "-o", str(tmp_path / "run.jsonl"))
    assert (told.code, "event 1 was changed" in told.err) == (1, True)
    assert not (tmp_path / "run.jsonl").exists()


def spoiled(bridle: Any, damage: str, *values: str) -> str:
    """The last of two runs, of which something was changed behind the journal's back."""
    for _ in range(2):
        bridle("run", "What is 12 * 12?")
    path = next(it for it in Path(os.environ["BRIDLE_HOME"]).rglob("*.db"))
    with Journal(path) as journal:
        run = journal.find("last")
    apsw.Connection(str(path)).execute(damage, (*values, run))
    return run


@pytest.mark.parametrize("body", ["{", '{"kind": "run.started", "task": 1}', '{"kind": "nothing"}'])
def test_one_record_that_cannot_be_read_hides_no_other(bridle: Any, body: str) -> None:
    run = spoiled(bridle, "UPDATE event SET body = ? WHERE run = ? AND number = 1", body)
    listed = bridle("runs", "list", "--json").json
    assert [it["status"] for it in listed] == ["damaged", "done"]
    assert "1 runs cannot be read" in bridle("runs", "stats").err
    shown = bridle("runs", "show", run)
    assert (shown.code, f"event 1 of the run {run}" in shown.err) == (1, True)
    assert bridle("runs", "prune", "--keep", "0", "--days", "0", "--yes").out.startswith("2 runs")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = '{' WHERE run = ? AND number = 2",
        "UPDATE event SET kind = 'run.started' WHERE run = ? AND number = 3",
    ],
)
def test_a_damaged_run_spoils_no_statistics(bridle: Any, damage: str) -> None:
    run = spoiled(bridle, damage)
    counted = bridle("runs", "stats", "--json")
    assert (counted.code, counted.json["react"]["count"]) == (0, 1)
    assert f"1 runs cannot be read, and do not count, such as {run}" in counted.err


def test_a_moment_that_is_none_is_told(bridle: Any) -> None:
    bridle("run", "What is 12 * 12?")
    path = next(it for it in Path(os.environ["BRIDLE_HOME"]).rglob("*.db"))
    apsw.Connection(str(path)).execute("UPDATE event SET at = 'yesterday' WHERE number = 2")
    for command in ("state", "show", "resume"):
        told = bridle("runs", command)
        assert (told.code, "Traceback" in told.err, "event 2" in told.err) == (1, False, True), command


def test_a_journal_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        run = payer(journal, tmp_path).run("go")
    path.with_name("journal.db-shm").mkdir()  # SQLite has to write there to open a journal for more than reading
    with Journal(path) as journal:
        assert [it.run for it in journal.runs()] == [run.id]
        assert journal.verify(run.id) == ""
        with pytest.raises(JournalError, match="cannot be written"):
            payer(journal, tmp_path).resume(run.id, "no")
    assert not PAID


@pytest.mark.parametrize("said", ['{"amount": NaN}', '{"amount": Infinity}', '{"amount": 1e400}', '{"x": "\\ud800"}'])
def test_arguments_that_no_record_can_hold_are_a_refusal(tmp_path: Path, journal: Journal, said: str) -> None:
    run = payer(journal, tmp_path).run("go")
    after = payer(journal, tmp_path).resume(run.id, said)
    assert (after.status, PAID) == (Status.DONE, [])
    assert "cannot be called with" in (after.answer or "")


def test_a_no_is_taken_at_any_time(tmp_path: Path, journal: Journal) -> None:
    run = payer(journal, tmp_path, approval_seconds=0.01).run("go")
    time.sleep(0.02)
    late = payer(journal, tmp_path, approval_seconds=0.01).resume(run.id, "yes")
    assert (late.status, "was good for" in late.reason) == (Status.PAUSED, True)
    refused = payer(journal, tmp_path, approval_seconds=0.01).resume(run.id, "no, too much")
    assert (refused.status, refused.answer) == (Status.DONE, "error: pay was not allowed: too much")
    assert not [it for it in journal.events(run.id) if isinstance(it.body, CallIntended)]


def test_a_key_of_another_length_is_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert own_key(path) == own_key(path)
    assert (path.stat().st_mode & 0o777, [it.name for it in tmp_path.iterdir()]) == (0o600, ["key"])
    path.write_bytes(b"")
    with pytest.raises(JournalError, match="is no key"):
        own_key(path)


def test_a_place_is_changed_in_one_way(tmp_path: Path, journal: Journal) -> None:
    run = payer(journal, tmp_path).run("go")
    with pytest.raises(UsageError, match="say one of"):
        fork(journal, run.id, "2", result="9", said="yes")


def test_how_a_run_was_gone_about_is_read_or_refused(bridle: Any) -> None:
    bridle("run", "What is 12 * 12?")
    path = next(it for it in Path(os.environ["BRIDLE_HOME"]).rglob("*.db"))
    db = apsw.Connection(str(path))
    body = json.loads(str(db.execute("SELECT body FROM event WHERE number = 1").get))
    for part in ({"thinking": {"evil": 1}}, {"policy": {"default": "maybe"}}, {"card": {"evil": 1}}):
        told = json.dumps(body | {"way": body["way"] | part})
        db.execute("UPDATE event SET body = ? WHERE number = 1", (told,))
        found = bridle("runs", "replay")
        assert (found.code, "Traceback" in found.err, "cannot be read" in found.err) == (1, False, True), part


def test_what_a_skill_says_itself_is_not_invented(tmp_path: Path, journal: Journal) -> None:
    one = payer(journal, tmp_path)
    one.settings = StepSettings(thinking=None)
    assert suspects(journal.events(one.run("go").id)) == []
