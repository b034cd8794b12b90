"""Forms: types in, values out, the same in JSON and XML; what cannot be compiled says which part."""

from __future__ import annotations

import asyncio
import json
import math
import re
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import BaseModel, Field, JsonValue, TypeAdapter

import laws
from bridle.brief import arguments
from bridle.card import Card
from bridle.engine import scripted
from bridle.engine.gguf import load_model, read_vocabulary
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import FormatError, GrammarError
from bridle.grammar import Choice, Grammar, Json, Text, Xml, form_of
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler, literal
from bridle.grammar.document import Document, Phase
from bridle.grammar.elements import render
from bridle.grammar.formats import FORMATS
from bridle.grammar.hold import hold, tighten
from bridle.grammar.said import Answer, Ask, Call
from bridle.grammar.schema import Typed
from bridle.grammar.shortest import shortest
from bridle.grammar.thinking import Thinking
from bridle.model import Model
from bridle.parse import parse
from bridle.prompt import Message
from bridle.step import Step, take
from bridle.toolbox import TOOLBOX
from conftest import DataSets
from forms import TYPES, Color, Person, every_form

TOOLS: dict[str, Any] = {
    "note": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    "list": {"type": "object", "properties": {}},
}


def test_a_type_becomes_the_form_that_suits_it() -> None:
    assert isinstance(form_of(str), Text)
    assert isinstance(form_of(Literal["a", "b"]), Choice)
    assert isinstance(form_of(Color), Choice)
    assert isinstance(form_of(Person), Json)
    assert isinstance(form_of(Person, "xml"), Xml)
    assert isinstance(form_of({"type": "integer"}), Json)


def test_outlines_terms_are_forms(compiler: Compiler) -> None:
    from outlines.types import cfg, json_schema, regex  # pyright: ignore[reportUnknownVariableType]

    assert form_of(regex(r"[0-9]{3}")).grammar() == "start: /([0-9]{3})/"
    assert isinstance(form_of(cfg('start: "a"')), Grammar)
    assert form_of(json_schema('{"type": "integer"}')).load(5) == 5
    for term in (regex(r"a/b|c"), cfg('start: "x"')):
        assert compiler.check(form_of(term).grammar()) == ""


@pytest.mark.parametrize("syntax", ["json", "xml"])
@pytest.mark.parametrize("name", TYPES)
def test_values_round_trip(name: str, syntax: Literal["json", "xml"], words: Vocabulary) -> None:
    """type -> text -> type: a value that a random model wrote, rendered by us and read again."""
    form = form_of(TYPES[name], syntax, name="doc")
    with Model(scripted.engine(laws.random_script(words.size, 3), words), Card(name="random")) as model:
        outcome = laws.law_of_form(model, form, max_tokens=400, seed=11)
    assert isinstance(form, Json | Xml)
    kind: Typed[Any] = form.type
    value = TypeAdapter(Any).dump_python(outcome.value, mode="json")
    text = json.dumps(value) if syntax == "json" else render(kind.schema, value, "doc")
    assert form.load(parse(text, syntax)) == outcome.value


def test_xml_says_null_lists_maps_and_alternatives() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "b": {"type": "array", "items": {"type": "integer"}},
            "c": {"type": "object", "additionalProperties": {"type": "boolean"}},
            "d": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "odd name": {"type": "string"},
        },
    }
    value: dict[str, JsonValue] = {"a": None, "b": [1, 2], "c": {'k"<': True}, "d": 5, "odd name": "x < y & z"}
    text = render(schema, value, "doc")
    assert text == (
        '<doc><a nil="true"/><b><item>1</item><item>2</item></b><c><entry key="k&quot;&lt;">true</entry></c>'
        '<d><integer>5</integer></d><field name="odd name">x &lt; y &amp; z</field></doc>'
    )
    assert form_of(schema, "xml", name="doc").load(etree.fromstring(text)) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<doc><name>B</name></doc>", "<age>, <height>, <member>, <address> missing"),
        ("<doc><shoe>4</shoe></doc>", "<shoe> is not expected; possible are: name, age"),
        ("<doc><name>Bo</name><name>Al</name></doc>", "<name> comes twice"),
        ("<doc><name>Bo</name><age>old</age></doc>", "doc.age: 'old' is not a number"),
        ("<doc><name><age>5</age></name></doc>", "text expected, but it holds <age>"),
    ],
)
def test_xml_that_does_not_fit_says_where(text: str, complaint: str) -> None:
    with pytest.raises(FormatError, match=re.escape(complaint)):
        form_of(Person, "xml", name="doc").load(etree.fromstring(text))


