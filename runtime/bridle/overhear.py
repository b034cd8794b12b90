"""Callbacks of work under way as something to loop over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

E = TypeVar("E")
R = TypeVar("R")


async def overhear(begin: Callable[[Callable[[E], None]], Coroutine[Any, Any, R]]) -> AsyncGenerator[E | R]:
    """Begin some work; yield all that it tells, from whatever thread, and what it comes to in the end. Whoever stops
    listening stops the work.

    Args:
        begin: is given whom to tell.

    Raises:
        Exception: whatever the work raises.
    """
    loop, heard, end = asyncio.get_running_loop(), asyncio.Queue[Any](), object()

    def hear(it: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(heard.put_nowait, it)

    work = loop.create_task(begin(hear))
    work.add_done_callback(lambda _: hear(end))
    try:
        while (it := await heard.get()) is not end:
            yield it
        yield await work
    finally:
        if not work.done():
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
