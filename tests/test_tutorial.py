"""The tutorial for authors of skills: every step of it is carried out as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bridle.agent import Agent
from bridle.errors import UsageError
from bridle.evals.scripted import scripted_model
from bridle.inspection import inspect_skill
from bridle.journal import Journal, Status
from bridle.run import Run
from bridle.shelf import shelf
from bridle.skill import read_skill
from bridle.toolbox import TOOLBOX
from bridle.toolbox.dates import Clock

BLOCK = re.compile(r"```\w+ (\S+)\n(.*?)```", re.DOTALL)
STEPS = (shelf("skills") / "TUTORIAL.md").read_text(encoding="utf-8").split("\n## Step ")[1:]
REQUEST = "Order A-17 came broken, I want my money back"
READ = json.dumps({"order": "A-17", "reason": "broken"})
ORDERS = "order,customer,day,euros\nA-17,ann@example.org,2026-11-10,80\nB-2,bo@example.org,2026-01-10,900\n"


def step(number: int, replies: Sequence[str], folder: Path, journal: Journal, task: str = REQUEST, **how: Any) -> Run:
    """The skill as it is after a step of the tutorial, at work."""
    skill = folder / "refund"
    skill.mkdir(exist_ok=True)
    (folder / "orders.csv").write_text(ORDERS, encoding="utf-8")
    for text in STEPS[:number]:
        for name, body in BLOCK.findall(text):
            (skill / name).write_text(body, encoding="utf-8")
    assert {it.verdict for it in inspect_skill(skill, [tool.name for tool in TOOLBOX])} == {"ok"}
    with scripted_model(list(replies)) as model:
        clock = Clock(datetime(2026, 11, 20))
        agent = Agent(model, workspace=folder, journal=journal, skill=read_skill(skill), services=[clock], **how)
        return agent.run(task)


def test_there_are_five_steps() -> None:
    assert [text[0] for text in STEPS] == list("12345")


def test_the_steps_work(journal: Journal, tmp_path: Path) -> None:
    assert step(1, ['{"answer": "granted"}'], tmp_path, journal).answer == "granted"
    assert step(2, ["We look at it."], tmp_path, journal).answer == "We look at it."
    assert step(3, [READ], tmp_path, journal).answer == "A-17 is being looked at."
    assert step(4, [READ], tmp_path, journal).answer == "A-17 of 2026-11-10, 80.00 euros."
    assert step(5, [READ, "Dear Ann"], tmp_path, journal).answer == "A-17: granted, the mail is drafted."
    [draft] = (tmp_path / "drafts").iterdir()
    assert "To: ann@example.org" in draft.read_text(encoding="utf-8")


def test_beyond_the_rule_a_person_decides(journal: Journal, tmp_path: Path) -> None:
    old = json.dumps({"order": "B-2", "reason": "not wanted"})
    paused = step(5, [old], tmp_path, journal)
    assert (paused.status, paused.question) == (
        Status.PAUSED,
        "Grant it? B-2, 314 days old, 900.00 euros, not wanted (yes or no)",
    )

    def person(_: str) -> str:
        return "no"

    refused = step(5, [old, "Dear Bo"], tmp_path, journal, answer=person)
    assert refused.answer == "B-2: refused, the mail is drafted."
    unknown = step(5, [json.dumps({"order": "C-1", "reason": "late"})], tmp_path, journal)
    assert unknown.answer == "There is no order C-1. Which one do you mean?"
    with pytest.raises(UsageError, match="the request names no order"):
        step(5, [], tmp_path, journal, "hello")
