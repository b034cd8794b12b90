"""Spans: strings that are copied from what was said, held to it by the grammar.

A part of a schema that is marked as a span gets a pattern of all that occurs in the texts it may be of, from one word
to some, so that nothing can be misspelled or made up. White space between words counts as one blank.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, cast

from pydantic import JsonValue

from bridle.grammar.dialect import ATTRIBUTE, TEXT, read_pattern
from bridle.grammar.keywords import ANNOTATIONS, Schema, filled, rebuild
from bridle.grammar.kinds import values_of

MARK = "x-bridle-span"
"""The word of a JSON Schema by which a string says of what it is a span."""
Source: TypeAlias = Literal["request", "results", "anything"]
"""What people said, what tools answered, or both."""
SIZE = 8_000
"""Characters of a pattern at most: long texts are held in shorter spans, and very long ones not at all."""
LENGTHS = (24, 12, 6, 3, 1)
"""Words of a span at most: the first that `SIZE` has room for;"""
PIECES = 10
"""and letters' runs and signs of each of them."""
_SAYS = {"enum", "const", "pattern", "format", MARK}
_PIECES = re.compile(r"\w+|[^\w\s]")
_OPENS = frozenset("\"'“”‘’„«»([{<*`#@")
"""What a word may be put behind,"""
_CLOSES = frozenset("\"'“”‘’«»)]}>*`.,;:!?…")
"""and before; all else that no blank parts from it belongs to it: an address, a path, a number, a name."""
_LABEL = re.compile(
    r"(?:to|b?cc|from|mailto|e?-?mail|name|tel|phone|path|file|url|link|account|iban|id|host):(?=[^\s/\\])",
    re.IGNORECASE,
)
"""What may stand before a value without a blank."""
_WHOSE = re.compile(r"['’]s\Z")
_HELD = re.compile(r"\^\(\?:((?:[^\\^$.*+?()\[\]{}|/]|\\.|\(\?:|\)\??|\|)*)\)\$", re.DOTALL)
"""What `pattern_of` makes; what a tool says of its strings itself is seldom so plain."""
_SPECIAL = re.compile(r"[\\^$.*+?()\[\]{}|/]")


@dataclass(frozen=True)
class Span:
    """Marks a string that is copied from the request (or from results).

    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[str, Span()]).json_schema()
    {'type': 'string', 'x-bridle-span': 'request'}
    """

    source: Source = "request"

    def __get_pydantic_json_schema__(
        self, core: object, handler: Callable[[object], dict[str, JsonValue]]
    ) -> dict[str, JsonValue]:
        """The schema with the mark."""
        return {**handler(core), MARK: self.source}


def copied(schema: Schema) -> Schema:
    """A schema whose plain strings, those that nothing else is said of, are marked as spans of anything.

    >>> copied({"type": "object", "properties": {"a": {"type": "string"}, "b": {"enum": ["x"]}}})["properties"]
    {'a': {'type': 'string', 'x-bridle-span': 'anything'}, 'b': {'enum': ['x']}}
    """

    def mark(part: JsonValue) -> JsonValue:
        if not isinstance(part, dict):
            return part
        result = rebuild(part, mark)
        plain = result.get("type") == "string" and not _SAYS & result.keys()
        return {**result, MARK: "anything"} if plain else result

    return cast("Schema", mark(cast("JsonValue", schema)))


def held_to(schema: Schema, said: Mapping[Source, Sequence[str]]) -> Schema | None:
    """A schema whose spans are held to the texts of their sources, or as it is where those are too long.

    Properties whose sources say nothing are left out; None where one of them is required.

    >>> held_to({"type": "string", "x-bridle-span": "request"}, {"request": ["Mail Ana now"]})["pattern"]
    '^(?:Mail(?: Ana(?: now)?)?|Ana(?: now)?|now)$'
    """

    def hold(part: Schema) -> JsonValue:
        if "pattern" in part:
            return dict(part)
        pattern = pattern_of(tuple(said.get(cast("Source", part[MARK]), ())))
        return False if pattern is None else {**part, **({"pattern": pattern} if pattern else {})}

    return filled(schema, MARK, hold)


def apart(schema: Schema) -> tuple[Schema, dict[str, str]]:
    """A schema with a short pattern in the place of those of its spans, and these by the short ones: so that what is
    found out of a schema is found out once, and not for every text. Where spans are held to more besides, nothing is:
    what both leave depends on the text."""
    if MARK not in json.dumps(schema) or "allOf" in schema:
        return schema, {}
    known: dict[str, str] = {}

    def shorten(part: JsonValue) -> JsonValue:
        if not isinstance(part, dict):
            return part
        result = rebuild(part, shorten)
        listed = values_of(result) is not None  # they are held to the pattern itself
        if MARK in result and isinstance(pattern := result.get("pattern"), str) and not listed:
            result["pattern"] = f"^span-{result[MARK]}$"
            known[result["pattern"]] = pattern
        return result

    return cast("Schema", shorten(cast("JsonValue", schema))), known


def together(schema: Schema, patterns: Mapping[str, str]) -> Schema:
    """The other way round; a pattern that stands in many places is written once."""
    names = {short: short.strip("^$") for short in patterns}

    def lengthen(part: JsonValue) -> JsonValue:
        if not isinstance(part, dict):
            return part
        result = rebuild(part, lengthen)
        short = result.get("pattern")
        if isinstance(short, str) and short in patterns:
            if result.keys() - ANNOTATIONS - {MARK} == {"type", "pattern"}:
                return {"$ref": f"#/$defs/{names[short]}"}
            result["pattern"] = patterns[short]
        return result

    if not patterns:
        return schema
    found = cast("dict[str, JsonValue]", lengthen(cast("JsonValue", schema)))
    texts: dict[str, JsonValue] = {names[it]: {"type": "string", "pattern": patterns[it]} for it in patterns}
    return {**found, "$defs": {**cast("Schema", found.get("$defs") or {}), **texts}}


