"""A model behind a server, as a writer of turns.

A constraint is sent where the server takes one, and not believed: at its first use a canary asks for what only a
constrained model would say. A server that ignores it, and a form that it cannot be told, go the road without a grammar:
the form in words, and whatever comes is read tolerantly. Either way the reply is validated, and the attempt says which.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace

from bridle.card import Card, cards, is_of
from bridle.engine.base import Generation, Stop, Usage
from bridle.errors import ContextError, GrammarError, UsageError
from bridle.grammar.base import Text
from bridle.grammar.thinking import Thinking
from bridle.prompt import Prompt
from bridle.remote.address import KINDS, Address
from bridle.remote.canary import Canary
from bridle.remote.constraint import Constraint, constraint_of
from bridle.remote.failure import Lost, Refused, room
from bridle.remote.reply import instructed, part, spoken, stage
from bridle.remote.thread import LoopThread
from bridle.remote.wire import Heard, Question, Wire
from bridle.turn import Attempt, Carded, Fallback, Progress, Turn, Writer

TRIES = 4
"""Times that a request is sent while the server is busy, failing or out of reach."""
FIRST_WAIT = 0.5
"""Seconds before the second try; doubled before each one after it."""
LONGEST_WAIT = 30.0
"""Seconds waited at most, also where the server asks for more."""


class RemoteModel(Carded):
    """A model behind a server. Use it as a context manager, or close it.

    Args:
        address: which model, where; without a name, the only one that the server has.
        card: what is known of it; the card of its family by its name, if not given.
        key: the server's key. It is sent to the server and nowhere else.
        patience: seconds that the server may be silent.
        fallback: opens the model that takes over where this one fails, at its first need; closed with this one.

    Raises:
        UsageError: the client library is missing, the server wants a key, or has no such model.
        EngineError: the server cannot be reached, or is no such server.
    """

    def __init__(
        self,
        address: Address,
        card: Card | None = None,
        *,
        key: str = "",
        patience: float = 600.0,
        fallback: Callable[[], Writer] | None = None,
    ) -> None:
        self._thread = LoopThread()
        self._fallback = Fallback(fallback)
        try:
            self.address = self._thread.call(_find(address, key, patience))
            self._wire = self._thread.call(_wire(self.address, key, patience))
        except BaseException:
            self._thread.close()
            raise
        family = card or _family(self.address.model)
        self.card = family or Card(name=self.address.model)
        self._known = family is not None
        self._canary = Canary(self._send)
        self._refused: set[Constraint] = set()

    def close(self) -> None:
        """Cancel what is under way and close the connections, and the fallback."""
        self._fallback.close()
        self._thread.close(self._wire.close())

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Its whole address."""
        return str(self.address)

    @property
    def deterministic(self) -> bool:
        """See `Writer.deterministic`. What a server does is not ours to promise."""
        return False

    @property
    def thinking(self) -> Thinking | None:
        """How it thinks; None if its family is not known: what it thinks of itself is hidden as well."""
        return super().thinking if self._known else None

    def fallback(self) -> Writer | None:
        """See `Writer.fallback`."""
        return self._fallback.get()

    async def write(self, turn: Turn) -> Attempt:
        """See `Writer.write`. Raises `UsageError` as well, if the server no longer takes the key or knows the model."""
        return await self._thread.run(self._write(turn))

    async def _write(self, turn: Turn) -> Attempt:
        start, heard = time.monotonic(), self._heard(turn)
        try:
            async with asyncio.timeout(None if turn.deadline is None else max(turn.deadline - start, 0)):
                await self._ask(turn, self._question(turn, await self._constraint(turn, heard)), heard)
            stop = Stop.BUDGET if heard.ended == "length" else Stop.END
        except TimeoutError:
            stop = Stop.DEADLINE
        question = heard.question or self._question(turn, None)
        reply = part(heard, self._markers(turn), turn.form.syntax)
        return Attempt(
            Prompt(json.dumps(question.messages, ensure_ascii=False)),
            Generation((), stop, _usage(heard, start)),
            reply.thinking,
            reply.body,
            cut=stop is Stop.BUDGET and turn.form.syntax == "text",
            held_by="server" if question.constraint else "nothing",
            model=self.name,
            request=heard.request,
            notes=tuple(heard.notes),
        )

    def _heard(self, turn: Turn) -> Heard:
        tell = turn.on_progress
        if tell is None:
            return Heard()
        return Heard(
            listen=lambda heard, piece: tell(Progress(stage(heard, self._markers(turn)), piece)),
            wait=lambda why: tell(Progress("repairing", why)),
        )

    def _question(self, turn: Turn, constraint: Constraint | None) -> Question:
        messages = spoken(turn.messages, self.card.prompt.tool_role)
        if constraint is None:
            messages = instructed(messages, turn.form.instructions())
        return Question(
            messages,
            turn.max_tokens,
            turn.sampling or self.sampling_for(turn.thinking),
            constraint,
            (turn.thinking is not None) if self._known and self.card.thinking.budget else None,
            self.card.context,
        )

    async def _constraint(self, turn: Turn, heard: Heard) -> Constraint | None:
        """What the server can be told of the form, and keeps; a note says why, if there is nothing."""
        if not turn.constrain or isinstance(turn.form, Text):
            return None
        told = constraint_of(turn.form, KINDS[self.address.kind])
        if isinstance(told, Constraint):
            verdict = await self._canary.ask(told.how, heard.notes)
            if not verdict and told not in self._refused:
                return told
            told = verdict or "the server refused this one before"
        heard.notes.append(f"no grammar: {told}")
        return None

    async def _ask(self, turn: Turn, question: Question, heard: Heard) -> None:
        """Ask, and ask otherwise where the server wants that."""
        try:
            await self._send(question, heard)
        except (Refused, GrammarError) as refusal:
            if question.constraint is None:
                raise
            heard.notes.append(f"no grammar: {refusal.message}")
            await self._send(self._question(turn, None), heard)
            self._refused.add(question.constraint)
        except ContextError as error:
            left = room(error)
            if left is None or left >= question.max_tokens:
                raise
            heard.notes.append(f"asked again for {left} tokens at most: {error.message}")
            await self._send(replace(question, max_tokens=left), heard)

    async def _send(self, question: Question, heard: Heard) -> None:
        """Send a request, again and again while there is hope, a bounded number of times."""
        for number in range(1, TRIES + 1):
            heard.forget()
            try:
                await self._wire.ask(question, heard)
            except Lost as lost:
                wrote = f"; it had written: {heard.thinking}{heard.text}" if heard.pieces else ""
                if number == TRIES:
                    raise Lost(f"{lost.message}{wrote} (tried {TRIES} times)", hint=lost.hint) from None
                wait = min(lost.wait if lost.wait is not None else FIRST_WAIT * 2 ** (number - 1), LONGEST_WAIT)
                heard.notes.append(f"asked again after {wait:g} s: {lost.message}{wrote}")
                if heard.wait is not None:
                    heard.wait(heard.notes[-1])
                await asyncio.sleep(wait)
            else:
                return

    def _markers(self, turn: Turn) -> Thinking:
        card = self.card.thinking
        return turn.thinking or Thinking(card.open, card.close)


