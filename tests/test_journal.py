"""The journal: append-only, chained, safe against a full disk, many hands and a curious editor."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

import laws
from bridle.errors import JournalError, UsageError
from bridle.journal import CallAnswered, CallIntended, Heard, Journal, Noted, RunEnded, RunStarted, Status, Tokens
from bridle.journal.chain import canonical_json, read_body, write_body
from bridle.journal.store import new_run


def started(task: str = "do it") -> RunStarted:
    return RunStarted(task=task, skill="s", model="m", format="json", workspace="/w", seed=None, version="0")


def ended(status: Status = Status.DONE, answer: str | None = "done") -> RunEnded:
    return RunEnded(status=status, answer=answer, steps=1, tokens=Tokens(sampled=3), seconds=0.5)


def fill(journal: Journal, run: str, calls: int = 3) -> None:
    journal.append(run, started())
    for number in range(calls):
        key = f"{run}/{number}"
        journal.append(run, CallIntended(key=key, tool="t", args={"n": number, "ü": ["é"]}, effect="pure"))
        journal.append(run, CallAnswered(key=key, tool="t", ok=True, result=None, text="", seconds=0.1))
    journal.append(run, ended())


def test_events_come_back_as_they_went(journal: Journal) -> None:
    fill(journal, "a")
    fill(journal, "b", calls=1)
    laws.law_of_history(journal, "a")
    laws.law_of_history(journal, "b")
    bodies = [event.body for event in journal.events("a")]
    assert bodies[0] == started()
    assert bodies[-1] == ended()
    assert len(bodies) == 8


def test_runs_are_listed_newest_first(journal: Journal) -> None:
    for number in range(5):
        run = f"2026-{number}"
        journal.append(run, started(f"task {number}"))
        if number != 2:
            journal.append(run, ended(Status.PAUSED if number == 3 else Status.DONE))
    listed = journal.runs(4)
    assert journal.count() == 5
    assert [run.task for run in listed] == ["task 4", "task 3", "task 2", "task 1"]
    assert [run.status for run in listed] == [Status.DONE, Status.PAUSED, Status.RUNNING, Status.DONE]


def test_runs_are_found_by_what_people_type(journal: Journal) -> None:
    for run in ("2026-aa", "2026-ab", "2027-x%"):
        journal.append(run, started())
    assert journal.find("2026-aa") == "2026-aa"
    assert journal.find("2027") == "2027-x%"
    assert journal.find("last") == "2027-x%"
    with pytest.raises(UsageError, match="several runs begin with 2026-a: 2026-aa, 2026-ab"):
        journal.find("2026-a")
    with pytest.raises(UsageError, match="no run is called %"):
        journal.find("%")


def test_no_runs_is_said(journal: Journal) -> None:
    with pytest.raises(UsageError, match="no runs yet"):
        journal.find("last")


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE event SET body = replace(body, 'do it', 'do me') WHERE number = 1",
        "UPDATE event SET at = '2020-01-01' WHERE number = 3",
        "DELETE FROM event WHERE number = 4",
        "UPDATE event SET hash = previous WHERE number = 5",
        "UPDATE event SET number = number + 100 WHERE number >= 7",
        "UPDATE event SET kind = 'noted' WHERE number = 8",
        "UPDATE event SET body = '{' WHERE number = 2",
        "DELETE FROM event WHERE number = 1",
    ],
)
def test_an_edit_breaks_the_chain(journal: Journal, edit: str) -> None:
    fill(journal, "a")
    assert journal.verify("a") == ""
    with sqlite3.connect(journal.path) as other:
        other.execute(edit)
    assert journal.verify("a") != ""
    assert journal.everything() == ["a"], "a run without its beginning is not listed, and is looked at all the same"


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """SQLite's own limit on the number of pages stands in for the disk: the same error, from the same place."""
    with Journal(tmp_path / "journal.db") as journal:
        journal.append("a", started())
        database: Any = journal._db  # pyright: ignore[reportPrivateUsage]
        database.pragma("max_page_count", database.pragma("page_count") + 2)
        written = 1
        with pytest.raises(JournalError, match="full") as caught:  # noqa: PT012  # which of them fails is not known
            for number in range(1_000):
                journal.append("a", Heard(question="?", text="x" * 500 + str(number)))
                written += 1
        assert "free some space" in caught.value.hint
        laws.law_of_history(journal, "a")
        assert len(journal.events("a")) == written
    with Journal(tmp_path / "journal.db") as again:
        assert len(again.events("a")) == written
        again.append("a", ended())
        laws.law_of_history(again, "a")


def test_what_is_no_journal_is_said(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database" * 100, encoding="utf-8")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "text.db")
    other: Any = apsw.Connection(str(tmp_path / "other.db"))
    other.execute("PRAGMA user_version=99; CREATE TABLE x (y)")
    with pytest.raises(JournalError, match="another version"):
        Journal(tmp_path / "other.db")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal.db")


def test_many_threads_write_whole_chains(journal: Journal) -> None:
    threads = [threading.Thread(target=fill, args=(journal, f"run-{n}", 10)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        laws.law_of_history(journal, f"run-{number}")
        assert len(journal.events(f"run-{number}")) == 22


def test_many_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    code = (
        "import sys, pathlib\n"
        "from bridle.journal import Heard, Journal\n"
        "with Journal(pathlib.Path(sys.argv[1])) as journal:\n"
        "    for n in range(40):\n"
        "        journal.append(sys.argv[2], Heard(question='?', text=str(n)), durable=n % 5 == 0)\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(path), f"p{n}"]) for n in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    with Journal(path) as journal:
        for number in range(3):
            laws.law_of_history(journal, f"p{number}")
            assert len(journal.events(f"p{number}")) == 40


def test_a_journal_is_its_owners_own(journal: Journal) -> None:
    assert stat.S_IMODE(journal.path.stat().st_mode) & 0o022 == 0


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=8), VALUES, max_size=4))
def test_bodies_round_trip_through_their_text(args: dict[str, Any]) -> None:
    body = CallIntended(key="k", tool="t", args=args, effect="pure")
    text = write_body(body)
    assert read_body(text) == body
    assert write_body(read_body(text)) == text
    assert json.dumps(json.loads(text)["args"]) == json.dumps(args), "keys keep their order"


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be written as JSON"):
        canonical_json({"x": float("nan")})
    for number in (float("nan"), float("inf"), float("-inf")):
        with pytest.raises(UsageError, match="cannot be written as JSON"):
            write_body(CallIntended(key="k", tool="t", args={"x": [number]}, effect="pure"))
    assert "NaN" in write_body(Noted(path="note#1", text="NaN and Infinity are words, too"))
    with pytest.raises(JournalError, match="cannot be read"):
        read_body('{"kind": "from.the.future"}')
    with pytest.raises(JournalError, match="cannot be read"):
        read_body("not json")


def test_run_ids_sort_by_time_and_do_not_repeat() -> None:
    names = [new_run() for _ in range(50)]
    assert len(set(names)) == 50
    assert len({name[:13] for name in names}) <= 2
