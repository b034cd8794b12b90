"""Foreign code within its time: a tool's function, in a thread of its own where it blocks, and again where that may
help; and a skill's."""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from bridle.errors import ToolError

PAUSE = 0.2
"""Seconds before work is done again for the first time."""
GRACE = 1.0
"""Seconds after the end of its time that a skill has to notice, or to stop when it is told to."""
T = TypeVar("T")


class Overtime(Exception):
    """A skill did not end in its time."""


def is_stopped() -> bool:
    """Whether somebody cancels this task: else a cancellation is of something inside of it, and its own mistake."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def in_time(work: Awaitable[T], deadline: Callable[[], float], busy: Callable[[], bool]) -> T:
    """What work comes to; stopped soon after `deadline`, on the monotonic clock, which may move, though not while it is
    `busy`.

    Raises:
        Overtime: it did not end.
        Exception: whatever it raises.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=max(deadline() - time.monotonic(), 0) + GRACE)
            if not task.done() and not busy() and time.monotonic() > deadline() + GRACE:
                raise Overtime
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=GRACE)


async def run(
    work: Callable[[], object], timeout: float, retries: int, tell: Callable[[str, int, int], None]
) -> object:
    """What work comes to, which may be async; done again `retries` times where it took too long or could not reach
    what it needs (`OSError`), each after a longer pause.

    Raises:
        TimeoutError: it took longer than `timeout` seconds.
        Exception: whatever it raises.
    """
    for number in range(retries):
        try:
            return await _once(work, timeout)
        except (TimeoutError, OSError) as error:
            pause = PAUSE * 2**number
            tell(f"it failed ({type(error).__name__}), again in {pause:g} s", number + 1, retries)
            await asyncio.sleep(pause)
    return await _once(work, timeout)


async def _once(work: Callable[[], object], timeout: float) -> object:
    if inspect.iscoroutinefunction(work):
        try:
            return await asyncio.wait_for(cast("Awaitable[object]", work()), timeout)
        except asyncio.CancelledError:
            if is_stopped():
                raise
            raise ToolError("the tool raised CancelledError") from None
    return await _in_thread(work, timeout)


async def _in_thread(work: Callable[[], object], timeout: float) -> object:
    """Run blocking work in a thread of its own; past the timeout (or on cancellation) stop it.

    Python code is stopped at its next instruction by raising `TimeoutError` in its thread; a call that is blocked
    inside C ends when C returns. The thread is a daemon, so neither can keep the process from exiting.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[object] = loop.create_future()

    def settle(result: object, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def body() -> None:
        result: object = None
        error: BaseException | None = None
        try:
            result = work()
        except Exception as raised:
            error = raised if not isinstance(raised, StopIteration) else ToolError("the tool raised StopIteration")
        except BaseException as raised:  # SystemExit and its kin end the tool, not the run
            error = ToolError(f"the tool raised {type(raised).__name__}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    thread = threading.Thread(target=body, name="bridle-tool", daemon=True)
    thread.start()
    try:
        return await asyncio.wait_for(asyncio.shield(done), timeout)
    finally:
        if thread.is_alive() and thread.ident is not None and not done.done():
            done.cancel()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError))
