"""What is not one of some strings, or does not begin with one, can be held by a grammar."""

from __future__ import annotations

import json
from typing import Any, Literal, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.grammar.action import Actions
from bridle.grammar.check import accepts, checker
from bridle.grammar.compile import Compiler
from bridle.grammar.other import without_not

WORD = st.text("ab/.é\n]^-\\", max_size=4)
REFUSED: list[dict[str, Any]] = [
    {"pattern": "^(?!secret)"},
    {"pattern": r"^(?!secret/)[a-z]*/x\.txt$"},
    {"not": {"const": "secret/x"}},
    {"not": {"enum": ["secret/x", "secret", "b"]}},
    {"not": {"pattern": "^secret"}},
]


@given(st.lists(WORD, min_size=1, max_size=4), WORD)
def test_the_same_values_are_of_it(words: list[str], value: str) -> None:
    for schema in ({"not": {"enum": words}}, {"not": {"const": words[0]}}):
        said = cast("dict[str, Any]", without_not(cast("Any", schema)))
        assert "not" not in said
        for it in (value, *words, 3, None):
            assert accepts(checker(said), it) == accepts(checker(cast("Any", schema)), it)


@pytest.mark.parametrize("schema", [*REFUSED, {"pattern": "^(?!a)b|c"}, {"pattern": "(?!a)"}, {"not": {"const": 1}}])
@given(value=st.text("secrt/x.ab", max_size=9) | st.sampled_from(["secret", "secret/x", "b", "ab/x.txt", "c"]))
def test_what_begins_otherwise_is_the_same(schema: dict[str, Any], value: str) -> None:
    said = cast("dict[str, Any]", without_not(schema))
    assert accepts(checker(said), value) == accepts(checker(schema), value)


@pytest.mark.parametrize("syntax", ["json", "xml"])
@pytest.mark.parametrize("schema", REFUSED)
def test_a_grammar_holds_it(schema: dict[str, Any], syntax: Literal["json", "xml"], compiler: Compiler) -> None:
    tool: Any = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = Actions({"save": {"allOf": [tool, {"properties": {"a": without_not(schema)}}]}}, syntax)
    assert form.loose == ()
    start = compiler.compile(form.grammar()).start
    for value in ("secret", "secret/x", "secrets", "b", "s", "ab/x.txt", "c"):
        text = f'<call tool="save"><a>{value}</a></call>'
        text = json.dumps({"tool": "save", "args": {"a": value}}) if syntax == "json" else text
        matcher = start.deep_copy()
        said = matcher.consume_tokens(compiler.vocabulary.tokenize(text, False).tolist()) and matcher.is_accepting()
        assert said == accepts(checker(schema), value), value
