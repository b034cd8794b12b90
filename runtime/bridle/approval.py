"""What a person is asked about a call: whether it is to be made, and, where nobody knows, whether it was."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import TypeAlias

from bridle.bounds import Ended
from bridle.errors import ToolError
from bridle.grammar.action import Call
from bridle.journal import Past, Pending, Status
from bridle.person import Question
from bridle.policy import PolicyError
from bridle.tool import Effect, Observation, Service, Tool

ASKED = 3
"""Times that a person is asked who does not answer the question."""
Hear: TypeAlias = Callable[[str, Question, Status], Awaitable[str]]
"""Asks the person, at a place; `bridle.bounds.Ended` with that status where nobody is there."""
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


def approved(call: Call, tool: Tool, said: str) -> tuple[Call, bool]:
    """The call that the person lets pass, which may have other arguments, and whether all of its kind may in this run.

    Raises:
        PolicyError: it may not be made.
    """
    said = said.strip()
    if _YES.fullmatch(said):
        return call, said.casefold().startswith("always")
    if not said.startswith("{"):
        why = _NO.sub("", said, count=1)
        raise PolicyError(f"{tool.name} was not allowed" + (f": {why}" if why else ""))
    try:
        changed = Call(tool.name, json.loads(said))
        tool.check(changed.args)
    except (ValueError, ToolError) as error:
        raise PolicyError(f"{tool.name} cannot be called with {said}: {error}") from None
    return changed, False


async def settle(
    call: Call, tool: Tool, services: Mapping[type[Service], Service], hear: Hear, place: str, past: Past
) -> Observation | None:
    """What came of a call that was begun and of which nothing is known; None if it is to be made (again): where that
    does no harm, where the world says that it was not, or where the person does. A person who says neither is asked
    again: words that are taken for the wrong one of the two would lose an effect, or double it.

    Raises:
        Ended: the person has to be asked, and is not there, or said neither `ASKED` times.
    """
    if tool.effect in (Effect.PURE, Effect.IDEMPOTENT):
        return None
    if tool.probe is not None:
        seen = await tool.probe.call(tool.probe.among(call.args), services)
        return seen if not seen.ok or seen.value is not None else None
    wanted = Question(
        f"{tool.name} {arguments(call)} was begun, and what came of it is not known. Was it done? "
        "(yes; no, to do it now; or 'it came to', and what)",
        Pending(tool=tool.name, args=dict(call.args), effect=tool.effect, begun=True),
    )
    asked = 0
    for number in count(1):
        path = place if number == 1 else f"{place}.{number}"
        asked += past.heard(path) is None
        if asked > ASKED:
            break
        said = (await hear(path, wanted, Status.IN_DOUBT)).strip()
        if _NO.fullmatch(said):
            return None
        text = "done" if _YES.fullmatch(said) else _CAME_TO.sub("", said, count=1)
        if text != said:
            return Observation(True, text, text)
    raise Ended(Status.IN_DOUBT, "it has a question", wanted)


def arguments(call: Call) -> str:
    """As the person reads them."""
    return json.dumps(dict(call.args), ensure_ascii=False)
