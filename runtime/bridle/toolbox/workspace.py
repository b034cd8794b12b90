"""The folder that an agent works in, and cannot leave.

Every path a tool is given is resolved here: symbolic links and `..` are followed first, and what they lead to must
still be inside. The final open refuses to follow a link, so that a link swapped in between the two does not help.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident

from bridle.errors import ToolError, UsageError
from bridle.tool import Service

OWN = ".bridle"
"""The folder that only Bridle itself reads and writes."""
KEPT = f"{OWN}/before"
"""The folder of what files were before they were written."""
PUT_BACK = b"="
"""What is kept of a file that is what it was again."""
PART = 255
"""Bytes of a file's name, on most file systems."""
FILE_LIMIT = 4 * 1024 * 1024
"""Bytes: larger files are neither read nor searched."""


class Workspace(Service):
    """One folder. All paths in and out are relative to it, with forward slashes."""

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        """Open a folder that exists.

        Args:
            root: the folder.
            writable: whether tools may write in it; if they may, it has to be possible.

        Raises:
            UsageError: it is missing, not a folder, or cannot be read or written.
        """
        self.writable = writable
        try:
            self.root = root.resolve(strict=True)
        except OSError as error:
            raise UsageError(f"no workspace at {root}: {error.strerror}", hint="create the folder first") from None
        if not self.root.is_dir():
            raise UsageError(f"the workspace {root} is not a folder", hint="give a folder with --workspace")
        if not os.access(self.root, os.R_OK | os.X_OK):
            raise UsageError(f"the workspace {root} cannot be read", hint="check the folder's permissions")
        if writable and not os.access(self.root, os.W_OK):
            raise UsageError(f"the workspace {root} cannot be written", hint="choose a folder of your own: --workspace")

    def path(self, name: str) -> Path:
        """The absolute path that a relative name means.

        Raises:
            ToolError: the name leads outside or to what is Bridle's own, or is no path at all.
        """
        if "\0" in name:
            raise ToolError("a path cannot contain a null character")
        name = name.strip() or "."
        try:
            path = (self.root / name).resolve()
            usable = all(len(os.fsencode(part)) <= PART for part in path.parts)
        except (OSError, RuntimeError, UnicodeError):
            usable, path = False, self.root
        if not usable:
            raise ToolError(f"{name[:PART]} is not a usable path")
        if path != self.root and self.root not in path.parents:
            raise ToolError(f"{name} is outside the workspace")
        if OWN in self._parts(path)[:1]:
            raise ToolError(f"{name} is Bridle's own")
        return path

    def path_to_change(self, name: str) -> Path:
        """As `path`, for what is about to be written or removed.

        Raises:
            ToolError: as `path`; the workspace is for reading only, or it is part of a repository's own files, of which
                some are carried out.
        """
        path = self.path(name)
        if not self.writable:
            raise ToolError("the workspace is for reading only")
        if ".git" in self._parts(path):
            raise ToolError(f"{name} is git's own")
        return path

    def _parts(self, path: Path) -> tuple[str, ...]:
        """As file systems have them that do not tell upper from lower case."""
        return tuple(part.casefold() for part in path.relative_to(self.root).parts)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Keep all others out who read a file of the workspace in order to write it anew, also in other processes."""
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def name(self, path: Path) -> str:
        """The relative name of an absolute path inside."""
        return path.relative_to(self.root).as_posix()

    def read_text(self, name: str) -> str:
        """A UTF-8 file's text.

        Raises:
            ToolError: no such file, not a regular file, too large, or not text.
        """
        path = self.path(name)
        if path.is_dir():
            raise ToolError(f"{name} is a folder, not a file")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            raise ToolError(f"no file named {name}") from None
        except OSError as error:
            raise ToolError(f"{name} cannot be read: {error.strerror}") from None
        with os.fdopen(descriptor, "rb") as file:
            if not path.is_file():
                raise ToolError(f"{name} is not a regular file")
            data = file.read(FILE_LIMIT + 1)
        if len(data) > FILE_LIMIT:
            raise ToolError(f"{name} is larger than {FILE_LIMIT // 1024 // 1024} MB")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ToolError(f"{name} is not a text file") from None

    def write_bytes(self, name: str, data: bytes) -> Path:
        """Write a file whole: readers see the old content or the new, never half of it.

        Raises:
            ToolError: the name leads outside or the disk refuses.
        """
        path = self.path_to_change(name)
        if path.is_dir():
            raise ToolError(f"{name} is a folder, not a file")
        self._write(path, data, mode=stat.S_IMODE(path.stat().st_mode) if path.exists() else None)
        return path

    def _write(self, path: Path, data: bytes, *, mode: int | None = None) -> None:
        temporary = path.with_name(f".bridle-{os.getpid()}-{get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as file:
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise ToolError(f"{self.name(path)} cannot be written: {error.strerror}") from None

    def keep(self, key: str, name: str, written: bytes) -> None:
        """Keep what a file is now, to put it back with `put_back`, unless it is large (`FILE_LIMIT`).

        A key that is kept already stays as it is: the file is about to be written once more.

        Raises:
            ToolError: it cannot be kept, or somebody else has changed the file since it was kept.
        """
        path, kept = self.path_to_change(name), self._kept(key)
        if path.is_file() and path.stat().st_size > FILE_LIMIT:
            return
        now = _content(path)
        if kept.exists():
            if now not in (kept.read_bytes(), b"+" + written):
                raise ToolError(f"{name} was changed since, and is left as it is")
            return
        self._write(self.root / KEPT / ".gitignore", b"*\n")
        self._write(kept, now, mode=0o600)

    def put_back(self, key: str, name: str, written: bytes) -> None:
        """Make a file what it was before it was written. Whoever was stopped in the middle does it again: what is kept
        says then that it was done, or the file is what it was.

        Raises:
            ToolError: it is something else by now, or nothing was kept.
        """
        path, kept = self.path_to_change(name), self._kept(key)
        if not kept.is_file():
            raise ToolError(f"what {name} was before is not known")
        before, now = kept.read_bytes(), _content(path)
        if before == PUT_BACK:
            return
        if now not in (before, b"+" + written):
            raise ToolError(f"{name} was changed since, and is left as it is")
        if before.startswith(b"+"):
            self.write_bytes(name, before[1:])
        else:
            path.unlink(missing_ok=True)
        self._write(kept, PUT_BACK)

    def _kept(self, key: str) -> Path:
        return self.root / KEPT / hashlib.sha256(key.encode()).hexdigest()[:32]

    def files(self, folder: str = ".") -> Iterator[Path]:
        """The regular files below a folder, sorted, without hidden ones; links are not followed.

        Raises:
            ToolError: no such folder.
        """
        top = self.path(folder)
        if not top.is_dir():
            raise ToolError(f"no folder named {folder}")
        for parent, folders, names in os.walk(top):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(parent, name)
                if not name.startswith(".") and path.is_file() and not path.is_symlink():
                    yield path


def _content(path: Path) -> bytes:
    """What is kept of a file: its content behind a +, or - if there is none."""
    return b"+" + path.read_bytes() if path.is_file() else b"-"
