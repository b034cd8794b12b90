"""Law 2 by brute force: small vocabularies, finite languages, every token judged at every place."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

import laws
from bridle.engine import scripted
from bridle.engine.mask import allocate, allows
from bridle.errors import EngineError
from bridle.grammar import Choice, Form, form_of
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.grammar.elements import render

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"size": {"enum": ["s", "m", 'x"l']}, "n": {"type": "integer", "minimum": 8, "maximum": 11}},
    "required": ["size"],
}


def documents_of_schema(syntax: str) -> set[str]:
    values: list[dict[str, JsonValue]] = [
        {"size": size, "n": n} if n else {"size": size}
        for size, n in itertools.product(["s", "m", 'x"l'], [None, 8, 9, 10, 11])
    ]
    if syntax == "json":
        return {json.dumps(value) for value in values}
    return {render(SCHEMA, value, "doc") for value in values}


def documents_of_actions() -> set[str]:
    return {json.dumps({"tool": tool, "args": {"on": on}}) for tool in ("a", "ab") for on in (True, False)}


def check(form: Form[Any], documents: set[str], seeds: range, grammar: str = "") -> None:
    words = scripted.vocabulary(
        ["x", '"s', 's"}', "size", '": "', "</", "ab", '", "', "yes", " no", "n>1", "10", "true"]
    )
    compiler = Compiler(words)
    walked = {
        laws.law_of_mask(
            Document(compiler, [Phase("document", grammar or form.grammar())], 300), words, documents, seed
        )
        for seed in seeds
    }
    assert len(walked) > 1, "the walks took one path only"


@pytest.mark.parametrize("syntax", ["json", "xml"])
def test_schema(syntax: Any) -> None:
    check(form_of(SCHEMA, syntax, name="doc"), documents_of_schema(syntax), range(25))


def test_actions() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}
    form = Actions({"a": schema, "ab": schema})
    check(form, documents_of_actions(), range(15), replace(form, replies=()).grammar())


@settings(max_examples=60, deadline=None)
@given(st.sets(st.text(alphabet='ab"{<é ', min_size=1, max_size=6), min_size=2, max_size=6))
def test_choices(options: set[str]) -> None:
    words = scripted.vocabulary(["ab", "a<", 'b"', "é ", "ba"])
    document = Document(Compiler(words), [Phase("document", Choice(sorted(options)).grammar())], 50)
    laws.law_of_mask(document, words, options, seed=len(options))


def test_a_token_that_is_not_allowed_is_an_error(compiler: Compiler) -> None:
    document = Document(compiler, [Phase("document", Choice(["yes", "no"]).grammar())], 10)
    wrong = compiler.vocabulary.tokenize("q", False)
    with pytest.raises(EngineError, match="breaks the grammar of the document"):
        document.advance(wrong)


def test_special_tokens_cannot_be_spelled(compiler: Compiler) -> None:
    """A control token's name inside text stays text: its token is never allowed there."""
    words = compiler.vocabulary
    document = Document(
        compiler, [Phase("document", form_of(SCHEMA | {"properties": {"size": {"type": "string"}}}).grammar())], 99
    )
    document.advance(document.forced())

    row = allocate(words.size)
    document.fill(row)
    assert not any(allows(row, token) for token in words.control)
