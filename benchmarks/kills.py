"""Kill -9 over and over: runs with effects on a file, on SQLite and over HTTP, taken up until they are done.

    python benchmarks/kills.py --kills 2000

Each run makes four calls, of a tool of each kind: one that only looks, one that is idempotent (SQLite, by its key), one
that can be asked (a file that is appended to), one behind HTTP that is idempotent by its key, and one that is unsafe. A
process does the run and is killed: at a moment drawn by chance, or the moment an effect becomes visible, which is the
worst there is. Then it is taken up, at times by two processes at once, and killed again, until it comes to its end.
What is counted: steps that were finished and are not there any more, effects that happened twice or never, unsafe calls
that were made again without a person, journals that are damaged.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
import urllib.request
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import track

from bridle.agent import Agent
from bridle.card import Card, ThinkingCard
from bridle.context import Context
from bridle.engine import scripted
from bridle.errors import UsageError
from bridle.how import StepSettings
from bridle.journal import CallAnswered, CallIntended, Journal, Status, StepTaken, ending
from bridle.model import Model
from bridle.skill import skill_from
from bridle.tool import CallKey, tool
from bridle.toolbox.workspace import Workspace

MOST = 12
"""Kills of one run."""
REPLIES = ["a", "b", "a", "b", "a"]


def entered(workspace: Workspace, key: CallKey) -> str | None:
    """Whether a line was written."""
    path = workspace.root / "log.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return "written" if key.value in lines else None


@tool(effect="probe", probe=entered)
def enter(workspace: Workspace, key: CallKey) -> str:
    """Append a line."""
    with (workspace.root / "log.txt").open("a", encoding="utf-8") as file:
        file.write(f"{key.value}\n")
    _linger(workspace, "file")
    return "written"


@tool(effect="idempotent")
def store(workspace: Workspace, key: CallKey) -> str:
    """Add a row."""
    with closing(sqlite3.connect(workspace.root / "rows.db")) as rows, rows:
        rows.execute("CREATE TABLE IF NOT EXISTS row (key TEXT PRIMARY KEY)")
        rows.execute("INSERT OR IGNORE INTO row VALUES (?)", (key.value,))
    _linger(workspace, "rows")
    return "stored"


@tool(effect="idempotent")
def post(workspace: Workspace, key: CallKey) -> str:
    """Tell a server."""
    address = (workspace.root / "server").read_text(encoding="utf-8")
    request = urllib.request.Request(address, key.value.encode(), method="POST")
    urllib.request.urlopen(request, timeout=10).read()
    _linger(workspace, "http")
    return "posted"


@tool(effect="pure")
def look(workspace: Workspace) -> list[str]:
    """List the workspace."""
    return sorted(it.name for it in workspace.root.iterdir())[:1]


@tool(effect="unsafe")
def fire(workspace: Workspace, key: CallKey) -> str:
    """What must not be done twice."""
    with (workspace.root / "fired.txt").open("a", encoding="utf-8") as file:
        file.write(f"{key.value}\n")
    _linger(workspace, "fired")
    return "fired"


TOOLS = [enter, store, post, look, fire]


def _linger(workspace: Workspace, what: str) -> None:
    """Show that an effect happened, and give the killer its moment."""
    if os.environ.get("KILLS_LINGER") == what:
        (workspace.root / "visible").write_text(what, encoding="utf-8")
        time.sleep(5)


async def work(context: Context) -> str:
    """Choose and call, in turn."""
    said = list[str]()
    for one in TOOLS:
        said.append(await context.choose(["a", "b"], f"Before {one.name}?"))
        said.append((await context.call(one.name)).text)
    return " ".join(said)


def child(folder: Path, run: str) -> None:
    """Begin a run, or take one up; a person at hand says what they see to what is in doubt."""

    def person(question: str) -> str:
        fired = folder / "fired.txt"  # the file is made before anything stands in it
        return "yes" if fired.is_file() and fired.stat().st_size else "no"

    engine = scripted.engine(REPLIES, deterministic=True)
    card, settings = Card(name="scripted", thinking=ThinkingCard(budget=0)), StepSettings(thinking=None, seed=1)
    with Model(engine, card) as model, Journal(folder / "journal.db") as journal:
        agent = Agent(
            model, workspace=folder, journal=journal, tools=TOOLS, skill=skill_from(work), settings=settings,
            answer=person,
        )  # fmt: skip
        result = agent.resume(run) if run else agent.run("go")
        if result.status is not Status.DONE:
            raise RuntimeError(result.reason)


def started(folder: Path, run: str, linger: str) -> int:
    """A process that does it; forked, so that it need not import everything anew. Its id."""
    if process := os.fork():
        return process
    os.environ["KILLS_LINGER"] = linger
    code = 1
    try:
        child(folder, run)
        code = 0
    except UsageError as error:  # another one has it
        print(error.message, end="; ", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    os._exit(code)


@dataclass
class Count:
    """What came of it all."""

    kills: int = 0
    rivals: int = 0
    """Processes that took up a run while another did."""
    runs: int = 0
    lost_steps: int = 0
    doubled: Counter[str] = field(default_factory=Counter[str])
    missing: Counter[str] = field(default_factory=Counter[str])
    unsafe_again: int = 0
    parked: int = 0
    damaged: int = 0
    stuck: int = 0


def finished(path: Path) -> tuple[str, set[str], bool]:
    """The run in a journal, the steps and calls that are finished in it, and whether all of it is."""
    if not path.is_file():
        return "", set(), False
    with Journal(path) as journal:
        names = journal.names()
        events = journal.events(names[0]) if names else []
    done = {it.body.path for it in events if isinstance(it.body, StepTaken) and it.body.came}
    done |= {it.body.key for it in events if isinstance(it.body, CallAnswered)}
    return next(iter(names), ""), done, ending(events) is not None


def one_run(folder: Path, random: Random, count: Count, most: int, server: str) -> None:
    """A run, killed again and again, and what is there in the end."""
    (folder / "server").write_text(server, encoding="utf-8")
    journal, before = folder / "journal.db", set[str]()
    for number in range(MOST + 1):
        run, done, over = finished(journal)
        count.lost_steps += len(before - done)
        before = done
        if over:  # killed behind its last write
            break
        kills = count.kills < most and number < MOST and random.random() < 0.92
        linger = random.choice(["file", "rows", "http", "fired", ""]) if kills else ""
        (folder / "visible").unlink(missing_ok=True)
        process = started(folder, run, linger)
        if not kills:
            _, code = os.waitpid(process, 0)
            count.stuck += code != 0
            break
        rivals = [started(folder, run, linger)] if run and random.random() < 0.3 else []
        count.rivals += len(rivals)
        over = ended(process, folder / "visible", 2.0 if linger else random.uniform(0.0, 0.15), linger=bool(linger))
        for one in rivals if over else [process, *rivals]:
            os.kill(one, signal.SIGKILL)
            os.waitpid(one, 0)
        count.kills += not over
    _judge(folder, journal, count)


def ended(process: int, visible: Path, seconds: float, *, linger: bool) -> bool:
    """Wait until an effect can be seen, or the time is over; True if the process came to its end before."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(process, os.WNOHANG)[0]:
            return True
        if linger and visible.is_file():
            return False
        time.sleep(0.0005)
    return False


