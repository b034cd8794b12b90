"""A run read back from its journal as what it is to those who train on it: a conversation, and exact steps.

Prompts are journaled as what is new since the prompt before; here they are whole again. A run that continues another
begins with that one's conversation.
"""

from __future__ import annotations

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
from bridle.shown import shown_instead

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
class Trajectory:
    """One run, and the runs before it that it continues."""

    run: str
    events: Sequence[Event] = field(repr=False)
    earlier: Trajectory | None = None

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
        """Runs alike: the family of the case, or the task itself."""
        return self.judged.family if self.judged else " ".join(self.started.task.casefold().split())

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
        found += list(self._said(until))
        return found

    def assistant(self, taken: StepTaken, call: str, number: int) -> dict[str, JsonValue]:
        """What the model said in a step, as a message; `call` names the call that came of it, if one did, `number` the
        step's event."""
        message: dict[str, JsonValue] = {"role": "assistant", "content": taken.text}
        value = taken.value
        if call and isinstance(value, Mapping):
            arguments = json.dumps(self.arguments(value), ensure_ascii=False)
            function: dict[str, JsonValue] = {"name": str(value["tool"]), "arguments": arguments}
            message["content"] = ""
            message["tool_calls"] = [{"id": call, "type": "function", "function": function}]
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

    def _said(self, until: int | None) -> Iterator[dict[str, JsonValue]]:
        calls = {it.body.key: it.body for it in self.events if isinstance(it.body, CallIntended)}
        due: list[str] = list(calls)
        for event in self.events:
            if until is not None and event.number >= until:
                return
            match event.body:
                case StepTaken() as taken if not is_used(taken) or is_reading(taken.path):
                    pass
                case StepTaken() as taken:
                    yield self.assistant(taken, due.pop(0) if due and is_call(taken.value) else "", event.number)
                case CallAnswered(key=key, text=text):
                    shown = self._shown.get(key, text)
                    yield {"role": "tool", "tool_call_id": key, "name": calls[key].tool, "content": shown}
                case Heard(text=text):
                    yield {"role": "user", "content": text}
                case _:
                    pass


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
    found = Trajectory(run, journal.events(run))
    parent = found.started.parent
    if parent is None or depth == 0:
        return found
    return Trajectory(run, found.events, read_trajectory(journal, parent, depth - 1))