async def _wire(address: Address, key: str, patience: float) -> Wire:
    return Wire(address, key, patience)


async def _find(address: Address, key: str, patience: float) -> Address:
    """The address with the name that the server has for the model."""
    wire = Wire(address, key, patience)
    try:
        models = await wire.models()
    finally:
        await wire.close()
    name = address.model.lower()
    alike = [model for model in models if name in model.lower()]
    if address.model in models or (len(alike) == 1 and name):
        return replace(address, model=address.model if address.model in models else alike[0])
    if not address.model and len(models) == 1:
        return replace(address, model=models[0])
    known = ", ".join(models) or "none"
    if not address.model:
        raise UsageError(
            f"{address.url} has several models: {known}" if models else f"{address.url} has no model",
            hint=f"name one: {address.kind}:{address.url}#NAME",
        )
    raise UsageError(f"{address.url} has no model '{address.model}'; it has: {known}")


def _family(name: str) -> Card | None:
    """The card of a model's family, by its name."""
    stem = name.rsplit("/", 1)[-1].removesuffix(".gguf")
    return next((card for card in cards().values() if is_of(card, name) or is_of(card, stem)), None)


def _usage(heard: Heard, start: float) -> Usage:
    """The server's counts; where it gave none, the pieces that it sent, and a note."""
    if heard.output is None and heard.ended:
        heard.notes.append(f"the server told no token counts; it sent {heard.pieces} pieces")
    end = time.monotonic()
    waited = (heard.first or end) - start
    return Usage(
        prompt=heard.prompt or 0,
        reused=heard.reused,
        sampled=heard.pieces if heard.output is None else heard.output,
        prefill_seconds=waited,
        decode_seconds=end - start - waited,
        own_seconds=end - start,
    )
