"""Files that are written whole: what was there stays until then."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bridle.errors import UsageError


@contextmanager
def whole_file(path: Path) -> Generator[TextIO]:
    """A file to write that takes its place once it is whole; until then what was there stays.

    Raises:
        UsageError: it cannot be written; why.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file at once; see `whole_file`."""
    with whole_file(path) as file:
        file.write(text)
