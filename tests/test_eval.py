"""Evaluation: cases are read with care, runs are judged by what they did, and chance is told from change."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridle.errors import UsageError
from bridle.evals.cases import Said, read_suite
from bridle.evals.report import Report, Result, by_tag, check_comparable, compare, read_report, row, unlike
from bridle.evals.score import differs
from bridle.evals.scripted import scripted_model
from bridle.evals.suite import evaluate, variants
from bridle.how import StepSettings
from bridle.journal import CallAnswered, Journal, RunJudged

NOTE = '{"tool": "add_note", "args": {"text": "the boiler is loud"}}'
DONE = '{"answer": "It is saved."}'


def judged(journal: Journal, texts: list[str], case: dict[str, Any]) -> Result:
    """One case, done by a script."""
    told = {"request": "Note that the boiler is loud.", "name": "one", "family": "notes", **case}
    suite = read_told(journal.path.parent, [told])
    with scripted_model(texts) as model:
        chosen = variants(model, [], StepSettings())
        return asyncio.run(evaluate(model, suite, chosen, journal, at_once=1)).results[0]


def read_told(folder: Path, cases: Any) -> Any:
    (folder / "suite").mkdir(exist_ok=True)
    (folder / "suite" / "cases.yaml").write_text(yaml.safe_dump(cases), encoding="utf-8")
    return read_suite(folder / "suite")


LOUD = "the boiler is loud"
ROWS = {"file": "notes.db", "query": "select text from note"}
CALL = {"tool": "add_note", "args": {"text": "the boiler is loud"}}
EXPECTED: dict[str, tuple[dict[str, Any], str]] = {
    "the exact call": ({"calls": [CALL]}, ""),
    "one of several": ({"calls": [{"tool": "add_note", "args": {"text": {"any_of": ["x", LOUD]}}}]}, ""),
    "another value": ({"calls": [{"tool": "add_note", "args": {"text": "boiler"}}]}, "calls"),
    "another argument": ({"calls": [{"tool": "add_note", "args": {}}]}, "calls"),
    "another tool": ({"calls": [{"tool": "find_notes"}]}, "calls"),
    "nothing called": ({"calls": []}, "calls"),
    "a call too many": ({"calls": [CALL, CALL]}, "calls"),
    "rows": ({"database": [{**ROWS, "rows": [[LOUD]]}]}, ""),
    "other rows": ({"database": [{**ROWS, "rows": []}]}, "database notes.db"),
    "a bad query": ({"database": [{"file": "notes.db", "query": "select", "rows": []}]}, "database notes.db"),
    "no database": ({"database": [{"file": "x.db", "query": "select 1", "rows": [[1]]}]}, "database x.db"),
    "a file": ({"files": {"list.txt": "milk"}}, ""),
    "another file": ({"files": {"list.txt": "bread"}}, "file list.txt"),
    "a file too many": ({"files": {"list.txt": None}}, "file list.txt"),
    "no file": ({"files": {"x.txt": None}}, ""),
    "a missing file": ({"files": {"x.txt": "milk"}}, "file x.txt"),
    "a file outside": ({"files": {"../x.txt": "milk"}}, "file ../x.txt"),
    "the answer": ({"answer": "SAVED"}, ""),
    "another answer": ({"answer": {"equals": "Saved."}}, "answer"),
    "a rule kept": ({"never": ["draft_mail"]}, ""),
    "a rule broken": ({"never": ["add_note"]}, "rules"),
    "a question": ({"asks": True}, "ends"),
    "few steps": ({"steps": 2, "tokens": 200}, ""),
    "too many steps": ({"steps": 1}, "steps"),
    "too many tokens": ({"tokens": 5}, "tokens"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_run_is_judged_by_what_it_did(name: str, journal: Journal) -> None:
    expect, wrong = EXPECTED[name]
    result = judged(journal, [NOTE, DONE], {"expect": expect, "files": {"list.txt": "milk\n"}})
    assert {what for what, why in result.checks.items() if why} - {"tools"} == ({wrong} if wrong else set())
    assert result.passed == (not wrong)
    assert (result.valid, result.steps) == (True, 2)
    last = journal.events(result.run)[-1].body
    assert isinstance(last, RunJudged)
    assert (last.case, last.passed, last.checks) == ("one", result.passed, result.checks)
    assert last.passed == (last.reward == 1)


def test_a_question_is_an_end_where_it_is_expected(journal: Journal) -> None:
    ask = '{"ask": "Which boiler?"}'
    assert judged(journal, [ask], {"expect": {"asks": True, "calls": []}}).passed
    assert judged(journal, [ask], {"expect": {"asks": "which boiler"}}).passed
    assert "question" in judged(journal, [ask], {"expect": {"asks": "which roof"}}).checks
    replied = judged(journal, [ask, NOTE, DONE], {"replies": ["The old one."], "expect": {"answer": "saved"}})
    assert replied.passed


def test_offered_tools_answer_what_the_case_says(journal: Journal) -> None:
    offer = {
        "name": "open_gate",
        "description": "Open a gate.",
        "parameters": {"type": "object", "properties": {"gate": {"type": "string"}}, "required": ["gate"]},
        "results": [{"error": "it is stuck"}, "the north gate is open"],
    }
    call = '{"tool": "open_gate", "args": {"gate": "north"}}'
    expect = {"calls": [{"tool": "open_gate", "args": {"gate": "north"}}] * 2, "answer": "open"}
    result = judged(journal, [call, call, '{"answer": "It is open."}'], {"offers": [offer], "expect": expect})
    assert result.passed
    told = [it.body.text for it in journal.events(result.run) if isinstance(it.body, CallAnswered)]
    assert told == ["error: it is stuck", "the north gate is open"]
    started: Any = journal.events(result.run)[0].body
    assert [tool.name for tool in started.tools] == ["open_gate"]


BROKEN: dict[str, tuple[Any, str]] = {
    "nothing": ([], "there are no cases"),
    "no request": ([{"expect": {}}], "case 1, is no case: request"),
    "an unknown word": ([{"request": "x", "expect": {"call": []}}], "expect.call"),
    "an unknown tool": ([{"request": "x", "tools": ["fly"], "expect": {}}], "no tool is called fly"),
    "two of one name": ([{"request": "x", "name": "a", "expect": {}}] * 2, "2 cases"),
    "a text": ("x", "is no case"),
    "a blank request": ([{"request": " ", "name": "n", "expect": {}}], "n: its request is blank"),
    "a file outside": ([{"request": "x", "files": {"../a": ""}, "expect": {}}], "'../a' is not in the workspace"),
    "a file in a file": (
        [{"request": "x", "files": {"a": "", "a/b": ""}, "expect": {}}],
        "its file 'a' cannot hold 'a/b'",
    ),
    "an unknown skill": ([{"request": "x", "name": "n", "skill": "reakt", "expect": {}}], "n: there is no skill"),
    "no expression": ([{"request": "x", "expect": {"answer": {"matches": "("}}}], "answer.matches: .*no regular"),
    "an offer of a tool's name": (
        [{"request": "x", "tools": ["add_note"], "offers": [{"name": "add_note"}], "expect": {}}],
        "2 of its tools are called add_note",
    ),
    "a call of nothing": ([{"request": "x", "expect": {"calls": [{"tool": "fly"}]}}], "expects a call of fly"),
    "nothing to forbid": ([{"request": "x", "expect": {"never": ["draft_emial"]}}], "forbids draft_emial"),
    "no schema": (
        [{"request": "x", "offers": [{"name": "a", "parameters": {"type": "strin"}}], "expect": {}}],
        "the parameters of a are not a valid JSON Schema, at type",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_suite_says_where(name: str, tmp_path: Path) -> None:
    told, complaint = BROKEN[name]
    with pytest.raises(UsageError, match=complaint):
        read_told(tmp_path, told)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("request: x\nrequest: y\nexpect: {}\n", "found 'request' twice"),
        (f"request: x\nexpect: {{steps: {'9' * 5_000}}}\n", "is not YAML"),
        ("request: !!timestamp foo\nexpect: {}\n", "is not YAML"),
        ("request: !!bool x\nexpect: {}\n", "is not YAML"),
        (f"request: {'[' * 3_000}{']' * 3_000}\n", "is not YAML|no case"),
    ],
)
def test_yaml_that_means_nothing_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=complaint) as caught:
        read_suite(tmp_path)
    assert "odd.yaml" in caught.value.message


def test_dates_in_a_case_are_texts_as_arguments_are(tmp_path: Path) -> None:
    told = "request: x\nnow: 2026-03-04\nexpect: {calls: [{tool: list_events, args: {date: 2026-02-30}}]}\n"
    (tmp_path / "a.yaml").write_text(told, encoding="utf-8")
    [case] = read_suite(tmp_path).cases
    assert case.expect.calls is not None
    assert case.expect.calls[0].args == {"date": "2026-02-30"}
    assert case.now.day == 4


def test_what_is_no_yaml_or_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match="is not YAML"):
        read_suite(tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_suite(tmp_path / "b.yaml")


@pytest.mark.parametrize(
    ("said", "text", "right"),
    [
        ({"equals": "Yes."}, " Yes.\n", True),
        ({"equals": "Yes."}, "yes.", False),
        ({"contains": ["the  END"]}, "So the end\nis near", True),
        ({"lacks": ["sorry"]}, "Sorry!", False),
        ({"number": 3}, "3 of 14", True),
        ({"number": 3}, "13", False),
        ({"number": -0.5, "within": 0.01}, "about -0.504 m", True),
        ({"number": 15}, "10-15 of them", True),
        ({"number": -15}, "10-15 of them", False),
        ({"number": 0.5}, "about .5 m", True),
        ({"number": -5}, "it is \u22125 degrees", True),
        ({"number": 123}, "1,2,3", False),
        ({"number": 2}, "1,2,3", True),
        ({"number": 1234567}, "1,234,567.", True),
        ({"number": 234}, "1,234", False),
        ({"matches": r"^\d+$"}, "12", True),
    ],
)
def test_texts_are_compared_as_told(said: dict[str, Any], text: str, right: bool) -> None:
    assert (differs(Said.model_validate(said), text) == "") is right


def report(passed: list[list[bool]], variant: str = "as it is") -> Report:
    """A report with a case for each list, repeated."""
    results = [
        Result(
            case=f"c{number}",
            family="f",
            tags=["even"] if number % 2 == 0 else ["odd"],
            variant=variant,
            repeat=repeat,
            passed=it,
            valid=True,
            checks={"calls": "" if it else "wrong"},
            steps=2,
            tokens=30,
            seconds=0.1,
            run="r",
        )
        for number, repeats in enumerate(passed)
        for repeat, it in enumerate(repeats)
    ]
    return Report(suite="s", digest="0", model="m", version="0", at="", variants=[variant], results=results)


def test_change_is_told_from_chance() -> None:
    before = report([[True]] * 60 + [[False]] * 40)
    same, *_ = compare(before, before)
    assert (same.low, same.high, same.is_regression, same.is_gain) == (0, 0, False, False)
    slightly, *_ = compare(report([[True]] * 58 + [[False]] * 42), before)
    assert slightly.now < slightly.before
    assert slightly.low < 0 <= slightly.high  # 2 of 100 could be chance
    worse, *tags = compare(report([[True]] * 40 + [[False]] * 60), before)
    assert worse.is_regression
    assert [it.tag for it in tags] == ["even", "odd"]
    better, *_ = compare(before, report([[True]] * 40 + [[False]] * 60))
    assert better.is_gain


def test_repeats_of_a_case_are_one_pair() -> None:
    found, *_ = compare(report([[True, False]] * 10), report([[True, True]] * 10))
    assert (found.cases, found.before, found.now) == (10, 1.0, 0.5)


def test_reports_without_a_common_case_are_refused() -> None:
    check_comparable(report([[True]]), ["as it is"], ["c0"])
    for variants_now, cases in (["format=xml"], ["c0"]), (["as it is"], ["c1"]):
        with pytest.raises(UsageError, match="no case in common"):
            check_comparable(report([[True]]), variants_now, cases)


def test_what_is_not_compared_is_told() -> None:
    before, now = report([[True]] * 3), report([[True]] * 5)
    assert unlike(before, before) == []
    assert unlike(now, before) == ["2 cases are not in the baseline, and not compared"]
    other = before.model_copy(update={"digest": "1", "results": before.results[:2]})
    assert [it.split(",")[0] for it in unlike(other, before)] == [
        "the suite was another one then: cases of one name may differ",
        "1 case is not in this run",
    ]


def test_repeats_of_a_case_make_nothing_surer() -> None:
    once, often = (row("all", report([[it] * times for it in (True,) * 8 + (False,) * 2]).results) for times in (1, 50))
    assert (once.passed, once.low, once.high) == (often.passed, often.low, often.high)


def test_tables_say_how_sure_they_are() -> None:
    found = report([[True], [False], [True], [True]])
    whole = row("all", found.results)
    assert (whole.cases, whole.passed, whole.calls, whole.spread) == (4, 0.75, 0.75, None)
    again = row("all", report([[True, False], [True, True]]).results)
    assert again.spread is not None
    assert abs(again.spread - 0.5**0.5 / 2) < 1e-9  # 100 % once, 50 % the other time
    assert whole.low < 0.75 < whole.high < 1
    assert {it.name: it.passed for it in by_tag(found.results)} == {"even": 1.0, "odd": 0.5}


def test_variants_are_all_combinations() -> None:
    with scripted_model([], thinking=True) as model:
        found = variants(model, ["format=json,xml", "thinking=on,off constrain=off"], StepSettings())
        assert [it.name for it in found][:2] == [
            "format=json thinking=on constrain=off",
            "format=json thinking=off constrain=off",
        ]
        assert len(found) == 4
        assert [it.settings.format for it in found] == ["json", "json", "xml", "xml"]
        for axis in ("colour=red", "format", "format=yaml", "temperature=hot", "format=xml format=json"):
            with pytest.raises(UsageError):
                variants(model, [axis], StepSettings())
    with scripted_model([]) as model, pytest.raises(UsageError, match="does not think"):
        variants(model, ["thinking=on,off"], StepSettings())


SUITE = Path(__file__).resolve().parents[1] / "benchmarks" / "suites" / "toolbox"


def test_the_suites_that_come_with_bridle_are_cases() -> None:
    for folder, count in (("toolbox", 14), ("everyday", 60)):
        cases = read_suite(SUITE.parent / folder).cases
        assert len(cases) == len({case.name for case in cases}) == count
        assert all(case.tags for case in cases)


def test_colt_is_evaluated_and_held_against_a_baseline(bridle: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    done = bridle("eval", str(SUITE), "--report", str(file))
    assert done.code == 0, done.err
    assert "colt on toolbox" in done.out
    assert "bridle trace" in done.out
    found = read_report(file)
    assert len(found.results) == len(read_suite(SUITE).cases)
    passed = {result.case for result in found.results if result.passed}
    assert {"percent", "note", "appointment"} <= passed
    assert all(result.valid for result in found.results)
    again = bridle("eval", str(SUITE), "--against", str(file), "--json")
    assert again.code == 0
    assert {it["regression"] for it in again.json["differences"]} == {False}
    assert again.json["summary"][0]["all"]["cases"] == len(found.results)
    assert bridle("trace", found.results[0].run).code == 0


def test_forms_are_compared(bridle: Any, tmp_path: Path) -> None:
    one = read_suite(SUITE).cases[0]
    (tmp_path / "one.yaml").write_text(json.dumps(one.model_dump(mode="json")), encoding="utf-8")
    done = bridle("eval", str(tmp_path / "one.yaml"), "--json", "--matrix", "format=json,xml", "constrain=on,off")
    assert done.code == 0, done.err
    assert [it["variant"] for it in done.json["summary"]] == [
        f"format={form} constrain={held}" for form in ("json", "xml") for held in ("on", "off")
    ]


def test_worse_than_the_baseline_is_an_exit_code(bridle: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("request: What is 2 + 3?\nexpect: {answer: {equals: never}}\n", encoding="utf-8")
    file = tmp_path / "report.json"
    assert bridle("eval", str(tmp_path), "--report", str(file)).code == 0
    found = read_report(file)
    better = found.model_copy(update={"results": [it.model_copy(update={"passed": True}) for it in found.results]})
    file.write_text(better.model_dump_json(), encoding="utf-8")
    worse = bridle("eval", str(tmp_path), "--against", str(file))
    assert worse.code == 1
    assert "worse than the baseline" in worse.err
    file.write_text("{}", encoding="utf-8")
    assert "no report" in bridle("eval", str(tmp_path), "--against", str(file)).err


def test_a_place_that_cannot_be_written_is_told_first(bridle: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("request: What is 2 + 3?\nexpect: {}\n", encoding="utf-8")
    for place in (tmp_path, tmp_path / "nowhere" / "report.json"):
        done = bridle("eval", str(tmp_path), "--report", str(place))
        assert (done.code, done.out) == (2, "")
    assert bridle("runs", "list", "--json").json == []


def test_tags_are_no_markup(bridle: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('request: What is 2 + 3?\ntags: ["[/]"]\nexpect: {}\n', encoding="utf-8")
    file = tmp_path / "report.json"
    assert bridle("eval", str(tmp_path), "--report", str(file)).code == 0
    assert "[/]" in bridle("eval", str(tmp_path), "--against", str(file)).out


def test_bytes_in_a_database_are_told_in_digits(journal: Journal) -> None:
    rows = {**ROWS, "query": "select cast(text as blob) from note", "rows": [[LOUD.encode().hex()]]}
    assert judged(journal, [NOTE, DONE], {"expect": {"database": [rows]}}).passed
    assert not judged(journal, [NOTE, DONE], {"expect": {"database": [{**rows, "rows": [["00"]]}]}}).passed


def test_the_share_that_must_pass(bridle: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("request: What is 2 + 3?\nexpect: {answer: {equals: never}}\n", encoding="utf-8")
    assert bridle("eval", str(tmp_path)).code == 0
    assert bridle("eval", str(tmp_path), "--fail-under", "0.5").code == 1
    assert bridle("eval", str(tmp_path), "constrain=on").code == 2
    assert bridle("eval", str(tmp_path / "nowhere")).code == 2


def test_what_was_done_before_a_stop_is_kept(tmp_path: Path) -> None:
    told = [{"request": f"What is {n} + 3?", "expect": {"answer": {"number": n + 3}}} for n in range(300)]
    (tmp_path / "many.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    args = ["bridle", "eval", "many.yaml", "--report", "report.json", "--at-once", "2"]
    code = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "from bridle.cli import main\n"
        f"sys.argv = {args}\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "BRIDLE_HOME": str(tmp_path / "home")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as child:
        due = time.monotonic() + 60
        while time.monotonic() < due and ended(tmp_path / "home" / "journal.db") < 4:
            time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _, told_of = child.communicate(timeout=60)
    assert child.returncode == 130, told_of
    assert "stopped" in told_of
    assert "Traceback" not in told_of
    assert 1 <= len(read_report(tmp_path / "report.json").results) < 300


def ended(path: Path) -> int:
    """Runs of a journal that were judged."""
    if not path.exists():
        return 0
    with Journal(path) as journal:
        return sum(isinstance(journal.events(it.run)[-1].body, RunJudged) for it in journal.runs())
