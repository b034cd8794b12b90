"""Reading model output: strictly where a grammar held it, tolerantly where none did."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from bridle.parse.json import parse_json, recover_json
from bridle.parse.xml import Element, parse_xml, recover_xml

__all__ = ["Recovered", "Reply", "complaint", "parse", "recover", "split_thinking"]

Syntax = Literal["json", "xml", "text"]
Tree = JsonValue | Element


@dataclass(frozen=True)
class Recovered:
    """A tree read tolerantly, and every mend that reading it took."""

    tree: Tree
    mends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """Model output in its two parts."""

    thinking: str
    body: str


def parse(text: str, syntax: Syntax) -> Tree:
    """Read a whole document strictly.

    Raises:
        FormatError: the text is not one.
    """
    match syntax:
        case "json":
            return parse_json(text)
        case "xml":
            return parse_xml(text)
        case "text":
            return text


def recover(text: str, syntax: Syntax, roots: Collection[str] = (), names: Collection[str] = ()) -> Recovered:
    """Read what is certain of a document that no grammar held.

    Raises:
        FormatError: too little is certain.
    """
    match syntax:
        case "json":
            return Recovered(*_frozen(*recover_json(text)))
        case "xml":
            return Recovered(*_frozen(*recover_xml(text, roots, names)))
        case "text":
            return Recovered(text.strip())


def split_thinking(text: str, opening: str, closing: str, *, opened: bool) -> Reply:
    """Part hidden thinking from the reply; `opened` says that the prompt had already begun it."""
    start, end = opening.strip(), closing.strip()
    if not opened:
        match = re.match(rf"\s*{re.escape(start)}", text)
        if match is None:
            return Reply("", text)
        text = text[match.end() :]
    thinking, found, body = text.partition(end)
    if found:
        return Reply(thinking.strip(), body.lstrip())
    return Reply("", text) if opened else Reply(thinking.strip(), "")


def complaint(reason: str, text: str) -> str:
    """What the model is told about a reply that could not be used, quoting its beginning."""
    quoted = text.strip() if len(text.strip()) <= 200 else text.strip()[:200] + "..."
    return f"Your reply could not be used: {reason}\nYou wrote: {quoted}\nReply again in the required form, corrected."


def _frozen(tree: Tree, mends: list[str]) -> tuple[Tree, tuple[str, ...]]:
    return tree, tuple(mends)
