"""The shop-floor skill against a real server on loopback: pages, refusals, nonsense, faults reported once."""

from __future__ import annotations

import json
import runpy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import laws
from bridle.agent import Agent
from bridle.evals.scripted import scripted_model
from bridle.journal import Journal, Status
from bridle.run import Run
from bridle.shelf import shelf

PLANT = runpy.run_path(str(shelf("skills") / "shop-floor" / "scripts" / "plant.py"))
"""The server that comes with the skill."""
MACHINES, ORDERS, Plant = PLANT["MACHINES"], PLANT["ORDERS"], PLANT["Plant"]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with Plant() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("BRIDLE_SHOP_FLOOR", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def work(folder: Path, journal: Journal, *, days: int = 20, report: bool = True) -> Run:
    replies = [json.dumps({"least_days_late": days, "report_faults": report}), "Two sentences. Or three."]
    with scripted_model(replies) as model:
        result = Agent(model, workspace=folder, journal=journal, skill="shop-floor").run("What is late?")
    laws.law_of_history(journal, result.id)
    assert result.status is Status.DONE, result.reason
    return result


def test_all_pages_are_read_and_faults_are_reported(plant: Any, journal: Journal, tmp_path: Path) -> None:
    result = work(tmp_path, journal, days=3)
    assert [it.args["page"] for it in result.calls if it.tool == "list_orders"] == [1, 2, 3]
    late = [it["order"] for it in ORDERS if it["machine"] == "mill/2" and int(str(it["days_late"])) >= 3]
    assert list(plant.faults.values()) == [{"machine": "mill/2", "orders": late}]
    assert "mill/2: reported as F1" in (result.answer or "")
    assert "Not known" not in (result.answer or "")
    assert "PO-25 (part 25, 25 days late)" in (result.answer or "")


def test_nothing_is_reported_unasked(plant: Any, journal: Journal, tmp_path: Path) -> None:
    work(tmp_path, journal, report=False)
    assert plant.faults == {}


def test_a_busy_server_is_asked_again(plant: Any, journal: Journal, tmp_path: Path) -> None:
    plant.broken = {"/orders": [(503, {}), (429, {})], "/machines/oven": [(200, b"{half")]}
    assert "Not known" not in (work(tmp_path, journal).answer or "")


def test_what_is_not_known_is_said(plant: Any, journal: Journal, tmp_path: Path) -> None:
    plant.broken = {
        "/orders?page=2": [(500, {})] * 3,
        "/machines/oven": [(200, {"machine": "oven", "state": "melting", "since": "?"})],
        "/machines/press": [(403, {})],
    }
    answer = work(tmp_path, journal, days=3).answer or ""
    assert "Not known: the orders from page 2 on: the server does not answer" in answer
    assert "Not known: oven: the server says what cannot be: state" in answer
    assert "Not known: press 1: the server refuses" in answer


def test_pages_that_lead_in_a_circle_end(plant: Any, journal: Journal, tmp_path: Path) -> None:
    first = {"orders": ORDERS[-2:], "next": 2}
    plant.broken = {"/orders?page=1": [(200, first)], "/orders?page=2": [(200, first)]}
    assert "the server leads back to page 2" in (work(tmp_path, journal).answer or "")


def test_without_a_server_it_says_so(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDLE_SHOP_FLOOR", raising=False)
    assert "has to stand in BRIDLE_SHOP_FLOOR" in (work(tmp_path, journal).answer or "")
