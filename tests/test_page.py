"""A run as a page: in a real browser, without a network, whatever the run holds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bridle.agent import Agent
from bridle.evals.scripted import scripted_model
from bridle.how import StepSettings
from bridle.journal import (
    CallAnswered,
    CallIntended,
    Decided,
    Delegated,
    Heard,
    Journal,
    Returned,
    Ruled,
    RunEnded,
    RunStarted,
    Status,
    StepTaken,
    Tokens,
    Undone,
)
from bridle.journal.event import Body, Certainty
from bridle.observe.html import page
from bridle.policy import Policy

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked=2'> & \u2028 <!-- {\"events\": []}"
)


def step(number: int, text: str = "{}", **told: Any) -> StepTaken:
    return StepTaken.model_validate(
        {
            "path": f"act#{number}",
            "attempt": 1,
            "base": None,
            "shared_tokens": 0,
            "shared_text": 0,
            "prompt_tokens": [],
            "prompt_text": "prompt " * 200,
            "output_tokens": [],
            "forced": "fs",
            "thinking": "",
            "pieces": ["{", "}"],
            "choices": [(0.5, 0.2, "]", 0.4)],
            "text": text,
            "stop": "end",
            "constrained": True,
            "tokens": Tokens(prompt=300, sampled=1, forced=1),
            "certainty": Certainty(),
            "prefill_seconds": 0.01,
            "decode_seconds": 0.02,
            "seconds": 0.03,
            **told,
        }
    )


STARTED = RunStarted(task=HOSTILE, skill="react", model="m", format="json", workspace="/w", seed=None, version="0")
ENDED = RunEnded(status=Status.DONE, answer=HOSTILE, steps=1, tokens=Tokens(), seconds=1.0)


def opened(path: Path, bodies: list[Body], script: str) -> Any:
    """What a script finds on the page of a run with some events."""
    with Journal(path / "journal.db") as journal:
        for body in bodies:
            journal.append("run", body)
        text = page("run", journal.events("run"))
    return looked_at(path, text, script)


def looked_at(path: Path, text: str, script: str) -> Any:
    """What a script finds on a page."""
    if BROWSER is None:
        pytest.skip("no Chromium")
    assert text.count("window.ready = true;") == 1
    probe = f"document.body.dataset.found = JSON.stringify((() => {{ {script} }})());"
    (path / "page.html").write_text(text.replace("window.ready = true;", probe), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={path / 'profile'}",
               "--virtual-time-budget=4000", "--dump-dom", f"file://{path / 'page.html'}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r'<body[^>]* data-found="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))


def test_what_a_run_holds_is_text_and_nothing_else(tmp_path: Path) -> None:
    bodies: list[Body] = [
        STARTED,
        step(1, HOSTILE, error=HOSTILE, prompt_text=HOSTILE, pieces=[HOSTILE, "}"], fields={HOSTILE: Certainty()}),
        Decided(path="d", question=HOSTILE, options=[HOSTILE, "b"], probabilities=[0.7, 0.3], option=HOSTILE,
                sure=True, seconds=0.1),
        Ruled(path="call 1", verdicts={HOSTILE: HOSTILE}),
        CallIntended(key="run/1", tool="t", args={HOSTILE: HOSTILE}, effect="pure", sources=[HOSTILE]),
        CallAnswered(key="run/1", tool="t", ok=True, result={"a": HOSTILE}, text=HOSTILE, seconds=0.1),
        Delegated(path="delegate#1", to=HOSTILE, task=HOSTILE),
        Returned(path="delegate#1", value=HOSTILE),
        Heard(path="approve@1.ab", question=HOSTILE, text=HOSTILE),
        Undone(key="run/1", tool=HOSTILE, ok=False, text=HOSTILE),
        ENDED,
    ]  # fmt: skip
    found = opened(
        tmp_path,
        bodies,
        """rows.forEach(row => toggle(row, true));
        return {title: $("task").textContent, rows: rows.length, hacked: window.hacked || 0,
                images: document.images.length, scripts: document.scripts.length,
                bodies: document.querySelectorAll(".body").length, graph: !!document.querySelector("#graph svg")};""",
    )
    assert found == {
        "title": HOSTILE, "rows": 11, "hacked": 0, "images": 0, "scripts": 2, "bodies": 11, "graph": True,
    }  # fmt: skip


def test_a_page_asks_for_nothing_from_outside(tmp_path: Path, journal: Journal) -> None:
    journal.append("run", STARTED)
    text = page("run", journal.events("run"))
    assert "default-src 'none'" in text
    assert not re.search(r"""(?:src|href)\s*=\s*["']|@import|url\(|fetch\(|XMLHttp""", text.replace("src=x", ""))


