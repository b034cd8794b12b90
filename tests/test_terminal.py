"""What models, files and people write reaches a terminal without driving it, a pipe as it is, and no traceback ever."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle import settings
from bridle.catalogue import PLACE, Trust
from bridle.cli.screen import harmless
from bridle.journal import Journal, RunEnded, RunStarted, Status, Tokens
from bridle.skill import read_skill

HOSTILE = "red \x1b[31m title \x1b]0;owned\x07 back\x08 c1 \x9b2J turn \u202eabc :x: [bold]tab\tend"


def put_hostile(home: Path) -> None:
    """A run whose task and answer are hostile, in the journal of a home."""
    with Journal(home / "journal.db") as journal:
        journal.append(
            "r1",
            RunStarted(task=HOSTILE, skill="react", model="colt", workspace=".", format="json", seed=1, version="0.1"),
        )
        journal.append("r1", RunEnded(status=Status.DONE, answer=HOSTILE, steps=1, tokens=Tokens(), seconds=1.0))


@given(st.text())
def test_nothing_that_drives_a_terminal_is_left(text: str) -> None:
    shown = harmless(text)
    assert len(shown) == len(text)
    assert not {it for it in shown if (ord(it) < 32 and it not in "\t\n") or 127 <= ord(it) < 160}
    assert harmless(shown) == shown


@pytest.mark.parametrize("args", [["runs", "show"], ["trace"], ["runs", "list"], ["runs", "why"], ["runs", "stats"]])
def test_a_terminal_is_not_driven_by_what_was_said(args: list[str], tmp_path: Path) -> None:
    put_hostile(tmp_path)
    main, other = pty.openpty()
    environment = {**os.environ, "BRIDLE_HOME": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "200"}
    with subprocess.Popen(
        [sys.executable, "-m", "bridle", *args], stdin=other, stdout=other, stderr=other, env=environment
    ) as process:
        os.close(other)
        shown = b""
        while True:
            try:
                shown += (more := os.read(main, 65536))
            except OSError:  # the other end is closed
                break
            if not more:
                break
        assert process.wait() == 0
    os.close(main)
    text = shown.decode()
    assert not [bad for bad in ("\x1b]", "\x1b[2J", "\x07", "\x08", "\x9b", "\u202e") if bad in text]
    if args == ["runs", "show"]:
        assert "␛[31m" in text
        assert ":x: [bold]" in text


def test_a_pipe_gets_answers_letter_for_letter(bridle: Any) -> None:
    put_hostile(settings.load().home)
    assert HOSTILE in bridle("runs", "show").out


def test_a_progress_bar_takes_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from bridle.observe.progress import Display
    from bridle.turn import Progress

    display = Display(Console(force_terminal=True, stderr=True))
    for text in ("a[/x]", "[bold]b", "c"):
        display.on_progress(Progress("calling", text))
    display.close()


@pytest.mark.parametrize(
    ("args", "code", "complaint"),
    [
        (["extract", "@nope.txt", "--schema", "a.json"], 2, "nope.txt cannot be read: No such file"),
        (["extract", "@.", "--schema", "a.json"], 2, "Is a directory"),
        (["extract", "@latin.txt", "--schema", "a.json"], 2, "latin.txt is not UTF-8"),
        (["extract", "x", "--schema", "latin.txt"], 2, "latin.txt is not UTF-8"),
        (["extract", "x", "--schema", "z" * 5000], 2, "no schema at zz"),
        (["extract", "x", "--schema", "broken:Type"], 2, "broken cannot be loaded: SyntaxError"),
        (["extract", "x", "--schema", "raising:Type"], 2, "raising cannot be loaded: ZeroDivisionError"),
        (["run", "a\udcff"], 2, "not UTF-8"),
        (["run", "x", "--policy", "nope.toml", "-m", "nope.gguf"], 2, "the policy nope.toml cannot be read"),
        (["run", "x", "--skill", "nope", "-m", "nope.gguf"], 2, "there is no skill"),
        (["run", "x", "--timeout", "inf"], 2, "--timeout"),
        (["runs", "list", "-n", str(2**63)], 2, "--limit"),
        (["runs", "prune", "--days", "1e9"], 2, "--days"),
        (["runs", "verify", "z" * 5000], 2, "no run is called"),
        (["runs", "export", "--out", "."], 2, "is a folder"),
        (["trace", "--html", ""], 2, "is a folder"),
        (["trace", "--html", "no/where.html"], 2, "make the folder first"),
        (["runs", "resume", "--answer", " "], 2, "the answer is empty"),
        (["skills", "new", "a" * 300], 2, "at most 64"),
        (["skills", "new", "../up"], 2, "name: String should match"),
        (["skills", "new", "good", "--about", " "], 2, "description"),
        (["skills", "new", "good", "--folder", "latin.txt"], 2, "cannot be made: Not a directory"),
    ],
)
def test_odd_calls_are_told_in_a_line(bridle: Any, args: list[str], code: int, complaint: str) -> None:
    Path("a.json").write_text('{"type": "object"}', encoding="utf-8")
    Path("latin.txt").write_bytes("größer".encode("latin-1"))
    Path("broken.py").write_text("def (", encoding="utf-8")
    Path("raising.py").write_text("1 / 0", encoding="utf-8")
    failed = bridle(*args)
    assert (failed.code, failed.out) == (code, "")
    assert complaint in " ".join(failed.err.split())
    assert not Path("../up").exists()


@pytest.mark.parametrize(
    ("args", "told"),
    [(["tools", "list", "--json"], "No space left on device"), (["--help"], "No space left on device")],
)
def test_a_full_disk_is_told(args: list[str], told: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bridle", *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_letters_that_an_output_does_not_have_are_spelled(tmp_path: Path) -> None:
    put_hostile(tmp_path)
    environment = {**os.environ, "BRIDLE_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for args in (["runs", "show"], ["trace"], ["runs", "list", "--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "bridle", *args], capture_output=True, text=True, env=environment, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        if "--json" in args:
            assert json.loads(done.stdout)[0]["task"] == HOSTILE
    odd = {"word": "größer 🙂 \udce9"}
    code = (
        "import sys\n"
        "from bridle.cli import main\n"
        "from bridle.cli.common import print_json\n"
        "sys.argv = ['bridle', '--version']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        f"    print_json({odd!r})\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == odd


def test_what_was_cut_is_told(bridle: Any) -> None:
    Path("names.json").write_text(
        '{"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}, '
        '"required": ["names"]}',
        encoding="utf-8",
    )
    text = "Anna, Bob, Carla, Dirk, Emil, Frida, Gustav, Hanna, Ida, Jon, Karl, Lea, Mona, Nils, Otto, Paul"
    asked = ("extract", text, "--schema", "names.json", "--no-thinking", "--max-tokens", "12")
    cut, lines = bridle(*asked), bridle(*asked, "--stream")
    last = json.loads(lines.out.splitlines()[-1])
    assert (cut.code, lines.code, last["cut"]) == (3, 3, True)
    assert "12 tokens were not enough" in cut.err
    assert json.loads(cut.out) == last["value"]
    assert last["tokens"]["sampled"] > 0


def test_a_conversation_that_is_no_text_ends_with_a_word(tmp_path: Path) -> None:
    environment = {**os.environ, "BRIDLE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "bridle", "chat"],
        input=b"gr\xf6\xdfer\n", capture_output=True, cwd=tmp_path, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"not UTF-8" in done.stderr


def test_a_home_is_found_from_a_tilde(bridle: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BRIDLE_HOME", "~/bridle")
    assert settings.load().home == tmp_path / "bridle"


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"= 3"])
def test_settings_that_are_none_are_told(
    content: bytes | None, bridle: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "bridle" / "config.toml"
    path.parent.mkdir(parents=True)
    path.mkdir() if content is None else path.write_bytes(content)
    told = bridle("runs", "list")
    assert (told.code, "cannot be read" in told.err) == (2, True)


@pytest.mark.parametrize("content", ["[]", "null", "5", "{", '{"a": 3}'])
def test_a_list_of_trust_that_is_none_trusts_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "trusted.json").write_text(content, encoding="utf-8")
    (tmp_path / "skills").mkdir()
    (tmp_path / "skills" / os.fsdecode(b"odd\xff name")).write_text("x", encoding="utf-8")
    trust = Trust(tmp_path / "trusted.json")
    assert not trust.has(tmp_path / "skills")
    trust.give(tmp_path / "skills")
    assert trust.has(tmp_path / "skills")
    assert not [it for it in tmp_path.iterdir() if it.suffix == ".part"]


@pytest.mark.parametrize("about", ['Says "yes": no', "a\nb", "It's # {about} C:\\new", '"""'])
@pytest.mark.parametrize("steps", [[], ["--steps"]])
def test_a_new_skill_may_be_for_anything(bridle: Any, about: str, steps: list[str]) -> None:
    assert bridle("skills", "new", "odd", "--about", about, *steps).code == 0
    assert read_skill(Path(PLACE, "odd")).description == " ".join(about.split())
    assert bridle("skills", "check").code == 0
    assert bridle("run", "--skill", "odd", "hello").code == 0
