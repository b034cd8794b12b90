"""Notes: short texts kept in an SQLite file of the workspace, found again by their words."""

# pyright: reportUnknownMemberType=false
# The types of apsw mention one that it does not export.

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import cast

import apsw

from bridle.errors import ToolError
from bridle.tool import CallKey, tool
from bridle.toolbox.dates import Clock
from bridle.toolbox.workspace import Workspace

NOTES = "notes.db"
"""The file in the workspace."""
TABLE = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, key TEXT UNIQUE, at TEXT, text TEXT)"
SHOWN = 50
"""Notes that one search shows at most."""


def remove_note(workspace: Workspace, key: CallKey) -> str:
    """Remove the note that a call saved."""
    with _opened(workspace, change=True) as notes:
        notes.execute("DELETE FROM note WHERE key = ?", (key.value,))
    return "the note is removed"


@tool(effect="idempotent", undo=remove_note)
def add_note(workspace: Workspace, clock: Clock, key: CallKey, text: str) -> str:
    """Save a note."""
    if not text.strip():
        raise ToolError("the note is empty")
    row = (key.value, clock.now().isoformat(timespec="seconds"), text.strip())
    with _opened(workspace, change=True) as notes:
        notes.execute("INSERT INTO note (key, at, text) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING", row)
        number = cast("int", notes.execute("SELECT id FROM note WHERE key = ?", (key.value,)).get)
    return f"Saved note {number}"


@tool(effect="pure")
def find_notes(workspace: Workspace, text: str = "") -> list[str]:
    """Find saved notes.

    Args:
        text: words that the note contains; all notes are listed without
    """
    words = text.casefold().split()
    if not workspace.path(NOTES).exists():
        return []
    with _opened(workspace, change=False) as notes:
        rows = list(notes.execute("SELECT id, at, text FROM note ORDER BY id DESC"))
    told = [(number, str(at), str(body)) for number, at, body in rows]
    found = [f"{number} ({at[:10]}): {body}" for number, at, body in told if all(it in body.casefold() for it in words)]
    return [*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else [])]


@contextmanager
def _opened(workspace: Workspace, *, change: bool) -> Generator[apsw.Connection]:
    path = workspace.path_to_change(NOTES) if change else workspace.path(NOTES)
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE if change else apsw.SQLITE_OPEN_READONLY
    try:
        with closing(apsw.Connection(str(path), flags)) as notes:
            notes.set_busy_timeout(5_000)
            if change:
                notes.execute(TABLE)
            yield notes
    except apsw.Error as error:
        raise ToolError(f"the notes in {NOTES} cannot be opened: {error}") from None
