"""The laws, as checks that any implementation can be held against.

Each function takes the part under test and fails with an assertion that says what broke. The numbers are those of the
project's design: 1 form, 2 mask, 3 speed changes nothing, 4 one history, 7 hidden means hidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from bridle.engine.base import Backend, Engine, Logits, Part, Request, Sampling, Stop
from bridle.engine.mask import Mask, allocate, tokens_of
from bridle.engine.scripted import Script
from bridle.engine.vocabulary import Vocabulary
from bridle.grammar.base import Form
from bridle.grammar.document import Document, Phase
from bridle.grammar.thinking import Thinking
from bridle.journal import Journal
from bridle.model import Model
from bridle.prompt import Message
from bridle.step import Outcome, Step, take


def random_script(size: int, seed: int = 0) -> Script:
    """A model of random weights: any tokens lead to some scores, always the same."""

    def script(tokens: Sequence[int]) -> Logits:
        random = np.random.default_rng([seed, len(tokens), *tokens[-8:]])
        return random.standard_normal(size, dtype=np.float32) * np.float32(2)

    return script


def law_of_form(
    model: Model, form: Form[Any], *, thinking: Thinking | None = None, max_tokens: int = 256, seed: int = 0
) -> Outcome[Any]:
    """1: whatever the logits, a finished step parses, validates, and fits its token budget."""
    return asyncio.run(finished(model, form, thinking, max_tokens, seed))


async def finished(
    model: Model, form: Form[Any], thinking: Thinking | None, max_tokens: int, seed: int
) -> Outcome[Any]:
    """1: the same for one of many steps under way."""
    sampling = Sampling(temperature=2.0, seed=seed)
    step = Step([Message("user", "go")], form, thinking, sampling, max_tokens=max_tokens, retries=0)
    outcome = await take(step, model)
    generation = outcome.attempts[0].generation
    assert generation.stop is Stop.END, f"ended by {generation.stop}"
    assert len(generation.tokens) <= max_tokens, f"{len(generation.tokens)} tokens of {max_tokens}"
    return outcome


async def narrow_step(model: Model, form: Form[Any], seed: int) -> Outcome[Any]:
    """1: a step that thinks or does not and has the least possible budget, or a little more, as its seed says."""
    least = len(model.compiler.compile(form.grammar()).minimum or ())
    thinking = Thinking(budget=12 + seed % 30) if seed % 3 == 0 else None
    budget = max(least + [0, 1, 7, 60, 300][seed % 5] + (60 if thinking else 0), 1)
    return await finished(model, form, thinking, budget, seed)


def law_of_mask(document: Document, vocabulary: Vocabulary, documents: Collection[str], seed: int) -> str:
    """2: the mask allows exactly the tokens that keep the text a prefix of some document; returns the one it walked.

    `documents` are all documents of the form. The walk is random; at each place every token is judged. Where the text
    is forced, other spellings of it may be left out.
    """
    random = np.random.default_rng(seed)
    texts = {text.encode() for text in documents}
    prefixes = {text[:size] for text in texts for size in range(len(text) + 1)}
    row, said = allocate(vocabulary.size), b""
    while not document.finished:
        document.fill(row)
        allowed, forced = set(map(int, tokens_of(row))), document.forced()
        for token, piece in enumerate(vocabulary.pieces):
            if token in vocabulary.eog:
                fits = said in texts
            else:
                fits = bool(piece) and token not in vocabulary.control and said + piece in prefixes
            judged = token in allowed or (bool(forced) and token != forced[0])
            assert judged == fits or (forced and token not in allowed), f"after {said!r}, {piece!r}: possible is {fits}"
        if forced:
            law_of_spelling(vocabulary, said, forced)
            tokens = forced
        else:
            tokens = [int(random.choice(sorted(allowed)))]
        if tokens[0] in vocabulary.eog:
            document.advance(tokens)
            break
        assert document.advance(tokens) == len(tokens), f"{tokens} was allowed and then refused"
        said += vocabulary.spell(tokens)
    assert said in texts, f"{said!r} is no document"
    return said.decode()


def law_of_spelling(vocabulary: Vocabulary, said: bytes, forced: Sequence[int]) -> None:
    """2: what is forced is spelled the way the tokenizer spells it (inside a character that was begun byte by byte,
    there is no such way)."""
    if said.decode("utf-8", "ignore").encode() != said:
        return
    text = vocabulary.spell(forced).decode()
    assert vocabulary.tokenize(text, False).tolist() == list(forced), f"{text!r} after {said!r} is forced as {forced}"


def greedy_by_hand(script: Script, vocabulary: Vocabulary, prompt: Sequence[int], mask: Mask, limit: int) -> list[int]:
    """What greedy decoding picks, one token at a time, with nothing clever: the reference for law 3."""
    row, tokens, output = allocate(vocabulary.size), list(prompt), list[int]()
    while not mask.finished and len(output) < limit:
        if forced := mask.forced():
            step = list(forced)
        else:
            mask.fill(row)
            allowed = tokens_of(row)
            step = [int(allowed[script(tokens)[allowed].argmax()])]
        grown = mask.advance(step)
        kept = len(step) - grown
        tokens, output = tokens + step, output + step
        if kept:
            del tokens[-kept:], output[-kept:]
    return output


def law_of_speed(engine: Engine, script: Script, prompt: Sequence[int], masks: Sequence[Mask], mate: Request) -> None:
    """3: forced tokens in one batch, shared prefixes and batch-mates do not change what greedy decoding picks."""
    reference = greedy_by_hand(script, engine.vocabulary, prompt, masks[0], 200)

    async def together() -> list[int]:
        request = Request(prompt, 200, mask=masks[1])
        generation, _ = await asyncio.gather(engine.generate(request), engine.generate(mate))
        return generation.ids

    assert asyncio.run(together()) == reference


def law_of_backend(backend: Backend, ids: Sequence[int], *, tolerance: float) -> None:
    """Sharing a prefix and dropping a tail leave scores as if every sequence had been evaluated by itself."""
    tokens = np.array(ids, np.int32)
    half = len(tokens) // 2
    (direct,) = [row.copy() for row in backend.decode([Part(0, 0, tokens, wanted=1)])]
    backend.share(0, 1, half)
    (shared,) = [row.copy() for row in backend.decode([Part(1, half, tokens[half:], wanted=1)])]
    assert np.abs(shared - direct).max() <= tolerance
    rows = [row.copy() for row in backend.decode([Part(4, 0, tokens, wanted=half)])]
    assert len(rows) == half
    assert np.abs(rows[-1] - direct).max() <= tolerance
    if backend.trim(0, half):
        (again,) = [row.copy() for row in backend.decode([Part(0, half, tokens[half:], wanted=1)])]
        assert np.abs(again - direct).max() <= tolerance
    first, second = (
        row.copy() for row in backend.decode([Part(2, 0, tokens, wanted=1), Part(3, 0, tokens[:half], wanted=1)])
    )
    assert np.abs(first - direct).max() <= tolerance
    assert np.abs(first - second).max() > tolerance
    state = backend.save(3)
    backend.trim(1, 0)
    assert backend.restore(1, state)
    (restored,) = [row.copy() for row in backend.decode([Part(1, half, tokens[half:], wanted=1)])]
    assert np.abs(restored - direct).max() <= tolerance
    for slot in range(5):
        backend.trim(slot, 0)


def law_of_history(journal: Journal, run: str) -> None:
    """4: the journal's chain is whole, and every event reads back as what was written."""
    assert journal.verify(run) == ""
    events = journal.events(run)
    assert [event.number for event in events] == list(range(1, len(events) + 1))


def law_of_hiding(secret: str, visible: Sequence[str]) -> None:
    """7: thinking never reaches an answer, a tool, or a later prompt."""
    for text in visible:
        assert secret not in text, f"thinking leaked into {text!r}"


def phases(form: Form[Any], thinking: Thinking | None, vocabulary: Vocabulary) -> list[Phase]:
    """The phases of a step's document."""
    body = Phase("document", form.grammar(), json=form.syntax == "json")
    return [thinking.phase(vocabulary), body] if thinking else [body]
