"""A run read back from its journal as what it is to those who train on it: a conversation, and exact steps.

Prompts are journaled as what is new since the prompt before; here they are whole again. A run that continues another
begins with that one's conversation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from pydantic import JsonValue

from bridle.grammar.said import REPLIES, Show
from bridle.journal import (
    CallAnswered,
    CallIntended,
    Event,
    Heard,
    Journal,
    Ruled,
    RunEnded,
    RunJudged,
    RunStarted,
    Status,
    StepTaken,
    beginning,
    is_reading,
    place_of,
    prompts,
)
from bridle.journal.replay import asked_about
from bridle.shown import shown_instead
from bridle.tool import FAILED

DEPTH = 100
"""Runs that one run may continue, one after the other."""


@dataclass(frozen=True)
class Exact:
    """One asking of the model: the tokens it saw and made, as they were."""

    number: int
    """Of its event in the run."""
    at: str
    prompt_tokens: tuple[int, ...]
    prompt_text: str
    taken: StepTaken

    @property
    def accepted(self) -> bool:
        """Its output was read and used."""
        return is_used(self.taken)


@dataclass(frozen=True)
class Turn:
    """One message of a conversation, and the event that it came of."""

    event: Event
    message: dict[str, JsonValue]


@dataclass(frozen=True)
class Trajectory:
    """One run, and the runs before it that it continues."""

    run: str
    events: Sequence[Event] = field(repr=False)
    earlier: Trajectory | None = None
    original: Trajectory | None = None
    """The run that it is a copy of, up to a place."""

    @cached_property
    def started(self) -> RunStarted:
        """How it began.

        Raises:
            JournalError: its first event is missing.
        """
        return beginning(self.run, self.events)

    @cached_property
    def ended(self) -> RunEnded | None:
        """How it ended last; None while it runs, or where it was killed."""
        return next((it.body for it in reversed(self.events) if isinstance(it.body, RunEnded)), None)

    @cached_property
    def judged(self) -> RunJudged | None:
        """What an evaluation made of it, if one looked."""
        return next((it.body for it in reversed(self.events) if isinstance(it.body, RunJudged)), None)

    @property
    def status(self) -> Status:
        """How it stands."""
        return self.ended.status if self.ended else Status.RUNNING

    @property
    def succeeded(self) -> bool:
        """What was verified of it, if anything was; else whether it was done."""
        return self.judged.passed if self.judged else self.status is Status.DONE

    @property
    def reward(self) -> float | None:
        """What the evaluation gave it; None for a run that none looked at."""
        return self.judged.reward if self.judged else None

    @property
    def family(self) -> str:
        """Runs alike: those of one family of cases, or of one task, of which this is a digest; and all that continue
        or copy one of them, since they have its words."""
        if (root := self.earlier or (None if self.judged else self.original)) is not None:
            return root.family
        if self.judged:
            return self.judged.family
        return hashlib.sha256(" ".join(self.started.task.casefold().split()).encode()).hexdigest()[:16]

    @cached_property
    def steps(self) -> list[Exact]:
        """Every asking of the model, also those whose output was refused."""
        seen = prompts(self.events)
        return [
            Exact(event.number, event.at, tuple(seen[event.number].tokens), seen[event.number].text, event.body)
            for event in self.events
            if isinstance(event.body, StepTaken)
        ]

    def messages(self, until: int | None = None) -> list[dict[str, JsonValue]]:
        """The conversation as chat messages with tool calls; `until`: only what was said before that event."""
        found = self.earlier.messages() if self.earlier else []
        found.append({"role": "user", "content": self.started.task})
        found += [turn.message for turn in self.turns if until is None or turn.event.number < until]
        return found

    @cached_property
    def turns(self) -> list[Turn]:
        """What the model, the tools and people said, after the task. Of a vote it is the taking that counted; a call
        that a skill made by itself is a message of the assistant that came of no step."""
        return list(self._turns())

    def _assistant(self, taken: StepTaken, call: str, number: int) -> dict[str, JsonValue]:
        """What the model said in a step, as a message; `call` names the call that came of it, if one did, `number` the
        step's event."""
        message: dict[str, JsonValue] = {"role": "assistant", "content": taken.text}
        value = taken.value
        if call and isinstance(value, Mapping):
            message = self._calling(call, value)
        elif isinstance(value, Mapping) and isinstance(lead := value.get("show"), str) and len(value) == 1:
            message["content"] = Show(lead).answer(self._result(taken.path, number)).text
        elif isinstance(value, Mapping):
            texts = [it for key, it in value.items() if key in REPLIES and isinstance(it, str)]
            message["content"] = texts[0] if len(texts) == len(value) == 1 else taken.text
        if taken.thinking:
            message["reasoning_content"] = taken.thinking
        return message

    def arguments(self, call: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The arguments of a call in the order in which the tool declares them; the journal sorts keys."""
        given = cast("Mapping[str, JsonValue]", call["args"])
        order = list(self.tools.get(str(call["tool"]), {}).get("properties", {}))
        return {
            name: given[name] for name in sorted(given, key=lambda it: order.index(it) if it in order else len(order))
        }

    @cached_property
    def tools(self) -> dict[str, dict[str, Any]]:
        """The parameters of the tools that it was offered, as JSON Schemas, by name."""
        return {tool.name: json.loads(tool.parameters) for tool in self.started.tools}

    @cached_property
    def _shown(self) -> dict[str, str]:
        """What was shown of results that were in quarantine, by the keys of their calls."""
        return shown_instead(self.events)

    def _result(self, path: str, before: int) -> str:
        """What was shown of the last call before an event, in the branch of a path."""
        branch = path.rpartition("/")[0]
        for event in reversed([it for it in self.events if it.number < before]):
            match event.body:
                case CallAnswered(key=key, text=text) if place_of(key).rpartition("/")[0] == branch:
                    return self._shown.get(key, text)
                case _:
                    pass
        return ""

    def _calling(self, key: str, call: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        arguments = json.dumps(self.arguments(call), ensure_ascii=False)
        function: dict[str, JsonValue] = {"name": str(call["tool"]), "arguments": arguments}
        return {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": key, "type": "function", "function": function}],
        }

    def _turns(self) -> Iterator[Turn]:
        calls, outvoted = self._calls(), self._outvoted()
        due = {it.body.key for it in self.events if isinstance(it.body, CallAnswered)}
        by_model = set(calls.values())
        for event in self.events:
            match event.body:
                case StepTaken() as taken if is_used(taken) and not is_reading(taken.path):
                    if event.number not in outvoted:
                        yield Turn(event, self._assistant(taken, calls.get(event.number, ""), event.number))
                case CallIntended(key=key, tool=tool, args=args) if key in due - by_model:
                    by_model.add(key)  # one that was begun twice is told once
                    yield Turn(event, self._calling(key, {"tool": tool, "args": args}))
                case CallAnswered(key=key, tool=tool, text=text) if key in due:
                    due.remove(key)
                    yield Turn(event, _came(key, tool, self._shown.get(key, text)))
                case Ruled(path=path, verdicts=verdicts) if (key := self._refused(path)) in by_model:
                    [(tool, why)] = verdicts.items()
                    yield Turn(event, _came(key, tool, f"{FAILED}{why}"))
                case Heard(path=path, text=text) if not asked_about(path):
                    yield Turn(event, {"role": "user", "content": text})
                case _:
                    pass

    def _calls(self) -> dict[int, str]:
        """The call that came of a step, by the step's event: the next in its branch that is as it was said, or as a
        person changed it, or that was refused."""
        answered = {it.body.key for it in self.events if isinstance(it.body, CallAnswered)}
        asked = {asked_about(it.body.path) for it in self.events if isinstance(it.body, Heard)}
        due: dict[str, tuple[int, Mapping[str, JsonValue]]] = {}
        found: dict[int, str] = {}
        for event in self.events:
            match event.body:
                case StepTaken(path=path, value=value) as taken if is_used(taken) and is_call(value):
                    due[_branch(path)] = event.number, cast("Mapping[str, JsonValue]", value)
                case CallIntended(key=key, tool=tool, args=args) if key in answered:
                    place = place_of(key)
                    number, said = due.get(_branch(place), (0, {}))
                    if said.get("tool") == tool and (said.get("args") == args or place in asked):
                        found[number] = key
                        del due[_branch(place)]
                case Ruled(path=path, verdicts=verdicts) if key := self._refused(path):
                    number, said = due.get(_branch(place_of(key)), (0, {}))
                    if said.get("tool") in verdicts:
                        found[number] = key
                        del due[_branch(place_of(key))]
                case _:
                    pass
        return found

    def _refused(self, path: str) -> str:
        """The key that a call would have had, of what was ruled of it; empty for any other ruling."""
        return f"{self.run}/{path.removeprefix('call ')}" if path.startswith("call ") else ""

    def _outvoted(self) -> set[int]:
        """The events of the takings of votes that did not count: all but the likeliest of those that most agree with,
        which stand in that order."""
        votes: dict[str, dict[str, list[int]]] = {}
        for event in self.events:
            taken = event.body
            if isinstance(taken, StepTaken) and is_used(taken) and taken.path.rpartition("/")[2].startswith("vote#"):
                values = votes.setdefault(taken.path.rpartition(".")[0], {})
                values.setdefault(json.dumps(taken.value, sort_keys=True), []).append(event.number)
        lost = set[int]()
        for values in votes.values():
            won = max(values.values(), key=len)[0]
            lost |= {number for numbers in values.values() for number in numbers} - {won}
        return lost


def _branch(path: str) -> str:
    return path.rpartition("/")[0]


def _came(key: str, tool: str, text: str) -> dict[str, JsonValue]:
    return {"role": "tool", "tool_call_id": key, "name": tool, "content": text}


def is_used(taken: StepTaken) -> bool:
    """Whether something came of a step; a call that was cut off is never made."""
    return not taken.error and taken.value is not None and not (taken.cut and is_call(taken.value))


def is_call(value: JsonValue) -> bool:
    """Whether a step came to a call of a tool."""
    return isinstance(value, Mapping) and value.keys() == {"tool", "args"}


def read_trajectory(journal: Journal, run: str, depth: int = DEPTH) -> Trajectory:
    """A run from its journal, with the runs that it continues.

    Raises:
        JournalError: it cannot be read, or has no beginning.
    """
    events = journal.events(run)
    started = beginning(run, events)
    parent, forked = started.parent, started.forked.partition(" ")[0]
    original = read_trajectory(journal, forked, 0) if forked and forked in journal.names() and depth else None
    earlier = read_trajectory(journal, parent, depth - 1) if parent is not None and depth else None
    return Trajectory(run, events, earlier, original)
