"""Spans: an argument that is marked so can only be what was said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import laws
from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.card import Card, PromptCard, ThinkingCard
from bridle.engine import scripted
from bridle.evals.scripted import scripted_model
from bridle.grammar.span import SIZE, Span, apart, copied, held_to, pattern_of, together
from bridle.how import StepSettings
from bridle.journal import Journal
from bridle.model import Model
from bridle.tool import tool

PIECES = ["a", "bc", ".", ",", "(", ")", "$", "é", "中", "-", "'", "\n"]
TEXT = "Mail Ana O'Brien (ana@x.org) about notes/todo.txt, today."


def spans(text: str) -> re.Pattern[str]:
    return re.compile(pattern_of((text,)) or "")


@pytest.mark.parametrize(
    "span", ["Ana", "Ana O'Brien", "ana@x.org", "notes/todo.txt", "todo", "(ana@x.org)", "today", TEXT[:-1], "Brien"]
)
def test_what_was_said_can_be_said(span: str) -> None:
    assert spans(TEXT).search(span)


@pytest.mark.parametrize("other", ["", "An", "Anna", "Ana Brien", "Ana  O'Brien", " Ana", "Ana ", "notes/todo.tx"])
def test_nothing_else_can(other: str) -> None:
    assert not spans(TEXT).search(other)


@given(st.text(max_size=120))
def test_every_word_of_a_text_is_a_span_of_it(text: str) -> None:
    pattern = pattern_of((text,))
    for word in re.findall(r"\w+", text):
        assert pattern
        assert re.search(pattern, word)


@given(
    st.lists(st.sampled_from(["a", "bc", ".", ",", "(", ")", "$", "é", "中", "-", "'", "\n"]), max_size=12), st.data()
)
def test_a_span_is_somewhere_in_the_text(pieces: list[str], data: st.DataObject) -> None:
    text = " ".join(pieces)
    pattern = pattern_of((text,))
    if pattern and "\n" not in text:
        said = data.draw(st.from_regex(re.compile(pattern), fullmatch=True))
        assert said.strip("\n") in " ".join(text.split())


def test_long_texts_are_held_in_shorter_spans_and_very_long_ones_not_at_all() -> None:
    words = " ".join(f"word{number}" for number in range(90))
    pattern = spans(words)
    assert len(pattern.pattern) <= SIZE + 20
    assert pattern.search("word3 word4 word5 word6")
    assert pattern_of((" ".join(f"word{number}" for number in range(2_000)),)) == ""


def test_only_marked_strings_are_held() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "title": {"type": "string", "x-bridle-span": "request"},
            "found": {"type": "array", "items": {"type": "string", "x-bridle-span": "results"}},
            "free": {"type": "string"},
            "own": {"type": "string", "x-bridle-span": "request", "pattern": "^x"},
        },
    }
    held: Any = held_to(schema, {"request": ["a"], "results": ["b"]})
    properties = held["properties"]
    assert properties["title"]["pattern"] == "^(?:a)$"
    assert properties["found"]["items"]["pattern"] == "^(?:b)$"
    assert properties["free"] == {"type": "string"}
    assert properties["own"]["pattern"] == "^x"
    nothing: Any = held_to(schema, {"request": [" . "]})
    assert nothing["properties"] == {
        "found": {"type": "array", "items": False},
        "free": {"type": "string"},
        "own": properties["own"],
    }
    assert held_to({**schema, "required": ["title"]}, {}) is None


@tool(effect="pure")
def remember(title: Annotated[str, Span()], where: Annotated[str | None, Span("results")] = None) -> str:
    """Remember something."""
    return f"remembered {title} in Vandry"


@pytest.mark.parametrize("format", ["json", "xml"])
def test_a_model_that_misspells_is_held_to_what_was_said(
    format: Literal["json", "xml"], journal: Journal, tmp_path: Path
) -> None:
    if format == "json":
        texts = ['{"tool": "remember", "args": {"title": "Grzegorsh Kowalsky"}}', '{"answer": "done"}']
    else:
        texts = ['<call tool="remember"><title>Grzegorsh Kowalsky</title></call>', "<answer>done</answer>"]
    with scripted_model(texts) as model:
        agent = Agent(
            model, workspace=tmp_path, journal=journal, tools=[remember], settings=StepSettings(format=format)
        )
        run = agent.run("Remember Grzegorz Kowalski, please.")
    title = str(run.calls[0].args["title"])
    assert title.startswith("Grzegorz")
    assert title in "Remember Grzegorz Kowalski, please."


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_model_says_is_a_span(seed: int, journal: Journal, tmp_path: Path) -> None:
    words = scripted.vocabulary()
    engine = scripted.engine(laws.random_script(words.size, seed), words)
    task = "Remember the blue door (42 cm) & <its> key."
    with Model(engine, Card(name="random", thinking=ThinkingCard(budget=0))) as model:
        settings = StepSettings(format="xml" if seed % 2 else "json", temperature=2.0, seed=seed)
        agent = Agent(model, workspace=tmp_path, journal=journal, tools=[remember], settings=settings)
        agent.limits = Limits(steps=6)
        run = agent.run(task)
    for call in run.calls:
        assert str(call.args["title"]) in task
        assert str(call.args.get("where", "Vandry")) in "".join(str(it.result) for it in run.calls) + "Vandry"


def test_without_a_grammar_it_is_checked_after(journal: Journal, tmp_path: Path) -> None:
    wrong = '{"tool": "remember", "args": {"title": "Anna"}}'
    right = '{"tool": "remember", "args": {"title": "Ana"}}'
    with scripted_model([wrong, right, '{"answer": "done"}']) as model:
        settings = StepSettings(constrain=False)
        run = Agent(model, workspace=tmp_path, journal=journal, tools=[remember], settings=settings).run(
            "Remember Ana."
        )
    assert [call.args["title"] for call in run.calls] == ["Ana"]


def test_spans_cost_the_forms_of_tools_nothing_anew() -> None:
    """What is found out of a schema does not depend on the text; a text stands in it once."""
    plain: Any = {"type": "object", "properties": {name: {"type": "string", "title": name} for name in "abc"}}
    schema = copied(plain)
    assert copied(schema) == schema
    short, patterns = apart({**schema, "$defs": {"x": {"type": "string"}}})
    assert patterns == {}
    texts = ["one two", "three"]
    held = [held_to(schema, {"anything": [text]}) for text in texts]
    parts = [apart(it) for it in held if it]
    assert parts[0][0] == parts[1][0]
    whole: Any = together(parts[0][0], parts[0][1])
    assert json.dumps(whole).count("one(?: two)?") == 1
    assert whole["properties"]["b"] == {"$ref": "#/$defs/span-anything"}
    assert short["$defs"] == {"x": {"type": "string"}}


def test_a_model_that_copies_is_held_to_all_that_was_said(journal: Journal, tmp_path: Path) -> None:
    """What its card says; a result can be copied as well."""
    texts = [
        '{"tool": "read_file", "args": {"path": "plan.txt"}}',
        '{"tool": "add_note", "args": {"text": "the bruk is vary"}}',
        '{"answer": "done"}',
    ]
    (tmp_path / "plan.txt").write_text("the brusk is Vandry", encoding="utf-8")
    card = Card(name="copies", thinking=ThinkingCard(budget=0), prompt=PromptCard(copies=True))
    with Model(scripted.engine(texts), card) as model:
        run = Agent(model, workspace=tmp_path, journal=journal).run("Read plan.txt and note it")
    assert run.calls[0].args == {"path": "plan.txt"}
    assert run.calls[1].tool == "add_note"
    assert str(run.calls[1].args["text"]).startswith("the br")
    assert str(run.calls[1].args["text"]) in "the brusk is Vandry"
