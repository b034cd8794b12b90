"""Values compared: those of JSON as JSON Schema does it, sequences from their beginning."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are equal: true is not 1, but 1.0 is.

    >>> same(True, 1), same([1], [1.0])
    (False, True)
    """
    return canonical(one) == canonical(other)


def canonical(value: JsonValue) -> str:
    """A value as text, alike for equal values.

    >>> canonical({"b": [1.0], "a": "x"})
    '{"a":"x","b":[1]}'
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)


def spelled_out(text: str) -> str:
    """A text with its half characters, which neither UTF-8 nor a model can say, spelled out. They come from names of
    files in older encodings."""
    return text.encode("utf-8", "backslashreplace").decode()


def speakable(value: JsonValue) -> JsonValue:
    """A value with all its texts, as `spelled_out`.

    >>> speakable({"caf\\udce9.txt": ["ok"]})
    {'caf\\\\udce9.txt': ['ok']}
    """
    match value:
        case str():
            return spelled_out(value)
        case list():
            return [speakable(it) for it in value]
        case dict():
            return {spelled_out(name): speakable(it) for name, it in value.items()}
        case _:
            return value


def common(first: Sequence[object], second: Sequence[object]) -> int:
    """How long a beginning two sequences of one type share.

    >>> common("abcd", "abxd"), common([1, 2], [1, 2, 3])
    (2, 2)
    """
    if second[: len(first)] == first:  # prompts mostly grow
        return len(first)
    low, high = 0, min(len(first), len(second))
    while low < high:  # slices compare in C: halving beats a loop over thousands of items
        middle = (low + high + 1) // 2
        low, high = (middle, high) if first[low:middle] == second[low:middle] else (low, middle - 1)
    return low
