"""Calls of tools, for real: the intent first and durably, then the effect, then what came of it; and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridle.bounds import Bounds, CallMade
from bridle.grammar.action import Call
from bridle.journal import Undone
from bridle.record import Recorder
from bridle.tool import CallKey, Effect, Observation, Service, Tool

Services = Mapping[type[Service], Service]


async def make(
    call: Call, tool: Tool, key: str, *, recorder: Recorder, bounds: Bounds, services: Services
) -> Observation:
    """Make a call; `key` names it for ever.

    Raises:
        Ended: a bound of the run is met: the tool was used too often, or the call keeps coming to the same.
    """
    bounds.left()
    bounds.use(tool.name)
    recorder.intent(key, call, tool.effect)
    seen = await tool.call(call.args, {**services, CallKey: CallKey(key)})
    recorder.outcome(key, tool.name, seen)
    bounds.calls.append(CallMade(tool.name, call.args, seen.value, seen.ok, key))
    return seen


async def take_back(
    calls: Sequence[CallMade], tools: Sequence[Tool], *, recorder: Recorder, bounds: Bounds, services: Services
) -> list[CallMade]:
    """Take back what calls did, the last first. Given back are those that nothing takes back, or that failed to be.

    Calls that failed, and those of tools that only look, did nothing.
    """
    by_name = {tool.name: tool for tool in tools}
    lasting: list[CallMade] = []
    for made in reversed([it for it in calls if it.ok and it.key not in bounds.undone]):
        tool = by_name.get(made.tool)
        if tool is not None and tool.effect is Effect.PURE:
            continue
        if tool is None:
            lasting.append(made)
            continue
        seen = await tool.take_back(made.args, made.result, {**services, CallKey: CallKey(made.key)})
        recorder.event(Undone(key=made.key, tool=tool.name, ok=seen.ok, text=seen.text))
        if seen.ok:
            bounds.undone.add(made.key)
        else:
            lasting.append(made)
    return lasting
