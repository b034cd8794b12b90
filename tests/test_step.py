"""One step on the scripted engine: repair, hiding, budgets, and what happens when nothing helps."""

from __future__ import annotations

import time
from typing import Any, Literal

import pytest

import laws
from bridle.engine.base import Stop
from bridle.errors import BudgetError, ContextError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.grammar import form_of
from bridle.grammar.thinking import Thinking
from bridle.prompt import Message
from bridle.step import StepError
from bridle.turn import Progress
from guests import GROWN, YOUNG, Guest, do


def test_what_a_validator_refuses_is_asked_again_with_the_reason() -> None:
    model = scripted_model([YOUNG, GROWN])
    outcome = do(model, form_of(Guest))
    assert outcome.value == Guest(name="Bo", age=50)
    first, second = outcome.attempts
    assert first.error == "age: guests are grown up"
    assert first.error in second.prompt.text
    assert YOUNG in second.prompt.text


def test_attempts_are_bounded() -> None:
    model = scripted_model([YOUNG] * 9)
    with pytest.raises(StepError, match=r"no usable reply in 3 attempts.*grown up") as caught:
        do(model, form_of(Guest), retries=2)
    assert len(caught.value.attempts) == 3
    assert caught.value.text == YOUNG


@pytest.mark.parametrize(
    ("syntax", "replies"),
    [
        ("xml", ["Well, I would say Bo.", "<Guest><name>Bo</name>", "Sure! <Guest><name>Bo & Al</name><age>40</age>"]),
        ("json", ["No idea", '{"name": "Bo"}', "```json\n{'name': 'Bo & Al', 'age': 40,}\n```"]),
    ],
)
def test_the_road_without_a_grammar(syntax: Literal["json", "xml"], replies: list[str]) -> None:
    """Prose, then half a document, then a bad one that can be mended."""
    outcome = do(scripted_model(replies), form_of(Guest, syntax), constrain=False)
    assert outcome.value == Guest(name="Bo & Al", age=40)
    assert [bool(attempt.error) for attempt in outcome.attempts] == [True, True, False]
    assert outcome.attempts[-1].mends


def test_a_reply_that_was_cut_off_is_not_mended_into_a_value() -> None:
    model = scripted_model(['{"name": "Bo and many, many other people", "age": 40}'] * 3)
    with pytest.raises(StepError, match="cut off after 20 tokens"):
        do(model, form_of(Guest), constrain=False, max_tokens=20)


def test_thinking_is_hidden() -> None:
    """7: not in the value, not in the text, not in the next prompt; but in the attempt, for whoever debugs."""
    model = scripted_model(
        ["SECRET plan</thinking>\n" + reply for reply in (YOUNG, GROWN)],
        thinking=True,
    )
    outcome = do(model, form_of(Guest), thinking=Thinking())
    assert [attempt.thinking for attempt in outcome.attempts] == ["SECRET plan"] * 2
    laws.law_of_hiding("SECRET", [outcome.text, outcome.value.name, outcome.attempts[1].prompt.text])


def test_thinking_is_hidden_without_a_grammar_too() -> None:
    model = scripted_model(["SECRET</thinking>\n<Guest><name>Bo</name><age>44</age></Guest>"], thinking=True)
    outcome = do(model, form_of(Guest, "xml"), thinking=Thinking(), constrain=False)
    assert outcome.thinking == "SECRET"
    laws.law_of_hiding("SECRET", [outcome.text, repr(outcome.value)])


def test_a_document_cut_by_its_budget_says_so() -> None:
    model = scripted_model(['{"name": "' + "long " * 50 + '", "age": 30}'])
    outcome = do(
        model,
        form_of({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
        max_tokens=40,
    )
    assert outcome.cut
    assert outcome.value["name"].startswith("long long")


def test_a_budget_or_context_that_is_too_small_is_refused_up_front() -> None:
    with pytest.raises(BudgetError, match="the shortest output of this form takes"):
        do(scripted_model(["x"]), form_of(Guest), max_tokens=3)
    with pytest.raises(ContextError, match="the longest part is a user message of 900 characters"):
        do(scripted_model(["x"], context=300), form_of(Guest), messages=[Message("user", "word " * 180)])
    with pytest.raises(ContextError, match="tokens of the 300 that the context holds, and what is left is too little"):
        do(scripted_model(["x"], context=300), form_of(Guest), messages=[Message("user", "x" * 280)])
    for tokens in (0, -5):
        with pytest.raises(UsageError, match=f"max_tokens of a step has to be at least 1, not {tokens}"):
            do(scripted_model(["x"]), form_of(Guest), max_tokens=tokens)


def test_a_deadline_stops_a_step() -> None:
    with pytest.raises(StepError, match="stopped: deadline") as caught:
        do(scripted_model(["x" * 50]), form_of(str), deadline=time.monotonic() - 1)
    assert caught.value.stop is Stop.DEADLINE


def test_progress_is_told_as_it_happens() -> None:
    heard: list[Progress] = []
    model = scripted_model(['hm, é</thinking>\n{"name": "Zoë", "age": 50}'], thinking=True)
    do(model, form_of(Guest), thinking=Thinking(), on_progress=heard.append)
    stages = [progress.stage for progress in heard]
    assert stages[0] == "reading"
    assert set(stages) == {"reading", "thinking", "writing"}
    text = "".join(progress.text for progress in heard)
    assert text.startswith("hm, é</thinking>")
    assert "�" not in text


def test_free_text_and_choices() -> None:
    assert do(scripted_model(["  Hello there. "]), form_of(str)).value == "Hello there."
    assert do(scripted_model(["no"]), form_of(Literal["yes", "no"])).value == "no"
    assert do(scripted_model(["**No**."]), form_of(Literal["yes", "no"]), constrain=False).value == "no"


def test_what_no_grammar_holds_is_checked_asked_again_and_named() -> None:
    schema: dict[str, Any] = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}
    outcome = do(scripted_model(['["a", "a"]', '["a", "b"]']), form_of(schema))
    assert outcome.value == ["a", "b"]
    first, _ = outcome.attempts
    assert first.notes == ("checked after, no grammar holds it: /: uniqueItems",)
    assert "non-unique" in first.error