def _judge(folder: Path, path: Path, count: Count) -> None:
    count.runs += 1
    with Journal(path) as journal:
        (run,) = journal.names()
        events = journal.events(run)
        count.damaged += journal.verify(run) != ""
    with closing(sqlite3.connect(path)) as raw:
        count.damaged += raw.execute("PRAGMA integrity_check").fetchone()[0] != "ok"
    keys = {it.body.tool: it.body.key for it in events if isinstance(it.body, CallIntended)}
    intents = Counter(it.body.key for it in events if isinstance(it.body, CallIntended) and it.body.tool != "fire")
    count.doubled["intents"] += sum(it > 1 for it in intents.values())
    count.parked += any(it.body.kind == "heard" for it in events)
    with closing(sqlite3.connect(folder / "rows.db")) as rows:
        stored = [row[0] for row in rows.execute("SELECT key FROM row")]
    there = {
        "enter": (folder / "log.txt").read_text(encoding="utf-8").splitlines(),
        "store": stored,
        "post": [it for it in POSTED if it == keys["post"]],
        "fire": (folder / "fired.txt").read_text(encoding="utf-8").splitlines(),
    }
    for name, found in there.items():
        count.doubled[name] += len(found) > 1
        count.missing[name] += keys[name] not in found
    count.unsafe_again += len(there["fire"]) > 1


POSTED: list[str] = []
"""What the server was told, each key once: it keeps the promise that makes a tool idempotent."""


class Server(BaseHTTPRequestHandler):
    """Remembers keys."""

    def do_POST(self) -> None:
        """Take a key."""
        key = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if key not in POSTED:
            POSTED.append(key)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main() -> None:
    """Read the command line and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    count, random, start = Count(), Random(options.seed), time.monotonic()
    console = Console(stderr=True)
    for _ in track(iter(lambda: count.kills < options.kills, False), "killing", console=console):
        with TemporaryDirectory() as folder:
            one_run(Path(folder), random, count, options.kills, f"http://127.0.0.1:{server.server_address[1]}")
    told = {**vars(count), "seconds": round(time.monotonic() - start)}
    print(json.dumps(told) if options.json else "\n".join(f"{name}: {value}" for name, value in told.items()))
    sys.exit(any((count.lost_steps, count.damaged, count.unsafe_again, count.stuck, sum(count.doubled.values()))))


if __name__ == "__main__":
    main()