def test_json_that_does_not_fit_says_where() -> None:
    with pytest.raises(FormatError, match=r"age: Input should be less than or equal to 130; height: Field required"):
        form_of(Person).load({"name": "Bo", "age": 200, "member": True, "address": None})
    with pytest.raises(FormatError, match="tags: "):
        form_of(TYPES["schema"]).load({"id": "AB-123", "tags": []})


@pytest.mark.parametrize(
    ("schema", "loose", "bad"),
    [
        ({"properties": {"a": {"pattern": "^(?=x)."}}, "type": "object"}, "/properties/a: pattern ^(?=x).", {"a": "y"}),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "/: uniqueItems", [1, 1]),
        (
            {"$defs": {"d": {"type": "string", "pattern": "(a)\\1"}}, "$ref": "#/$defs/d"},
            "/$defs/d: pattern (a)\\1",
            "b",
        ),
        ({"type": "array", "contains": {"type": "null"}}, "/: contains", [1]),
    ],
)
def test_what_no_grammar_holds_is_checked_after(schema: Any, loose: str, bad: Any, compiler: Compiler) -> None:
    compiler.compile(form_of(schema).grammar())
    assert hold(schema).loose == (loose,)
    with pytest.raises(FormatError):
        form_of(schema).load(bad)


def test_a_schema_that_contradicts_itself_is_refused(compiler: Compiler) -> None:
    with pytest.raises(GrammarError, match="no document can fit"):
        compiler.compile(form_of({"type": "string", "not": {"type": "string"}}).grammar())


def test_what_is_no_schema_or_type_is_refused() -> None:
    with pytest.raises(GrammarError, match="not a valid JSON Schema, at properties/a/type"):
        form_of({"properties": {"a": {"type": "strin"}}})
    with pytest.raises(GrammarError, match="not a valid JSON Schema"):
        form_of({"$ref": "http://localhost:9/elsewhere.json"})
    with pytest.raises(GrammarError, match="cannot be an output type"):
        form_of(object())
    with pytest.raises(GrammarError, match="options that are spelled differently"):
        Choice(["a", "a"])
    with pytest.raises(GrammarError, match="no thinking form 'nope'"):
        Thinking(form="nope").phase(scripted.vocabulary())


def test_a_text_that_goes_round_in_circles_is_ended(compiler: Compiler) -> None:
    vocabulary = compiler.vocabulary
    budget = 800

    def written(schema: dict[str, Any], said: str) -> tuple[Any, list[str]]:
        document = Document(compiler, [Phase("document", form_of(schema).grammar())], budget)
        text = list[int]()
        due = vocabulary.tokenize(said, False)
        while not document.finished:
            step = document.forced() or [due.pop(0)]
            document.advance(step)
            text += step
        return json.loads(vocabulary.text([token for token in text if token not in vocabulary.eog])), document.cut

    said, cut = written({"type": "string"}, '"' + 100 * "round and ")
    assert cut == ["document"]
    assert said.startswith("round and round and round and")
    assert len(said) < 250
    sevens = {"type": "array", "items": {"enum": [7]}, "minItems": 120, "maxItems": 120}
    numbers, cut = written(sevens, "[" + 119 * "7, " + "7]")
    assert (len(numbers), cut) == (120, [])


@pytest.mark.parametrize("before", range(0, 40, 3))
def test_a_text_that_goes_round_in_circles_still_fits_its_budget(compiler: Compiler, before: int) -> None:
    due = compiler.vocabulary.tokenize('"' + "".join(map(str, range(before))) + 200 * "round and ", False)
    for budget in range(94, 150):
        document = Document(compiler, [Phase("document", form_of({"type": "string"}).grammar())], budget)
        length = 0
        while not document.finished:
            length += document.advance(document.forced() or [due[length]])
            assert length < budget or document.finished


