"""The shop-floor skill against a real server on loopback: pages, refusals, nonsense, faults reported once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import laws
from bridle.agent import Agent, Run
from bridle.journal import Journal, Status
from conftest import scripted_model

MACHINES = {"press 1": "running", "mill/2": "down", "oven": "idle"}
ORDERS = [
    {"order": f"PO-{n}", "product": f"part {n}", "machine": list(MACHINES)[n % 3], "due": "2026-11-01", "days_late": n}
    for n in range(1, 26)
]


class Plant(ThreadingHTTPServer):
    """The ERP server. `broken` maps a path to answers given instead, one after the other."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.broken: dict[str, list[tuple[int, Any]]] = {}
        self.faults: dict[str, Any] = {}
        self.asked: list[str] = []


class Clerk(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Plant  # pyright: ignore[reportIncompatibleVariableOverride]  # the handler of this server alone

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(self.path)
        for path, answers in self.server.broken.items():
            if self.path.startswith(path) and answers:
                return self._say(*answers.pop(0))
        if parts.path == "/orders":
            query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
            late = [it for it in ORDERS if int(str(it["days_late"])) >= query["late"]]
            start = (query["page"] - 1) * 10
            more = {"next": query["page"] + 1} if start + 10 < len(late) else {}
            return self._say(200, {"orders": late[start : start + 10], **more})
        from urllib.parse import unquote

        name = unquote(parts.path.removeprefix("/machines/"))
        if name in MACHINES:
            return self._say(200, {"machine": name, "state": MACHINES[name], "since": "Monday", "extra": 1})
        return self._say(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.faults.setdefault(self.headers["Idempotency-Key"], body)
        self._say(200, {"fault": f"F{len(self.server.faults)}"})

    def _say(self, code: int, value: Any) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
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


def test_all_pages_are_read_and_faults_are_reported(plant: Plant, journal: Journal, tmp_path: Path) -> None:
    result = work(tmp_path, journal, days=3)
    assert [it.args["page"] for it in result.calls if it.tool == "list_orders"] == [1, 2, 3]
    late = [it["order"] for it in ORDERS if it["machine"] == "mill/2" and int(str(it["days_late"])) >= 3]
    assert list(plant.faults.values()) == [{"machine": "mill/2", "orders": late}]
    assert "mill/2: reported as F1" in (result.answer or "")
    assert "Not known" not in (result.answer or "")
    assert "PO-25 (part 25, 25 days late)" in (result.answer or "")


def test_nothing_is_reported_unasked(plant: Plant, journal: Journal, tmp_path: Path) -> None:
    work(tmp_path, journal, report=False)
    assert plant.faults == {}


def test_a_busy_server_is_asked_again(plant: Plant, journal: Journal, tmp_path: Path) -> None:
    plant.broken = {"/orders": [(503, {}), (429, {})], "/machines/oven": [(200, b"{half")]}
    assert "Not known" not in (work(tmp_path, journal).answer or "")


def test_what_is_not_known_is_said(plant: Plant, journal: Journal, tmp_path: Path) -> None:
    plant.broken = {
        "/orders?page=2": [(500, {})] * 3,
        "/machines/oven": [(200, {"machine": "oven", "state": "melting", "since": "?"})],
        "/machines/press": [(403, {})],
    }
    answer = work(tmp_path, journal, days=3).answer or ""
    assert "Not known: the orders from page 2 on: the server does not answer" in answer
    assert "Not known: oven: the server says what cannot be: state" in answer
    assert "Not known: press 1: the server refuses" in answer


def test_pages_that_lead_in_a_circle_end(plant: Plant, journal: Journal, tmp_path: Path) -> None:
    first = {"orders": ORDERS[-2:], "next": 2}
    plant.broken = {"/orders?page=1": [(200, first)], "/orders?page=2": [(200, first)]}
    assert "the server leads back to page 2" in (work(tmp_path, journal).answer or "")


def test_without_a_server_it_says_so(journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDLE_SHOP_FLOOR", raising=False)
    assert "has to stand in BRIDLE_SHOP_FLOOR" in (work(tmp_path, journal).answer or "")
