"""The journal's file: SQLite in WAL mode, through apsw, which carries a SQLite of its own."""

# pyright: reportUnknownMemberType=false
# The types of apsw mention one that it does not export.

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast
from urllib.parse import quote

import apsw

from bridle.errors import JournalError

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    run TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run, number)
);
CREATE INDEX IF NOT EXISTS event_rare ON event (kind, run) WHERE kind IN ('run.started', 'run.ended', 'kept');
"""
VERSION = 1
FEW = 128 * 1024
"""Bytes; SQLite needs some beside the file only to open it."""


def open_file(path: Path) -> apsw.Connection:
    """A connection to a journal's file, which is made if there is none; one that only reads where no other can be had.

    Raises:
        JournalError: another version wrote it.
    """
    try:
        db = apsw.Connection(str(path))
        db.set_busy_timeout(10_000)
        db.pragma("journal_mode", "wal")  # by itself: of several statements, those behind one with rows wait
        db.pragma("synchronous", "normal")
        version = cast("int", db.pragma("user_version"))
        if version not in (0, VERSION):
            raise JournalError(f"{path} was written by another version of Bridle (format {version})")
        db.execute(SCHEMA)
        db.pragma("user_version", VERSION)
    except (apsw.CantOpenError, apsw.FullError, apsw.IOError, apsw.ReadOnlyError):
        rest = path.with_name(f"{path.name}-wal")
        if not path.is_file() or (rest.is_file() and rest.stat().st_size):  # what is not in the file yet is not read
            raise
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        db = apsw.Connection(f"file:{quote(str(path.resolve()))}?immutable=1", flags=flags)
        if cast("int", db.pragma("user_version")) != VERSION:
            raise
    return db


def remedy(error: Exception, path: Path) -> str:
    """What to do about an error of a journal's file; empty if nobody knows."""
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError | apsw.ReadOnlyError) and _is_full(path)):
        return "the disk is full: free some space; what was journaled before is kept"
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | OSError):
        return "check that the folder exists and can be written, or set BRIDLE_HOME to another"
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return "it is not a journal, or damaged: move it away to start a new one"
    return ""


def _is_full(path: Path) -> bool:
    """Whether so little room is left beside a file that SQLite cannot work there."""
    try:
        return shutil.disk_usage(path.parent).free < FEW
    except OSError:
        return False
