"""Files of the workspace: list, find, search, read, write."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from bridle.errors import ToolError
from bridle.tool import CallKey, Teller, tool
from bridle.toolbox.workspace import FILE_LIMIT, Workspace

TOLD = 50
"""Files between two words about how far a search is."""
MATCH_LIMIT = 100
"""Matches that one search returns at most."""
LINE = 300
"""Characters of a line that a match shows at most."""


@tool(effect="pure")
def list_files(workspace: Workspace, folder: str = ".") -> list[str]:
    """List what is in a folder."""
    top = workspace.path(folder)
    if not top.is_dir():
        raise ToolError(f"no folder named {folder}")
    entries = sorted(path for path in top.iterdir() if not path.name.startswith("."))
    return [path.name + ("/" if path.is_dir() else "") for path in entries]


@tool(effect="pure")
def find_files(workspace: Workspace, name: str, folder: str = ".") -> list[str]:
    """Find files by name.

    Args:
        name: a part of the file's name, or a pattern with * and ?
    """
    wanted = name.casefold()
    pattern = wanted if any(mark in wanted for mark in "*?[") else f"*{wanted}*"
    found = [
        workspace.name(path)
        for path in workspace.files(folder)
        if fnmatch(path.name.casefold(), pattern) or fnmatch(workspace.name(path).casefold(), pattern)
    ]
    return _cut(found)


@tool(effect="pure")
def search_text(workspace: Workspace, tell: Teller, text: str, folder: str = ".") -> list[str]:
    """Find the lines of files that contain a text.

    Args:
        text: what to look for; upper and lower case are the same
    """
    if not text:
        raise ToolError("the text to search for is empty")
    wanted = text.casefold()
    found: list[str] = []
    large: list[str] = []
    files = list(workspace.files(folder))
    for number, path in enumerate(files):
        if number % TOLD == 0:
            tell(f"searching {len(files)} files", number, len(files))
        name = workspace.name(path)
        if path.stat().st_size > FILE_LIMIT:
            large.append(name)
            continue
        for n, line in enumerate(_lines(path), 1):
            if (at := line.casefold().find(wanted)) >= 0:
                found.append(f"{name}:{n}: {_around(line, at)}")
        if len(found) > MATCH_LIMIT:
            return [*found[:MATCH_LIMIT], "and more"]
    return [*found, *([f"not searched, being large: {', '.join(large[:5])}"] if large else [])]


def _lines(path: Path) -> list[str]:
    """The lines of a text, also of one in the encodings before UTF-8; none of what is no text or cannot be read."""
    try:
        data = path.read_bytes()
    except TimeoutError:  # which is an OSError, and says that the search took too long
        raise
    except OSError:
        return []
    if b"\0" in data:
        return []
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return data.decode("latin-1").splitlines()


def _around(line: str, at: int) -> str:
    """A line, or what of a long one stands around a place."""
    line = line.rstrip()
    if len(line) <= LINE:
        return line.strip()
    start = max(0, at - LINE // 2)
    return f"{'…' if start else ''}{line[start : start + LINE].strip()}…"


@tool(effect="pure")
def read_file(workspace: Workspace, path: str) -> str:
    """Read a text file."""
    return workspace.read_text(path)


def unwrite(workspace: Workspace, key: CallKey, path: str, content: str) -> str:
    """Make a file what it was before it was written."""
    workspace.put_back(key.value, path, _bytes(content))
    return f"{path} is what it was before"


@tool(effect="idempotent", undo=unwrite)
def write_file(workspace: Workspace, key: CallKey, path: str, content: str) -> str:
    """Write a text file."""
    data = _bytes(content)
    workspace.keep(key.value, path, data)
    written = workspace.write_bytes(path, data)
    return f"Wrote {workspace.name(written)}"


def _bytes(content: str) -> bytes:
    try:
        return content.encode()
    except UnicodeEncodeError:
        raise ToolError("the content has half a character in it, which no file can hold") from None


def _cut(found: list[str]) -> list[str]:
    extra = len(found) - MATCH_LIMIT
    return found if extra <= 0 else [*found[:MATCH_LIMIT], f"and {extra} more"]
