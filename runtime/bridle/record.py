"""What a run writes down: its events, and the exact tokens of each step told as what is new since the last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pydantic import BaseModel, JsonValue, TypeAdapter

from bridle.certainty import certainty
from bridle.decide import Decision
from bridle.engine.base import Usage
from bridle.grammar.said import Answer, Ask, Call, Refuse, Show
from bridle.journal import (
    Body,
    CallAnswered,
    CallIntended,
    Decided,
    Event,
    Journal,
    Kept,
    StepTaken,
    Tokens,
    last_prompt,
)
from bridle.journal.chain import GENESIS
from bridle.prompt import Message
from bridle.tool import Observation
from bridle.turn import Attempt
from bridle.values import common

_spelled = json.JSONEncoder(ensure_ascii=False).encode


class Recorder:
    """Journals one run, and tells whoever listens."""

    def __init__(
        self,
        journal: Journal,
        run: str,
        listen: Callable[[Event], None] | None = None,
        before: Sequence[Event] = (),
    ) -> None:
        """A recorder of a run, of which there may be events before."""
        self.run = run
        self._journal = journal
        self._listen = listen
        self._base, seen = last_prompt(before)
        self._head = (before[-1].number, before[-1].hash) if before else (0, GENESIS)
        self._tokens = seen.tokens
        self._text = seen.text

    def event(self, body: Body, *, durable: bool = False) -> Event:
        """Journal an event; `durable` before an effect.

        Raises:
            JournalError: it cannot be written, or somebody else went on with the run.
        """
        event = self._journal.append(self.run, body, durable=durable, after=self._head)
        self._head = (event.number, event.hash)
        if self._listen is not None:
            self._listen(event)
        return event

    def intent(self, key: str, call: Call, effect: str, sources: Collection[str]) -> None:
        """Journal that a tool is about to be run; on disk before this returns."""
        args, seen = dict(call.args), sorted(sources)
        self.event(CallIntended(key=key, tool=call.tool, args=args, effect=effect, sources=seen), durable=True)

    def doing(self) -> None:
        """Something is about to be done in the world: where a record is only gone over, that is its end."""

    def kept(self, name: str) -> Kept | None:
        """What earlier runs kept for all runs under a name."""
        return self._journal.kept(name)

    def outcome(self, key: str, tool: str, seen: Observation) -> None:
        """Journal what came of a call."""
        self.event(
            CallAnswered(
                key=key,
                tool=tool,
                ok=seen.ok,
                result=seen.value,
                text=seen.text,
                seconds=seen.seconds,
                cached=seen.cached,
                open=seen.open,
            )
        )

    def decision(
        self,
        path: str,
        question: str,
        options: Sequence[str],
        decision: Decision[str],
        *,
        asked: str,
        sources: Collection[str],
        seconds: float,
    ) -> None:
        """Journal what a model made of a few options."""
        told = Decided(
            path=path,
            asked=asked,
            question=question,
            options=list(options),
            probabilities=list(decision.probabilities),
            option=decision.option,
            sure=decision.sure,
            sources=sorted(sources),
            seconds=round(seconds, 6),
        )
        self.event(told)

    def step(
        self,
        path: str,
        attempts: Sequence[Attempt],
        value: JsonValue,
        *,
        asked: str,
        sources: Collection[str],
        came: bool,
        seconds: float,
    ) -> None:
        """Journal every attempt of a step; the value belongs to the last, if it `came` to one."""
        for number, attempt in enumerate(attempts, 1):
            last = number == len(attempts)
            body = self._attempt(
                path,
                number,
                attempt,
                value=value if last else None,
                came=came and last,
                asked=asked,
                sources=sorted(sources),
                seconds=round(seconds if last else _seconds(attempt), 6),
            )
            event = self.event(body)
            self._base, self._tokens, self._text = event.number, attempt.prompt.tokens, attempt.prompt.text

    def _attempt(self, path: str, number: int, attempt: Attempt, **known: Any) -> StepTaken:
        """An attempt as it is journaled; all of it is of its type already, so that it is not validated again."""
        usage, prompt = attempt.generation.usage, attempt.prompt
        shared_tokens, shared_text = common(self._tokens, prompt.tokens), common(self._text, prompt.text)
        return StepTaken.model_construct(
            **known,
            path=path,
            attempt=number,
            base=self._base,
            shared_tokens=shared_tokens,
            shared_text=shared_text,
            prompt_tokens=prompt.tokens[shared_tokens:].tolist(),
            prompt_text=prompt.text[shared_text:],
            output_tokens=attempt.generation.ids,
            forced="".join("f" if token.forced else "s" for token in attempt.generation.tokens),
            pieces=list(attempt.pieces),
            choices=list(attempt.choices),
            thinking=attempt.thinking,
            text=attempt.text,
            error=attempt.error,
            mends=list(attempt.mends),
            stop=attempt.generation.stop,
            cut=attempt.cut,
            constrained=attempt.held_by != "nothing",
            held_by=attempt.held_by,
            model=attempt.model,
            request=dict(attempt.request),
            notes=list(attempt.notes),
            tokens=told(usage),
            certainty=certainty(attempt.generation.tokens),
            fields=dict(attempt.fields),
            prefill_seconds=round(usage.prefill_seconds, 6),
            decode_seconds=round(usage.decode_seconds, 6),
        )


def told(usage: Usage) -> Tokens:
    """The token counts of a usage."""
    return Tokens(
        prompt=usage.prompt,
        reused=usage.reused,
        sampled=usage.sampled,
        forced=usage.forced,
        drafted=usage.drafted,
        accepted=usage.accepted,
    )


def usage_of(tokens: Tokens) -> Usage:
    """A usage with the counts that were told of it."""
    return Usage(**vars(tokens))


def digest(messages: Sequence[Message]) -> str:
    """What tells one conversation from another: the beginning of a SHA-256, 16 hexadecimal digits."""
    told = _spelled([[it.role, it.content] for it in messages])
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def as_json(value: object) -> JsonValue:
    """A step's value as the journal keeps it."""
    match value:
        case Call(tool, args):
            return {"tool": tool, "args": dict(args)}
        case Answer(text, cites):
            return {"answer": text, "cites": list(cites)} if cites else {"answer": text}
        case Ask(text):
            return {"ask": text}
        case Show(text):
            return {"show": text}
        case Refuse(text):
            return {"refuse": text}
        case BaseModel():
            return value.model_dump(mode="json")
        case _:
            return TypeAdapter(Any).dump_python(value, mode="json")


def _seconds(attempt: Attempt) -> float:
    usage = attempt.generation.usage
    return usage.prefill_seconds + usage.decode_seconds + usage.mask_seconds + usage.sample_seconds
