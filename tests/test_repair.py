"""Asking again: the complaint quotes the place, attempts share one budget, a fallback takes over, nothing is lost."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.card import Card, ThinkingCard
from bridle.engine import scripted
from bridle.engine.base import Stop
from bridle.errors import ContextError, EngineError, FormatError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.grammar import Grammar, form_of
from bridle.grammar.action import Actions
from bridle.grammar.afterwards import match
from bridle.how import StepSettings
from bridle.journal import Journal, StepTaken
from bridle.journal.chain import read_body
from bridle.local import open_model
from bridle.model import Model
from bridle.repair import best, complaint, place, plain, quote
from bridle.shelf import shelf
from bridle.step import StepError
from bridle.turn import Writer
from guests import GROWN, YOUNG, Guest, do


def failing(model: Writer, **options: Any) -> StepError:
    with pytest.raises(StepError) as caught:
        do(model, form_of(Guest), **options)
    return caught.value


LONG = '{"notes": "' + "x" * 400 + '", "rows": [{"price": 1}, {"price": "dear"}]}'


@pytest.mark.parametrize(
    ("reason", "text", "syntax", "quoted"),
    [
        ("age: too young", '{"name": "Bo", "age": 5}', "json", '{"name": "Bo", "age": >>>5<<<}'),
        ("rows.1.price: not a number; age: gone", LONG, "json", '"rows": [{"price": 1}, {"price": >>>"dear"<<<}]}'),
        ("rows: too few", '{"rows": [{"n": 1}, {"n": 2}]}', "json", '{"rows": [{"n": >>>1}, {"n": 2<<<}]}'),
        ("Guest.age: too young", '{"name": "Bo", "age": 5}', "json", '"age": >>>5<<<}'),
        ("age: too young", "<Guest><name>Bö</name><age>5</age></Guest>", "xml", "<age>>>>5<<<</age></Guest>"),
        ("not JSON: a comma is due at line 2, column 3", '{"a": 1\n "b": 2}', "json", '{"a": 1\n ">>>b<<<": 2}'),
        ("not JSON: no value at character 6, near", '{"a": }', "json", '{"a": >>>}<<<'),
        ("the grammar wants more after character 2", "ab", "text", "ab>>><<<"),
        ("city: Field required", '{"name": "Bo"}', "json", '{"name": "Bo"}'),
        ("no such thing", "word " * 100, "text", "word word ..."),
        ("at line 99, column 99", "short", "json", "short>>><<<"),
    ],
)
def test_a_complaint_quotes_the_place(reason: str, text: str, syntax: Any, quoted: str) -> None:
    shown = quote(reason, text, syntax)
    head, dots, _ = quoted.partition("...")
    assert shown.startswith(head) if dots else shown.endswith(quoted), shown
    assert reason in complaint(reason, text, syntax)
    assert len(shown) < 500


@given(st.text(), st.text(), st.sampled_from(["json", "xml", "text"]))
def test_any_reply_can_be_complained_of(reason: str, text: str, syntax: Literal["json", "xml", "text"]) -> None:
    for said in (reason, f"{text[:9]}: {reason}", "at line 3, column 70", "at character 12"):
        found = place(said, text, syntax)
        assert found is None or 0 <= found[0] <= found[1] <= len(text)
        assert len(quote(said, text, syntax)) <= 600


def test_the_next_prompt_has_the_reason_and_the_place() -> None:
    outcome = do(scripted_model([YOUNG, GROWN]), form_of(Guest))
    assert 'You wrote: {"name": "Bo", "age": >>>5<<<}' in outcome.attempts[1].prompt.text


def test_the_fullest_part_of_a_value_is_kept() -> None:
    replies = ['{"name": "Bo"}', YOUNG, "I give up."]
    error = failing(scripted_model(replies), constrain=False)
    assert error.partial == {"name": "Bo", "age": 5}
    assert [attempt.text for attempt in error.attempts] == replies
    assert failing(scripted_model(["<Guest><name>Bo</name>"]), constrain=False, retries=0).partial is None
    with pytest.raises(StepError) as caught:
        do(scripted_model(["<Guest><name>Bo</name><age>5</age></Guest>"]), form_of(Guest, "xml"), retries=0)
    assert caught.value.partial == {"name": "Bo", "age": "5"}


def test_partial_values_are_compared_by_what_they_tell() -> None:
    assert best([None, {"a": 1, "b": None}, {"a": [1, 2]}, {"a": 1}, None]) == {"a": [1, 2]}
    assert best([{"a": 1}, {"a": 2}]) == {"a": 2}
    assert best([None]) is None
    tree = etree.fromstring('<trip id="7"><day>Mon</day><day>Tue</day><to>Oslo</to></trip>')
    assert plain(tree) == {"id": "7", "day": ["Mon", "Tue"], "to": "Oslo"}


def test_tokens_of_all_attempts_are_bounded_together() -> None:
    error = failing(scripted_model([YOUNG] * 9), retries=8, total_tokens=60)
    spent = sum(attempt.generation.usage.output for attempt in error.attempts)
    assert error.stop is Stop.BUDGET
    assert 1 < len(error.attempts) < 9
    assert spent <= 60


def test_time_of_all_attempts_is_bounded_together() -> None:
    start = time.monotonic()
    error = failing(scripted_model([YOUNG] * 100_000), retries=99_999, deadline=start + 0.5)
    assert error.stop is Stop.DEADLINE
    assert len(error.attempts) > 1
    assert time.monotonic() - start < 5


def test_a_run_that_repairs_keeps_to_its_tokens(tmp_path: Path, journal: Journal) -> None:
    model, settings = scripted_model(["I would rather not say. "] * 20), StepSettings(retries=19, constrain=False)
    agent = Agent(model, workspace=tmp_path, journal=journal, limits=Limits(tokens=100), settings=settings)
    run = agent.run("Count.")
    assert run.status == "budget"
    assert 1 < run.steps < 20
    assert run.tokens.sampled + run.tokens.forced == 100
    model.close()


class Broken:
    """A model that fails before it writes, or after it wrote once."""

    def __init__(self, model: Model, error: Exception, after: int) -> None:
        self._model, self._error, self._left = model, error, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def write(self, turn: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return await self._model.write(turn)


def test_what_was_written_before_a_model_failed_is_kept() -> None:
    broken: Any = Broken(scripted_model([YOUNG]), ContextError("the prompt has grown too long", hint="shorten it"), 1)
    error = failing(broken)
    assert (error.message, error.hint) == ("the prompt has grown too long", "shorten it")
    assert [attempt.text for attempt in error.attempts] == [YOUNG]
    assert error.partial == {"name": "Bo", "age": 5}
    with pytest.raises(EngineError, match="on fire"):
        do(Broken(scripted_model([]), EngineError("on fire"), 0), form_of(Guest))  # type: ignore[arg-type]


def with_fallback(first: list[str], second: list[str]) -> Model:
    other = scripted.engine(second)
    card = Card(name="second", thinking=ThinkingCard(budget=0))
    return Model(
        scripted.engine(first), Card(name="first", thinking=ThinkingCard(budget=0)), lambda: Model(other, card)
    )


def test_the_fallback_takes_the_step_afresh(tmp_path: Path, journal: Journal) -> None:
    outcome = do(with_fallback([YOUNG] * 3, [YOUNG, GROWN]), form_of(Guest), retries=1)
    assert outcome.value.age == 50
    assert [attempt.model for attempt in outcome.attempts] == ["first", "first", "second", "second"]
    third = outcome.attempts[2]
    assert third.notes[0].startswith("taken by the fallback model, for first failed: no usable reply in 2 attempts")
    assert YOUNG not in third.prompt.text, "it is not led by what another got wrong"
    assert outcome.attempts[3].notes == ()
    model, settings = with_fallback(["Hm."] * 3, ['{"answer": "Hi."}']), StepSettings(constrain=False)
    run = Agent(model, workspace=tmp_path, journal=journal, settings=settings).run("Greet.")
    assert run.answer == "Hi."
    steps = [event.body for event in journal.events(run.id) if isinstance(event.body, StepTaken)]
    assert [step.model for step in steps] == ["first"] * 3 + ["second"]
    assert "taken by the fallback model" in steps[-1].notes[0]
    model.close()


def test_the_callers_fallback_goes_before_the_cards_and_also_where_a_model_breaks() -> None:
    with scripted_model([GROWN]) as other:
        broken: Any = Broken(with_fallback([], []), EngineError("on fire"), 0)
        outcome = do(broken, form_of(Guest), fallback=other)
    assert outcome.attempts[0].model == "scripted"
    assert "first failed: on fire" in outcome.attempts[0].notes[0]


def test_a_fallback_that_fails_as_well_or_cannot_be_opened_leaves_everything() -> None:
    error = failing(with_fallback([YOUNG] * 2, ['{"name": "A", "age": 1}'] * 2), retries=1)
    assert [attempt.model for attempt in error.attempts] == ["first", "first", "second", "second"]

    def refuse() -> Model:
        raise UsageError("no model at nowhere.gguf", hint="give another")

    error = failing(
        Model(scripted.engine([YOUNG]), Card(name="first", thinking=ThinkingCard(budget=0)), refuse), retries=0
    )
    assert "the fallback model cannot be opened: no model at nowhere.gguf" in error.message
    assert len(error.attempts) == 1
    other: Any = Broken(scripted_model([]), EngineError("out of memory"), 0)
    both: Any = Broken(Model(scripted.engine([]), Card(name="first"), lambda: other), ContextError("too long"), 0)
    assert failing(both).message == "first failed: too long; scripted failed as well: out of memory"
    error = failing(with_fallback(["x" * 50], [GROWN]), deadline=time.monotonic() - 1)
    assert error.stop is Stop.DEADLINE, "who has no time has none for another model"


@pytest.mark.parametrize("fallback", ["colt", "beside.gguf"])
def test_a_card_names_a_fallback_of_this_machine(tmp_path: Path, fallback: str) -> None:
    for name in ("model.gguf", "beside.gguf"):
        shutil.copy(shelf("models") / "colt" / "colt.gguf", tmp_path / name)
    card = f'name = "weak"\ncontext = 512\nfallback = "{fallback}"\n[thinking]\nbudget = 0\n'
    (tmp_path / "card.toml").write_text(card, encoding="utf-8")
    with open_model(tmp_path / "model.gguf", cache=tmp_path / "cache") as model:
        other = model.fallback()
        assert other is not None
        assert other is model.fallback()
        assert isinstance(other, Model)


def test_a_card_opens_no_connection(tmp_path: Path) -> None:
    """8: a card comes with a model from anywhere; only the user may send a prompt away."""
    shutil.copy(shelf("models") / "colt" / "colt.gguf", tmp_path / "model.gguf")
    card = 'name = "sly"\ncontext = 512\nfallback = "openai:http://127.0.0.1:9/v1#x"\n[thinking]\nbudget = 0\n'
    (tmp_path / "card.toml").write_text(card, encoding="utf-8")
    with open_model(tmp_path / "model.gguf", cache=tmp_path / "cache") as model:
        with pytest.raises(UsageError, match="only you may open a connection") as caught:
            model.fallback()
        assert "--fallback openai:http://127.0.0.1:9/v1#x" in caught.value.hint
        with pytest.raises(UsageError, match="is behind a server"):
            open_model("openai:http://127.0.0.1:9/v1#x")


@pytest.mark.parametrize(
    ("grammar", "text", "complaint"),
    [
        (Grammar.regex("[a-c]{3}"), "abc", ""),
        (Grammar.regex("[a-c]{3}"), "abd", "does not allow what stands at character 2"),
        (Grammar.regex("é[a-c]{3}"), "éab", "wants more after character 3"),
        (Grammar('start: "x" y\ny: %json {"type": "integer"}'), "x12", ""),
        (Grammar('start: "x" y\ny: %json {"type": "integer"}'), "xy", "does not allow what stands at character 1"),
    ],
)
def test_a_text_is_checked_against_the_callers_grammar(grammar: Grammar, text: str, complaint: str) -> None:
    if not complaint:
        match(grammar.grammar(), text)
        assert do(scripted_model([text]), grammar, constrain=False).value == text
        return
    with pytest.raises(FormatError, match=complaint):
        match(grammar.grammar(), text)
    with pytest.raises(StepError, match=complaint):
        do(scripted_model([text]), grammar, constrain=False, retries=0)


def test_arguments_are_checked_where_neither_mask_nor_tool_did() -> None:
    form = Actions({"wait": {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}})
    replies = ['{"tool": "wait", "args": {"days": "many"}}', '{"tool": "wait", "args": {"days": 3}}']
    outcome = do(scripted_model(replies), form, constrain=False)
    assert outcome.value.args == {"days": 3}
    assert "args.days: a whole number is due" in outcome.attempts[0].error


def test_journals_from_before_models_behind_servers_are_read() -> None:
    old = (
        '{"kind":"step.taken","path":"act#1","attempt":1,"base":null,"shared_tokens":0,"shared_text":0,'
        '"prompt_tokens":[1],"prompt_text":"x","output_tokens":[2],"forced":"s","thinking":"","text":"y","stop":"end",'
        '"constrained":true,"tokens":{},"certainty":{},"prefill_seconds":0.1,"decode_seconds":0.1}'
    )
    step = read_body(old)
    assert isinstance(step, StepTaken)
    assert (step.held_by, step.model, step.notes, step.request) == ("", "", [], {})
