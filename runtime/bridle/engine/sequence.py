"""One request under way: its tokens, how far they are evaluated, and what came out so far."""

from __future__ import annotations

import time
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from bridle.engine.base import Generation, Logits, Request, Stop, Token, Usage
from bridle.engine.sample import Sampler
from bridle.engine.vocabulary import Vocabulary


@dataclass
class Tally:
    """The counts of a `Usage`, while they grow."""

    reused: int = 0
    sampled: int = 0
    forced: int = 0
    decodes: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    mask_seconds: float = 0.0
    sample_seconds: float = 0.0
    masked: float = 0.0


@dataclass(eq=False)
class Sequence:
    """A request with a place in the model's memory.

    `tokens` are prompt and output; the first `evaluated` of them are in memory under `slot`. The rest is pending: it
    goes into the next decode, or is never evaluated if the output ends first.
    """

    request: Request
    vocabulary: Vocabulary
    future: Future[Generation] = field(default_factory=Future[Generation])
    slot: int = -1
    evaluated: int = 0
    stop: Stop | None = None

    def __post_init__(self) -> None:
        self.tokens = list(self.request.prompt)
        self.output: list[Token] = []
        self.tally = Tally()
        sampling = self.request.sampling
        self.random = np.random.default_rng(sampling.seed) if sampling.temperature > 0 else None

    @property
    def pending(self) -> list[int]:
        """Tokens not evaluated yet; never empty while the sequence runs."""
        return self.tokens[self.evaluated :]

    @property
    def prefilling(self) -> bool:
        """Whether prompt tokens are still pending."""
        return self.evaluated < len(self.request.prompt)

    def begin(self) -> None:
        """Take what is forced before the first choice."""
        self._advance([])

    def choose(self, logits: Logits, sampler: Sampler) -> None:
        """Sample one token under the mask, and take what it forces."""
        mask, start = self.request.mask, time.perf_counter()
        if mask is not None:
            mask.fill(sampler.row)
        filled = time.perf_counter()
        choice = sampler.choose(logits, self.request.sampling, self.random, masked=mask is not None)
        chosen = time.perf_counter()
        self.tally.mask_seconds += filled - start
        self.tally.sample_seconds += chosen - filled
        self.tally.decodes += 1
        self.tally.masked += choice.masked_mass
        if mask is None:
            self._take_free(choice.token)
        else:
            self._advance([Token(choice.token, False)])
        self.tally.mask_seconds += time.perf_counter() - chosen

    def check(self, now: float) -> None:
        """End the sequence if nobody waits for it any more."""
        if self.request.cancelled:
            self.stop = Stop.CANCELLED
        elif self.request.deadline is not None and now >= self.request.deadline:
            self.stop = Stop.DEADLINE

    def generation(self) -> Generation:
        """The result so far."""
        tally = self.tally
        usage = Usage(
            prompt=len(self.request.prompt),
            reused=tally.reused,
            sampled=tally.sampled,
            forced=tally.forced,
            decodes=tally.decodes,
            prefill_seconds=tally.prefill_seconds,
            decode_seconds=tally.decode_seconds,
            mask_seconds=tally.mask_seconds,
            sample_seconds=tally.sample_seconds,
            masked_mass=tally.masked / tally.decodes if tally.decodes else 0.0,
        )
        return Generation(tuple(self.output), self.stop or Stop.CANCELLED, usage)

    def _take_free(self, token: int) -> None:
        if token in self.vocabulary.eog:
            self.stop = Stop.END
        else:
            self._add(0, [Token(token, False)])

    def _advance(self, chosen: list[Token]) -> None:
        """Give the mask a chosen token and all that it forces, and take over what it keeps."""
        mask = self.request.mask
        if mask is None:
            return
        new: list[Token] = []
        back = 0
        step = chosen
        while True:
            if step:
                grown = mask.advance([token.id for token in step])
                new += step
                surplus = len(step) - grown
                back += max(surplus - len(new), 0)
                del new[max(len(new) - surplus, 0) :]
            if mask.finished or not (forced := mask.forced()):
                break
            step = [Token(token, True) for token in forced]
        self._add(back, new)
        if mask.finished:
            self.stop = Stop.END

    def _add(self, back: int, new: SequenceOf[Token]) -> None:
        if back:
            for token in self.output[-back:]:
                self._count(token, -1)
            del self.output[-back:]
            del self.tokens[-back:]
            self.evaluated = min(self.evaluated, len(self.tokens))
        for token in new:
            self._count(token, 1)
        self.output += new
        self.tokens += [token.id for token in new]
        if self.request.on_tokens is not None and (back or new):
            self.request.on_tokens(-back, new)
        if len(self.output) >= self.request.max_tokens and self.stop is None:
            self.stop = Stop.BUDGET

    def _count(self, token: Token, by: int) -> None:
        if token.forced:
            self.tally.forced += by
        else:
            self.tally.sampled += by
