"""What a policy leaves of what came of a call that it keeps in quarantine: what the model, by itself, makes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from pydantic import JsonValue

from bridle.bounds import Ended
from bridle.errors import BridleError, JournalError
from bridle.journal import Status
from bridle.labels import UNREAD, WITHHELD
from bridle.tool import Observation, render


async def made_of(seen: Observation, tool: str, read: Callable[[], Awaitable[JsonValue]]) -> Observation:
    """An observation with what a reader makes of it in the place of its words; why a call failed is never read, for it
    may say what was sent.

    Raises:
        Ended: a bound of the run is met, or the reader itself is at fault.
        JournalError: it cannot be recorded.
    """
    if not seen.ok:
        return replace(seen, value=None, text=WITHHELD.format(tool))
    try:
        value = await read()
    except JournalError:
        raise
    except BridleError as error:  # it may quote what was written, or sent
        unread = UNREAD.format(tool)
        if isinstance(error, Ended) and not error.final:
            return replace(seen, ok=False, value=None, text=unread, open=seen.ok or seen.open)
        if isinstance(error, Ended):
            raise
        raise Ended(Status.FAILED, unread) from None
    return replace(seen, value=value, text=render(value))
