"""Keys come once and numbers end, also where no grammar can hold that."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import laws
from bridle.engine import scripted
from bridle.engine.base import Request, Sampling
from bridle.engine.gguf import load_model, read_vocabulary
from bridle.engine.mask import allocate, tokens_of
from bridle.engine.vocabulary import Vocabulary
from bridle.grammar import form_of
from bridle.grammar.base import NATURAL
from bridle.grammar.compile import CACHE_SIZE, Compiler
from bridle.grammar.document import Document, Phase
from bridle.grammar.schema import json_rule
from bridle.grammar.watch import DIGITS, JsonWatch, needs_watch
from conftest import DataSets
from scripts import drain

VALUES = st.recursive(
    st.none() | st.integers() | st.floats(1e-90, 1e90) | st.text(max_size=3),
    lambda it: st.lists(it, max_size=3) | st.dictionaries(st.text(alphabet='ab"\\é', max_size=2), it, max_size=3),
    max_leaves=6,
)


@given(VALUES, st.integers(1, 5))
def test_keys_of_a_whole_document_come_once(value: object, width: int) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    state: JsonWatch | None = JsonWatch()
    for start in range(0, len(text), width):
        assert state is not None
        state = state.feed(text[start : start + width])
    assert state is not None
    assert (state.open, state.string, state.key_is_next) == ((), None, False)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ('{"a": 1, "b": {"a": 2}}', False),
        ('[{"a": 1}, {"a": 2}]', False),
        ('{"a": "a", "b": ["a", "a"]}', False),
        ('{"a": 1, "a": 2}', True),
        ('{"a": {"x": 1}, "b": 2, "a": 3}', True),
        ('{"b": [{"c": 1, "c": 2}]}', True),
        ('{"a": 1, "\\u0061": 2}', True),
        ('{"\\"": 1, "\\"": 2}', True),
    ],
)
def test_a_key_that_comes_again_is_seen(text: str, again: bool) -> None:
    assert (JsonWatch().feed(text.encode()) is None) == again


@pytest.mark.parametrize(
    ("schema", "maps"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, True),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, True),
        ({"anyOf": [{"type": "string"}, {"type": ["object", "null"]}]}, True),
        ({"type": ["number", "null"], "minimum": 0}, True),
        ({"type": "integer"}, False),
        ({"type": "array", "prefixItems": [{"enum": [1]}], "items": False}, False),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}}, True),
        ({}, True),
    ],
)
def test_schemas_with_keys_of_their_own_are_told(schema: dict[str, Any], maps: bool) -> None:
    assert needs_watch(f"start: %json {json.dumps(schema)}") == maps


def test_a_map_never_has_a_key_twice(words: Vocabulary, compiler: Compiler) -> None:
    """A model that wants to say the same pair over and over."""
    form = form_of(dict[str, int])
    script = scripted.Texts(['{"a": 1, "a": 1, "a": 1, "a": 1}'] * 9, words)
    document = Document(compiler, [Phase("document", form.grammar(), json=True)], 60)
    (generation,) = drain(scripted.ScriptedBackend(script, words), Request([1], 60, document))
    pairs = json.loads(words.text(generation.ids), object_pairs_hook=list)
    assert len(pairs) >= 2
    assert len({key for key, _ in pairs}) == len(pairs)


def test_a_key_that_has_to_come_again_does_not_stop_a_document(words: Vocabulary, compiler: Compiler) -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "patternProperties": {"^k$": {"const": 1}},
        "additionalProperties": False,
    }
    schema["minProperties"] = 1
    document = Document(compiler, [Phase("document", form_of(schema).grammar(), json=True)], 40)
    (generation,) = drain(scripted.ScriptedBackend(laws.random_script(words.size), words), Request([1], 40, document))
    assert json.loads(words.text(generation.ids)) == {"k": 1}


@pytest.mark.parametrize("budget", [0, 3, 30])
def test_the_shortest_document_has_each_key_once(words: Vocabulary, compiler: Compiler, budget: int) -> None:
    """Five properties, none of them named."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "boolean"}, "minProperties": 5}
    grammar = form_of(schema).grammar()
    least = len(compiler.compile(grammar).minimum or ())
    for seed in range(20):
        document = Document(compiler, [Phase("document", grammar, json=True)], least + budget)
        backend = scripted.ScriptedBackend(laws.random_script(words.size), words)
        (generation,) = drain(backend, Request([1], least + budget, document, Sampling(2.0, seed=seed)))
        pairs = json.loads(words.text(generation.ids), object_pairs_hook=list)
        assert len({key for key, _ in pairs}) == len(pairs) >= 5


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("1" * DIGITS, False),
        ("1" * (DIGITS + 1), True),
        ("-0." + "3" * (DIGITS - 3), False),
        ("-0." + "3" * (DIGITS - 2), True),
        ("1" * (DIGITS - 1) + ".", True),  # after it a digit would have to come
        ("1" * (DIGITS - 2) + ".5", False),
        ("[1.5e-10, 6.02E23, 1e+99, true, false]", False),
        ("1e100", True),
        ("1.5e-012", True),
        ('{"1e999": "1e999"}', False),
    ],
)
def test_a_number_ends(text: str, long: bool) -> None:
    assert (JsonWatch().feed(text.encode()) is None) == long


