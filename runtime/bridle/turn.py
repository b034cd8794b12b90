"""The seam between a step and whatever writes for it: one turn of a conversation, asked for and written.

A `Turn` is what is asked; an `Attempt` is what came of it, the exact prompt included; a `Writer` is a model that writes
turns. `bridle.model.Model` writes with an engine of this process, `bridle.remote` with a server's.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal, Protocol

from pydantic import JsonValue

from bridle.card import Card
from bridle.engine.base import Generation, Sampling
from bridle.grammar.base import Form, Style
from bridle.grammar.thinking import Thinking
from bridle.journal import Certainty, Chosen
from bridle.prompt import Message, Prompt

HeldBy = Literal["mask", "server", "nothing"]
"""What kept a document to its form while it was written: a mask here, the server's own constraint, or nothing."""


Stage = Literal["reading", "thinking", "writing", "repairing", "calling"]


@dataclass(frozen=True)
class Progress:
    """A sign of life from a step under way: `text` is new output, `done` of `total` are prompt tokens evaluated. Or
    from a call: what its tool is about, and how far it is.

    With `anew`, `text` is all of its stage so far, for some of what was told before was taken back.
    """

    stage: Stage
    text: str = ""
    done: int = 0
    total: int = 0
    anew: bool = False
    attempt: int = 0
    """How often the model was asked before in this step."""


@dataclass(frozen=True)
class Turn:
    """What a model is asked to write once."""

    messages: Sequence[Message]
    form: Form[object]
    max_tokens: int
    """Thinking and document together."""
    thinking: Thinking | None = None
    sampling: Sampling | None = None
    """None for what the model's card recommends."""
    constrain: bool = True
    """Hold the document to the form while it is written, where that is possible."""
    session: Hashable = None
    priority: int = 0
    """Higher ones start earlier where turns wait for a place; a server has its own order."""
    deadline: float | None = None
    """A moment of `time.monotonic`."""
    on_progress: Callable[[Progress], None] | None = None
    """Called on the writer's own thread."""


@dataclass(frozen=True)
class Attempt:
    """One time a model was asked, and what it wrote."""

    prompt: Prompt
    """Of a model behind a server: the messages, as JSON, just as they were sent, and no tokens."""
    generation: Generation
    thinking: str
    text: str
    fields: Mapping[str, Certainty] = field(default_factory=dict[str, Certainty])
    """How sure the model was of each value, where a mask held the document."""
    pieces: Sequence[str] = ()
    """The text of each token."""
    choices: Sequence[Chosen] = ()
    """What the model made of each token that was not forced."""
    error: str = ""
    """Why the reply could not be used; empty if it could."""
    mends: tuple[str, ...] = ()
    """What was put right to read it."""
    cut: bool = False
    """The document was brought to its end because the budget ran out."""
    held_by: HeldBy = "nothing"
    model: str = ""
    """The model that wrote it."""
    request: Mapping[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """What was sent to a server beside the messages."""
    notes: tuple[str, ...] = ()
    """What was done otherwise than asked, and why: a constraint that a server ignores, a connection that was lost."""


class Writer(Protocol):
    """A model that steps can be taken with, wherever it runs."""

    @property
    def name(self) -> str:
        """The model, as the journal calls it."""
        ...

    @property
    def card(self) -> Card:
        """What is known of it."""
        ...

    @property
    def style(self) -> Style:
        """Its natural spelling of JSON."""
        ...

    def sampling_for(self, thinking: Thinking | None) -> Sampling:
        """How its makers sample from it, for a turn with thinking or without."""
        ...

    @property
    def thinking(self) -> Thinking | None:
        """How it thinks; None for a model that is better without."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the same turn gives the same tokens every time."""
        ...

    def fallback(self) -> Writer | None:
        """The model that takes over where this one fails; it may be loaded now, which takes its time.

        Raises:
            BridleError: it cannot be opened.
        """
        ...

    async def write(self, turn: Turn) -> Attempt:
        """Write one reply. Cancelling the task stops the model.

        Raises:
            GrammarError: the form cannot be compiled.
            BudgetError: no document of the form fits `max_tokens`.
            ContextError: the prompt does not fit the context.
            EngineError: the model failed, or its server did; what can be asked again has been.
        """
        ...

    def close(self) -> None:
        """Stop what is under way and free what it holds."""
        ...


class Fallback:
    """The model behind another one: opened when it is first needed, once, and closed with the other."""

    def __init__(self, opens: Callable[[], Writer] | None) -> None:
        self._opens = opens
        self._model: Writer | None = None
        self._lock = Lock()

    def get(self) -> Writer | None:
        """The model, opened; None if there is none.

        Raises:
            BridleError: it cannot be opened.
        """
        with self._lock:
            if self._model is None and self._opens is not None:
                self._model = self._opens()
            return self._model

    def close(self) -> None:
        """Close it, if it was opened."""
        if self._model is not None:
            self._model.close()


class Carded:
    """What a writer knows from its card."""

    card: Card

    @property
    def style(self) -> Style:
        """See `Writer.style`."""
        return Style(self.card.spelling.item_separator, self.card.spelling.key_separator)

    @property
    def thinking(self) -> Thinking | None:
        """See `Writer.thinking`."""
        it = self.card.thinking
        return Thinking(it.open, it.close, it.budget, it.form, it.native) if it.budget else None

    def sampling_for(self, thinking: Thinking | None) -> Sampling:
        """See `Writer.sampling_for`."""
        it = (thinking and self.card.sampling.thinking) or self.card.sampling
        return Sampling(it.temperature, it.top_k, it.top_p, it.min_p)
