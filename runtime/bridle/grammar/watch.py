"""What no grammar can hold: that a key comes once where keys are not known beforehand, and that a number ends.

The text is followed byte by byte beside the matcher. States are values and share what they have in common, so that
one can be kept for every token and taken up again when tokens are taken back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias, cast

ONCE = "// entries of one element have different keys"
"""The line by which a grammar asks for an `XmlWatch`."""
DIGITS = 48
"""Digits of a number at most, with its sign and its point, and without its exponent."""
EXPONENT = 2
"""Digits of an exponent at most: so a number is a finite double."""
_QUOTE, _ESCAPE, _COMMA = b'"'[0], b"\\"[0], b","[0]
_BRACES: dict[int, frozenset[str] | None] = {b"{"[0]: frozenset(), b"["[0]: None}
_ENDS = frozenset(b"}]")
_BEGINS, _GOES_ON = frozenset(b"-0123456789"), frozenset(b"+-.0123456789eE")
_LONG = re.compile(rb"[-0-9.]{%d}|[-0-9]{%d}\.|.*[eE][+-]?[0-9]{%d}" % (DIGITS + 1, DIGITS - 1, EXPONENT + 1))
_ENTRY, _OPENS, _CLOSES = b'<entry key="', b"<"[0], b">"[0]
_SINGLE = ("items", "additionalProperties", "contains", "if", "then", "else", "not")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_SAYS = {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf", "properties"}


class JsonWatch(NamedTuple):
    """Where a text stands: the keys of every open object (None for an array), the string and the number under way."""

    open: tuple[frozenset[str] | None, ...] = ()
    key_is_next: bool = False
    string: bytes | None = None
    escaped: bool = False
    number: bytes = b""

    def feed(self, piece: bytes) -> JsonWatch | None:
        """The state after some more bytes; None if a key of an object comes again with them, or a number is too long.

        >>> JsonWatch().feed(b'{"a": 6.02e23') is None, JsonWatch().feed(b'{"a": 6.02e235') is None
        (False, True)
        """
        stack: tuple[frozenset[str] | None, ...] = self.open
        key_is_next, string, escaped = self.key_is_next, self.string, self.escaped
        number = self.number
        for byte in piece:
            if string is not None:
                if escaped or byte != _QUOTE:
                    escaped = byte == _ESCAPE and not escaped
                    string += bytes((byte,)) if key_is_next else b""
                    continue
                if key_is_next and stack and (known := stack[-1]) is not None:
                    key = _read(string)
                    if key in known:
                        return None
                    stack = (*stack[:-1], known | {key})
                string, key_is_next = None, False
            elif byte in (_GOES_ON if number else _BEGINS):
                number += bytes((byte,))
                if _LONG.match(number):
                    return None
                continue
            elif byte == _QUOTE:
                string = b""
            elif byte in _BRACES:
                opened = _BRACES[byte]
                stack, key_is_next = (*stack, opened), opened is not None
            elif byte in _ENDS:
                stack, key_is_next = stack[:-1], False
            elif byte == _COMMA:
                key_is_next = bool(stack) and stack[-1] is not None
            number = b""
        return JsonWatch(stack, key_is_next, string, escaped, number)


class XmlWatch(NamedTuple):
    """Where a text stands: the keys (of `<entry key="...">`) in every open element, and the tag under way.

    The text is one that a grammar held: every `<` and `>` belongs to a tag, and the key is the first attribute.

    >>> state = XmlWatch().feed(b'<map><entry key="a">1</entry><entry key="b')
    >>> state.feed(b'c"') is None, state.feed(b'"') is None
    (False, False)
    >>> XmlWatch().feed(b'<map><entry key="a">1</entry><entry key="a"') is None
    True
    """

    open: tuple[frozenset[str] | None, ...] = ()
    tag: bytes | None = None

    def feed(self, piece: bytes) -> XmlWatch | None:
        """The state after some more bytes; None if a key of an element comes again with them."""
        stack: tuple[frozenset[str] | None, ...] = self.open
        tag = self.tag
        for byte in piece:
            if tag is None:
                tag = b"<" if byte == _OPENS else None
                continue
            tag += bytes((byte,))
            if byte == _QUOTE and stack and tag.startswith(_ENTRY) and tag.count(b'"') == 2:
                key, known = repr(tag[len(_ENTRY) : -1]), stack[-1] or frozenset()
                if key in known:
                    return None
                stack = (*stack[:-1], known | {key})
            elif byte == _CLOSES:
                if tag.startswith(b"</"):
                    stack = stack[:-1]
                elif not tag.endswith(b"/>"):
                    stack = (*stack, frozenset())
                tag = None
        return XmlWatch(stack, tag)


Watch: TypeAlias = JsonWatch | XmlWatch


def needs_watch(grammar: str) -> bool:
    """Whether a schema in a grammar's text lets objects have keys that it does not name, or values be any number.

    >>> needs_watch('start: %json {"type": "object", "properties": {"a": {}}, "additionalProperties": false}')
    True
    >>> needs_watch('start: %json {"type": "array", "items": {"type": "integer"}}')
    False
    """
    decoder, at = json.JSONDecoder(), grammar.find("%json")
    while at >= 0:
        start = grammar.find("{", at)
        if start < 0 or _is_open(decoder.raw_decode(grammar, start)[0]):
            return True
        at = grammar.find("%json", at + 1)
    return False


def _is_open(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return schema is True
    part = cast("Mapping[str, Any]", schema)
    kinds = part.get("type", "object" if "properties" in part else ())
    named = {kinds} if isinstance(kinds, str) else set(cast("list[str]", kinds))
    if not _SAYS & part.keys() or "number" in named:
        return True
    if "object" in named and part.get("additionalProperties", True) is not False:
        return True
    inner = [part[key] for key in _SINGLE if key in part and part[key] is not False]
    for key in (*_LISTS, *_MAPS):
        value = part.get(key, ())
        inner += list(cast("Mapping[str, Any]", value).values()) if isinstance(value, Mapping) else list(value)
    return "patternProperties" in part or any(_is_open(it) for it in inner)


def _read(string: bytes) -> str:
    try:
        return str(json.loads(b'"' + string + b'"'))
    except ValueError:  # half a character, say: then its bytes are its name
        return repr(string)