def test_a_thought_can_be_held_to_the_next_move(compiler: Compiler) -> None:
    vocabulary = compiler.vocabulary
    thinking = Thinking("<t>", "</t>", form="next-move")
    tools = {tool.name: tool.schema for tool in TOOLBOX if tool.name in ("read_file", "shift_date", "list_files")}

    def holds(thought: str, tools: dict[str, Any] = tools) -> bool:
        matcher = compiler.compile(thinking.phase(vocabulary, tools).grammar).start.deep_copy()
        tokens = vocabulary.tokenize(f"{thought}</t>", False).tolist()
        return matcher.validate_tokens(tokens) == len(tokens)

    assert holds("tool: read_file; path: notes/a.txt")
    assert holds("tool: read_file; path: missing")
    assert holds("tool: list_files; folder: notes")
    assert holds("tool: list_files")
    assert holds("tool: shift_date; date: today; days: -3")
    assert holds("tool: none")
    assert not holds("tool: write_file; path: a; content: b"), "no such tool"
    assert not holds("tool: read_file"), "it needs a path"
    assert not holds("tool: read_file; folder: notes")
    assert not holds("tool: shift_date; date: today; days: many")
    assert not holds("tool: shift_date; days: 3; date: today"), "in their order"
    said = arguments(TOOLBOX, [Message("user", "What does plan.txt say?")], copies=True)
    assert holds("tool: read_file; path: plan.txt", said)
    assert not holds("tool: read_file; path: plain.txt", said), "nobody said it"
    assert not holds("tool: read_file; path: plan.txt plan.txt", said), "nor twice"
    own: Any = {"properties": {"a": {"type": "string", "pattern": "^(?:[a-z]/)$", "x-bridle-span": "request"}}}
    assert holds("tool: f; a: whatever it is", {"f": own}), "a tool's own pattern is left to the call"
    narrowed: dict[str, Any] = {name: {"allOf": [schema, {}]} for name, schema in said.items()}
    assert holds("tool: read_file; path: plan.txt", narrowed)
    assert not holds("tool: read_file; path: plain.txt", narrowed)
    assert not holds("let me see")
    assert holds("let me see", {}), "without tools the thought is free"


def test_whole_numbers_stay_within_what_a_double_tells_apart() -> None:
    tight = tighten({"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "integer", "minimum": 0}}})
    assert tight["additionalProperties"] is False
    properties: Any = tight["properties"]
    assert properties["a"] == {"type": "number"}  # how long it may be is watched: `tests/test_keys.py`
    assert properties["b"] == {"type": "integer", "minimum": 0, "maximum": 10**15}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_format_passes_its_validator(name: str, seed: int, compiler: Compiler) -> None:
    import datetime
    import ipaddress
    import uuid

    from pydantic import AnyUrl

    kinds: dict[str, Any] = {
        "date": datetime.date,
        "time": datetime.time,
        "date-time": datetime.datetime,
        "duration": datetime.timedelta,
        "uuid": uuid.UUID,
        "ipv4": ipaddress.IPv4Address,
        "ipv6": ipaddress.IPv6Address,
        "uri": AnyUrl,
    }
    text = random_document(compiler, form_of({"type": "string", "format": name}).grammar(), seed)
    TypeAdapter(kinds.get(name, str)).validate_json(text)


def random_document(compiler: Compiler, grammar: str, seed: int, budget: int = 120) -> str:
    """A document that nothing but the mask had a say in."""
    import numpy as np

    from bridle.engine.mask import allocate, tokens_of

    random, words = np.random.default_rng(seed), compiler.vocabulary
    document, row, said = Document(compiler, [Phase("document", grammar)], budget), allocate(words.size), list[int]()
    while not document.finished:
        step = document.forced()
        if not step:
            document.fill(row)
            step = [int(random.choice(tokens_of(row)))]
        grown = document.advance(step)
        said += step
        if grown < len(step):
            del said[len(said) - (len(step) - grown) :]
    return words.text(said)


@pytest.mark.parametrize("syntax", ["json", "xml"])
def test_actions_are_spelled_and_read_back(syntax: Literal["json", "xml"]) -> None:
    form = Actions(TOOLS, syntax)
    for action in (Call("note", {"text": 'a "b" <c> & d\n'}), Call("list", {}), Answer("done & <well>"), Ask("Which?")):
        assert form.load(parse(form.spell(action), syntax)) == action


@pytest.mark.parametrize(
    "tree", [{"tool": "nope", "args": {}}, {"tool": "note"}, {"answer": 5}, {"answer": "a", "x": 1}, []]
)
def test_what_is_no_action_is_refused(tree: Any) -> None:
    with pytest.raises(FormatError):
        Actions(TOOLS).load(tree)


def test_thinking_is_closed_by_force_on_a_whole_character(words: Vocabulary, compiler: Compiler) -> None:
    endless = words.tokenize("é", False) * 40
    for budget in range(14, 40):
        thinking = Thinking(budget=budget)
        document = Document(compiler, laws.phases(Choice(["yes", "no"]), thinking, words), budget + 3)
        said, at = list[int](), 0
        while document.phase == "thinking":
            step = document.forced() or [endless[at]]
            at += not document.forced()
            grown = document.advance(step)
            said = [*said, *step][: len(said) + grown] if grown >= 0 else said[:grown]
        text = words.spell(said).decode("utf-8")
        assert text.endswith("</thinking>\n")
        assert document.lengths[0] <= budget


def test_a_thinking_form_shapes_the_thought(words: Vocabulary) -> None:
    with Model(scripted.engine(laws.random_script(words.size, 5), words), Card(name="random")) as model:
        step = Step(
            [Message("user", "go")],
            Choice(["yes", "no"]),
            Thinking(form="observation-plan", budget=120),
            max_tokens=200,
        )
        outcome = asyncio.run(take(step, model))
    lines = outcome.thinking.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["Observation", "Plan"]


def test_a_document_that_ran_out_says_that_it_was_cut(words: Vocabulary, compiler: Compiler) -> None:
    said = words.tokenize('{"answer": "', False)
    for budget, cut in ((40, ["document"]), (400, [])):
        document = Document(compiler, [Phase("document", Actions(TOOLS).grammar())], budget)
        for token in [*said, *words.tokenize("z" * 60 + '"}', False)]:
            if document.finished:
                break
            step = document.forced()
            document.advance(step or [token])
        assert document.finished or document.forced()
        assert document.cut == cut


def test_literals_are_escaped(compiler: Compiler) -> None:
    for text in ('say "hi"', "back\\slash", "line\nbreak", "tab\t", "é€😀", "<|end|>x", "$x ${y}"):
        plain = Choice([text, "other"]).grammar()
        assert compiler.check(plain) == "", text
    assert literal("a<|end|>b", compiler.vocabulary) == '"a" <[0]> "b"'


def test_every_form_has_a_shortest_document(compiler: Compiler) -> None:
    for name, form in every_form().items():
        compiled = compiler.compile(form.grammar())
        assert compiled.minimum is not None, name
        walker = compiled.start.deep_copy()
        assert walker.consume_tokens(compiled.minimum) or not compiled.minimum
        assert walker.is_accepting(), name


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^iglu:[a-zA-Z0-9-_.]+/[a-z]+/[a-z]+/[0-9]+-[0-9]+-[0-9]+$"},
        {"type": "string", "minLength": 300},
        {"type": "integer", "multipleOf": 7, "minimum": 1},
        {"type": "integer", "minimum": 123456},
        {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "boolean"}}}, "minItems": 12},
        {"type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$"},
        {"type": "string", "format": "date-time"},
    ],
    ids=str,
)
def test_the_way_out_of_odd_places_is_found(schema: Any, compiler: Compiler) -> None:
    start = compiler.compile(form_of(schema).grammar()).start
    way = shortest(start, compiler.closers)
    assert way is not None
    walker = start.deep_copy()
    assert walker.consume_tokens(way)
    assert walker.is_accepting()


