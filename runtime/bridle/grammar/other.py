r"""Strings that are none of some, or begin with none of them, as patterns that a grammar holds.

A `not` of listed strings and a look-ahead for plain text at a pattern's beginning are said so; whoever checks documents
keeps to the words of the schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import cast

from pydantic import JsonValue

from bridle.grammar.keywords import ANNOTATIONS, rebuild

_PLAIN = r"((?:[\w/@ ,;:=-]|\\[./\-]){1,200})"
_AHEAD = re.compile(rf"\^\(\?!{_PLAIN}\)([^|]*)", re.ASCII)
_BEGINS = re.compile(rf"\^{_PLAIN}", re.ASCII)
_REST = r"[\s\S]*"
LONGEST = 200
"""Characters of a word that is told from others one by one."""


def without_not(schema: JsonValue) -> JsonValue:
    r"""A schema of the same values, with patterns in the place of what they can say.

    >>> without_not({"not": {"const": "ab"}})
    {'allOf': [{'pattern': '^(?:|[^a][\\s\\S]*|a(?:|[^b][\\s\\S]*|b(?:[\\s\\S][\\s\\S]*)))$'}]}
    >>> without_not({"pattern": "^(?!a)"})
    {'allOf': [{'pattern': '^(?:|[^a][\\s\\S]*)$'}, {'pattern': '^'}]}
    """
    if not isinstance(schema, dict):
        return schema
    found: list[JsonValue] = []
    node = rebuild(schema, without_not)
    if (others := _others(schema.get("not"))) is not None:
        del node["not"]
        found.append(others)
    if isinstance(pattern := node.get("pattern"), str) and (ahead := _AHEAD.fullmatch(pattern)):
        del node["pattern"]
        found.append({"pattern": _other([_text(ahead[1])], whole=False)})
        found.append({"pattern": f"^{ahead[2]}"})
    if found:
        before = cast("list[JsonValue]", node.get("allOf") or [])
        node["allOf"] = [*before, *found]
    return node


def _are_words(words: Sequence[JsonValue]) -> bool:
    return bool(words) and all(isinstance(it, str) and len(it) <= LONGEST for it in words)


def _others(refused: JsonValue) -> JsonValue | None:
    """What is left where a schema is refused that lists strings, or says how they begin; None for any other."""
    if not isinstance(refused, dict):
        return None
    match {key: it for key, it in refused.items() if key not in ANNOTATIONS}:
        case {"const": str(word), **rest} if not rest and _are_words([word]):
            return {"pattern": _other([word], whole=True)}
        case {"enum": [*words], **rest} if not rest and _are_words(words):
            return {"pattern": _other(cast("list[str]", words), whole=True)}
        case {"pattern": str(pattern), **rest} if not rest and (begins := _BEGINS.fullmatch(pattern)):
            return {"type": "string", "pattern": _other([_text(begins[1])], whole=False)}
        case _:
            return None


def _other(words: Iterable[str], *, whole: bool) -> str:
    return f"^{_beside(frozenset(words), whole=whole)}$"


def _beside(words: frozenset[str], *, whole: bool) -> str:
    """A pattern of the strings that are none of some words (or begin with none)."""
    heads = sorted({word[0] for word in words if word})
    ways = [] if "" in words else [""]
    ways.append((f"[^{''.join(map(_escaped, heads))}]" if heads else r"[\s\S]") + _REST)
    for head in heads:
        rest = frozenset(word[1:] for word in words if word[:1] == head)
        if whole or "" not in rest:
            ways.append(_escaped(head) + _beside(rest, whole=whole))
    return f"(?:{'|'.join(ways)})"


def _escaped(character: str) -> str:
    plain = character.isascii() and (character.isalnum() or character == "_")
    return character if plain else f"\\u{{{ord(character):X}}}"


def _text(plain: str) -> str:
    return plain.replace("\\", "")
