"""Questions to a CSV table: filter its rows, then list or add up what is left. Numbers are exact."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal

from bridle.errors import ToolError
from bridle.tool import tool
from bridle.toolbox.calculator import exact, show
from bridle.toolbox.workspace import Workspace

ROW_LIMIT = 50
"""Rows that one query shows at most."""

Operation = Literal["rows", "count", "sum", "average", "min", "max"]
Row = dict[str, str]
Condition = Callable[[Row], bool]

_CONDITION = re.compile(
    r"\s*(?P<column>.+?)\s*(?P<sign><=|>=|!=|<>|==?|<|>| is not | is | contains )\s*(?P<value>.+?)\s*", re.IGNORECASE
)
_JOINT = re.compile(r"""(?<!\w)'[^']*'(?!\w)|(?<!\w)"[^"]*"(?!\w)|\s+(?P<word>and|or)\s+""", re.IGNORECASE)
_NUMBER = re.compile(r"([-+]?)\s*[$€£]?\s*([-+]?)(\d{1,3}(?:,\d{3})+(?:\.\d*)?|[\d.]+(?:e[-+]?\d+)?)", re.IGNORECASE)


@tool(effect="pure")
def query_table(
    workspace: Workspace, path: str, operation: Operation, column: str | None = None, where: str | None = None
) -> list[str] | str:
    """Query a CSV table.

    Args:
        where: which rows, such as "city = Oslo", "price > 10" or "name contains an and year = 2026"
    """
    columns, rows = _read(workspace.read_text(path), path)
    if where:
        rows = _where(rows, columns, where)
    match operation:
        case "count":
            return str(len(rows))
        case "rows":
            names = [_column(columns, column)] if column else columns
            lines = [", ".join(row[name] for name in names) for row in rows[:ROW_LIMIT]]
            extra = len(rows) - len(lines)
            return [", ".join(names), *lines, *([f"and {extra} more"] if extra else [])]
        case _:
            if column is None:
                raise ToolError(f"{operation} needs a column, one of: {', '.join(columns)}")
            name = _column(columns, column)
            cells = [row[name] for row in rows if row[name]]
            numbers = [number for cell in cells if (number := _number(cell)) is not None]
            others = len(cells) - len(numbers)
            told = f" (left out, being no numbers: {others} of {len(cells)})" if others else ""
            return _fold(operation, numbers, name) + told


def _read(text: str, path: str) -> tuple[list[str], list[Row]]:
    head = text.lstrip().partition("\n")[0]
    try:
        marks = {mark: len(next(_cells(head, mark), list[str]())) for mark in ",;\t|"}
        lines = [line for line in _cells(text, max(marks, key=lambda mark: marks[mark])) if line]
    except csv.Error as error:
        raise ToolError(f"{path} is not a table: {error}") from None
    if not lines:
        raise ToolError(f"{path} is empty")
    columns = list[str]()
    for number, name in enumerate(lines[0], 1):
        plain = name.strip() or f"column {number}"
        columns.append(plain if plain not in columns else f"{plain} ({number})")
    for number, line in enumerate(lines[1:], 1):
        if any(cell.strip() for cell in line[len(columns) :]):
            raise ToolError(f"row {number} of {path} has {len(line)} cells, and there are {len(columns)} columns")
    return columns, [
        dict(zip(columns, [*(cell.strip() for cell in line), *[""] * len(columns)], strict=False)) for line in lines[1:]
    ]


def _cells(text: str, mark: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)


def _column(columns: list[str], name: str) -> str:
    for column in columns:
        if column.casefold() == name.strip().casefold():
            return column
    raise ToolError(f"there is no column {name}; the columns are: {', '.join(columns)}")


def _where(rows: list[Row], columns: list[str], conditions: str) -> list[Row]:
    """The rows that meet what is asked for; `and` binds its sides more closely than `or`."""
    ways: list[list[Condition]] = [[]]
    start = 0
    for joint in _JOINT.finditer(conditions):
        if word := joint["word"]:  # else it is what stands between quotes
            ways[-1].append(_condition(columns, conditions[start : joint.start()]))
            start = joint.end()
            if word.casefold() == "or":
                ways.append([])
    ways[-1].append(_condition(columns, conditions[start:]))
    return [row for row in rows if any(all(holds(row) for holds in way) for way in ways)]


def _condition(columns: list[str], condition: str) -> Condition:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise ToolError(f"'{condition}' is not a condition; write it like: {columns[0]} = value")
    name, sign, wanted = (
        _column(columns, match["column"]),
        match["sign"].strip().casefold(),
        match["value"].strip("'\""),
    )
    return lambda row: _holds(row[name], sign, wanted)


def _holds(cell: str, sign: str, wanted: str) -> bool:
    """Whether a cell meets a condition: compared as numbers if both are, else as text without regard to case.

    What is no number is neither more nor less than one.
    """
    if sign == "contains":
        return wanted.casefold() in cell.casefold()
    left, right = _number(cell), _number(wanted)
    if left is None and right is not None and sign[0] in "<>" and sign != "<>":
        return False
    if left is None or right is None:
        low, same = cell.casefold() < wanted.casefold(), cell.casefold() == wanted.casefold()
    else:
        low, same = left < right, left == right
    verdicts = {
        **dict.fromkeys(("=", "==", "is"), same),
        **dict.fromkeys(("!=", "<>", "is not"), not same),
        "<": low, "<=": low or same, ">=": not low,
    }  # fmt: skip
    return verdicts.get(sign, not low and not same)


def _number(cell: str) -> Fraction | None:
    match = _NUMBER.fullmatch(cell.replace(" ", "").replace("\u00a0", ""))
    if match is None or (match[1] and match[2]):
        return None
    try:
        return exact(match[1] + match[2] + match[3].replace(",", ""))
    except ValueError:
        return None


def _fold(operation: Operation, numbers: list[Fraction], column: str) -> str:
    if not numbers and operation != "sum":
        return f"no numbers in {column}"
    match operation:
        case "min":
            return show(min(numbers))
        case "max":
            return show(max(numbers))
        case "average":
            return show(sum(numbers, Fraction(0)) / len(numbers))
        case _:
            return show(sum(numbers, Fraction(0)))
