"""The evaluation suites of the skills that ship: each is there, and its control flow is right with a scripted model."""

from __future__ import annotations

import asyncio
import runpy
import threading
from pathlib import Path
from typing import Any

import pytest

from bridle.catalogue import catalogue
from bridle.evals.cases import read_suite
from bridle.evals.scripted import scripted_model
from bridle.evals.suite import evaluate, variants
from bridle.how import StepSettings
from bridle.journal import Journal
from bridle.shelf import shelf

SKILLS = list(catalogue().skills)
NEEDS_A_MODEL = {"react"}
"""There is no flow in it but the model's."""


def suite_of(skill: str) -> Path:
    return catalogue().skills[skill].folder / "evals"


@pytest.mark.parametrize("skill", SKILLS)
def test_each_skill_has_a_suite(skill: str) -> None:
    found = read_suite(suite_of(skill))
    assert len(found.cases) >= 20
    assert {case.skill for case in found.cases} == {skill}
    assert all(case.script or skill in NEEDS_A_MODEL or case.expect.steps == 0 for case in found.cases)


@pytest.mark.parametrize("skill", [it for it in SKILLS if it not in NEEDS_A_MODEL])
def test_its_control_flow_is_right(skill: str, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    suite, settings = read_suite(suite_of(skill)), StepSettings(thinking=None)
    plant = runpy.run_path(str(shelf("skills") / "shop-floor" / "scripts" / "plant.py"))["Plant"]()
    with plant, scripted_model(deterministic=True) as model:
        threading.Thread(target=plant.serve_forever, daemon=True).start()
        monkeypatch.setenv("BRIDLE_SHOP_FLOOR", f"http://127.0.0.1:{plant.server_port}")
        report = asyncio.run(evaluate(model, suite, variants(model, [], settings), journal))
        plant.shutdown()
    failed = {it.case: {what: why for what, why in it.checks.items() if why} for it in report.results if not it.passed}
    assert not failed


def test_a_suite_runs_by_its_script_from_the_command_line(bridle: Any) -> None:
    done = bridle("eval", str(suite_of("verify")), "-m", "scripted", "--json")
    assert (done.code, done.json["model"]) == (0, "scripted")
    assert all(it["passed"] for it in done.json["results"])
