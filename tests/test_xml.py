"""XML as a peer of JSON: every type as elements, there and back, under a grammar, by a RELAX NG."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from pydantic import TypeAdapter

from bridle.errors import FormatError, GrammarError
from bridle.grammar import Xml, form_of
from bridle.grammar.base import Element
from bridle.grammar.compile import Compiler
from bridle.grammar.elements import read, render
from bridle.grammar.relaxng import relax_ng, relax_ng_of
from bridle.grammar.schema import typed
from bridle.parse import parse
from bridle.values import same
from conftest import DataSets
from test_grammar import random_document
from xml_types import LEFT_TO_PYDANTIC, TYPES, schemas


def accepts(compiler: Compiler, form: Xml[Any], text: str) -> bool:
    matcher = compiler.compile(form.grammar()).start.deep_copy()
    return matcher.consume_tokens(compiler.vocabulary.tokenize(text, False).tolist()) and matcher.is_accepting()


def xml(source: Any, name: str = "doc") -> Xml[Any]:
    form = form_of(source, "xml", name=name) if not isinstance(source, type) or source is not str else None
    return form if isinstance(form, Xml) else Xml(typed(source, name))


def validator(form: Xml[Any]) -> Callable[[Element], bool]:
    return etree.RelaxNG(etree.fromstring(relax_ng(form.type))).validate


ANYHOW = (
    HealthCheck.too_slow,
    HealthCheck.filter_too_much,
    HealthCheck.function_scoped_fixture,
    HealthCheck.data_too_large,
)
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=ANYHOW)


@pytest.mark.parametrize("name", TYPES)
@SLOW
@given(data=st.data())
def test_every_type_goes_there_and_back(name: str, compiler: Compiler, data: st.DataObject) -> None:
    kind, values = TYPES[name]
    form, value = xml(kind), data.draw(values)
    plain = TypeAdapter[Any](kind).dump_python(value, mode="json")
    text = render(form.shape.root, plain, "doc")
    tree = parse(text, "xml")
    assert form.load(tree) == value
    assert accepts(compiler, form, text), text
    assert validator(form)(etree.fromstring(text)), text


@settings(max_examples=150, deadline=None, suppress_health_check=ANYHOW)
@given(data=st.data())
def test_every_schema_goes_there_and_back(compiler: Compiler, data: st.DataObject) -> None:
    schema, values = data.draw(schemas())
    form, value = xml(schema), data.draw(values)
    text = render(form.shape.root, value, "doc")
    assert same(read(form.shape.root, etree.fromstring(text)), value), text
    assert accepts(compiler, form, text), text
    assert validator(form)(etree.fromstring(text)), text


@pytest.mark.parametrize("name", TYPES)
def test_whatever_the_grammar_lets_through_reads_and_validates(name: str, compiler: Compiler) -> None:
    form = xml(TYPES[name][0])
    for seed in range(12):
        check_walk(form, compiler, seed, reads=name not in LEFT_TO_PYDANTIC)


@settings(max_examples=60, deadline=None, suppress_health_check=ANYHOW)
@given(data=st.data(), seed=st.integers(0, 10**6))
def test_whatever_a_schema_lets_through_reads_and_validates(compiler: Compiler, data: st.DataObject, seed: int) -> None:
    form = xml(data.draw(schemas())[0])
    assert not form.shape.loose
    check_walk(form, compiler, seed, reads=True)


def check_walk(form: Xml[Any], compiler: Compiler, seed: int, *, reads: bool) -> None:
    least = len(compiler.compile(form.grammar()).minimum or ())
    text = random_document(compiler, form.grammar(), seed, budget=least + 150)
    tree = parse(text, "xml")
    assert isinstance(tree, etree._Element)  # pyright: ignore[reportPrivateUsage]
    assert validator(form)(tree), text
    value = read(form.shape.root, tree)
    if reads:
        form.load(tree)
        again = render(form.shape.root, value, "doc")
        assert same(read(form.shape.root, etree.fromstring(again)), value)


@st.composite
def broken(draw: st.DrawFn, text: str) -> tuple[str, str]:
    """A document with one change in its structure: an element dropped, renamed, copied or moved, or text put in."""
    tree = etree.fromstring(text)
    elements = list(tree.iter())
    element = draw(st.sampled_from(elements))
    parent = element.getparent()
    kinds = ["rename", "text", "nil", "attribute", *(["drop", "move", "copy"] if parent is not None else [])]
    match kind := draw(st.sampled_from(kinds)):
        case "rename":
            element.tag = draw(st.sampled_from(["item", "other", *(it.tag for it in elements)]))
        case "text":
            said = draw(st.sampled_from(["stray", " ", "5", "<"]))
            if len(element):
                element[-1].tail = said
            else:
                element.text = (element.text or "") + said
        case "nil":
            element.set("nil", draw(st.sampled_from(["true", "false", "yes"])))
        case "attribute":
            element.set(draw(st.sampled_from(["key", "name", "number", "level", "other"])), "1")
        case _:
            assert parent is not None
            if kind != "copy":
                tail, element.tail = element.tail, None
                parent.remove(element)
                assert not tail
            if kind != "drop":
                target = draw(st.sampled_from(list(tree.iter())))
                target.insert(draw(st.integers(0, len(target))), etree.fromstring(etree.tostring(element)))
    return kind, etree.tostring(tree, encoding="unicode")


@pytest.mark.parametrize("name", TYPES)
@SLOW
@given(data=st.data())
def test_a_broken_structure_is_refused_or_means_the_same(name: str, data: st.DataObject) -> None:
    """What reads as another value is another document of the type; and the RELAX NG admits nothing unreadable."""
    kind, values = TYPES[name]
    form = xml(kind)
    plain = TypeAdapter[Any](kind).dump_python(data.draw(values), mode="json")
    change, text = data.draw(broken(render(form.shape.root, plain, "doc")))
    tree = etree.fromstring(text)
    valid = validator(form)(tree)
    try:
        value = read(form.shape.root, tree)
    except FormatError as error:
        assert not valid or "comes twice" in error.message, (change, text, error)  # noqa: PT017  # either may be
        return
    if not valid and not same(value, plain) and not refused(form, tree):
        assert validator(form)(etree.fromstring(render(form.shape.root, value, "doc"))), (change, text)


def refused(form: Xml[Any], tree: Element) -> bool:
    """Whether the values of a document whose structure may do are refused."""
    try:
        form.load(tree)
        render(form.shape.root, read(form.shape.root, tree), "doc")
    except FormatError:
        return True
    return False


@pytest.mark.filterwarnings("ignore:The metaschema")
@pytest.mark.parametrize("draft", ["draft2020-12", "draft7"])
def test_the_schemas_of_the_suite(draft: str, data: DataSets, compiler: Compiler) -> None:
    """Any schema works or is refused by name; what is held exactly is never wrong; nothing breaks."""
    folder = data.archive("json-schema-test-suite.tar.xz")
    exact = refused = 0
    for path in sorted(folder.rglob(f"tests/{draft}/*.json")):
        for group in json.loads(path.read_text()):
            schema = group["schema"] if isinstance(group["schema"], dict) else {"allOf": [group["schema"]]}
            if draft == "draft7":
                schema = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
            try:
                form = xml(schema)
                valid = etree.RelaxNG(relax_ng_of(form.shape.root, "doc"))
                form.instructions()
            except GrammarError:
                refused += 1
                continue
            exact += not form.shape.loose
            for case in group["tests"]:
                try:
                    text = render(form.shape.root, case["data"], "doc")
                except FormatError:
                    continue
                tree, where = etree.fromstring(text), f"{path.stem}: {group['description']}: {case['description']}"
                assert same(read(form.shape.root, tree), case["data"]), where
                if accepts(compiler, form, text):
                    assert valid(tree), where
                    assert form.shape.loose or form.load(tree) is not Ellipsis, where
    assert exact > 2 * refused


@pytest.mark.parametrize("seed", range(40))
def test_keys_of_a_map_come_once(seed: int, compiler: Compiler) -> None:
    """Whatever is sampled, also where keys are short and few letters are possible."""
    few = {"type": "object", "patternProperties": {"^[ab]+$": {"type": "boolean"}}, "minProperties": 3}
    form = xml({"type": "array", "items": few, "minItems": 2, "maxItems": 2})
    text = random_document(compiler, form.grammar(), seed, budget=300)
    tree = parse(text, "xml")
    assert all(len(item) >= 3 for item in form.load(tree)), text
