"""Questions to a CSV table: filter its rows, then list or add up what is left. Numbers are exact."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Literal

from bridle.errors import ToolError
from bridle.tool import tool
from bridle.toolbox.calculator import show
from bridle.toolbox.workspace import Workspace

ROW_LIMIT = 50
"""Rows that one query shows at most."""

Operation = Literal["rows", "count", "sum", "average", "min", "max"]
Row = dict[str, str]

_CONDITION = re.compile(
    r"\s*(?P<column>.+?)\s*(?P<sign><=|>=|!=|<>|=|<|>| is | contains )\s*(?P<value>.+?)\s*", re.IGNORECASE
)


@tool(effect="pure")
def query_table(
    workspace: Workspace, path: str, operation: Operation, column: str | None = None, where: str | None = None
) -> list[str] | str:
    """Query a CSV table.

    Args:
        where: which rows, such as "city = Oslo", "price > 10" or "name contains an and year = 2026"
    """
    columns, rows = _read(workspace.read_text(path), path)
    for condition in re.split(r"\s+and\s+", where, flags=re.IGNORECASE) if where else []:
        rows = _filter(rows, columns, condition)
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
            return _fold(operation, [number for row in rows if (number := _number(row[name])) is not None], name)


def _read(text: str, path: str) -> tuple[list[str], list[Row]]:
    try:
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    try:
        lines = [line for line in csv.reader(io.StringIO(text), dialect) if line]
    except csv.Error as error:
        raise ToolError(f"{path} is not a table: {error}") from None
    if not lines:
        raise ToolError(f"{path} is empty")
    columns = [name.strip() for name in lines[0]]
    return columns, [
        dict(zip(columns, [*(cell.strip() for cell in line), *[""] * len(columns)], strict=False)) for line in lines[1:]
    ]


def _column(columns: list[str], name: str) -> str:
    for column in columns:
        if column.casefold() == name.strip().casefold():
            return column
    raise ToolError(f"there is no column {name}; the columns are: {', '.join(columns)}")


def _filter(rows: list[Row], columns: list[str], condition: str) -> list[Row]:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        raise ToolError(f"'{condition}' is not a condition; write it like: {columns[0]} = value")
    name, sign, wanted = (
        _column(columns, match["column"]),
        match["sign"].strip().casefold(),
        match["value"].strip("'\""),
    )
    return [row for row in rows if _holds(row[name], sign, wanted)]


def _holds(cell: str, sign: str, wanted: str) -> bool:
    """Whether a cell meets a condition: compared as numbers if both are, else as text without regard to case."""
    if sign == "contains":
        return wanted.casefold() in cell.casefold()
    left, right = _number(cell), _number(wanted)
    if left is None or right is None:
        low, same = cell.casefold() < wanted.casefold(), cell.casefold() == wanted.casefold()
    else:
        low, same = left < right, left == right
    verdicts = {"=": same, "is": same, "!=": not same, "<>": not same, "<": low, "<=": low or same, ">=": not low}
    return verdicts.get(sign, not low and not same)


def _number(cell: str) -> Fraction | None:
    try:
        return Fraction(Decimal(cell.replace(" ", "").lstrip("$€£")))
    except (InvalidOperation, ValueError, OverflowError):
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
