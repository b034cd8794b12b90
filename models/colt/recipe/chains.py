"""Tasks of several steps: what one call gives, the next one takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from intents import day
from thoughts import BY_NAME, choice
from values import Values

from bridle.grammar.said import Call, Said, Show

Steps: TypeAlias = tuple[tuple[Said, str, str], ...]
Say: TypeAlias = Callable[[tuple[str, ...], dict[str, str]], str]


@dataclass(frozen=True)
class Chain:
    """Tools that it needs, and how it goes: the request and the steps."""

    needs: frozenset[str]
    make: Callable[[Values, Say], tuple[str, Steps]]


def _step(tool: str, result: str, **args: str | int) -> tuple[Said, str, str]:
    return Call(tool, dict(args)), choice(BY_NAME[tool], args), result


def _end(lead: str = "") -> tuple[Said, str, str]:
    return Show(lead), "done", ""


def _find_and_read(values: Values, say: Say) -> tuple[str, Steps]:
    word, path, says = values.word(), values.file(), values.sentence()
    request = say(
        (
            "(find|look for|locate|search for) (the|my|a) (file|document) (about|on|named|called) {w} and (read it|tell me what it says|show it|open it)",
            "(find|look for|locate) {w} and (read it|tell me what it says|show me what is in it)",
            "what does the (file|document) (about|on|with the name) {w} say? find it",
        ),
        {"w": word},
    )
    return request, (
        _step("find_files", path, name=word),
        _step("read_file", says, path=path),
        _end("The file says:"),
    )


def _read_and_note(values: Values, say: Say) -> tuple[str, Steps]:
    path, says, saved = values.file(), values.phrase(), f"Saved note {values.random.randint(1, 400)}"
    request = say(
        (
            "(read|open) {p} and (note it|make a note of it|note what it says|write down what it says|save it as a note)",
            "(note|write down|make a note of|remember) what {p} says",
            "(take|make) a note of the (text|contents) of {p}",
        ),
        {"p": path},
    )
    return request, (
        _step("read_file", says, path=path),
        _step("add_note", saved, text=says),
        _end(),
    )


def _find_read_note(values: Values, say: Say) -> tuple[str, Steps]:
    word, path, says = values.word(), values.file(), values.phrase()
    saved = f"Saved note {values.random.randint(1, 400)}"
    request = say(
        (
            "(find|look for|locate) the (file|document) (about|on|named) {w}, read it and (note|write down|make a note of) what it says",
            "(find|locate) {w}, read it and (note it|make a note of it)",
        ),
        {"w": word},
    )
    return request, (
        _step("find_files", path, name=word),
        _step("read_file", says, path=path),
        _step("add_note", saved, text=says),
        _end(),
    )


def _total_and_note(values: Values, say: Say) -> tuple[str, Steps]:
    path, column, total = values.table(), values.column(), values.decimal()
    saved = f"Saved note {values.random.randint(1, 400)}"
    request = say(
        (
            "(note|write down|make a note of|remember) the (sum|total) of {c} in {p}",
            "(add up|sum|total) {c} in {p} and (note|write down|make a note of) (it|the result)",
        ),
        {"c": column, "p": path},
    )
    return request, (
        _step("query_table", total, path=path, operation="sum", column=column),
        _step("add_note", saved, text=total),
        _end(),
    )


def _shift_and_book(values: Values, say: Say) -> tuple[str, Steps]:
    title, date, days = values.phrase(), values.date(), values.random.randint(1, 400)
    shifted = day(values)
    request = say(
        (
            "(put|add|schedule|book|plan) {t} (for the day|on the day|in my calendar) {n} days (after|from) {d}",
            "(schedule|book|plan) {t} {n} days after {d}",
        ),
        {"t": title, "n": str(days), "d": date},
    )
    return request, (
        _step("shift_date", shifted, date=date, days=days),
        _step("add_event", f"Added {title} on {shifted}", title=title, date=shifted[:10]),
        _end(),
    )


def _read_what_is_elsewhere(values: Values, say: Say) -> tuple[str, Steps]:
    """A call that fails, and is made right."""
    name, says = values.file().rpartition("/")[2], values.sentence()
    path = f"{values.folder()}/{name}"
    request = say(("(read|open|show me|print) [the file] {p}", "what does [the file] {p} say?"), {"p": name})
    return request, (
        _step("read_file", f"error: no file named {name}", path=name),
        _step("find_files", path, name=name),
        _step("read_file", says, path=path),
        _end("The file says:"),
    )


CHAINS = (
    Chain(frozenset({"find_files", "read_file"}), _find_and_read),
    Chain(frozenset({"read_file", "add_note"}), _read_and_note),
    Chain(frozenset({"find_files", "read_file", "add_note"}), _find_read_note),
    Chain(frozenset({"query_table", "add_note"}), _total_and_note),
    Chain(frozenset({"shift_date", "add_event"}), _shift_and_book),
    Chain(frozenset({"read_file", "find_files"}), _read_what_is_elsewhere),
)
