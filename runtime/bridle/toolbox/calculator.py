"""Arithmetic, exact: integers and fractions, never binary floating point.

The expression is read by Python's own parser and walked over a short list of allowed nodes; nothing is evaluated.
"""

from __future__ import annotations

import ast
import re
from decimal import Decimal, InvalidOperation, localcontext
from fractions import Fraction
from math import isqrt

from bridle.errors import ToolError
from bridle.tool import tool

SIZE_LIMIT = 4_096
"""Bits: numbers larger than this are refused, not computed."""

EXACT_DIGITS = 30
"""Significant digits up to which a result that ends is shown whole."""

LENGTH_LIMIT = 500
"""Characters of an expression."""

_SPELLINGS = {"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "**", "\u00a0": " "}
_SHARE = re.compile(r"([\d.]+)\s*%\s*of\s+([\d.]+)(?![\d.]*\s*%)", re.IGNORECASE)
_PERCENT_OF = re.compile(r"([\d.]+)\s*%\s*of\s+", re.IGNORECASE)
_PERCENT = re.compile(r"([\d.]+)\s*%(?!\s*[\d(])")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_OF_SEVERAL = re.compile(r"(?:min|max|sum|round)\s*\([^()]*\)", re.IGNORECASE)
"""A call in which commas part the arguments."""


@tool(effect="pure")
def calculate(expression: str) -> str:
    """Work out an arithmetic expression.

    Args:
        expression: numbers with + - * / ^ % and brackets, sqrt(...), abs(...), round(...); also "15% of 80"
    """
    return show(evaluate(expression))


def evaluate(expression: str) -> Fraction:
    """The exact value of an arithmetic expression.

    Raises:
        ToolError: it is not arithmetic, divides by zero, or grows too large.
    """
    if len(expression) > LENGTH_LIMIT:
        raise ToolError("the expression is too long")
    text = expression.strip().rstrip("=?").strip()
    for spelling, symbol in _SPELLINGS.items():
        text = text.replace(spelling, symbol)
    parted = [range(*call.span()) for call in _OF_SEVERAL.finditer(text)]
    text = _THOUSANDS.sub(
        lambda it: it[0] if any(it.start() in call for call in parted) else it[0].replace(",", ""), text
    )
    text = _SHARE.sub(r"((\1/100)*\2)", text)  # of a share: 100 / 20% of 50 is 100 / 10
    text = _PERCENT_OF.sub(r"(\1/100)*", text)
    text = _PERCENT.sub(r"percent(\1)", text)
    try:
        tree = ast.parse(text, mode="eval")
        return _value(tree.body, text)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        raise ToolError(f"'{expression}' is not an arithmetic expression") from None


def exact(number: str) -> Fraction:
    """A decimal number as a fraction, if it is not out of all proportion.

    Raises:
        ValueError: it is no finite number, or too large or small to be computed with.
    """
    try:
        decimal = Decimal(number)
    except InvalidOperation:
        raise ValueError(f"'{number}' is not a number") from None
    if not decimal.is_finite() or abs(decimal.adjusted()) > SIZE_LIMIT // 4:
        raise ValueError(f"'{number}' is too large or too small")
    return Fraction(decimal)


def show(value: Fraction) -> str:
    """A fraction as a decimal: exact where it ends, twelve significant digits and `about` where it does not end."""
    if value.denominator == 1:
        return str(value.numerator)
    with localcontext() as context:
        for context.prec, mark in ((EXACT_DIGITS, ""), (12, "about ")):
            decimal = Decimal(value.numerator) / Decimal(value.denominator)
            if mark or Fraction(decimal) == value:
                break
    return f"{mark}{decimal.normalize():f}"


def _value(node: ast.expr, text: str) -> Fraction:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return _bounded(Fraction(value))
        case ast.Constant(value=float()):
            return _bounded(exact(ast.get_source_segment(text, node) or "0"))
        case ast.Constant():
            raise ToolError("only numbers can be calculated with")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, text)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand, text)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=ast.Call(func=ast.Name(id="percent"))):
            whole = _value(left, text)  # as on every desk calculator: 100 + 10% is 110
            return _bounded(_combine(op, whole, whole * _value(node.right, text)))
        case ast.BinOp(left=left, op=op, right=right):
            return _bounded(_combine(op, _value(left, text), _value(right, text)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _bounded(_apply(name.lower(), [_value(arg, text) for arg in args]))
        case _:
            raise ToolError(f"'{ast.unparse(node)}' is not arithmetic")


def _combine(op: ast.operator, a: Fraction, b: Fraction) -> Fraction:
    match op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.Div() | ast.FloorDiv() | ast.Mod() if b == 0:
            raise ToolError("cannot divide by zero")
        case ast.Div():
            return a / b
        case ast.FloorDiv():
            return Fraction(a // b)
        case ast.Mod():
            return a % b
        case ast.Pow():
            return _power(a, b)
        case _:
            raise ToolError(f"'{type(op).__name__}' is not an arithmetic operation")


def _power(a: Fraction, b: Fraction) -> Fraction:
    if b == Fraction(1, 2):
        return _root(a)
    if b.denominator != 1:
        raise ToolError("only whole powers and square roots are supported")
    if a == 0 and b < 0:
        raise ToolError("cannot divide by zero")
    size = max(a.numerator.bit_length(), a.denominator.bit_length())
    if size * abs(int(b)) > SIZE_LIMIT:
        raise ToolError("the result is too large")
    return a ** int(b)


def _root(a: Fraction) -> Fraction:
    if a < 0:
        raise ToolError("a negative number has no square root")
    top, bottom = isqrt(a.numerator), isqrt(a.denominator)
    if top * top == a.numerator and bottom * bottom == a.denominator:
        return Fraction(top, bottom)
    with localcontext() as context:
        context.prec = EXACT_DIGITS + 10
        return Fraction((Decimal(a.numerator) / Decimal(a.denominator)).sqrt())


def _apply(name: str, args: list[Fraction]) -> Fraction:
    match name, args:
        case "sqrt", [a]:
            return _root(a)
        case "percent", [a]:
            return a / 100
        case "abs", [a]:
            return abs(a)
        case "round", [a]:
            return Fraction(round(a))
        case "round", [a, digits] if digits.denominator == 1 and abs(digits) <= 30:
            return round(a, int(digits))
        case "min" | "max", [_, *_]:
            return min(args) if name == "min" else max(args)
        case "sum", _:
            return sum(args, Fraction(0))
        case _:
            raise ToolError(f"there is no function {name} with {len(args)} arguments")


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > SIZE_LIMIT:
        raise ToolError("the result is too large")
    return value
