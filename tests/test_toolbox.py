"""The toolbox does what it says, for real, and cannot leave its folder."""

from __future__ import annotations

import asyncio
import email
import os
import sqlite3
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from email import policy
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from bridle.errors import ToolError, UsageError
from bridle.tool import CallKey, Effect, Observation, Service
from bridle.toolbox import TOOLBOX, Workspace
from bridle.toolbox.calculator import evaluate, show
from bridle.toolbox.dates import Clock, read_date, read_time
from bridle.toolbox.units import UNITS, convert_units

NOW = datetime(2026, 11, 20, 9, 30)
TOOLS = {tool.name: tool for tool in TOOLBOX}


class Desk:
    """The toolbox on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: dict[type[Service], Service] = {Workspace: Workspace(folder), Clock: Clock(NOW)}
        self.calls = 0

    def __call__(self, tool: str, key: str | None = None, **args: Any) -> Observation:
        self.calls += 1
        services = {**self.services, CallKey: CallKey(key or f"call-{self.calls}")}
        return asyncio.run(TOOLS[tool].call(args, services))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "todo.txt").write_text("call Anna\nbuy Milk\n", encoding="utf-8")
    (folder / "letters").mkdir()
    (folder / "letters" / "anna.md").write_text("Dear Anna, hello", encoding="utf-8")
    (folder / "sales.csv").write_text("city;price;name\nOslo;10;Ann\nRome;12,5;Bo\nOslo;3;Cy\n", encoding="utf-8")
    (folder / "costs.csv").write_text("item,cost\npaint,12.10\nbrush,3.05\nroller,7\n", encoding="utf-8")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\x00")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    return Desk(folder)


def test_files(desk: Desk) -> None:
    assert desk("list_files").text.split("\n") == ["costs.csv", "letters/", "photo.jpg", "sales.csv", "todo.txt"]
    assert desk("list_files", folder="letters").text == "anna.md"
    assert desk("find_files", name="ANNA").text == "letters/anna.md"
    assert desk("find_files", name="*.csv").text == "costs.csv\nsales.csv"
    assert desk("find_files", name="nope").text == "nothing"
    assert desk("search_text", text="anna").text == "todo.txt:1: call Anna\nletters/anna.md:1: Dear Anna, hello"
    assert desk("read_file", path="todo.txt").text == "call Anna\nbuy Milk\n"
    assert desk("write_file", path="new/plan.txt", content="é\n").text == "Wrote new/plan.txt"
    assert (desk.folder / "new" / "plan.txt").read_text(encoding="utf-8") == "é\n"
    assert not list(desk.folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("tool", "args", "complaint"),
    [
        ("read_file", {"path": "nope.txt"}, "no file named nope.txt"),
        ("read_file", {"path": "letters"}, "is a folder"),
        ("read_file", {"path": "photo.jpg"}, "is not a text file"),
        ("read_file", {"path": "a\0b"}, "null character"),
        ("list_files", {"folder": "nope"}, "no folder named nope"),
        ("search_text", {"text": ""}, "is empty"),
        ("write_file", {"path": "letters", "content": "x"}, "is a folder"),
        ("write_file", {"path": "todo.txt/x", "content": "x"}, "cannot be written"),
        ("query_table", {"path": "photo.jpg", "operation": "count"}, "not a text file"),
        ("query_table", {"path": "costs.csv", "operation": "sum"}, "sum needs a column, one of: item, cost"),
        ("query_table", {"path": "costs.csv", "operation": "sum", "column": "x"}, "there is no column x"),
        ("query_table", {"path": "costs.csv", "operation": "count", "where": "dear"}, "is not a condition"),
        ("add_note", {"text": " "}, "empty"),
        ("add_event", {"title": "x", "date": "someday"}, "is not a date"),
        ("add_event", {"title": "x", "date": "today", "time": "25:00"}, "not a time of day"),
        ("add_event", {"title": "", "date": "today"}, "has no title"),
        ("add_event", {"title": "x", "date": "today", "minutes": 0}, "between one minute"),
        ("draft_mail", {"to": " ", "subject": "x"}, "no recipient"),
        ("draft_mail", {"to": "a@b\nBcc: c@d", "subject": "x"}, "one line"),
        ("convert_units", {"value": 1, "from_unit": "m", "to_unit": "kg"}, "m is a unit of length, kg of mass"),
        ("convert_units", {"value": 1, "from_unit": "parsnip", "to_unit": "kg"}, "no unit is called 'parsnip'"),
        ("convert_units", {"value": 1, "from_unit": "ks", "to_unit": "s"}, "no unit is called 'ks'"),
        ("convert_units", {"value": -300, "from_unit": "C", "to_unit": "F"}, "nothing is as cold"),
        ("convert_units", {"value": float("inf"), "from_unit": "m", "to_unit": "km"}, "too large"),
        ("current_time", {"zone": "Atlantis"}, "no time zone"),
        ("shift_date", {"date": "2026-02-30", "days": 1}, "is not a date"),
        ("shift_date", {"date": "today", "days": 10**8}, "outside the calendar"),
    ],
)
def test_what_goes_wrong_is_said(desk: Desk, tool: str, args: Any, complaint: str) -> None:
    observation = desk(tool, **args)
    assert not observation.ok
    assert complaint in observation.text


ESCAPES = [
    "../secret.txt",
    "letters/../../secret.txt",
    "/etc/passwd",
    "link/secret.txt",
    "file-link",
    "letters/./../../secret.txt",
    "~/secret.txt",
    "chain/secret.txt",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_leaves_the_workspace(desk: Desk, path: str) -> None:
    os.symlink("..", desk.folder / "link")
    os.symlink("../secret.txt", desk.folder / "file-link")
    os.symlink("link", desk.folder / "chain")
    for tool, args in (("read_file", {}), ("write_file", {"content": "x"}), ("query_table", {"operation": "count"})):
        observation = desk(tool, path=path, **args)
        assert "secret" not in observation.text.replace(path, "")
        if not path.startswith("~"):  # which is a name like any other
            assert not observation.ok
            assert "secret" not in desk("list_files", folder=os.path.dirname(path) or ".").text.replace(path, "")
    assert (desk.folder.parent / "secret.txt").read_text(encoding="utf-8") == "secret"


@given(st.lists(st.sampled_from(["..", ".", "letters", "link", "x", "~", "", "secret.txt"]), min_size=1, max_size=6))
def test_no_path_resolves_outside(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    top = tmp_path_factory.mktemp("top")
    root = top / "root"
    (root / "letters").mkdir(parents=True)
    (root / "link").symlink_to(top)
    workspace = Workspace(root)
    try:
        path = workspace.path("/".join(parts))
    except ToolError:
        return
    assert path == root or root in path.parents


def test_a_search_does_not_follow_links_out(desk: Desk) -> None:
    os.symlink("..", desk.folder / "link")
    assert desk("search_text", text="secret").text == "nothing"
    assert desk("find_files", name="secret").text == "nothing"


def test_a_workspace_has_to_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no workspace"):
        Workspace(tmp_path / "nope")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="is not a folder"):
        Workspace(tmp_path / "file")


def test_a_workspace_can_be_for_reading_only(desk: Desk) -> None:
    desk.services[Workspace] = Workspace(desk.folder, writable=False)
    assert desk("read_file", path="todo.txt").ok
    assert "for reading only" in desk("write_file", path="x.txt", content="x").text


def test_a_workspace_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """On a read-only file system, since a superuser ignores permissions."""
    code = "import sys, pathlib; from bridle.toolbox import Workspace; Workspace(pathlib.Path(sys.argv[1]))"
    script = f"mount -t tmpfs -o ro none {tmp_path} && {sys.executable} -c '{code}' {tmp_path}"
    tried = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "mount" in tried.stderr or "unshare" in tried.stderr:
        pytest.skip("mounting is not allowed here")
    assert "cannot be written" in tried.stderr


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("1234.5 * 17", "20986.5"),
        ("0.1 + 0.2", "0.3"),
        ("1/3", "about 0.333333333333"),
        ("15% of 240", "36"),
        ("50%", "0.5"),
        ("10 % 3", "1"),
        ("2^10", "1024"),
        ("(2+3)*4 =", "20"),
        ("6 × 7 ÷ 2", "21"),
        ("1,234,567 + 1", "1234568"),
        ("sqrt(144)", "12"),
        ("sqrt(2)", "about 1.41421356237"),
        ("round(7/3, 2)", "2.33"),
        ("max(3, 7, 5) - abs(-2)", "5"),
        ("-(3 - 5)", "2"),
        ("2**0.5", "about 1.41421356237"),
        ("1e3", "1000"),
        ("1.10 ** 20", "6.72749994932560009201"),
        ("100/20% of 50", "10"),
        ("10% of 20% of 50", "1"),
        ("100 + 10%", "110"),
        ("80 - 25% + 1", "61"),
        ("2 * 10%", "0.2"),
        ("max(1,200)", "200"),
        ("sum(1,200,300)", "501"),
        ("sqrt(1,024)", "32"),
        ("0x10 + 1", "17"),
        ("0 * 1e300", "0"),
    ],
)
def test_arithmetic_is_exact(desk: Desk, expression: str, result: str) -> None:
    assert desk("calculate", expression=expression).text == result


FEW = ["", "a+b", "1/0", "9**9**9", "__import__('os')", "(1).__class__", "1 if 1 else 2", "'a'*3", "[1]"]
NO_ARITHMETIC = [
    *FEW,
    "sqrt(-1)",
    "2**(1/3)",
    "(" * 500,
    "9" * 600,
    "1=1",
    "lambda: 1",
    "True + 1",
    "1j",
    "round(1, 99)",
    "1e8000000",
    "1e-8000000",
    "1e400 * 1e400 * 1e400 * 1e400",
    "...",
    "1,2345",
    "1000,200",
    "12,34,567",
    "1" + "%" * 400_000,
    "1" + ",000" * 100_000,
]


@pytest.mark.parametrize("expression", NO_ARITHMETIC, ids=range(len(NO_ARITHMETIC)))
def test_what_is_no_arithmetic_is_refused(desk: Desk, expression: str) -> None:
    assert not desk("calculate", expression=expression).ok


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.sampled_from("+-*"))
def test_arithmetic_agrees_with_integers(a: int, b: int, sign: str) -> None:
    wanted = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert show(evaluate(f"{a} {sign} {b}")) == str(wanted)


DATES = """
    today: 2026-11-20, tomorrow: 2026-11-21, yesterday: 2026-11-19, Friday: 2026-11-27, next monday: 2026-11-23,
    sat: 2026-11-21, in 3 days: 2026-11-23, in 2 weeks: 2026-12-04, 2026-12-03: 2026-12-03, 2026/1/5: 2026-01-05,
    3.12.2026: 2026-12-03, 3 December: 2026-12-03, December 3rd 2027: 2027-12-03, the 3rd of December: 2026-12-03,
    5 March: 2027-03-05, Mar 5: 2027-03-05, on 1 jan 2030: 2030-01-01"""
TIMES = "14:30=14:30, 2:30 pm=14:30, 9am=09:00, 12 am=00:00, noon=12:00, at 7=07:00, 18.45=18:45, 12 pm=12:00"


@pytest.mark.parametrize(("text", "day"), [pair.strip().split(": ") for pair in DATES.split(",")])
def test_dates_are_understood(text: str, day: str) -> None:
    assert read_date(text, NOW.date()).isoformat() == day


@pytest.mark.parametrize("text", ["", "soon", "31 November", "2026-13-01", "13/13/2026", "3 ma", "2026"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ToolError):
        read_date(text, NOW.date())


@pytest.mark.parametrize(("text", "clock"), [pair.split("=") for pair in TIMES.split(", ")])
def test_times_are_understood(text: str, clock: str) -> None:
    assert read_time(text).strftime("%H:%M") == clock


def test_dates_and_times(desk: Desk) -> None:
    assert desk("current_time").text == "2026-11-20 09:30 (Friday)"
    assert desk("current_time", zone="Europe/Oslo").ok
    assert desk("shift_date", date="today", days=45).text == "2027-01-04 (Monday)"
    assert desk("shift_date", date="2026-03-01", days=-1).text == "2026-02-28 (Saturday)"
    assert desk("days_between", start="today", end="24 December").text == "34 days"
    assert desk("days_between", start="tomorrow", end="today").text == "-1 day"


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        (12, "miles", "km", "12 miles = 19.312128 km"),
        (100, "F", "celsius", "100 F = 37.77777778 celsius"),
        (-40, "celsius", "fahrenheit", "-40 celsius = -40 fahrenheit"),
        (2.5, "kg", "lb", "2.5 kg = 5.511556555 lb"),
        (90, "km/h", "mph", "90 km/h = 55.9234073 mph"),
        (3, "hours", "minutes", "3 hours = 180 minutes"),
        (1, "GiB", "MB", "1 GiB = 1073.741824 MB"),
        (6, "feet", "inches", "6 feet = 72 inches"),
        (8, "Mb", "MB", "8 Mb = 1 MB"),
        (1, "Cal", "cal", "1 Cal = 1000 cal"),
        (1, "Mg", "kg", "1 Mg = 1000 kg"),
        (3, "kgs", "g", "3 kgs = 3000 g"),
    ],
)
def test_units(desk: Desk, value: float, source: str, target: str, result: str) -> None:
    assert desk("convert_units", value=value, from_unit=source, to_unit=target).text == result


def test_every_unit_converts_to_itself() -> None:
    for name in UNITS:
        assert str(convert_units.function(7.0, name, name)) == f"7 {name} = 7 {name}"


def test_notes(desk: Desk) -> None:
    assert desk("add_note", "one", text="buy milk").text == "Saved note 1"
    assert desk("add_note", "two", text="call Anna").text == "Saved note 2"
    assert desk("find_notes", text="MILK").text == "1 (2026-11-20): buy milk"
    assert desk("find_notes").text == "2 (2026-11-20): call Anna\n1 (2026-11-20): buy milk"
    assert desk("find_notes", text="'; DROP TABLE note; --").text == "nothing"


def test_the_same_call_twice_is_one_effect(desk: Desk) -> None:
    """Idempotent tools know their key."""
    for tool, args in (
        ("add_note", {"text": "once"}),
        ("add_event", {"title": "once", "date": "tomorrow"}),
        ("draft_mail", {"to": "a@b.org", "subject": "once"}),
        ("write_file", {"path": "once.txt", "content": "x"}),
    ):
        first, second = desk(tool, "same", **args), desk(tool, "same", **args)
        assert first.text == second.text
    assert len(desk("find_notes").text.split("\n")) == 1
    assert len(desk("list_events").text.split("\n")) == 1
    assert len(list((desk.folder / "drafts").iterdir())) == 1


def test_a_damaged_notes_file_is_said(desk: Desk) -> None:
    (desk.folder / "notes.db").write_text("this is no database, but long enough to be looked at" * 40, encoding="utf-8")
    assert "cannot be opened" in desk("add_note", text="x").text


def test_the_calendar_opens_elsewhere(desk: Desk) -> None:
    assert desk("add_event", title="dentist", date="3 December", time="2:30 pm", minutes=45).ok
    assert desk("add_event", title="harvest; party, with\nlanterns", date="2026-12-05").ok
    calendar = Calendar.from_ical((desk.folder / "calendar.ics").read_bytes())
    first, second = calendar.events
    assert first.decoded("dtstart") == datetime(2026, 12, 3, 14, 30)
    assert first.decoded("dtend") == datetime(2026, 12, 3, 15, 15)
    assert str(second["summary"]) == "harvest; party, with\nlanterns"
    assert desk("list_events").text.startswith("2026-12-03 14:30: dentist\n2026-12-05: harvest")
    assert desk("list_events", date="2026-12-04").text == "nothing"
    (desk.folder / "calendar.ics").write_text("BEGIN:NONSENSE", encoding="utf-8")
    assert "not a calendar" in desk("list_events").text


def test_mail_drafts_open_elsewhere(desk: Desk) -> None:
    result = desk(
        "draft_mail", to="Zoë <zoe@example.org>, bob@example.org, Ann", subject="Überraschung", body="Grüße\n"
    )
    assert result.ok, result.text
    (path,) = (desk.folder / "drafts").iterdir()
    message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert message["Subject"] == "Überraschung"
    assert "bob@example.org" in message["To"]
    body = message.get_body()
    assert body is not None
    assert body.get_content().strip() == "Grüße"


def test_tables(desk: Desk) -> None:
    assert desk("query_table", path="costs.csv", operation="sum", column="cost").text == "22.15"
    assert desk("query_table", path="costs.csv", operation="average", column="COST").text == "about 7.38333333333"
    assert desk("query_table", path="costs.csv", operation="max", column="cost").text == "12.1"
    assert desk("query_table", path="costs.csv", operation="count", where="cost > 5").text == "2"
    assert desk("query_table", path="costs.csv", operation="rows", where="item contains r and cost < 5").text == (
        "item, cost\nbrush, 3.05"
    )
    assert desk("query_table", path="sales.csv", operation="count", where="city = oslo").text == "2"
    assert (
        desk("query_table", path="sales.csv", operation="rows", column="name", where="city != Oslo").text == "name\nBo"
    )
    assert desk("query_table", path="costs.csv", operation="sum", column="item").text == (
        "0 (left out, being no numbers: 3 of 3)"
    )


def test_tables_are_plain_data(desk: Desk) -> None:
    apsw.Connection(str(desk.folder / "other.db")).close()
    assert "not a text file" in desk("query_table", path="photo.jpg", operation="rows").text
    (desk.folder / "odd.csv").write_text('a,b\n"x,1",2\n\n"y",\n', encoding="utf-8")
    assert desk("query_table", path="odd.csv", operation="rows").text == "a, b\nx,1, 2\ny, "
    (desk.folder / "empty.csv").write_text("", encoding="utf-8")
    assert "is empty" in desk("query_table", path="empty.csv", operation="count").text


def test_tables_say_what_they_leave_out(desk: Desk) -> None:
    (desk.folder / "prices.csv").write_text(
        'name,price,note\nA,"1,000",x\nB,-$5,\nC,n/a,"say ""hi"", twice"\nD,,\nE,1e9000000,\n', encoding="utf-8"
    )
    ask = partial(desk, "query_table", path="prices.csv")
    assert ask(operation="sum", column="price").text == "995 (left out, being no numbers: 2 of 4)"
    assert ask(operation="rows", column="name", where="price > 10").text == "name\nA"
    assert ask(operation="rows", column="name", where="price == 1000 or name is C").text == "name\nA\nC"
    assert ask(operation="rows", column="name", where="name is not A and price < 0").text == "name\nB"
    assert ask(operation="rows", column="note", where="name = C").text == 'note\nsay "hi", twice'
    assert ask(operation="count", where="note = 'x and y' or name = \"C or D\"").text == "0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a;b\n1;2,5\n", "a, b\n1, 2,5"),
        ("a,a,\n1,2,3\n", "a, a (2), column 3\n1, 2, 3"),
        ("only\nx\ny\n", "only\nx\ny"),
        ('a, "b, c"\n1, 2\n', "a, b, c\n1, 2"),
        ("a,b\n1\n2,3,\n", "a, b\n1, \n2, 3"),
        ("a,b\n1,2,3\n", "error: row 1 of t.csv has 3 cells, and there are 2 columns"),
    ],
)
def test_tables_of_every_kind(desk: Desk, text: str, shown: str) -> None:
    (desk.folder / "t.csv").write_text(text, encoding="utf-8")
    assert desk("query_table", path="t.csv", operation="rows").text == shown


def test_what_is_bridles_own_is_neither_read_nor_written(desk: Desk) -> None:
    desk("write_file", path="todo.txt", content="new")
    (kept,) = [it for it in (desk.folder / ".bridle" / "before").iterdir() if it.name != ".gitignore"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    name = kept.relative_to(desk.folder).as_posix()
    for call in (
        desk("read_file", path=name),
        desk("write_file", path=name, content="+forged"),
        desk("write_file", path=".Bridle/before/x", content="x"),
        desk("list_files", folder=".bridle"),
    ):
        assert not call.ok
        assert "Bridle's own" in call.text
    for path in (".git/hooks/pre-commit", "sub/.GIT/config"):
        assert "git's own" in desk("write_file", path=path, content="x").text


def test_a_file_keeps_its_mode_and_what_a_person_made_of_it(desk: Desk) -> None:
    script = desk.folder / "run.sh"
    script.write_text("old", encoding="utf-8")
    script.chmod(0o750)
    assert desk("write_file", key="run/1", path="run.sh", content="new").ok
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert desk("write_file", key="run/1", path="run.sh", content="new").ok, "after a kill it is done again"
    script.write_text("a person's", encoding="utf-8")
    again = desk("write_file", key="run/1", path="run.sh", content="new")
    assert (again.ok, "changed since" in again.text) == (False, True)
    assert script.read_text(encoding="utf-8") == "a person's"
    long = "n" * 255
    assert desk("write_file", path=long, content="x").ok
    assert "not a usable path" in desk("write_file", path=long + "n", content="x").text
    assert "not a usable path" in desk("read_file", path="a\ud800").text
    assert "half a character" in desk("write_file", path="x", content="a\ud800").text


def test_a_draft_that_a_person_worked_on_stays(desk: Desk) -> None:
    mail = {"to": '"Doe, Jane" <jane@x.org>, Bob <bob@x.org>, Ann', "subject": "plan", "body": "Hello"}
    first = desk("draft_mail", key="run/1", **mail)
    assert first.ok, first.text
    (path,) = (desk.folder / "drafts").iterdir()
    to = email.message_from_bytes(path.read_bytes(), policy=policy.default)["To"]
    assert [it.display_name for it in to.addresses] == ["Doe, Jane", "Bob", "Ann"]
    assert [it.addr_spec for it in to.addresses][:2] == ["jane@x.org", "bob@x.org"]
    path.write_bytes(path.read_bytes() + b"and more\r\n")
    assert desk("draft_mail", key="run/1", **mail).text == first.text
    assert path.read_bytes().endswith(b"and more\r\n")
    services = {**desk.services, CallKey: CallKey("run/1")}
    back = asyncio.run(TOOLS["draft_mail"].take_back(mail, "", services))
    assert (back.ok, path.exists()) == (False, True)
    for to, subject, body in (("a@b", "x\x85y", ""), ("Bob <nope>", "x", ""), ("a@b", "x", "\ud800")):
        refused = desk("draft_mail", to=to, subject=subject, body=body)
        assert not refused.ok
        assert "Error" not in refused.text


def test_a_workspace_for_reading_only_stays_as_it_is(desk: Desk) -> None:
    desk("add_note", text="here")
    desk("draft_mail", key="run/1", to="Ann", subject="x")
    desk.services[Workspace] = Workspace(desk.folder, writable=False)
    assert desk("find_notes").text.endswith("here")
    for name, args in CHANGES.items():
        assert "reading only" in desk(name, **args).text
    services = {**desk.services, CallKey: CallKey("run/1")}
    back = asyncio.run(TOOLS["draft_mail"].take_back({"to": "Ann", "subject": "x"}, "", services))
    assert "reading only" in back.text
    assert list((desk.folder / "drafts").iterdir())


def test_nothing_of_an_odd_notes_file_is_raw(desk: Desk) -> None:
    assert desk("find_notes").text == "nothing"
    assert not (desk.folder / "notes.db").exists()
    with closing(sqlite3.connect(desk.folder / "notes.db")) as notes:
        notes.executescript("CREATE TABLE note (id, at, text); INSERT INTO note VALUES (1, 'yesterday', 'x');")
    assert desk("find_notes").text == "1 (yesterday): x"
    assert "cannot be opened" in desk("add_note", text="y").text


def test_long_lists_say_that_they_are_cut(desk: Desk) -> None:
    for number in range(53):
        desk("add_note", text=f"note {number}")
        desk("add_event", title=f"event {number:02}", date="2026-12-01")
    for tool in ("find_notes", "list_events"):
        lines = desk(tool).text.split("\n")
        assert (len(lines), lines[-1]) == (51, "and 3 more")
    (desk.folder / "long.txt").write_text(f"{'x' * 5000} needle {'y' * 5000}\n" + "needle\n" * 200, encoding="utf-8")
    lines = desk("search_text", text="NEEDLE").text.split("\n")
    assert (len(lines), lines[-1]) == (101, "and more")
    assert len(lines[0]) < 330
    (desk.folder / "old.txt").write_bytes("größer\n".encode("latin-1"))
    assert desk("search_text", text="größer").text == "old.txt:1: größer"
    (desk.folder / "huge.txt").write_bytes(b"words " * 2**20)
    assert desk("search_text", text="nowhere").text == "not searched, being large: huge.txt"


def test_events_are_added_at_once_and_nothing_else_is_touched(desk: Desk) -> None:
    foreign = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-ODD:kept\r\nBEGIN:VEVENT\r\nUID:bad\r\nDTSTART:nonsense\r\nSUMMARY:bad\r\n"
        "this line is nothing\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    (desk.folder / "calendar.ics").write_text(foreign, encoding="utf-8", newline="")

    def add(number: int) -> Observation:
        return desk("add_event", f"run/{number}", title=f"t{number}", date="2026-12-01")

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(add, range(24)))
    assert [it.text for it in done if not it.ok] == []
    told = desk("list_events").text
    assert all(f": t{n}" in told for n in range(24))
    assert "cannot be read" in told
    for number in range(24):
        services = {**desk.services, CallKey: CallKey(f"run/{number}")}
        args = {"title": f"t{number}", "date": "2026-12-01"}
        assert asyncio.run(TOOLS["add_event"].take_back(args, "", services)).ok
    assert (desk.folder / "calendar.ics").read_bytes().decode() == foreign


def test_a_key_that_is_long_is_found_in_the_calendar(desk: Desk) -> None:
    key = "run/" + "long, with; marks\\ and more " * 8
    for _ in range(2):
        desk("add_event", key, title="once", date="2026-12-01")
    assert desk("list_events").text == "2026-12-01: once"
    services = {**desk.services, CallKey: CallKey(key)}
    assert asyncio.run(TOOLS["add_event"].take_back({"title": "once", "date": "2026-12-01"}, "", services)).ok
    assert desk("list_events").text == "nothing"


def test_events_that_come_again_last_or_stand_in_another_zone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Oslo")
    time.tzset()
    events = (
        "UID:a\nSUMMARY:weekly\nDTSTART:20260105T090000\nDTEND:20260105T093000\nRRULE:FREQ=WEEKLY;BYDAY=MO\nEXDATE:20261123T090000",
        "UID:b\nSUMMARY:fair\nDTSTART;VALUE=DATE:20261118\nDTEND;VALUE=DATE:20261122",
        "UID:c\nSUMMARY:far\nDTSTART:20261201T233000Z\nDURATION:PT30M",
        "UID:d\nSUMMARY:over\nDTSTART;VALUE=DATE:20261119\nDTEND;VALUE=DATE:20261120",
        "UID:f\nSUMMARY:ticks\nDTSTART:20260105T090000\nRRULE:FREQ=SECONDLY",
        "UID:e\nSUMMARY:ended\nDTSTART:20260105T090000\nRRULE:FREQ=DAILY;COUNT=3",
    )
    body = "".join(f"BEGIN:VEVENT\n{it}\nEND:VEVENT\n" for it in events)
    (desk.folder / "calendar.ics").write_text(f"BEGIN:VCALENDAR\nVERSION:2.0\n{body}END:VCALENDAR\n", encoding="utf-8")
    rest = "\nand 1 that cannot be read"
    shown = ["2026-11-18: fair", "2026-11-30 09:00: weekly", "2026-12-02 00:30: far"]
    assert desk("list_events").text == "\n".join(shown) + rest
    assert desk("list_events", date="2026-11-21").text == shown[0] + rest
    assert desk("list_events", date="2026-11-23").text == rest.strip()
    assert desk("list_events", date="2026-12-02").text == shown[2] + rest
    assert desk("list_events", date="2026-12-07").text == "2026-12-07 09:00: weekly" + rest
    (desk.folder / "calendar.ics").write_text("", encoding="utf-8")
    assert desk("list_events").text == "nothing"
    assert "outside" in desk("add_event", title="x", date="9999-12-31").text
    monkeypatch.undo()
    time.tzset()


CHANGES: dict[str, dict[str, Any]] = {
    "write_file": {"path": "todo.txt", "content": "all is done"},
    "add_note": {"text": "call Anna"},
    "add_event": {"title": "lunch", "date": "2026-12-04"},
    "draft_mail": {"to": "anna@example.org", "subject": "hello"},
}


def told(desk: Desk) -> dict[str, str]:
    """What a person sees of the workspace."""
    seen = {name: desk(name).text for name in ("find_notes", "list_events", "list_files")}
    return {**seen, **{it: desk("read_file", path=it).text for it in ("todo.txt",)}}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_tool_did_is_taken_back(name: str, desk: Desk) -> None:
    for opened in ("find_notes", "list_events"):  # which makes their files
        desk(opened)
    desk("add_event", key="before", title="tea", date="2026-12-01")
    desk("add_note", key="before", text="stay")
    (desk.folder / "drafts").mkdir()
    before = told(desk)
    seen = desk(name, key="run/1", **CHANGES[name])
    assert seen.ok
    services = {**desk.services, CallKey: CallKey("run/1")}
    back = asyncio.run(TOOLS[name].take_back(CHANGES[name], seen.value, services))
    assert back.ok, back.text
    assert told(desk) == before
    assert not list((desk.folder / "drafts").iterdir())


def test_every_tool_that_changes_something_can_take_it_back() -> None:
    changing = {tool.name for tool in TOOLBOX if tool.effect is not Effect.PURE}
    assert {name for name, tool in TOOLS.items() if tool.undo} == changing == set(CHANGES)


def test_a_file_that_was_changed_since_is_left_as_it_is(desk: Desk) -> None:
    desk("write_file", key="run/1", path="new.txt", content="mine")
    desk("write_file", key="run/2", path="new.txt", content="theirs")

    def back(number: int, content: str) -> Observation:
        services = {**desk.services, CallKey: CallKey(f"run/{number}")}
        args = {"path": "new.txt", "content": content}
        return asyncio.run(TOOLS["write_file"].take_back(args, "", services))

    assert back(1, "mine").text == "error: new.txt was changed since, and is left as it is"
    assert back(2, "theirs").ok
    assert back(1, "mine").ok
    assert not (desk.folder / "new.txt").exists()
    assert back(1, "mine").ok, "whoever was stopped in the middle does it again"
    assert not (desk.folder / "new.txt").exists()
    assert not asyncio.run(TOOLS["calculate"].take_back({}, "")).ok
