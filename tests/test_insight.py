"""What runs come to, why one went wrong, and spans for others to look at."""

from __future__ import annotations

import json
import runpy
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bridle.agent import Agent
from bridle.evals.scripted import scripted_model
from bridle.how import StepSettings
from bridle.journal import Journal
from bridle.observe.otel import send
from bridle.observe.stats import tally
from bridle.observe.why import criticise, suspects
from bridle.run import Run

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def do(folder: Path, journal: Journal, *replies: Any, task: str = "note milk", skill: str = "react") -> Run:
    said = [it if isinstance(it, str) else json.dumps(it) for it in replies]
    with scripted_model(said) as model:
        agent = Agent(model, workspace=folder, journal=journal, settings=StepSettings(thinking=None), skill=skill)
        return agent.run(task)


NOTE: dict[str, Any] = {"tool": "add_note", "args": {"text": "milk"}}
LOST: dict[str, Any] = {"tool": "read_file", "args": {"path": "milk"}}
DONE: dict[str, Any] = {"answer": "noted"}


def test_runs_are_counted_up(tmp_path: Path, journal: Journal) -> None:
    runs = [do(tmp_path, journal, NOTE, DONE).id, do(tmp_path, journal, LOST, DONE).id]
    runs.append(do(tmp_path, journal, "hello", skill="chat").id)
    events = [journal.events(it) for it in runs]
    by_skill = tally(events, "skill")
    assert {name: (it.count, it.good, it.steps) for name, it in by_skill.items()} == {
        "react": (2, 2, [2, 2]),
        "chat": (1, 1, [1]),
    }
    told = by_skill["react"].as_json()
    assert told["tokens_median"] > 0
    assert told["seconds_p90"] >= told["seconds_median"]
    assert {name: (it.count, it.good) for name, it in tally(events, "tool").items()} == {
        "add_note": (1, 1),
        "read_file": (1, 0),
    }
    assert list(tally(events, "model")) == ["scripted"]
    assert tally([], "task") == {}


def test_a_planted_mistake_is_named() -> None:
    """All that a record alone can show; a short go of the benchmark."""
    if not BENCHMARKS.is_dir():
        pytest.skip("an installed Bridle has no benchmarks")
    found = runpy.run_path(str(BENCHMARKS / "planted.py"))["measure"](16, 3)
    seen = {"none", "misspelled", "number", "twice", "lost", "answer"}
    assert {kind for kind, share in found.items() if share == 1} >= seen


def test_a_critic_can_name_nothing_but_an_event(tmp_path: Path, journal: Journal) -> None:
    run = do(tmp_path, journal, LOST, DONE)
    events = journal.events(run.id)
    with scripted_model(['{"why": "there is no such file", "event": 777}']) as model:
        import asyncio

        found = asyncio.run(criticise(model, events))
    assert found.number in {it.number for it in events[1:]}
    assert suspects(events)[0].number == 2


class Spans:
    """Keeps the spans that it is given."""

    def __init__(self) -> None:
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        self.kept, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))


@pytest.mark.parametrize("content", [False, True])
def test_a_run_as_spans(tmp_path: Path, journal: Journal, content: bool) -> None:
    """With the names that the conventions have; what was said only where it is asked for."""
    pytest.importorskip("opentelemetry.sdk")
    run, spans = do(tmp_path, journal, NOTE, LOST, DONE), Spans()
    count = send(run.id, journal.events(run.id), spans.provider.get_tracer("t"), content=content)
    kept = spans.kept.get_finished_spans()
    assert count == len(kept) == 6
    assert [it.name for it in kept] == [
        "chat scripted", "execute_tool add_note", "chat scripted", "execute_tool read_file", "chat scripted",
        "invoke_agent react",
    ]  # fmt: skip
    whole = kept[-1]
    for it in kept[:-1]:
        assert it.parent is not None
        assert whole.context is not None
        assert it.parent.span_id == whole.context.span_id
        assert (whole.start_time or 0) <= (it.end_time or 0) <= (whole.end_time or 0)
    told = [dict(it.attributes or {}) for it in kept]
    assert told[0]["gen_ai.operation.name"] == "chat"
    assert told[0]["gen_ai.usage.output_tokens"] != 0
    assert told[1]["gen_ai.tool.call.id"] == f"{run.id}/1"
    assert told[3]["error.type"] == "ToolError"
    assert told[-1]["gen_ai.conversation.id"] == run.id
    assert ("milk" in str(told)) == content


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A server that takes spans."""
    taken = list[bytes]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()


def test_the_commands(bridle: Any, collector: tuple[str, list[bytes]]) -> None:
    pytest.importorskip("opentelemetry.sdk")
    assert "no runs yet" in bridle("runs", "stats").err
    assert bridle("run", "--json", "What is 12 * 12?").code == 0
    assert "react" in bridle("runs", "stats").out
    assert bridle("runs", "stats", "--by", "tool", "--json").json["calculate"]["good"] == 1
    assert "nothing stands out" in bridle("runs", "why").out
    assert bridle("runs", "why", "--json").json["events"] == []
    url, taken = collector
    assert "4 spans" in bridle("runs", "send", "--to", url).out
    assert taken
    assert b"12 * 12" not in b"".join(taken)
    assert bridle("runs", "send", "--to", url, "--content").code == 0
    assert b"12 * 12" in b"".join(taken)
    refused = bridle("runs", "send", "--to", f"{url}/elsewhere")
    assert (refused.code, "did not take the run" in refused.err) == (2, True)
    page = Path("run.html")
    assert "events" in bridle("trace", "--html", str(page)).out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "nothing can be written" in bridle("trace", "--html", "none/run.html").err
