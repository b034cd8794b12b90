"""Files that commands read and write: whether they can be is known before the work."""

from __future__ import annotations

import os
from pathlib import Path

from bridle.errors import UsageError


def is_file(argument: str) -> bool:
    """Whether an argument names a file; what no file can be called does not."""
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):
        return False


def read_file(path: Path) -> str:
    """The text of a file.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not UTF-8: {error}", hint="convert it: iconv -f latin1 -t utf8") from None


def check_place(path: Path) -> None:
    """See that a file can be written there, before there is anything to write.

    Raises:
        UsageError: it is a folder, or its folder is not there or closed to us.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint="name a file in it")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"nothing can be written into {path.absolute().parent}", hint="make the folder first")
