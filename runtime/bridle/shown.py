"""What a run was shown of what came of its calls, where a policy kept that in quarantine."""

from __future__ import annotations

from collections.abc import Sequence

from bridle.journal import CallAnswered, Event, RunStarted, StepTaken, place_of, read_at
from bridle.labels import UNREAD, WITHHELD
from bridle.policy import Policy
from bridle.tool import render


def shown_instead(events: Sequence[Event]) -> dict[str, str]:
    """By the keys of the calls whose results were in quarantine: what their run was shown instead."""
    started = next((it.body for it in events if isinstance(it.body, RunStarted)), None)
    if started is None or started.way is None or not started.way.policy.get("quarantine"):
        return {}
    policy, found = Policy.model_validate(started.way.policy), dict[str, str]()
    read = {it.body.path: it.body.value for it in events if isinstance(it.body, StepTaken) and it.body.came}
    for event in events:
        match event.body:
            case CallAnswered(key=key, tool=tool, ok=ok) if policy.kept_apart(tool):
                path = read_at(place_of(key))
                found[key] = render(read[path]) if path in read else (UNREAD if ok else WITHHELD).format(tool)
            case _:
                pass
    return found
