"""A plant's ERP server to try the skill with: 25 late orders, three machines of which one is down, faults to report.

python skills/shop-floor/scripts/plant.py 8123
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

MACHINES = {"press 1": "running", "mill/2": "down", "oven": "idle"}
ORDERS = [
    {"order": f"PO-{n}", "product": f"part {n}", "machine": list(MACHINES)[n % 3], "due": "2026-11-01", "days_late": n}
    for n in range(1, 26)
]
PAGE = 10
"""Orders on a page."""


class Plant(ThreadingHTTPServer):
    """The server. `broken` maps a path to answers given instead, one after the other: its bad days."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Clerk)
        self.broken: dict[str, list[tuple[int, Any]]] = {}
        self.faults: dict[str, Any] = {}
        self.asked: list[str] = []


class Clerk(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Plant  # pyright: ignore[reportIncompatibleVariableOverride]  # the handler of this server alone

    def do_GET(self) -> None:
        """Orders, or a machine."""
        parts = urlsplit(self.path)
        self.server.asked.append(self.path)
        for path, answers in self.server.broken.items():
            if self.path.startswith(path) and answers:
                return self._say(*answers.pop(0))
        if parts.path == "/orders":
            query = {name: int(values[0]) for name, values in parse_qs(parts.query).items()}
            late = [it for it in ORDERS if int(str(it["days_late"])) >= query["late"]]
            start = (query["page"] - 1) * PAGE
            more = {"next": query["page"] + 1} if start + PAGE < len(late) else {}
            return self._say(200, {"orders": late[start : start + PAGE], **more})
        name = unquote(parts.path.removeprefix("/machines/"))
        if name in MACHINES:
            return self._say(200, {"machine": name, "state": MACHINES[name], "since": "Monday", "extra": 1})
        return self._say(404, {})

    def do_POST(self) -> None:
        """A fault; the same key is the same fault."""
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
        """Say nothing."""


if __name__ == "__main__":
    with Plant(int(sys.argv[1]) if len(sys.argv) > 1 else 8123) as plant:
        print(f"http://127.0.0.1:{plant.server_port}")
        plant.serve_forever()
