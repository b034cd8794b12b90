"""What a policy allowed and took away in a run, by step and call, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridle.approval import arguments
from bridle.grammar.said import Call
from bridle.journal import CallIntended, Event, Heard, Ruled, RunStarted, StepTaken, place_of
from bridle.journal.replay import asked_about


def rulings(events: Sequence[Event]) -> dict[str, dict[str, Any]]:
    """By step (`act#1`) and call (`call 2`): the verdicts on tools, those that were offered freely as far as the record
    says, what a person was asked and said, and what came of it."""
    told, offered = dict[str, dict[str, Any]](), list[str]()

    def at(place: str) -> dict[str, Any]:
        return told.setdefault(place, {"step": place, "policy": {}, "free": [], "asked": [], "came": ""})

    for event in events:
        match event.body:
            case RunStarted(tools=tools):
                offered = [it.name for it in tools]
            case Ruled(path=path, verdicts=verdicts):
                at(path)["policy"] |= verdicts
            case StepTaken(path=path, came=came, text=text):
                one = at(path)
                if came:
                    one |= {"came": text, "masked": round(event.body.certainty.masked, 4)}
                if path.startswith("act#"):  # a delegate may have other tools
                    one["free"] = [it for it in offered if it not in one["policy"]]
            case Heard(path=path, question=question, text=text) if place := asked_about(path):
                at(f"call {place}")["asked"].append({"question": question, "answer": text})
            case CallIntended(key=key, tool=tool, args=args):
                at(f"call {place_of(key)}")["came"] = f"{tool} {arguments(Call(tool, args))} was called"
            case _:
                pass
    return told
