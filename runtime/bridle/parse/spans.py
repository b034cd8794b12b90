"""Where the values of a document stand in its text: byte ranges by path, for documents that a grammar held.

>>> spans(b'{"tool": "read", "args": {"path": "a.txt", "lines": [1, 22]}}', "json")
[('tool', 9, 15), ('args.path', 34, 41), ('args.lines.0', 53, 54), ('args.lines.1', 56, 58)]
>>> spans(b'<call tool="read"><path>a.txt</path></call>', "xml")
[('call.tool', 12, 16), ('call.path', 24, 29)]
"""

from __future__ import annotations

import json
import re

from bridle.parse import Syntax

_JSON = re.compile(rb'"(?:\\.|[^"\\])*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_TAG = re.compile(rb"<(/?)([^\s/>]+)([^>]*)>")
_ATTRIBUTE = re.compile(rb'([^\s=]+)="([^"]*)"')

Span = tuple[str, int, int]
"""A path, and the bytes from where up to where its value stands."""


def spans(text: bytes, syntax: Syntax) -> list[Span]:
    """The places of all single values (strings, numbers, words), in their order."""
    match syntax:
        case "json":
            return _json(text)
        case "xml":
            return _xml(text)
        case _:
            return [("", 0, len(text))]


def _json(text: bytes) -> list[Span]:
    found: list[Span] = []
    path: list[str | int] = []
    key_is_next = False
    for match in _JSON.finditer(text):
        piece = match.group()
        if piece in (b"{", b"["):
            path.append("" if piece == b"{" else 0)
            key_is_next = piece == b"{"
        elif piece in (b"}", b"]"):
            if path:
                path.pop()
            key_is_next = False
        elif piece == b",":
            if path and isinstance(path[-1], int):
                path[-1] += 1
            else:
                key_is_next = True
        elif piece == b":":
            key_is_next = False
        elif key_is_next:
            path[-1] = str(json.loads(piece))
        else:
            found.append((".".join(map(str, path)), match.start(), match.end()))
    return found


def _xml(text: bytes) -> list[Span]:
    found: list[Span] = []
    path: list[str] = []
    opened = -1
    for match in _TAG.finditer(text):
        closes, name, attributes = match.groups()
        if closes:
            if opened >= 0:
                found.append((".".join(path), opened, match.start()))
            path, opened = path[:-1], -1
            continue
        path.append(name.decode())
        for attribute in _ATTRIBUTE.finditer(attributes):
            start = match.start(3) + attribute.start(2)
            found.append((".".join([*path, attribute.group(1).decode()]), start, start + len(attribute.group(2))))
        opened = match.end()
        if attributes.endswith(b"/"):
            path, opened = path[:-1], -1
    return found
