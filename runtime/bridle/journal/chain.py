"""Events: what happened, each at its place in a chain.

An event's hash covers the hash before it and the text of all that it says (JSON without spaces or NaN, kept as it was
written), so that an event that is changed, moved or left out breaks the chain. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast

from pydantic import Field, JsonValue, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from bridle.errors import JournalError, UsageError, describe
from bridle.journal.event import Body
from bridle.values import speakable

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
    text: str = field(default="", repr=False, compare=False)
    """The body as it was written."""


def chain(run: str, number: int, at: str, body: str, previous: str) -> str:
    """The hash of an event; `body` is its text."""
    return hashlib.sha256("\n".join([previous, run, str(number), at, body]).encode()).hexdigest()


def write_body(body: Body) -> str:
    """A body as JSON, its keys in their own order: what was said is kept as it was said.

    Raises:
        UsageError: it holds NaN or an infinity, which JSON cannot say; that is nothing against the journal.
    """
    try:
        text = body.model_dump_json()
    except PydanticSerializationError:  # half characters, in what a skill says of itself, or in an error
        text = canonical_json(speakable(cast("JsonValue", body.model_dump())))
    if "NaN" in text or "Infinity" in text:  # as a number, or in what somebody said
        canonical_json(json.loads(text))
    return text


def canonical_json(value: Mapping[str, JsonValue] | JsonValue) -> str:
    """JSON with sorted keys, without spaces, as RFC 8785 asks.

    Raises:
        UsageError: the value holds NaN or an infinity, which JSON cannot say.
    """
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise UsageError(f"this cannot be written as JSON: {error}") from None


def read_body(text: str) -> Body:
    """A body from its JSON.

    Raises:
        JournalError: it is no event that this version knows.
    """
    try:
        return _BODIES.validate_json(text)
    except ValidationError as error:
        raise JournalError(
            f"an event cannot be read: {describe(error)}", hint="was it written by another version?"
        ) from None
