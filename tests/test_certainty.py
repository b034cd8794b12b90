"""What is said of the model's certainty, against scores that are known."""

from __future__ import annotations

import asyncio
import json
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

import laws
from bridle.card import Card
from bridle.certainty import certainty
from bridle.engine import scripted
from bridle.engine.base import Logits, Signal, Token
from bridle.engine.mask import allocate, tokens_of
from bridle.engine.vocabulary import Vocabulary
from bridle.grammar import Choice
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.model import Model
from bridle.parse.spans import spans
from bridle.prompt import Message
from bridle.step import Step, take
from bridle.weigh import weigh

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_spans_of_json_are_its_values(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    read = [json.loads(text.encode()[start:end]) for _, start, end in spans(text.encode(), "json")]
    assert read == list(leaves(value))


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [value]


def test_probabilities_multiply_and_the_rest_is_averaged() -> None:
    tokens = [Token(1, False, Signal(0.2, 1.0, 0.5)), Token(2, True), Token(3, False, Signal(0.4, 0.0, 0.5))]
    told = certainty(tokens)
    assert (told.chosen, told.forced) == (2, 1)
    assert told.masked == pytest.approx(0.3)
    assert told.entropy == pytest.approx(0.5)
    assert told.probability == pytest.approx(0.25)


def test_each_field_has_its_own(words: Vocabulary) -> None:
    """A model that knows the city and guesses the number of days."""
    text = '{"tool": "forecast", "args": {"city": "Oslo", "days": 3}}'
    follow = scripted.Texts([text], words)
    digits = [words.pieces.index(str(digit).encode()) for digit in range(1, 10)]

    def script(tokens: object) -> Logits:
        row = follow(tokens)  # pyright: ignore[reportArgumentType]
        if row[digits[2]] > 0:
            row[:] = 0
            row[digits] = 9.0
            row[digits[2]] = 9.0 + log(2)
        return row

    args: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["city", "days"],
    }
    with Model(scripted.engine(script, words), Card(name="scripted")) as model:
        step = Step([Message("user", "go")], Actions({"forecast": args}), None, max_tokens=200)
        outcome = asyncio.run(take(step, model))
    fields = outcome.attempts[0].fields
    assert outcome.text == text
    assert list(fields) == ["tool", "args.city", "args.days"]
    assert fields["args.city"].probability > 0.99
    assert fields["args.days"].probability == pytest.approx(0.2, abs=0.01)
    spread = np.array([2.0, *[1.0] * 8]) / 10
    assert fields["args.days"].entropy == pytest.approx(
        -(spread * np.log(spread)).sum() / fields["args.days"].chosen, abs=0.01
    )
    share = 1 - (9 * exp(9) + exp(9)) / (9 * exp(9) + exp(9) + words.size - 9)
    assert fields["args.days"].masked == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("options", [["yes", "no"], ["north", "northeast", "not"], ["tool", "toolbox", "to", "ask"]])
def test_a_choice_is_weighed_exactly(words: Vocabulary, compiler: Compiler, options: list[str]) -> None:
    """Against sampling the choice many times, and against following every spelling."""
    script = laws.random_script(words.size, 5)
    choice = Choice(options)
    messages = [Message("user", "which?")]
    with Model(scripted.engine(script, words), Card(name="scripted")) as model:
        weights = asyncio.run(weigh(messages, choice, model))
        prompt = list(model.template.prompt(messages).tokens)
    expected = dict.fromkeys(options, 0.0)

    def follow(said: str, tokens: list[int], mass: float) -> None:
        """Every token by itself, with nothing forced but what has no alternative."""
        rest = [option for option in options if option.startswith(said)]
        document = Document(compiler, [Phase("document", choice.grammar())], 20)
        if tokens:
            document.advance(tokens)
        if document.finished or rest == [said]:
            expected[said] += mass
            return
        if forced := document.forced():
            follow(said + words.text(forced), [*tokens, *forced], mass)
            return
        row = allocate(words.size)
        document.fill(row)
        allowed = tokens_of(row)
        scores = script([*prompt, *tokens])[allowed].astype(float)
        shares = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        for token, share in zip(allowed.tolist(), shares, strict=True):
            if token in words.eog:
                expected[said] += mass * share
            else:
                follow(said + words.text([token]), [*tokens, token], mass * share)

    follow("", [], 1.0)
    assert sum(weights) == pytest.approx(1)
    assert weights == pytest.approx(list(expected.values()), abs=1e-4)
