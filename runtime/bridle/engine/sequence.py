"""One request under way: its tokens, how far they are evaluated, and what came out so far."""

from __future__ import annotations

import time
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from bridle.engine.base import REMEMBERED, Generation, Logits, Request, Stop, Token, Tokens, Usage
from bridle.engine.lookup import NOTHING, Draft, look_up
from bridle.engine.mask import Bits
from bridle.engine.prefix import common
from bridle.engine.sample import Sampler
from bridle.engine.vocabulary import Vocabulary


@dataclass(eq=False)
class Sequence:
    """A request with a place in the model's memory.

    `tokens` are prompt and output; the first `evaluated` of them are in memory under `slot`. The rest is pending: it
    goes into the next decode, or is never evaluated if the output ends first. `draft` goes along with it.
    """

    request: Request
    vocabulary: Vocabulary
    future: Future[Generation] = field(default_factory=Future[Generation])
    arrived: float = field(default_factory=time.monotonic)
    slot: int = -1
    evaluated: int = 0
    draft: Draft = NOTHING
    reader: Sequence | None = None
    """The one that this one waits for, while it reads the first `shared` tokens of both prompts."""
    shared: int = 0
    row: Bits | None = None
    """What may come next, if that is known already."""
    stop: Stop | None = None

    def __post_init__(self) -> None:
        self._length = len(self.request.prompt)
        self._ids = np.empty(0, np.int32)
        self._bare: Tokens | None = None
        self._scores: Logits | None = None
        self.output: list[Token] = []
        self.usage = Usage(prompt=self._length)
        sampling = self.request.sampling
        self.random = np.random.default_rng(sampling.seed) if sampling.temperature > 0 else None

    def make_room(self) -> None:
        """Allocate what holds its tokens, once it is known that they fit."""
        self._ids = np.empty(self._length + self.request.max_tokens + 1, np.int32)
        self._ids[: self._length] = self.request.prompt

    @property
    def tokens(self) -> Tokens:
        """Prompt and output so far; a view that goes stale when tokens are taken back."""
        return self._ids[: self._length]

    @property
    def pending(self) -> Tokens:
        """Tokens not evaluated yet; never empty while the sequence runs."""
        return self._ids[self.evaluated : self._length]

    @property
    def prefilling(self) -> bool:
        """Whether prompt tokens are still pending."""
        return self.evaluated < len(self.request.prompt)

    def begin(self) -> None:
        """Take what is forced before the first choice."""
        self._advance([])

    def guess(self, lengths: tuple[int, ...], most: int) -> None:
        """Look for a draft of at most `most` tokens, to go behind what is pending."""
        room = min(most, self.request.max_tokens - len(self.output) - 1)
        self.draft = NOTHING
        if self.request.drafts and not self.request.scores and room > 0 and any(lengths):
            wanted = tuple(min(length, room) for length in lengths)
            self.draft = look_up(self.tokens, self._compared(), wanted, self._accepts)
            self.usage.drafted += len(self.draft.tokens)

    def choose(self, rows: SequenceOf[Logits], sampler: Sampler) -> int:
        """Sample after the pending tokens, and on behind drafted ones for as long as they are what comes.

        `rows` are the scores after the last pending token and after each drafted one, all of them evaluated now.
        Returns how many drafted tokens came.
        """
        if self.request.scores:
            self._scores, self.stop = rows[0].copy(), Stop.END
            return 0
        base, drafted = self._length, self.draft.tokens
        self.evaluated, self.draft = base, NOTHING
        self.usage.decodes += 1
        came = 0
        while True:
            self._choose(rows[came], sampler)
            new = self._ids[base : self._length]
            if self.evaluated < base:
                return came  # the mask took back more than was chosen here
            came = common(new, drafted)
            if self.stop or came < len(new):
                break
        self.evaluated += came
        self.usage.accepted += came
        return came

    def report(self, start: int) -> None:
        """Tell how much of the prompt is evaluated, if some of it was from `start` on."""
        total = len(self.request.prompt)
        if self.request.on_prefill is not None and start < total:
            self.request.on_prefill(min(self.evaluated, total), total)

    def check(self, now: float) -> None:
        """End the sequence if nobody waits for it any more."""
        if self.request.cancelled:
            self.stop = Stop.CANCELLED
        elif self.request.deadline is not None and now >= self.request.deadline:
            self.stop = Stop.DEADLINE

    def generation(self) -> Generation:
        """The result so far."""
        return Generation(tuple(self.output), self.stop or Stop.CANCELLED, replace(self.usage), self._scores)

    def _choose(self, logits: Logits, sampler: Sampler) -> None:
        """Sample one token under the mask, and take what it forces."""
        mask, row = self.request.mask, self.row
        self.row = None
        self._discourage(logits)
        while True:
            start = time.perf_counter()
            choice = sampler.choose(logits, self.request.sampling, self.random, mask=mask, row=row)
            chosen = time.perf_counter()
            self.usage.mask_seconds += choice.filled
            self.usage.sample_seconds += chosen - start - choice.filled
            token = Token(choice.token, False, choice.signal)
            if mask is not None:
                taken = self._advance([token])
                self.usage.mask_seconds += time.perf_counter() - chosen
            elif token.id in self.vocabulary.eog:
                taken, self.stop = True, Stop.END
            else:
                taken = True
                self._add(0, [token])
            if taken:
                self.usage.masked += choice.signal.masked
                return
            row = None  # the mask has closed this token

    def _discourage(self, logits: Logits) -> None:
        """Apply the repetition penalty, in place."""
        penalty = self.request.sampling.repetition_penalty
        if penalty != 1.0 and self.output:
            said = np.unique([token.id for token in self.output[-REMEMBERED:] if not token.forced])
            scores = logits[said := said.astype(np.intp)]
            logits[said] = np.where(scores > 0, scores / penalty, scores * penalty)

    def _accepts(self, tokens: list[int]) -> int:
        """How many of some tokens a draft may have: plain text that the mask lets pass."""
        control, mask = self.vocabulary.control, self.request.mask
        plain = next((number for number, token in enumerate(tokens) if token in control), len(tokens))
        return plain if mask is None else mask.accepts(tokens[:plain])

    def _compared(self) -> Tokens:
        """The tokens without the spaces before words, for look-ups."""
        if self._bare is None:
            self._bare = np.empty_like(self._ids)
            self._bare[: self._length] = self.vocabulary.bare[self.tokens]
        return self._bare[: self._length]

    def _advance(self, chosen: list[Token]) -> bool:
        """Give the mask a chosen token and all that it forces, and take over what it keeps: False if nothing."""
        mask = self.request.mask
        if mask is None:
            return True
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
        if self._add(back, new) and mask.finished:
            self.stop = Stop.END
        return bool(back or new or mask.finished)

    def _add(self, back: int, new: SequenceOf[Token]) -> bool:
        """Take tokens over; False if more are forced than the budget has room for, as no mask that knows it does."""
        if back:
            for token in self.output[-back:]:
                self._count(token, -1)
            del self.output[-back:]
            self._length -= back
            self.evaluated = min(self.evaluated, self._length)
        room = self.request.max_tokens - len(self.output)
        fits, new = len(new) <= room, new[:room]
        for token in new:
            self._count(token, 1)
        self.output += new
        end = self._length + len(new)
        self._ids[self._length : end] = [token.id for token in new]
        if self._bare is not None:
            self._bare[self._length : end] = self.vocabulary.bare[self._ids[self._length : end]]
        self._length = end
        if self.request.on_tokens is not None and (back or new):
            self.request.on_tokens(-back, new)
        if len(self.output) >= self.request.max_tokens and self.stop is None:
            self.stop = Stop.BUDGET
        return fits

    def _count(self, token: Token, by: int) -> None:
        if token.forced:
            self.usage.forced += by
        else:
            self.usage.sampled += by
