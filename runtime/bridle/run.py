"""What came of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self, cast

from pydantic import JsonValue

from bridle.bounds import CallMade
from bridle.journal import Pending, RunEnded, Status, Tokens
from bridle.prompt import Message


@dataclass(frozen=True)
class Run:
    """What came of a task. `answer` is set when it is done, `question` when it waits for a person."""

    id: str
    status: Status
    answer: str | None
    question: str | None
    reason: str
    """Why it ended, if it is not done."""
    skill: str
    model: str
    steps: int
    calls: tuple[CallMade, ...]
    tokens: Tokens
    seconds: float
    pending: Pending | None = None
    """The call that the question is about, if it is about one."""
    messages: tuple[Message, ...] = field(repr=False, default=())
    """The conversation, to go on with."""

    @classmethod
    def of(
        cls,
        run: str,
        ended: RunEnded,
        skill: str,
        model: str,
        calls: Sequence[CallMade] = (),
        messages: Sequence[Message] = (),
    ) -> Self:
        """What the end of a run says, with what it does not."""
        return cls(
            id=run,
            status=ended.status,
            answer=ended.answer,
            question=ended.question,
            pending=ended.pending,
            reason=ended.reason,
            skill=skill,
            model=model,
            steps=ended.steps,
            calls=tuple(calls),
            tokens=ended.tokens,
            seconds=ended.seconds,
            messages=tuple(messages),
        )

    def as_json(self) -> dict[str, JsonValue]:
        """The run as `bridle run --json` prints it."""
        return {
            "run": self.id,
            "status": self.status.value,
            "answer": self.answer,
            "question": self.question,
            "pending": cast("JsonValue", self.pending.model_dump()) if self.pending else None,
            "reason": self.reason,
            "skill": self.skill,
            "steps": self.steps,
            "calls": [
                {"tool": call.tool, "args": dict(call.args), "result": call.result, "ok": call.ok}
                for call in self.calls
            ],
            "tokens": cast("JsonValue", self.tokens.model_dump()),
            "seconds": round(self.seconds, 3),
            "model": self.model,
        }
