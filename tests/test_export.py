"""Exported runs: whole they are read, and whatever is done to one is found."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bridle.errors import JournalError
from bridle.journal import Journal, Noted, RunStarted
from bridle.journal.export import export, own_key, read_export

KEY = b"k" * 32
EVENTS = 40


@pytest.fixture
def lines(journal: Journal) -> list[str]:
    started = RunStarted(task="é do it", skill="s", model="m", format="json", workspace="/w", seed=None, version="0")
    journal.append("r", started)
    for number in range(EVENTS - 1):
        journal.append("r", Noted(path=f"note#{number}", text=f'line "{number}"\n'))
    return list(export("r", journal.events("r"), KEY))


def read(folder: Path, text: str | bytes, key: bytes | None = KEY) -> bool | None:
    path = folder / "run.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_export(path, key).signed


def test_what_was_written_is_read(tmp_path: Path, lines: list[str], journal: Journal) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    found = read_export(path, KEY)
    assert (found.run, list(found.events), found.signed) == ("r", journal.events("r"), True)
    assert read(tmp_path, "".join(lines), None) is None
    assert read(tmp_path, "".join(lines), b"another") is False


def test_one_byte_of_any_event_is_missed_by_nobody(tmp_path: Path, lines: list[str]) -> None:
    data = "".join(lines).encode()
    start = len(lines[0].encode())
    for place in range(start, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(JournalError):
            read(tmp_path, bytes(changed))


def test_one_byte_of_the_head_is_missed_by_nobody_with_the_key(tmp_path: Path, lines: list[str]) -> None:
    data = "".join(lines).encode()
    for place in range(len(lines[0].encode())):
        changed = bytearray(data)
        changed[place] ^= 1
        with suppress(JournalError):
            assert read(tmp_path, bytes(changed)) is False


def left_out(lines: list[str], number: int) -> list[str]:
    return [*lines[:number], *lines[number + 1 :]]


def cut_off(lines: list[str], number: int) -> list[str]:
    return lines[:number]


def twice(lines: list[str], number: int) -> list[str]:
    return [*lines[: number + 1], *lines[number:]]


def swapped(lines: list[str], number: int) -> list[str]:
    return [*lines[: number - 1], lines[number], lines[number - 1], *lines[number + 1 :]]


@pytest.mark.parametrize("spoil", [left_out, cut_off, twice, swapped])
def test_events_are_where_they_were(
    tmp_path: Path, lines: list[str], spoil: Callable[[list[str], int], list[str]]
) -> None:
    for number in range(1, len(lines)):
        with pytest.raises(JournalError):
            read(tmp_path, "".join(spoil(lines, number)))


@pytest.mark.parametrize("text", ["", "\n", "{}\n", "[1]\n", "nonsense", '{"format": "x"}\n', "\x00\n", "null\n"])
def test_what_is_no_run_is_told_to_be_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(JournalError, match=r"run\.jsonl"):
        read(tmp_path, text)


def test_what_is_not_even_text(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read"):
        read(tmp_path, b"\xff\xfe\n")
    with pytest.raises(JournalError, match="cannot be read"):
        read_export(tmp_path / "none", None)


def test_the_key_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    key = own_key(tmp_path / "home" / "key")
    assert len(key) == 32
    assert own_key(tmp_path / "home" / "key") == key
    assert (tmp_path / "home" / "key").stat().st_mode & 0o077 == 0
    with pytest.raises(JournalError):
        own_key(tmp_path / "home" / "key" / "below")
