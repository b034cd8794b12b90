"""The exact probabilities of a choice: how likely the model is to pick each option, all spellings of it summed.

An option is often several tokens, and can be spelled in several ways. What is told is the probability that sampling
under the mask at temperature 1 ends with the option: the tree of spellings is walked from the prompt, and a place is
evaluated only if its next token can still lead to different options. Most choices are made by their first token, and
then cost one decode.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import TypeVar

import llguidance
import numpy as np

from bridle.engine.base import Request
from bridle.engine.mask import allocate, tokens_of
from bridle.grammar.base import Choice
from bridle.model import Model
from bridle.prompt import Message

T = TypeVar("T")

NEGLIGIBLE = 1e-7
"""Probability of a beginning below which it is not followed; what is left out is shared by all in proportion."""


async def weigh(
    messages: Sequence[Message], choice: Choice[T], model: Model, *, session: Hashable = None
) -> list[float]:
    """The probability of each option as the next turn, in their order; they sum to 1.

    Raises:
        ContextError: the prompt does not fit the context.
    """
    prompt = list(model.template.prompt(messages).tokens)
    texts = [choice.spell(option).encode() for option in choice.options]
    walk = _Walk(model, prompt, texts, session)
    await walk.go(model.compiler.compile(choice.grammar()).start.deep_copy(), [], b"", 1.0)
    whole = sum(walk.found)
    return [found / whole for found in walk.found]


class _Walk:
    """One tree of spellings."""

    def __init__(self, model: Model, prompt: list[int], texts: list[bytes], session: Hashable) -> None:
        self.found = [0.0] * len(texts)
        self._model, self._prompt, self._texts, self._session = model, prompt, texts, session

    async def go(self, matcher: llguidance.LLMatcher, tokens: list[int], said: bytes, mass: float) -> None:
        """Share `mass` out among the options that begin with what was said."""
        vocabulary = self._model.engine.vocabulary
        while forced := matcher.compute_ff_tokens():
            matcher.consume_tokens(forced)
            tokens, said = tokens + forced, said + vocabulary.spell(forced)
        if matcher.is_stopped():
            self.found[self._texts.index(said)] += mass
            return
        row = allocate(vocabulary.size)
        matcher.unsafe_compute_mask_ptr(row.ctypes.data, row.nbytes)
        allowed = tokens_of(row)
        fates: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, token in enumerate(allowed.tolist()):
            fates[self._fate(said, token)].append(place)
        if len(fates) == 1 and len(next(iter(fates))) == 1:
            self.found[next(iter(fates))[0]] += mass
            return
        scores = await self._scores(tokens)
        weights = np.exp(scores[allowed] - scores[allowed].max(), dtype=np.float64)
        weights *= mass / weights.sum()
        below: list[tuple[int, float]] = []
        for fate, places in fates.items():
            if len(fate) == 1:
                self.found[fate[0]] += float(weights[places].sum())
            else:
                below += [(int(allowed[place]), float(weights[place])) for place in places]
        await asyncio.gather(
            *(self._below(matcher, tokens, said, token, weight) for token, weight in below if weight > NEGLIGIBLE)
        )

    async def _below(
        self, matcher: llguidance.LLMatcher, tokens: list[int], said: bytes, token: int, mass: float
    ) -> None:
        child = matcher.deep_copy()
        child.consume_token(token)
        await self.go(child, [*tokens, token], said + self._model.engine.vocabulary.spell([token]), mass)

    def _fate(self, said: bytes, token: int) -> tuple[int, ...]:
        """The options that are still possible after a token."""
        vocabulary = self._model.engine.vocabulary
        if token in vocabulary.eog:
            return (self._texts.index(said),)
        text = said + vocabulary.pieces[token]
        return tuple(number for number, option in enumerate(self._texts) if option.startswith(text))

    async def _scores(self, tokens: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        request = Request([*self._prompt, *tokens], 1, scores=True, session=self._session)
        scores = (await self._model.engine.generate(request)).scores
        assert scores is not None, "the request asked for them"
        return scores
