"""Who is at work on a run: one at a time, by a lock of the operating system, which ends with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_HELD = set[int]()
"""The locks of this process, by their files."""


def _let_go() -> None:
    """A forked child is not who works on its parent's runs: the lock would outlast the parent in it."""
    for file in _HELD:
        os.close(file)
    _HELD.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def alone(path: Path) -> Generator[bool]:
    """Hold a lock file, which is there for as long; False where somebody else holds it, in this process or another.

    Raises:
        OSError: it cannot be made.
    """
    if (file := _lock(path)) is None:
        yield False
        return
    _HELD.add(file)
    try:
        yield True
    finally:
        if file in _HELD:
            with suppress(OSError):
                path.unlink()  # before the lock ends: whoever has opened it meanwhile finds that it is gone
            _HELD.discard(file)
            os.close(file)


def _lock(path: Path) -> int | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except OSError:
            os.close(file)
            raise
        if os.fstat(file).st_nlink:
            return file
        os.close(file)
