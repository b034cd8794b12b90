"""What a person is asked about a call: whether it is to be made, and, where nobody knows, whether it was."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from bridle.errors import ToolError
from bridle.grammar.action import Call
from bridle.journal import Status
from bridle.policy import PolicyError
from bridle.tool import Effect, Observation, Service, Tool

Hear: TypeAlias = Callable[[str, Status], Awaitable[str]]
"""Asks the person; `bridle.bounds.Ended` with that status where nobody is there."""
_YES = re.compile(r"(?:yes|y|always)[.!]?", re.IGNORECASE)
_NO = re.compile(r"no\b[\s,:;.!]*", re.IGNORECASE)


async def approve(call: Call, tool: Tool, hear: Hear) -> tuple[Call, bool]:
    """The call that the person lets pass, which may have other arguments, and whether all of its kind may in this run.

    Raises:
        PolicyError: it may not be made.
        Ended: nobody is there.
    """
    question = (
        f"{tool.name} {arguments(call)} ({tool.effect}): shall it be done? "
        "(yes, always, no and why, or other arguments as JSON)"
    )
    said = (await hear(question, Status.PAUSED)).strip()
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


async def settle(call: Call, tool: Tool, services: Mapping[type[Service], Service], hear: Hear) -> Observation | None:
    """What came of a call that was begun and of which nothing is known; None if it is to be made (again): where that
    does no harm, where the world says that it was not, or where the person does.

    Raises:
        Ended: the person has to be asked, and is not there.
    """
    if tool.effect in (Effect.PURE, Effect.IDEMPOTENT):
        return None
    if tool.probe is not None:
        seen = await tool.probe.call(tool.probe.among(call.args), services)
        return seen if not seen.ok or seen.value is not None else None
    question = (
        f"{tool.name} {arguments(call)} was begun, and what came of it is not known. Was it done? "
        "(yes, or no to do it now, or what came of it)"
    )
    said = (await hear(question, Status.IN_DOUBT)).strip()
    if _NO.fullmatch(said):
        return None
    text = "done" if _YES.fullmatch(said) else said
    return Observation(True, text, text)


def arguments(call: Call) -> str:
    """As the person reads them."""
    return json.dumps(dict(call.args), ensure_ascii=False)
