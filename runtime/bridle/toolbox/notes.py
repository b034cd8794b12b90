"""Notes: short texts kept in an SQLite file of the workspace, found again by their words."""

# pyright: reportUnknownMemberType=false
# The types of apsw mention one that it does not export.

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from typing import cast

import apsw

from bridle.errors import ToolError
from bridle.tool import CallKey, tool
from bridle.toolbox.dates import Clock
from bridle.toolbox.workspace import Workspace

NOTES = "notes.db"
"""The file in the workspace."""


def remove_note(workspace: Workspace, key: CallKey) -> str:
    """Remove the note that a call saved."""
    with closing(_open(workspace)) as notes:
        notes.execute("DELETE FROM note WHERE key = ?", (key.value,))
    return "the note is removed"


@tool(effect="idempotent", undo=remove_note)
def add_note(workspace: Workspace, clock: Clock, key: CallKey, text: str) -> str:
    """Save a note."""
    if not text.strip():
        raise ToolError("the note is empty")
    row = (key.value, clock.now().isoformat(timespec="seconds"), text.strip())
    with closing(_open(workspace)) as notes:
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
    with closing(_open(workspace)) as notes:
        rows = list(notes.execute("SELECT id, at, text FROM note ORDER BY id DESC"))
    found = [(number, str(at), str(body)) for number, at, body in rows]
    return [
        f"{number} ({datetime.fromisoformat(at):%Y-%m-%d}): {body}"
        for number, at, body in found
        if all(word in body.casefold() for word in words)
    ][:50]


def _open(workspace: Workspace) -> apsw.Connection:
    try:
        notes = apsw.Connection(str(workspace.path(NOTES)))
        notes.set_busy_timeout(5_000)
        notes.execute("CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, key TEXT UNIQUE, at TEXT, text TEXT)")
    except apsw.Error as error:
        raise ToolError(f"the notes in {NOTES} cannot be opened: {error}") from None
    return notes
