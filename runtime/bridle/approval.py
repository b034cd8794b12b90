"""What a person is asked about a call: whether it is to be made, and, where nobody knows, whether it was."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bridle.errors import ToolError
from bridle.grammar.said import Call
from bridle.journal import Pending
from bridle.person import Question
from bridle.tool import Tool
from bridle.verdict import PolicyError


@dataclass(frozen=True)
class Approval:
    """What a person lets pass."""

    call: Call
    """It may have other arguments."""
    always: bool = False
    """All of its kind may pass in this run."""


_YES = re.compile(r"(?:yes|y|always)[.!]?", re.IGNORECASE)
_NO = re.compile(r"(?:no|n)\b[\s,:;.!]*", re.IGNORECASE)
_CAME_TO = re.compile(r"it came to\b[\s:]*(?=\S)", re.IGNORECASE)


def question(call: Call, tool: Tool, seconds: float | None) -> Question:
    """What the person is asked before a call is made; an answer is good for so many seconds."""
    return Question(
        f"{tool.name} {arguments(call)} ({tool.effect}): shall it be done? "
        "(yes, always, no and why, or other arguments as JSON)",
        Pending(tool=tool.name, args=dict(call.args), effect=tool.effect, seconds=seconds),
    )


def approved(call: Call, tool: Tool, said: str) -> Approval | None:
    """What a person lets pass, in their words; None where they say neither yes nor no.

    Raises:
        PolicyError: the call may not be made.
    """
    said = said.strip()
    if _YES.fullmatch(said):
        return Approval(call, always=said.casefold().startswith("always"))
    if _NO.match(said):
        why = _NO.sub("", said, count=1)
        raise PolicyError(f"{tool.name} was not allowed" + (f": {why}" if why else ""))
    if not said.startswith("{"):
        return None
    try:
        changed = Call(tool.name, json.loads(said))
        json.dumps(changed.args, allow_nan=False, ensure_ascii=False).encode()  # what cannot be journaled is not done
        tool.check(changed.args)
    except (ValueError, ToolError, RecursionError) as error:
        raise PolicyError(f"{tool.name} cannot be called with {said[:200]}: {error}") from None
    return Approval(changed)


def is_no(said: str) -> bool:
    """Whether a person says that a call may not be made."""
    return _NO.match(said.strip()) is not None


def doubt(call: Call, tool: Tool) -> Question:
    """What the person is asked of a call that was begun and of which nobody knows what came."""
    return Question(
        f"{tool.name} {arguments(call)} was begun, and what came of it is not known. Was it done? "
        "(yes; no, to do it now; or 'it came to', and what)",
        Pending(tool=tool.name, args=dict(call.args), effect=tool.effect, begun=True),
    )


def what_came(said: str) -> str | None:
    """What a call came to, in the words of a person: nothing, if it was not made; None where they do not say."""
    said = said.strip()
    if _NO.fullmatch(said):
        return ""
    text = "done" if _YES.fullmatch(said) else _CAME_TO.sub("", said, count=1)
    return text if text != said else None


def arguments(call: Call) -> str:
    """As the person reads them."""
    return json.dumps(dict(call.args), ensure_ascii=False)
