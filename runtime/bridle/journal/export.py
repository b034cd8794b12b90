"""A run as one file that proves itself: a line for its head, a line for each event, each as the journal has it.

The head says how many events there are and the hash of the last, so that none can be changed, moved, left out or cut
off unseen; its signature (HMAC-SHA256 with a key that never leaves the machine) shows whoever has the key that the head
itself is the one that was written. Without the key the chain is still checked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, ValidationError

from bridle.errors import JournalError, describe
from bridle.journal.chain import GENESIS, Event, canonical_json, chain, read_body

FORMAT = "bridle-run-1"
KEY = 32
"""Bytes of a key."""


class Head(BaseModel):
    """The first line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    run: str
    events: int
    hash: str
    """Of the last event."""
    signature: str
    """Over all of this but itself, in hexadecimal."""


@dataclass(frozen=True)
class Exported:
    """A run that was read from a file, its chain whole. `signed`: by the key; None where there is no key to tell."""

    run: str
    events: Sequence[Event]
    signed: bool | None


def export(run: str, events: Sequence[Event], key: bytes) -> Iterator[str]:
    """The lines of the file, each with its end."""
    head = Head(format=FORMAT, run=run, events=len(events), hash=events[-1].hash if events else GENESIS, signature="")
    yield _line(head.model_copy(update={"signature": _sign(head, key)}).model_dump())
    for event in events:
        yield _line({"at": event.at, "body": event.text, "hash": event.hash})


def read_export(path: Path, key: bytes | None) -> Exported:
    """The run in a file.

    Raises:
        JournalError: it is none, or not as it was written; the message says what is wrong, and where.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise JournalError(f"{path} cannot be read: {error}") from None
    lines = text.split("\n")
    if lines.pop() != "":
        raise JournalError(f"{path} ends in the middle of a line")
    head = _head(path, lines[0] if lines else "")
    events, previous = list[Event](), GENESIS
    for number, line in enumerate(lines[1:], 1):
        try:
            event = read_event(head.run, number, line, previous)
        except JournalError as error:
            raise JournalError(f"{path}: {error.message}") from None
        events.append(event)
        previous = event.hash
    if (len(events), previous) != (head.events, head.hash):
        raise JournalError(f"{path}: it has {len(events)} events, and its head speaks of {head.events}")
    signed = None if key is None else hmac.compare_digest(head.signature.encode(), _sign(head, key).encode())
    return Exported(head.run, events, signed)


def read_event(run: str, number: int, line: str, previous: str) -> Event:
    """The event in a line, without its end, behind the event with the hash `previous`.

    Raises:
        JournalError: it is none, or not the one that was written there.
    """
    try:
        told = cast("object", json.loads(line))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or cast("dict[str, object]", told).keys() != {"at", "body", "hash"}:
        raise JournalError(f"event {number} cannot be read")
    at, body, own = (str(cast("dict[str, object]", told)[name]) for name in ("at", "body", "hash"))
    if any("\ud800" <= it <= "\udfff" for it in at + body) or own != chain(run, number, at, body, previous):
        raise JournalError(f"event {number} was changed, moved, or stands behind one that was left out")
    if line != _line(cast("object", told))[:-1]:
        raise JournalError(f"event {number} is not spelled as it was written")
    return Event(run, number, at, read_body(body), previous, own, body)


def own_key(path: Path) -> bytes:
    """The key in a file that only its owner can read; made, if there is none.

    Raises:
        JournalError: it cannot be read or made, or is none.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write_whole(path, secrets.token_bytes(KEY))
        key = path.read_bytes()
    except OSError as error:
        raise JournalError(f"the key {path} cannot be read: {error}") from None
    if len(key) != KEY:
        raise JournalError(
            f"{path} is no key: it has {len(key)} bytes, and not {KEY}", hint="take it away, and a new one is made"
        )
    return key


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that its owner alone can read: all of it or nothing, unless somebody else has made one meanwhile."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _sign(head: Head, key: bytes) -> str:
    told = canonical_json(head.model_dump(exclude={"signature"}))
    return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()


def _head(path: Path, line: str) -> Head:
    try:
        head = Head.model_validate_json(line)
    except ValidationError as error:
        raise JournalError(f"{path} is no exported run: {describe(error)}") from None
    if head.format != FORMAT:
        raise JournalError(f"{path} is of another format, {head.format[:40]}")
    if line != _line(head.model_dump())[:-1]:
        raise JournalError(f"{path}: its head is not spelled as it was written")
    return head


def _line(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, sort_keys=True) + "\n"
