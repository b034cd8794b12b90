"""What the engine takes and gives, and the seam below it.

A `Request` is a prompt in tokens and how to go on; a `Generation` is what came of it. An `Engine` answers requests; a
`Backend` is all it needs of a model: evaluate tokens at places in sequences, share and drop parts of them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bridle.engine.mask import Mask
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import EngineError, UsageError

Tokens = NDArray[np.int32]
"""Token ids, shape (length,)."""
Logits = NDArray[np.float32]
"""Shape (vocabulary,): natural-log scores up to a constant. Valid until the next `Backend.decode`."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen among those allowed. Temperature 0 is greedy; zeros and ones below switch a rule off.

    Raises:
        UsageError: a value is out of its range; the message has both.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    """Scores of tokens among the last `REMEMBERED` of the output are divided by it if positive, else multiplied
    (Keskar et al., 2019)."""
    seed: int | None = None
    """Fixes the random numbers of one request; without it they differ from run to run."""

    def __post_init__(self) -> None:
        for name, right, wanted in (
            ("temperature", 0 <= self.temperature < inf, "a finite number from 0"),
            ("top_k", self.top_k >= 0, "a number from 0"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min_p", 0 <= self.min_p <= 1, "from 0 to 1"),
            ("repetition_penalty", 0 < self.repetition_penalty < inf, "a finite number above 0"),
            ("seed", self.seed is None or self.seed >= 0, "a whole number from 0"),
        ):
            if not right:
                raise UsageError(f"{name} has to be {wanted}, not {getattr(self, name)}")


class Stop(StrEnum):
    """Why a generation ended."""

    END = "end"
    """The document is whole, or the model ended its turn."""
    BUDGET = "budget"
    """`max_tokens` were made."""
    CANCELLED = "cancelled"
    DEADLINE = "deadline"


REMEMBERED = 64


class Signal(NamedTuple):
    """What the model made of one choice, at temperature 1."""

    masked: float
    """Probability that the mask took away."""
    entropy: float
    """Of what the mask left, in nats."""
    probability: float
    """Of the token that was taken, among those that the mask left."""
    other: int = -1
    """The likeliest of the others that the mask left, where the choice was open; -1 where it was not."""
    chance: float = 0.0
    """Its probability."""


class Token(NamedTuple):
    """One token of output."""

    id: int
    forced: bool
    """It was the only continuation, and never sampled."""
    signal: Signal | None = None
    """Of the choice, if there was one."""


@dataclass
class Request:
    """One prompt to continue.

    `session` names a line of prompts that grow out of each other (the steps of one run): its evaluated tokens are
    kept for the next. `on_tokens` hears of new tokens on the engine's thread, a negative count of tokens taken back
    first; it must be quick and not raise.
    """

    prompt: Sequence[int]
    max_tokens: int
    mask: Mask | None = None
    sampling: Sampling = field(default_factory=Sampling)
    session: Hashable = None
    stable: int = 0
    """Tokens at the beginning of the prompt that other runs begin with as well: instructions and tools."""
    priority: int = 0
    """Higher ones start earlier, as if they had waited for longer; nothing waits for ever."""
    scores: bool = False
    """Return the scores after the prompt, instead of going on from it."""
    drafts: bool = True
    """Let the engine guess ahead from what was said before. It changes the time, never the choice."""
    deadline: float | None = None
    """A moment of `time.monotonic`."""
    on_tokens: Callable[[int, Sequence[Token]], None] | None = None
    on_prefill: Callable[[int, int], None] | None = None
    """Hears how many prompt tokens are evaluated, of how many."""
    cancelled: bool = False
    """Set by `Engine.cancel`; read by the engine's thread between decodes."""


@dataclass
class Usage:
    """Where tokens and time went; it grows while a request runs.

    Seconds are of the whole decode calls that the request shared with others.
    """

    prompt: int = 0
    """Tokens in the prompt."""
    reused: int = 0
    """Of these, found already evaluated."""
    sampled: int = 0
    forced: int = 0
    drafted: int = 0
    """Tokens guessed ahead and evaluated with the others."""
    accepted: int = 0
    """Of these, the ones that came; they count as sampled or forced too."""
    decodes: int = 0
    """Decode calls that made choices possible: one, or one for each draft that came."""
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    own_seconds: float = 0.0
    """Of these two, divided among the requests that shared a call."""
    mask_seconds: float = 0.0
    sample_seconds: float = 0.0
    masked: float = 0.0
    """Probability that the mask took away, summed over the sampled tokens."""

    @property
    def output(self) -> int:
        """Tokens made."""
        return self.sampled + self.forced


@dataclass(frozen=True)
class Generation:
    """What came of a request; its tokens do not include the one that ended it."""

    tokens: tuple[Token, ...]
    stop: Stop
    usage: Usage
    scores: Logits | None = None
    """After the prompt, if the request asked for them."""

    @property
    def ids(self) -> list[int]:
        """The token ids."""
        return [token.id for token in self.tokens]


class Engine(Protocol):
    """Answers requests, any number at a time."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The model's tokens.

        Raises:
            EngineError: the engine is closed, and what tokenized with it.
        """
        ...

    @property
    def name(self) -> str:
        """The model, as a person would call it."""
        ...

    @property
    def context(self) -> int:
        """Tokens that a prompt and its output can take together."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the model's file says of itself, by GGUF key."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether the same request gives the same tokens every time, on one machine."""
        ...

    async def generate(self, request: Request) -> Generation:
        """Continue a prompt. Cancelling the task cancels the request.

        Raises:
            UsageError: no output is asked for, or the prompt has tokens that the model has not.
            ContextError: prompt and output do not fit the context.
            EngineError: the request's own mask or callback failed, decoding failed, or the engine is closed.
        """
        ...

    def close(self) -> None:
        """Cancel what is under way and free the model."""
        ...


def closed() -> EngineError:
    """The error for what is asked of an engine that is closed."""
    return EngineError("the engine is closed", hint="open it again")


Exponentials: TypeAlias = Callable[[Logits, float, Logits], float]
"""Writes exp(score - top) of all scores to the third row, which may be the first, and returns their sum."""


class Part(NamedTuple):
    """Tokens to evaluate in one sequence, and after how many of them, counted from the last, scores are wanted."""

    slot: int
    start: int
    """The position of the first of them."""
    tokens: Tokens
    wanted: int


class Backend(Protocol):
    """A model with memory for `slots` sequences."""

    vocabulary: Vocabulary
    name: str
    slots: int
    context: int
    """Tokens that one sequence can have."""
    cells: int
    """Tokens that all sequences can have together."""
    batch: int
    """Tokens that one decode takes at most."""
    metadata: Mapping[str, str]
    rewinds: bool
    """Whether a sequence can be cut back, or shared in part; recurrent models keep only where they are."""
    exponentials: Exponentials
    """The quickest way it has."""

    def decode(self, parts: Sequence[Part]) -> list[Logits]:
        """Evaluate the parts together; a row for each wanted token, in order.

        Raises:
            EngineError: the model failed; what was evaluated is lost.
        """
        ...

    def share(self, source: int, target: int, length: int) -> None:
        """Let sequence `target` (empty) begin with the first `length` tokens of `source`."""
        ...

    def trim(self, slot: int, length: int) -> bool:
        """Keep the first `length` tokens of a sequence. False if the model cannot: the sequence is then empty."""
        ...

    def save(self, slot: int) -> bytearray:
        """The state of a sequence, for `restore` in another process."""
        ...

    def restore(self, slot: int, state: bytearray) -> bool:
        """Fill an empty sequence with a saved state. False if it cannot be used: the sequence is then empty."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
