"""What schemas say together of a number or a string: bounds, lengths, patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import JsonValue

from bridle.errors import GrammarError
from bridle.grammar.dialect import Pattern, read_pattern
from bridle.grammar.flat import Part, here
from bridle.grammar.formats import CHECKED, FORMATS
from bridle.grammar.hold import NUMBER_LIMIT
from bridle.grammar.pattern import refusal
from bridle.grammar.shape import Rule

LONG = 1_000_000
"""Lengths beyond this are as good as none."""
Note = Callable[[Part, str], None]
"""Takes down what a shape does not hold."""


def number_of(parts: Sequence[Part], kind: str, note: Note) -> dict[str, JsonValue] | None:
    """A JSON Schema of the numbers of a kind that fit all parts, in words that llguidance holds; None for none.

    Raises:
        GrammarError: llguidance cannot hold them.
    """
    low, high = _bound(parts, "Minimum", max), _bound(parts, "Maximum", min)
    least = max(-NUMBER_LIMIT, low[1]) if low else -NUMBER_LIMIT
    most = min(NUMBER_LIMIT, high[1]) if high else NUMBER_LIMIT
    schema: dict[str, JsonValue] = {"type": kind}
    schema[low[0] if low else "minimum"] = low[1] if low else _below(most)
    schema[high[0] if high else "maximum"] = high[1] if high else -_below(-least)
    if kind == "number":  # llguidance has no ranges of fractions beyond
        for word, bound in schema.items():
            if isinstance(bound, int | float) and abs(bound) > NUMBER_LIMIT:
                schema[word] = NUMBER_LIMIT if bound > 0 else -NUMBER_LIMIT
    steps = sorted({it for part in parts if isinstance(it := part.words.get("multipleOf"), int | float)})
    if steps:
        schema["multipleOf"] = steps[-1]
        if len(steps) > 1 or steps[-1] != int(steps[-1]):  # validators divide as computers do: 0.07 / 0.01 is not 7
            note(next(part for part in parts if "multipleOf" in part.words), "multipleOf")
    if (low and abs(low[1]) > NUMBER_LIMIT) or (high and abs(high[1]) > NUMBER_LIMIT):
        note(parts[0], "bounds beyond what doubles tell apart")
    error = refusal(schema)
    if "Unsatisfiable" in error:
        return None
    if error:
        raise GrammarError(f"{here(parts[0])}: {error.splitlines()[0]}")
    return schema


def rule_of(parts: Sequence[Part], note: Note) -> Rule | None:
    """The strings that fit all parts; None for none."""
    least = max([int(it) for it in _numbers(parts, "minLength")], default=0)
    most = min([int(it) for it in _numbers(parts, "maxLength")], default=None)
    if least > LONG:
        return None
    if most is not None and most < least:
        return None
    patterns, never, said = list[Pattern](), list[Pattern](), list[str]()
    for part in parts:
        if isinstance(form := part.words.get("format"), str):
            if form in FORMATS:
                patterns.append(read_pattern(f"^(?:{FORMATS[form]})$"))
                said.append(form)
            elif form in CHECKED:
                note(part, f"format '{form}'")
        if isinstance(source := part.words.get("pattern"), str):
            try:
                patterns.append(read_pattern(source))
                said.append(f"matching {source}")
            except GrammarError:
                note(part, f"pattern {source[:80]!r}")
    if (least, most) != (0, None) and not said:
        said.append(f"{least} to {most} characters" if most is not None else f"at least {least} characters")
    most = None if most is not None and most > LONG else most
    return Rule(least, most, tuple(dict.fromkeys(patterns)), tuple(never), ", ".join(said))


def _below(most: float) -> float:
    """A bound for numbers that have none below."""
    return -NUMBER_LIMIT if most > -NUMBER_LIMIT else most - NUMBER_LIMIT


def _bound(parts: Sequence[Part], word: str, choose: Callable[[list[float]], float]) -> tuple[str, float] | None:
    """The closest bound on one side, and the word of JSON Schema for it."""
    plain, strict = word.lower(), f"exclusive{word}"
    flagged = [part for part in parts if part.words.get(strict) is True]  # draft 4: the bound beside it is strict
    loose = _numbers([part for part in parts if part not in flagged], plain)
    tight = _numbers(flagged, plain) + _numbers(parts, strict)
    if not loose and not tight:
        return None
    bound = choose(loose + tight)
    return (strict if bound in tight else plain), bound


def _numbers(parts: Sequence[Part], word: str) -> list[float]:
    found = [part.words.get(word) for part in parts]
    return [it for it in found if isinstance(it, int | float) and not isinstance(it, bool)]
