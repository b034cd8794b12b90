"""Evaluated prompts on disk: what every run of a program begins with is read once, not once a start.

A state is found by the tokens it stands for, in a folder that belongs to one model, one layout of its memory and one
version of llama.cpp. Each file begins with the SHA-256 of those tokens and the state, since llama.cpp trusts what it is
given. When all folders together grow too large, the least recently used states go, whosever they are. Writing is done
by a thread of its own; a disk that is full costs a slower start, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path

from bridle.engine.base import Tokens

LIMIT = 2 * 1024**3
"""Bytes that all models' states may take."""
LEAST = 128
"""Tokens that are worth keeping."""


class Archive:
    """States of one model, in a folder of their own, made when the first is kept.

    Args:
        home: where the folders of all models are.
        model: the name of this one's.
        limit: bytes that all of them may hold.
        least: tokens that are worth keeping.
    """

    def __init__(self, home: Path, model: str, *, limit: int = LIMIT, least: int = LEAST) -> None:
        self.least = least
        self._home, self._folder = home, home / model
        self._limit = limit
        self._seen: set[Path] = set()
        self._writers: list[threading.Thread] = []

    def load(self, tokens: Tokens) -> bytearray | None:
        """The state that stands for these tokens, if it is there and whole."""
        path = self._path(tokens)
        try:
            with path.open("rb") as file:
                digest, state = file.read(32), bytearray(file.read())
            if not state or _digest(tokens, state) != digest:
                path.unlink()
                return None
            os.utime(path)
        except OSError:
            return None
        self._seen.add(path)
        return state

    def discard(self, tokens: Tokens) -> None:
        """Remove a state that cannot be restored, so that the next one takes its place."""
        path = self._path(tokens)
        self._seen.discard(path)
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def wants(self, tokens: Tokens) -> bool:
        """Whether the state of these tokens is worth keeping and not there yet."""
        path = self._path(tokens)
        return len(tokens) >= self.least and path not in self._seen and not path.exists()

    def save(self, tokens: Tokens, state: bytearray) -> None:
        """Keep a state, in the background."""
        path = self._path(tokens)
        self._seen.add(path)
        writer = threading.Thread(target=self._write, args=(path, tokens, state), name="bridle-archive")
        writer.start()
        self._writers = [it for it in self._writers if it.is_alive()] + [writer]

    def close(self) -> None:
        """Wait for what is being written."""
        for writer in self._writers:
            writer.join()

    def _path(self, tokens: Tokens) -> Path:
        return self._folder / f"{hashlib.sha256(tokens.tobytes()).hexdigest()[:32]}.state"

    def _write(self, path: Path, tokens: Tokens, state: bytearray) -> None:
        temporary = path.with_suffix(f".{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_bytes(_digest(tokens, state) + state)
            temporary.replace(path)
            self._prune()
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _prune(self) -> None:
        for path in self._home.glob("*/*"):
            if path.suffix[1:].isdecimal() and not _lives(int(path.suffix[1:])):
                path.unlink(missing_ok=True)  # a writer was killed
        files = sorted(self._home.glob("*/*.state"), key=lambda path: path.stat().st_mtime, reverse=True)
        room = self._limit
        for number, path in enumerate(files):
            room -= path.stat().st_size
            if room < 0 and number:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # others are in it
                    path.parent.rmdir()


def _digest(tokens: Tokens, state: bytearray) -> bytes:
    """What proves that a state is whole and of these tokens."""
    proof = hashlib.sha256(len(tokens).to_bytes(8, "little") + tokens.tobytes())
    proof.update(state)
    return proof.digest()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        pass
    return True