class Big(BaseModel):
    """Wide and deep, to see that compiling stays quick."""

    rows: list[Annotated[dict[str, list[float]], Field(max_length=4)]]
    more: dict[str, Big] = {}


def test_a_recursive_type_compiles(compiler: Compiler) -> None:
    for syntax in ("json", "xml"):
        assert compiler.check(form_of(Big, syntax).grammar()) == ""


def test_natural_spelling_can_be_another(compiler: Compiler) -> None:
    from bridle.grammar import Style

    tight = form_of(list[int], style=Style(",", ":"))
    document = compiler.compile(tight.grammar()).start.deep_copy()
    assert document.consume_tokens(compiler.vocabulary.tokenize("[1,2]", False).tolist())
    assert document.is_accepting()


@pytest.mark.parametrize("vocabulary", ["qwen2", "llama-bpe", "phi-3"])
def test_real_vocabularies_keep_the_laws(data: DataSets, vocabulary: str) -> None:
    model = load_model(data.file(f"vocab/ggml-vocab-{vocabulary}.gguf"), vocabulary_only=True)
    words = read_vocabulary(model)
    assert words.eog
    compiler = Compiler(words)
    for name, form in every_form().items():
        if form.syntax != "json":
            continue
        text = random_document(compiler, form.grammar(), seed=3, budget=300)
        value = form.load(parse(text, "json"))
        assert value is not None or "optional" in name or math.isfinite(0)


@pytest.mark.parametrize("vocabulary", ["qwen2", "llama-bpe", "phi-3"])
def test_real_vocabularies_force_what_the_tokenizer_spells(data: DataSets, vocabulary: str) -> None:
    words = read_vocabulary(load_model(data.file(f"vocab/ggml-vocab-{vocabulary}.gguf"), vocabulary_only=True))
    document = Document(Compiler(words), [Phase("document", form_of(Person).grammar())], 200)
    forced = document.forced()
    assert words.text(forced) == '{"name":'
    if vocabulary != "phi-3":  # SentencePiece begins a text with a space
        laws.law_of_spelling(words, b"", forced)


@pytest.mark.parametrize("depth", [150, 300, 1_000, 5_000])
def test_a_schema_that_nests_too_deeply_is_refused(depth: int) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    with pytest.raises(GrammarError, match=r"too deep|limit reached"):
        form_of(schema).grammar()