def test_a_page_is_used_with_the_keyboard(tmp_path: Path) -> None:
    bodies: list[Body] = [STARTED, step(1), step(2, "needle", pieces=[]), step(3, error="bad"), ENDED]
    found = opened(
        tmp_path,
        bodies,
        """const press = (key, target = document.body) =>
            target.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
        const at = () => here >= 0 ? rows[here].e.number : 0, told = {};
        press("j"); press("j"); told.down = at();
        press("k"); told.up = at();
        press("n"); told.bad = at();
        const before = document.documentElement.dataset.theme; press("t");
        told.theme = before !== document.documentElement.dataset.theme;
        press("/"); told.search = document.activeElement.id;
        $("search").value = "NEEDLE"; press("Enter", $("search"));
        told.shown = shown().map(r => r.e.number); told.first = at();
        toggle(rows[here], true); told.marks = rows[here].li.querySelectorAll("mark").length;
        press("Escape", $("search")); told.all = shown().length;
        press("o"); told.open = rows.every(r => r.open); press("o"); told.closed = rows.every(r => !r.open);
        document.querySelector("#kinds button").click(); told.calls = shown().length;
        toggle(rows[1], true); const spans = [...rows[1].li.querySelectorAll(".t")];
        told.tokens = spans.map(s => s.className + "|" + s.title);
        return told;""",
    )
    assert found == {
        "down": 2, "up": 1, "bad": 4, "theme": True, "search": "search", "shown": [3], "first": 3, "marks": 1, "all": 5,
        "open": True, "closed": True, "calls": 2,
        "tokens": [
            "t f|the only continuation",
            't s m|50% of what was allowed; the grammar took away 20%; next: "]" 40%',
        ],
    }  # fmt: skip


def test_a_thousand_steps_are_quick(tmp_path: Path) -> None:
    bodies: list[Body] = [STARTED, *(step(number, "word " * 40) for number in range(1, 1001)), ENDED]
    found = opened(
        tmp_path,
        bodies,
        """const begun = performance.now();
        $("search").value = "act#77"; filter(); const searched = performance.now() - begun;
        const hits = shown().length; $("search").value = ""; filter();
        const from = performance.now(); for (let i = 0; i < 100; i++) move(1);
        return {rows: rows.length, loaded: begun, searched, hits, moved: (performance.now() - from) / 100};""",
    )
    assert (found["rows"], found["hits"]) == (1002, 11)
    assert found["loaded"] < 3000
    assert found["searched"] < 1000
    assert found["moved"] < 50  # milliseconds from one to the next


def test_the_page_of_a_real_run(tmp_path: Path, journal: Journal) -> None:
    """Its plan is drawn, and every token of what was written is there."""
    policy = Policy.model_validate({"rule": [{"tools": ["draft_*"], "then": "deny"}]})
    replies = ['{"tool": "add_note", "args": {"text": "hi"}}', '{"answer": "done \u2713"}']
    with scripted_model(replies) as model:
        settings = StepSettings(thinking=None, policy=policy)
        run = Agent(model, workspace=tmp_path, journal=journal, settings=settings).run("note hi")
    taken = [it.body for it in journal.events(run.id) if isinstance(it.body, StepTaken)]
    assert ["".join(it.pieces) for it in taken] == replies
    assert all(len(it.choices) == it.forced.count("s") for it in taken)
    found = looked_at(
        tmp_path,
        page(run.id, journal.events(run.id)),
        """rows.forEach(row => toggle(row, true)); return [$("about").textContent, $("came").textContent,
        document.querySelectorAll(".t").length,
        document.querySelector("#events").textContent.includes("deny (rule 1)")];""",
    )
    assert "done" in found[0]
    assert found[1].endswith("done \u2713")
    assert found[2] == sum(len(it.pieces) for it in taken)
    assert found[3]
