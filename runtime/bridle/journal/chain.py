"""Events: what happened, each at its place in a chain.

An event's hash covers the hash before it and all that it says, in canonical JSON (sorted keys, no spaces, no NaN, as
RFC 8785 asks), so that an event that is changed, moved or left out breaks the chain. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, JsonValue, TypeAdapter

from bridle.errors import JournalError
from bridle.journal.event import Body

_BODIES: TypeAdapter[Body] = TypeAdapter(Annotated[Body, Field(discriminator="kind")])
GENESIS = "0" * 64
"""The hash before the first event."""


@dataclass(frozen=True)
class Event:
    """A body at its place: run, number from 1, moment (UTC, ISO 8601), and the chain."""

    run: str
    number: int
    at: str
    body: Body
    previous: str
    hash: str


def chain(run: str, number: int, at: str, body: str, previous: str) -> str:
    """The hash of an event; `body` is canonical JSON."""
    return hashlib.sha256("\n".join([previous, run, str(number), at, body]).encode()).hexdigest()


def canonical(body: Body) -> str:
    """A body as canonical JSON."""
    return canonical_json(body.model_dump(mode="json"))


def canonical_json(value: Mapping[str, JsonValue] | JsonValue) -> str:
    """JSON with sorted keys, without spaces.

    Raises:
        JournalError: the value holds NaN or an infinity, which JSON cannot say.
    """
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise JournalError(f"an event cannot be written as JSON: {error}") from None


def read_body(text: str) -> Body:
    """A body from its JSON.

    Raises:
        JournalError: it is no event that this version knows.
    """
    try:
        return _BODIES.validate_json(text)
    except ValueError as error:
        raise JournalError(f"an event cannot be read: {error}", hint="was it written by another version?") from None