def terminals(text: str, patterns: Mapping[str, str]) -> str:
    """The same for the rules of XML elements: a terminal in the place of each short pattern, and what it stands for."""
    for number, (short, pattern) in enumerate(patterns.items()):
        for kind, written in (("T", TEXT), ("A", ATTRIBUTE)):
            if (said := read_pattern(short).lark(written)) in text:
                name = f"SPAN{number}{kind}"  # only whole pieces are optional, so one character may become several
                whole = "".join(written.get(character, character) for character in pattern[1:-1])
                text = f"{text.replace(said, name)}\n{name}: /{whole}/"
    return text


def expression(part: Schema) -> str | None:
    """What a held span may be, as a grammar's regular expression; None for any other part of a schema."""
    found = _HELD.fullmatch(str(part.get("pattern", ""))) if MARK in part else None
    return found and f"(?:{found[1]})"


def astray(schema: JsonValue, value: JsonValue, where: str = "") -> str:
    """What in a value is no span, of a schema that holds its spans; empty if all are. For values of no grammar."""
    if not isinstance(schema, dict):
        return ""
    if MARK in schema and isinstance(value, str) and not re.search(str(schema.get("pattern", "")), value):
        return f"{where or 'it'}: {value!r:.80} does not occur in what was said: copy it letter by letter"
    parts: list[tuple[str, JsonValue, JsonValue]] = []
    if isinstance(value, dict) and isinstance(properties := schema.get("properties"), dict):
        parts = [(name, part, value[name]) for name, part in properties.items() if name in value]
    if isinstance(value, list):
        parts = [(str(number), schema.get("items"), item) for number, item in enumerate(value)]
    return next(filter(None, (astray(part, it, f"{where}.{name}".lstrip(".")) for name, part, it in parts)), "")


@lru_cache(256)
def pattern_of(texts: tuple[str, ...], *, whole: bool = False) -> str | None:
    """A pattern of all that occurs in some texts; empty where that is too much, None where it is nothing. With `whole`,
    nothing is cut out of a longer address, path or name.

    >>> pattern_of(("Mail bob@corp.com.au.",), whole=True)
    '^(?:Mail(?: bob@corp\\\\.com\\\\.au(?:\\\\.)?)?|bob@corp\\\\.com\\\\.au(?:\\\\.)?)$'
    """
    for most in LENGTHS:
        ways = dict.fromkeys(way for text in texts for way in _spans(text, most, whole=whole))
        if sum(map(len, ways)) <= SIZE:
            return f"^(?:{'|'.join(ways)})$" if ways else None
    return ""


def bounds(text: str) -> tuple[set[int], set[int]]:
    """Where something whole may begin and end in a text: at blanks, but for signs around words, and behind a label.

    >>> begins, ends = bounds("Mail to:bob@corp.com.au, or Ann's.")
    >>> sorted(begins), sorted(ends)
    ([0, 5, 8, 25, 28], [4, 7, 23, 24, 27, 31, 33, 34])
    """
    begins, ends = set[int](), set[int]()
    for run in re.finditer(r"\S+", text):
        start, end = run.span()
        begins.add(start)
        ends.add(end)
        while start < end and text[start] in _OPENS:
            start += 1
            begins.add(start)
        while end > start and text[end - 1] in _CLOSES:
            end -= 1
            ends.add(end)
        if (whose := _WHOSE.search(text, start, end)) is not None:
            ends.add(whose.start())
        if (label := _LABEL.match(text, start, end)) is not None:
            begins.add(label.end())
            ends.add(label.end() - 1)
    return begins, ends


def _spans(text: str, most: int, *, whole: bool) -> list[str]:
    """By each place where a span may begin: that piece, and the pieces after it as long as they go on."""
    pieces, found = list(_PIECES.finditer(text)), list[str]()
    begins, ends = bounds(text) if whole else (None, None)
    for start, first in enumerate(pieces):
        attached = start + 1 < len(pieces) and pieces[start + 1].start() == first.end()
        if not (first[0][0].isalnum() or first[0][0] == "_" or attached):
            continue
        if begins is not None and first.start() not in begins:
            continue
        span = _span(pieces[start : _end(pieces, start, most)], ends)
        found += [] if span is None else [span]
    return found


def _span(pieces: Sequence[re.Match[str]], ends: Collection[int] | None) -> str | None:
    """The first of some pieces, with as many of the others as may be; None where it may end behind none of them, as
    `ends` has it, or anywhere."""
    rest: str | None = None
    for number, piece in reversed(list(enumerate(pieces))):
        if ends is None or piece.end() in ends:
            rest = f"(?:{rest})?" if rest else ""
        if rest is not None:
            blank = " " if number and piece.start() > pieces[number - 1].end() else ""
            rest = blank + _SPECIAL.sub(_escaped, piece[0]) + rest
    return rest


def _end(pieces: Sequence[re.Match[str]], start: int, most: int) -> int:
    """Behind the last piece of some words; what is not parted by a blank (an address, a path) is one of them."""
    words = 1
    for number in range(start + 1, min(len(pieces), start + most * PIECES)):
        words += pieces[number].start() > pieces[number - 1].end()
        if words > most:
            return number
    return min(len(pieces), start + most * PIECES)


def _escaped(match: re.Match[str]) -> str:
    return "\\" + match[0]
