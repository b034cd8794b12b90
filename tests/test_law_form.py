"""Law 1 on random weights: two thousand steps at temperature 2, over every form, with and without thinking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import laws
from bridle.card import Card
from bridle.engine import scripted
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BudgetError
from bridle.grammar import form_of
from bridle.grammar.document import Document
from bridle.grammar.thinking import Thinking
from bridle.model import Model
from forms import every_form

FORMS = every_form()
STEPS = 2_000


@pytest.fixture(scope="module")
def model(words: Vocabulary) -> Iterator[Model]:
    with Model(scripted.engine(laws.random_script(words.size), words), Card(name="random")) as opened:
        yield opened


def test_there_are_enough_forms() -> None:
    assert len(FORMS) >= 20


@pytest.mark.parametrize("name", FORMS)
def test_every_step_is_whole(model: Model, name: str) -> None:
    form = FORMS[name]
    least = len(model.compiler.compile(form.grammar()).minimum or ())
    for seed in range(STEPS // len(FORMS) + 1):
        thinking = Thinking(budget=12 + seed % 30) if seed % 3 == 0 else None
        spare = [0, 1, 7, 60, 300][seed % 5] + (60 if thinking else 0)
        laws.law_of_form(model, form, thinking=thinking, max_tokens=max(least + spare, 1), seed=seed)


@pytest.mark.parametrize("name", FORMS)
def test_a_budget_below_the_minimum_is_refused(model: Model, name: str) -> None:
    document = model.compiler.compile(FORMS[name].grammar())
    assert document.minimum is not None
    if not document.minimum:
        return
    with pytest.raises(BudgetError, match=str(len(document.minimum))):
        Document(model.compiler, laws.phases(FORMS[name], None, model.engine.vocabulary), len(document.minimum) - 1)


LONG: dict[str, dict[str, object]] = {
    "long text": {"type": "object", "properties": {"a": {"type": "string", "minLength": 900}}, "required": ["a"]},
    "exactly so long": {"type": "string", "minLength": 700, "maxLength": 700},
    "digits": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[0-9]{800}$"}}, "required": ["a"]},
    "items": {"type": "array", "items": {"type": "integer", "maximum": 9}, "minItems": 500},
}


@pytest.mark.parametrize("name", LONG)
def test_what_has_to_be_long_ends_in_its_budget_or_is_refused(model: Model, name: str) -> None:
    form = form_of(LONG[name])
    least = model.compiler.compile(form.grammar()).minimum
    assert least is not None
    for seed, spare in enumerate((0, 1, 90)):
        laws.law_of_form(model, form, max_tokens=len(least) + spare, seed=seed)
    with pytest.raises(BudgetError, match=f"takes {len(least)}$"):
        laws.law_of_form(model, form, max_tokens=len(least) - 1)
