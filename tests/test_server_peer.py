"""A llama-server as a peer, played by a script: it is started, asked, and ended; what goes wrong is told."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from bridle.errors import EngineError, UsageError
from bridle.evals import peer_agents
from bridle.evals.server import Server, find_binary, version, writer
from bridle.model import Model


def loopback() -> bool:
    """Whether a server of this machine can be asked; in an empty network namespace none can."""
    with socket.socket() as listener, socket.socket() as caller:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return caller.connect_ex(listener.getsockname()) == 0


pytestmark = pytest.mark.skipif(not loopback(), reason="there is no loopback network")

STUB = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

if "--version" in sys.argv:
    sys.exit("version: 7.0 (stub)")
asked = {"/health": 0}

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked["/health"] += 1
        self.reply(503 if asked["/health"] < 3 else 200, json.dumps({"error": {"message": "Loading model"}}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(body["prompt"]) > 4000:
            return self.reply(400, json.dumps({"error": {"message": "the prompt is too long"}}))
        said = json.dumps({"answer": f"seed {body['seed']}, slot {body.get('id_slot')}, {body['n_predict']} tokens"})
        size = len(body["prompt"])
        last = {"stop": True, "tokens_predicted": 9, "tokens_evaluated": size, "timings": {"cache_n": size - 1}}
        if not body["stream"]:
            return self.reply(200, json.dumps({"content": said} | last))
        parts = [{"content": said[:4], "stop": False}, {"content": said[4:], "stop": False}]
        parts += [{"content": ""} | last] if body["seed"] != 13 else []
        self.reply(200, "".join(f"data: {json.dumps(part)}\\n\\n" for part in parts))

    def reply(self, code, text):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

print("listening", sys.argv[1:], flush=True)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Handler).serve_forever()
"""
SCHEMA = {"type": "object"}


def executable(folder: Path, code: str) -> Path:
    path = folder / "llama-server"
    path.write_text(f"#!{sys.executable}\n{code}", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    return executable(tmp_path, STUB)


def test_a_prompt_is_completed(stub: Path) -> None:
    with Server(stub, Path("m.gguf"), slots=2) as server:
        done = server.complete([1, 2, 3], SCHEMA, 20, seed=5)
        assert (json.loads(done.text)["answer"], done.tokens) == ("seed 5, slot None, 20 tokens", 9)
        assert (done.prompt, done.reused) == (3, 2)
        heard: list[str] = []
        told = server.complete([1, 2, 3], SCHEMA, 20, seed=5, slot=1, on_text=heard.append)
        assert "slot 1" in told.text
        assert "".join(heard) == told.text
        assert len(heard) == 2
        assert "seed 8" in writer(server, [1], SCHEMA, 20)(8)
    with pytest.raises(EngineError, match="did not answer"):
        server.complete([1], SCHEMA, 20, seed=5)


def test_a_refusal_is_told(stub: Path) -> None:
    with Server(stub, Path("m.gguf")) as server:
        with pytest.raises(EngineError, match="the prompt is too long"):
            server.complete([1] * 5000, SCHEMA, 20, seed=5)
        with pytest.raises(EngineError, match="in the middle"):
            server.complete([1], SCHEMA, 20, seed=13, on_text=lambda _: None)


def test_a_version_is_read(stub: Path, tmp_path: Path) -> None:
    assert version(stub) == "7.0"
    assert version(tmp_path / "nope") == ""


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("print('loading')\nraise SystemExit('no such model')", r"ended with code 1: loading \| no such model"),
        ("import time\nprint('still loading', flush=True)\ntime.sleep(60)", "not ready in 3 s: still loading"),
    ],
)
def test_a_server_that_does_not_start_leaves_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, complaint: str
) -> None:
    monkeypatch.setattr("bridle.evals.server.PATIENCE", 3.0)
    with pytest.raises(UsageError, match=complaint), Server(executable(tmp_path, code), Path("m.gguf")):
        pass


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be started: No such file"), Server(tmp_path / "nope", Path("m.gguf")):
        pass


def test_a_binary_is_found_by_path_or_name(stub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stub.parent)
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_binary("./llama-server") == find_binary("llama-server") == find_binary(str(stub)) == stub
    monkeypatch.chdir("/")
    with pytest.raises(UsageError, match=r"there is no llama-server at \./llama-server"):
        find_binary("./llama-server")
    monkeypatch.setenv("PATH", str(stub.parent))
    assert find_binary("llama-server") == stub
    stub.write_text("nothing", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be started, or is no llama-server"):
        find_binary("llama-server")


@pytest.mark.parametrize("command", ["decode", "agents"])
def test_a_server_that_cannot_be_started_is_told_before_anything_is_measured(bridle: Any, command: str) -> None:
    failed = bridle("bench", command, "--server", "./todo.txt")
    assert failed.code == 2
    assert "cannot be started, or is no llama-server" in failed.err


def test_agents_work_at_once_on_a_server(stub: Path, colt: Model) -> None:
    with Server(stub, Path("m.gguf"), slots=3) as server:
        load = asyncio.run(peer_agents.measure_server(server, colt, 3, 2))
    assert (load.agents, load.steps) == (3, 6)
    assert 0 < load.first_token_p50 <= load.step_p50 <= load.step_p95 <= load.seconds
    assert load.reused_share > 0.9
    assert load.as_json()["steps"] == 6.0
