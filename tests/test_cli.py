"""The command line as people and scripts use it: answers on standard output, exit codes, errors without tracebacks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bridle import settings
from bridle.journal import Journal, RunEnded, Status, Tokens
from bridle.shelf import shelf

COMMAND = [sys.executable, "-m", "bridle"]


def test_help_is_there_and_quick() -> None:
    start = time.monotonic()
    shown = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    seconds = time.monotonic() - start
    for command in ("run", "chat", "extract", "runs", "trace", "models", "skills", "tools", "doctor", "bench"):
        assert command in shown
    assert seconds < 2, f"{seconds:.2f} s; the bar of 0.5 s is measured in benchmarks"


def test_the_version(bridle: Any) -> None:
    assert bridle("--version").out.startswith("bridle 0.")


def test_a_task_is_done_and_on_record(bridle: Any) -> None:
    done = bridle("run", "--json", "What is 12 * 12?")
    assert done.code == 0
    assert done.json["status"] == "done"
    assert done.json["calls"][0]["tool"] == "calculate"
    assert done.json["calls"][0]["args"] == {"expression": "12 * 12"}
    listed = bridle("runs", "list", "--json").json
    assert [run["run"] for run in listed] == [done.json["run"]]
    shown = bridle("runs", "show", done.json["run"], "--json").json
    assert shown["events"][0]["task"] == "What is 12 * 12?"
    assert "144" in bridle("runs", "show").out
    assert "calculate" in bridle("trace").out
    assert "<|user|>" in bridle("trace", "last", "--prompts").out
    assert "done" in bridle("runs", "list").out


def test_a_run_that_waits_is_gone_on_with_and_looked_at_again(bridle: Any, tmp_path: Path) -> None:
    waiting = bridle("run", "--json", "Make a note")
    assert (waiting.code, waiting.json["status"]) == (4, "paused")
    run = waiting.json["run"]
    still = bridle("runs", "resume", run)
    assert still.code == 4
    assert f"bridle runs resume {run}" in still.err
    done = bridle("runs", "resume", run, "--answer", "buy milk", "--json")
    assert (done.code, done.json["status"]) == (0, "done")
    assert done.json["calls"][0]["args"] == {"text": "buy milk"}
    again = bridle("runs", "resume", run)
    assert (again.code, "is done" in again.err) == (2, True)
    assert "1 run comes to the same" in bridle("runs", "replay", run).out
    forked = bridle("runs", "fork", run, "--at", "ask#1", "--set", "answer=call Anna", "--json")
    assert forked.json["calls"][0]["args"] == {"text": "call Anna"}
    parts = bridle("runs", "diff", run, forked.json["run"])
    assert (parts.code, "ask#1" in parts.out) == (1, True)
    assert bridle("runs", "diff", run, run).code == 0
    for wrong in (["--at", "nowhere"], ["--set", "color=red"], ["--set", "answer"]):
        failed = bridle("runs", "fork", run, *wrong)
        assert (failed.code, failed.err[:6]) == (2, "error:")


def test_runs_are_checked_exported_and_taken_out(bridle: Any, tmp_path: Path) -> None:
    bridle("run", "What is 12 * 12?")
    assert "1 run is as it was written" in bridle("runs", "verify").out
    path = tmp_path / "run.jsonl"
    assert "events" in bridle("runs", "export", "-o", str(path)).out
    assert "signed here" in bridle("runs", "verify", str(path)).out
    assert bridle("runs", "verify", str(path), "--again").code == 2, "only a run of the journal has its model here"
    path.write_text(path.read_text().replace("144", "145"))
    changed = bridle("runs", "verify", str(path))
    assert (changed.code, "was changed" in changed.err) == (1, True)
    assert bridle("runs", "export", "-o", str(tmp_path / "none" / "x")).code == 2
    assert "would be taken out" in bridle("runs", "prune", "--keep", "0", "--days", "0").out
    assert len(bridle("runs", "list", "--json").json) == 1
    assert "were taken out" in bridle("runs", "prune", "--keep", "0", "--days", "0", "--yes").out
    assert bridle("runs", "list", "--json").json == []


def test_runs_are_taken_again_each_by_its_model(bridle: Any, tmp_path: Path) -> None:
    bridle("run", "What is 12 * 12?")
    other = tmp_path / "other.gguf"
    other.write_bytes((shelf("models") / "colt" / "colt.gguf").read_bytes().replace(b"colt", b"foal", 1))
    bridle("run", "-m", str(other), "--deterministic", "What is 3 + 4?")
    both = bridle("runs", "verify", "all", "--again")
    assert (both.code, "the same" in both.out, "is of the model foal" in both.out) == (0, True, True)
    none = bridle("runs", "verify", "last", "--again")
    assert (none.code, "is of the model foal" in none.err) == (2, True)


def test_a_policy_holds_and_explains_itself(bridle: Any, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[rule]]\ntools = ["add_note"]\nthen = "ask"\n[[rule]]\ntools = ["write_*"]\nthen = "deny"\n')
    assert bridle("policy", "check", str(path), "--json").json["write_file"] == "deny (rule 2)"
    assert "ask" in bridle("policy", "check", str(path)).out
    waiting = bridle("run", "--policy", str(path), "--json", "Take a note: call Anna")
    assert (waiting.code, waiting.json["status"]) == (4, "paused")
    assert "shall it be done?" in waiting.json["question"]
    done = bridle("runs", "resume", "--answer", "yes", "--json")
    assert (done.code, [it["tool"] for it in done.json["calls"]]) == (0, ["add_note"])
    assert "write_file: deny (rule 2)" in bridle("policy", "explain").out
    assert bridle("policy", "explain", "last", "act#1", "--json").json[0]["policy"]["add_note"] == "ask (rule 1)"
    assert "calculate" in bridle("policy", "explain", "last", "act#1", "--json").json[0]["free"]
    missing = bridle("policy", "explain", "last", "act#9")
    assert (missing.code, "has no step act#9; it has: act#1, call 1" in missing.err) == (2, True)
    assert "policy for act#1" in bridle("trace").out
    path.write_text("[")
    wrong = bridle("run", "--policy", str(path), "anything")
    assert (wrong.code, "is not TOML" in wrong.err) == (2, True)


def test_what_a_person_changed_is_explained(bridle: Any, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[rule]]\ntools = ["add_note"]\nthen = "ask"\n')
    bridle("run", "--policy", str(path), "Take a note: call Anna")
    bridle("runs", "resume", "--answer", '{"text": "call Bo"}')
    (told,) = bridle("policy", "explain", "last", "call 1", "--json").json
    assert told["asked"][0]["question"].startswith('add_note {"text": "call Anna"')
    assert told["asked"][0]["answer"] == '{"text": "call Bo"}'
    assert told["came"] == 'add_note {"text": "call Bo"} was called'
    shown = bridle("policy", "explain", "last").out
    assert 'the person said: {"text": "call Bo"}' in shown
    assert "free: " in shown
    untouched = bridle("policy", "explain", "last", "act#2")
    assert (untouched.code, "act#2" in untouched.out) == (0, True)


def test_a_policy_that_speaks_of_nothing_here_is_told_so(bridle: Any, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(
        '[[rule]]\ntools = ["draft_mial", "calculate"]\nskills = ["raect"]\n'
        '[[rule]]\ntools = ["draft_*"]\ntrusted = ["recipient"]\n'
    )
    told = bridle("policy", "check", str(path))
    assert told.code == 0
    for line in (
        "nothing here is called draft_mial; the nearest tool is draft_mail",
        "nothing here is called raect; the nearest skill is react",
        "rule 2 fits none of its tools: trusted: there is no argument recipient",
    ):
        assert line in told.out
    assert bridle("policy", "check", str(path), "--strict").code == 1
    assert len(bridle("policy", "check", str(path), "--json").json["slips"]) == 3
    path.write_text('[[rule]]\ntools = ["draft_mail"]\ntrusted = ["recipient"]\n')
    for wrong in (bridle("policy", "check", str(path)), bridle("run", "--policy", str(path), "Mail Bo")):
        assert (wrong.code, "there is no argument recipient" in wrong.err) == (2, True)
    path.write_text('[[rule]]\ntools = ["draft_mail"]\ntrusted = ["to"]\n')
    fine = bridle("policy", "check", str(path), "--strict")
    assert (fine.code, "nothing here" in fine.out) == (0, False)


README_TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "What is 15% of 240?": ("calculate", {"expression": "15% of 240"}),
    "Convert 26.2 miles to km": ("convert_units", {"value": 26.2, "from_unit": "miles", "to_unit": "km"}),
    "Which files mention paint?": ("search_text", {"text": "paint"}),
    "Take a note: call Anna about the lease": ("add_note", {"text": "call Anna about the lease"}),
    "Schedule team lunch on 2026-12-04 at 12:00": (
        "add_event",
        {"title": "team lunch", "date": "2026-12-04", "time": "12:00"},
    ),
    "What is the sum of amount in expenses.csv?": (
        "query_table",
        {"path": "expenses.csv", "operation": "sum", "column": "amount"},
    ),
}


@pytest.mark.parametrize("task", README_TASKS)
def test_the_tasks_of_the_readme_are_done(bridle: Any, task: str) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    makefile = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")
    assert task in text + makefile
    shutil.copytree(Path(__file__).parent / "workspace", Path.cwd(), dirs_exist_ok=True)
    done = bridle("run", "--json", task)
    assert (done.code, done.json["status"]) == (0, "done")
    assert [(call["tool"], call["args"], call["ok"]) for call in done.json["calls"]] == [(*README_TASKS[task], True)]


def test_the_answer_goes_to_standard_output_and_nothing_else_does(bridle: Any) -> None:
    done = bridle("run", "What is 15% of 240?")
    assert done.code == 0
    assert done.out.count("\n") == 1
    assert "36" in done.out
    assert "calculate" in done.err
    assert "steps" in done.err


def test_standard_input_is_a_task(bridle: Any) -> None:
    assert "36" in bridle("run", "-", stdin="What is 15% of 240?").out


def test_xml_does_the_same(bridle: Any) -> None:
    done = bridle("run", "--json", "--format", "xml", "Read todo.txt")
    assert done.code == 0
    assert [call["tool"] for call in done.json["calls"]] == ["read_file"]


def test_budgets_exit_with_three(bridle: Any) -> None:
    stopped = bridle("run", "--json", "--max-steps", "1", "What is 12 * 12?")
    assert stopped.code == 3
    assert stopped.json["status"] == "budget"
    assert stopped.json["answer"].startswith("Not finished: it took 1 steps.")


def test_questions_exit_with_four(bridle: Any) -> None:
    paused = bridle("run", "--json", "Take a note")
    assert (paused.code, paused.json["status"]) == (4, "paused")
    assert paused.json["question"].endswith("?")


@pytest.mark.parametrize(
    ("args", "code", "complaint"),
    [
        (["run", " "], 2, "the task is empty"),
        (["run", "x", "-m", "nope.gguf"], 2, "no model at nope.gguf"),
        (["run", "x", "-m", "todo.txt"], 1, "todo.txt is not a GGUF file"),
        (["run", "x", "-w", "nope"], 2, "no workspace at nope"),
        (["run", "x", "--skill", "nope"], 2, "there is no skill 'nope'"),
        (["run", "x", "--format", "yaml"], 2, "'yaml' is not one of 'json', 'xml'"),
        (["run", "x", "--max-steps", "0"], 2, "--max-steps"),
        (["run"], 2, "Missing argument"),
        (["nope"], 2, "No such command"),
        (["trace", "nope"], 2, "no run is called nope"),
        (["runs", "show"], 2, "there are no runs yet"),
        (["extract", "x", "--schema", "nope.json"], 2, "no schema at nope.json"),
        (["extract", "x", "--schema", "todo.txt"], 2, "todo.txt is not JSON"),
        (["extract", "x", "--schema", "nope:Type"], 2, "cannot be found"),
        (["extract", " ", "--schema", "json:JSONDecoder"], 2, "the text is empty"),
    ],
)
def test_bad_calls_are_told_in_a_line(bridle: Any, args: list[str], code: int, complaint: str) -> None:
    failed = bridle(*args)
    assert failed.code == code
    assert failed.out == ""
    assert complaint in " ".join(failed.err.split())


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--temperature", "inf", "temperature has to be a finite number from 0, not inf"),
        ("--seed", "-1", "seed has to be a whole number from 0, not -1"),
    ],
)
def test_sampling_out_of_range_is_told_before_a_run(bridle: Any, option: str, value: str, complaint: str) -> None:
    result = bridle("run", "What is 15% of 240?", option, value)
    assert result.code == 2
    assert complaint in result.err
    assert bridle("runs", "list", "--json").json == []


def test_a_schema_that_no_document_can_fit_is_refused(bridle: Any) -> None:
    Path("odd.json").write_text('{"type": "string", "not": {"type": "string"}}', encoding="utf-8")
    failed = bridle("extract", "some text", "--schema", "odd.json")
    assert failed.code == 2
    assert "no document can fit the schema" in " ".join(failed.err.split())


def test_a_context_that_is_too_small_says_what_to_shorten(bridle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDLE_CONTEXT", "256")
    failed = bridle("run", "What is 12 * 12?")
    assert failed.code == 1
    assert "the context holds 256" in " ".join(failed.err.split())
    assert bridle("runs", "list", "--json").json[0]["status"] == "failed"


def test_an_unwritable_home_is_said(bridle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("x", encoding="utf-8")
    monkeypatch.setenv("BRIDLE_HOME", str(Path("file", "below").resolve()))
    failed = bridle("runs", "list")
    assert failed.code == 1
    assert "BRIDLE_HOME" in failed.err


def test_bad_settings_are_said(bridle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDLE_THREADS", "many")
    failed = bridle("runs", "list")
    assert failed.code == 2
    assert "threads: Input should be a valid integer" in failed.err


def test_values_are_extracted(bridle: Any) -> None:
    Path("city.json").write_text(
        '{"type": "object", "properties": {"kind": {"enum": ["note", "mail"]}}, "required": ["kind"]}', encoding="utf-8"
    )
    Path("shapes.py").write_text("from typing import Literal\nKind = Literal['note', 'mail']\n", encoding="utf-8")
    assert bridle("extract", "A note.", "--schema", "city.json").out.startswith('{\n  "kind": ')
    told = bridle("extract", "A note.", "--schema", "shapes:Kind", "--json").json
    assert told["value"] in ("note", "mail")
    assert told["attempts"] == 1
    xml = bridle("extract", "@todo.txt", "--schema", "city.json", "--format", "xml", "--json").json
    assert xml["value"]["kind"] in ("note", "mail")
    lines = bridle("extract", "A note.", "--schema", "city.json", "--stream").out.splitlines()
    assert [json.loads(line)["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert len(lines) > 2


def test_chat_is_one_conversation(bridle: Any) -> None:
    talked = bridle("chat", stdin="What is 15% of 240?\n\n/new\nWhich files mention milk?\n/quit\n")
    assert talked.code == 0
    assert "36" in talked.out
    assert "milk" in talked.out
    runs = bridle("runs", "list", "--json").json
    assert [run["task"] for run in runs] == ["Which files mention milk?", "What is 15% of 240?"]


def test_shelves_are_listed(bridle: Any) -> None:
    assert bridle("models", "list", "--json").json[0]["name"] == "colt"
    assert "colt" in bridle("models", "list").out
    assert bridle("models", "show", "--json").json["vocabulary"] == 2048
    assert "<|end|>" in bridle("models", "show", "colt").out
    assert {"react", "chat"} <= {skill["name"] for skill in bridle("skills", "list", "--json").json}
    assert "step by step" in bridle("skills", "list").out
    assert len(bridle("tools", "list", "--json").json) >= 14
    assert "calculate(expression)" in bridle("tools", "list").out


def test_the_doctor_looks_at_everything(bridle: Any) -> None:
    seen = bridle("doctor", "--json")
    assert seen.code == 0
    assert {finding["what"] for finding in seen.json} == {
        "Python", "compiler", "llama.cpp", "GPU", "engine", "SQLite", "sandbox", "shelves", "memory", "journal",
    }  # fmt: skip
    assert "llama-cpp-python 0.3.36" in bridle("doctor").out


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("device", "CUDA7", "no device 'CUDA7' here"),
        ("kv_type", "q8_0", "need flash attention"),
        ("threads", "3", "3 threads"),
    ],
)
def test_the_doctor_says_what_is_on(
    bridle: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv("BRIDLE_FLASH_ATTENTION", "off")
    monkeypatch.setenv(f"BRIDLE_{name.upper()}", value)
    seen = bridle("doctor", "--json")
    (engine,) = (it for it in seen.json if it["what"] == "engine")
    assert told in engine["detail"]
    assert seen.code == int(name != "threads")


def test_interrupting_a_run_leaves_a_record(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a step: exit code 130, and the run is journaled as cancelled."""
    environment = {**os.environ, "BRIDLE_HOME": str(tmp_path / "home")}
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "from bridle.engine.llama import LlamaBackend\n"
        "from bridle.cli import main\n"
        "decode = LlamaBackend.decode\n"
        "def slowly(self, parts):\n"
        "    print('decoding', flush=True)\n"
        "    time.sleep(0.2)\n"
        "    return decode(self, parts)\n"
        "LlamaBackend.decode = slowly\n"
        "sys.argv = ['bridle', 'run', '--json', 'What is 12 * 12?']\n"
        "main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "decoding\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert "Traceback" not in process.stderr.read()
    shown = subprocess.run(
        [*COMMAND, "runs", "list", "--json"], capture_output=True, text=True, env=environment, check=True
    )
    (run,) = json.loads(shown.stdout)
    assert run["status"] == "cancelled"
    traced = subprocess.run([*COMMAND, "trace"], capture_output=True, text=True, env=environment, check=True)
    assert "cancelled" in traced.stdout


def test_colours_stay_out_of_pipes(tmp_path: Path) -> None:
    environment = {**os.environ, "BRIDLE_HOME": str(tmp_path / "home")}
    shown = subprocess.run([*COMMAND, "tools", "list"], capture_output=True, text=True, env=environment, check=True)
    assert "\x1b[" not in shown.stdout


def test_the_bundled_model_is_small() -> None:
    assert (shelf("models") / "colt" / "colt.gguf").stat().st_size < 12_000_000


def test_a_device_that_is_not_there_is_told(bridle: Any) -> None:
    told = bridle("run", "--device", "cuda7", "What is 2 + 3?")
    assert told.code == 2
    assert "no device 'cuda7' here" in told.err


@pytest.mark.parametrize("status", list(Status))
def test_every_way_a_run_can_stand_is_shown(bridle: Any, status: Status) -> None:
    assert bridle("run", "--json", "What is 12 * 12?").code == 0
    with Journal(settings.load().journal) as journal:
        ended = RunEnded(status=status, steps=1, tokens=Tokens(), seconds=1.0)
        journal.append(journal.find("last"), ended)
    assert str(status).split()[0] in bridle("runs", "list").out
    assert str(status).split()[0] in bridle("trace").out
