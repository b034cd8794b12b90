"""What came of a case against what must come of it: one verdict for each thing that is expected."""

# pyright: reportUnknownMemberType=false
# The types of apsw mention one that it does not export.

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import apsw
from pydantic import JsonValue

from bridle.bounds import CallMade
from bridle.errors import ToolError
from bridle.evals.cases import Case, ExpectedCall, Rows, Said
from bridle.journal import Status
from bridle.run import Run
from bridle.toolbox import Workspace
from bridle.values import same

_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")
"""Digits in threes or all together; a hyphen behind a digit or a letter is no sign."""


@dataclass(frozen=True)
class Check:
    """One thing looked at: `why` says what is wrong, and is empty where nothing is."""

    what: str
    why: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as expected."""
        return not self.why


def score(case: Case, run: Run, workspace: Path) -> list[Check]:
    """Look at all that a case expects of a run and of the workspace that it leaves."""
    expect, made = case.expect, run.tokens.sampled + run.tokens.forced
    wanted = Status.PAUSED if expect.asks else Status.REFUSED if expect.refuses else Status.DONE
    found = [Check("ends", "" if run.status is wanted else _ending(run, wanted))]
    if expect.calls is not None:
        found.append(Check("tools", _tools(expect.calls, run.calls)))
        found.append(Check("calls", _calls(expect.calls, run.calls)))
    broken = [call.tool for call in run.calls if call.tool in expect.never]
    found += [Check("rules", f"{broken[0]} must not be called" if broken else "")] if expect.never else []
    found += [Check("answer", differs(expect.answer, run.answer or ""))] if expect.answer else []
    if isinstance(expect.asks, Said):
        found.append(Check("question", differs(expect.asks, run.question or "")))
    found += [Check(f"file {name}", _file(name, said, workspace)) for name, said in expect.files.items()]
    found += [Check(f"database {it.file}", _rows(it, workspace)) for it in expect.database]
    if expect.steps is not None:
        found.append(Check("steps", _more(run.steps, expect.steps)))
    if expect.tokens is not None:
        found.append(Check("tokens", _more(made, expect.tokens)))
    return found


def differs(said: Said, text: str) -> str:
    """What is wrong with a text; empty if nothing is.

    >>> differs(Said(number=1234.5), "It is 1,234.50 in all.")
    ''
    >>> differs(Said(number=15), "10-15 of them")
    ''
    >>> differs(Said(contains=("Oslo",)), "Bergen")
    "'Bergen' does not contain 'Oslo'"
    """
    plain, shown = _plain(text), repr(text if len(text) <= 80 else f"{text[:80]}...")
    if said.equals is not None and text.strip() != said.equals.strip():
        return f"{shown} is not {said.equals!r}"
    if missing := [it for it in said.contains if _plain(it) not in plain]:
        return f"{shown} does not contain {missing[0]!r}"
    if present := [it for it in said.lacks if _plain(it) in plain]:
        return f"{shown} contains {present[0]!r}"
    if said.matches is not None and not re.search(said.matches, text):
        return f"{shown} does not match {said.matches}"
    if said.number is not None:
        numbers = [float(it.replace(",", "").replace("\u2212", "-")) for it in _NUMBER.findall(text)]
        if not any(abs(it - said.number) <= said.within for it in numbers):
            return f"{shown} does not say {said.number:g}"
    return ""


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _ending(run: Run, wanted: Status) -> str:
    return f"{run.status.value}, not {wanted.value}" + (f": {why}" if (why := run.reason or run.question) else "")


def _tools(expected: Sequence[ExpectedCall], made: Sequence[CallMade]) -> str:
    names, wanted = [call.tool for call in made], [call.tool for call in expected]
    return "" if names == wanted else f"{', '.join(names) or 'nothing'} called, not {', '.join(wanted) or 'nothing'}"


def _calls(expected: Sequence[ExpectedCall], made: Sequence[CallMade]) -> str:
    if why := _tools(expected, made):
        return why
    for one, call in zip(expected, made, strict=True):
        if one.args.keys() != call.args.keys():
            given, due = (", ".join(args) or "nothing" for args in (call.args, one.args))
            return f"{call.tool} called with {given}, not {due}"
        for name, wanted in one.args.items():
            if not any(same(call.args[name], it) for it in _ways(wanted)):
                return f"{call.tool} called with {name} {call.args[name]!r}, not {wanted!r}"
    return ""


def _ways(wanted: JsonValue) -> Sequence[JsonValue]:
    """The values that an argument may have."""
    if isinstance(wanted, Mapping) and wanted.keys() == {"any_of"} and isinstance(wanted["any_of"], list):
        return wanted["any_of"]
    return [wanted]


def _file(name: str, said: Said | None, workspace: Path) -> str:
    place = Workspace(workspace)
    try:
        there = place.path(name).exists()
        if said is None:
            return "it is there" if there else ""
        return differs(said, place.read_text(name)) if there else "it is not there"
    except ToolError as error:
        return error.message


def _rows(wanted: Rows, workspace: Path) -> str:
    path = workspace / wanted.file
    if not path.is_file():
        return "it is not there"
    try:
        with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as database:
            rows = [[it.hex() if isinstance(it, bytes) else it for it in row] for row in database.execute(wanted.query)]
    except apsw.Error as error:
        return f"{wanted.query}: {error}"
    if same(cast("JsonValue", rows), cast("JsonValue", wanted.rows)):
        return ""
    return f"{wanted.query} gives {rows!r:.200}, not {wanted.rows!r:.200}"


def _more(found: int, most: int) -> str:
    return f"{found}, more than {most}" if found > most else ""