@pytest.mark.parametrize("syntax", ["json"])
def test_numbers_have_exponents_and_end(syntax: Any, words: Vocabulary, compiler: Compiler) -> None:
    """A model that says digits for ever, and one that knows a constant."""
    form = form_of(list[float], syntax)
    for wanted, found in (("[" + "7" * 200, None), ("[8.854e-12, 6.02e23, -1E+5]", [8.854e-12, 6.02e23, -1e5])):
        script = scripted.Texts([wanted] * 9, words)
        document = Document(compiler, [Phase("document", form.grammar(), json=True)], 120)
        (generation,) = drain(scripted.ScriptedBackend(script, words), Request([1], 120, document))
        value = form.load(json.loads(words.text(generation.ids)))
        assert found is None or value == found
        assert all(abs(it) < 1e150 for it in value)
        assert found is not None or len(str(int(value[0]))) >= DIGITS - 2


def test_what_a_lexer_has_built_for_other_documents_stops_none(data: DataSets) -> None:
    """llguidance gives up where its lexer has built too much, and leaves the row as it was."""
    number: dict[str, Any] = {"type": "number"}
    grammar: dict[str, Any] = {**number, "minimum": 1, "maximum": 10**15}
    grammar["anyOf"] = [{"multipleOf": 3}, {"multipleOf": 5}, {"multipleOf": 7}]
    grammar["allOf"] = [
        {"anyOf": [{"allOf": [number], **number}, {"multipleOf": 24}]},
        {"anyOf": [number, {"multipleOf": 11}]},
    ]
    vocabulary = read_vocabulary(load_model(data.file("vocab/ggml-vocab-llama-bpe.gguf"), vocabulary_only=True))
    compiler, row = Compiler(vocabulary), allocate(vocabulary.size)
    first = compiler.compile(text := f"start: %json {json.dumps(grammar)}")
    for seed in range(40):
        document, random = Document(compiler, [Phase("document", text, json=True)], 12), Random(seed)
        document.fill(row)  # the first mask can always be computed
        document.advance([int(random.choice(tokens_of(row)))])
        while not document.finished:  # where one document alone is too much, it is brought to its end
            document.fill(row)
            document.advance([int(random.choice(tokens_of(row)))])
    assert compiler.compile(text).start is not first.start, "nothing was met: the test shows nothing"


def test_a_lexer_that_has_nothing_left_refuses_no_token(data: DataSets) -> None:
    """llguidance counts what a lexer builds for tokens that are taken without a mask, and at its limit it takes tokens
    for wrong that are right."""
    words: dict[str, Any] = {"type": "string", "pattern": r"^(?:\S+\s+){0,29}\S+$", "maxLength": 300}
    vocabulary = read_vocabulary(load_model(data.file("vocab/ggml-vocab-llama-bpe.gguf"), vocabulary_only=True))
    compiler, texts = Compiler(vocabulary), ["another" + " and again" * count for count in range(1, 15)]
    rule = f"start: {json_rule({'type': 'array', 'items': words}, NATURAL)}"
    tokens = vocabulary.tokenize(json.dumps(texts), False).tolist()
    compiled = compiler.compile(rule)
    assert compiled.start.deep_copy().validate_tokens(tokens) < len(tokens), "no limit was met: the test shows nothing"
    document = Document(compiler, [Phase("document", rule, json=True)], 2 * len(tokens))
    for number in range(CACHE_SIZE + 1):  # whoever writes for long is forgotten by the others
        compiler.compile(f'start: "{number}"')
    for token in tokens:
        assert not document.finished
        document.advance([token])
    assert document.finished
