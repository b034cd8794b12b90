"""The folder that an agent works in, and cannot leave.

Every path a tool is given is resolved here: symbolic links and `..` are followed first, and what they lead to must
still be inside. The final open refuses to follow a link, so that a link swapped in between the two does not help.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import get_ident

from bridle.errors import ToolError, UsageError
from bridle.tool import Service

KEPT = ".bridle/before"
"""The folder of what files were before they were written."""
PUT_BACK = b"="
"""What is kept of a file that is what it was again."""
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
            ToolError: the name leads outside, or is no path at all.
        """
        if "\0" in name:
            raise ToolError("a path cannot contain a null character")
        name = name.strip() or "."
        try:
            path = (self.root / name).resolve()
        except (OSError, RuntimeError):
            raise ToolError(f"{name} is not a usable path") from None
        if path != self.root and self.root not in path.parents:
            raise ToolError(f"{name} is outside the workspace")
        return path

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
        path = self.path(name)
        if not self.writable:
            raise ToolError("the workspace is for reading only")
        if path.is_dir():
            raise ToolError(f"{name} is a folder, not a file")
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise ToolError(f"{name} cannot be written: {error.strerror}") from None
        return path

    def keep(self, key: str, name: str) -> None:
        """Keep what a file is now, to put it back with `put_back`, unless it is large (`FILE_LIMIT`).

        A key that is kept already stays as it is.

        Raises:
            ToolError: it cannot be kept.
        """
        path, kept = self.path(name), self._kept(key)
        if not kept.exists() and not (path.is_file() and path.stat().st_size > FILE_LIMIT):
            self.write_bytes(f"{KEPT}/.gitignore", b"*\n")
            self.write_bytes(self.name(kept), (b"+" + path.read_bytes()) if path.is_file() else b"-")

    def put_back(self, key: str, name: str, written: bytes) -> None:
        """Make a file what it was before it was written. Whoever was stopped in the middle does it again: what is kept
        says then that it was done, or the file is what it was.

        Raises:
            ToolError: it is something else by now, or nothing was kept.
        """
        path, kept = self.path(name), self._kept(key)
        if not kept.is_file():
            raise ToolError(f"what {name} was before is not known")
        before, now = kept.read_bytes(), b"+" + path.read_bytes() if path.is_file() else b"-"
        if before == PUT_BACK:
            return
        if now not in (before, b"+" + written):
            raise ToolError(f"{name} was changed since, and is left as it is")
        if before.startswith(b"+"):
            self.write_bytes(name, before[1:])
        else:
            path.unlink(missing_ok=True)
        self.write_bytes(self.name(kept), PUT_BACK)

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
