"""Values while they grow: typed, never ahead of the text, final where they say so."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from bridle.evals.scripted import scripted_model
from bridle.grammar import form_of
from bridle.grammar.elements import render
from bridle.grammar.growing import grow
from bridle.grammar.shaping import shape_of
from bridle.grammar.unfinished import unfinished
from bridle.parse.growing import growing
from bridle.prompt import Message
from bridle.step import Step
from bridle.streaming import Partial, stream
from bridle.values import same
from xml_types import schemas

VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "é"]), inner, max_size=3),
    max_leaves=8,
)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


@dataclass
class Owner:
    name: str
    pets: list[Cat | Dog]


def at(value: Any, path: str) -> Any:
    for name in path.split(".") if path else ():
        value = value[int(name) if name.isdigit() else name]
    return value


@given(VALUES.filter(lambda value: isinstance(value, dict | list)))
def test_what_is_final_stays(value: JsonValue) -> None:
    text = json.dumps(value)
    for length in range(1, len(text) + 1):
        found = growing(text[:length])
        for path in found.final if found else ():
            assert found
            assert at(found.tree, path) == at(value, path)
    whole = growing(text)
    assert whole is not None
    assert whole.tree == value


def test_types_grow() -> None:
    begun = grow(Owner, {"name": "Ann", "pets": [{"kind": "dog", "tricks": ["si"]}, {"kind": "c"}]})
    assert isinstance(begun, Owner)
    first, second = begun.pets
    assert isinstance(first, Dog)
    assert first.tricks == ["si"]
    assert isinstance(second, Cat)
    assert second.lives is None
    assert grow(Owner, {}).pets is None


def collect(step: Step[Any], texts: list[str]) -> list[Partial[Any]]:
    async def run() -> list[Partial[Any]]:
        with scripted_model(texts) as model:
            return [partial async for partial in stream(step, model)]

    return asyncio.run(run())


SAID: dict[Literal["json", "xml"], str] = {
    "json": '{"name": "Ann of Green Gables", "pets": [{"kind": "cat", "lives": 9}]}',
    "xml": "<Owner><name>Ann of Green Gables</name><pets><item><Cat><kind>cat</kind><lives>9</lives></Cat></item>"
    "</pets></Owner>",
}


@pytest.mark.parametrize("syntax", SAID)
def test_a_value_is_seen_while_it_grows(syntax: Literal["json", "xml"]) -> None:
    seen = collect(Step([Message("user", "Who?")], form_of(Owner, syntax)), [SAID[syntax]])
    *partials, last = seen
    assert last.done
    assert last.value == Owner("Ann of Green Gables", [Cat(kind="cat", lives=9)])
    assert partials, "nothing was seen before the end"
    assert not any(partial.done for partial in partials)
    assert all("Ann of Green Gables".startswith(partial.value.name or "") for partial in partials)
    for partial in partials:
        if "name" in partial.final:
            assert partial.value.name == last.value.name


def test_another_attempt_begins_again() -> None:
    schema: dict[str, Any] = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}
    seen = collect(Step([Message("user", "Which?")], form_of(schema)), ['["a", "a"]', '["a", "b"]'])
    assert (seen[-1].value, seen[-1].attempt) == (["a", "b"], 1)
    assert {partial.attempt for partial in seen} == {0, 1}


def leaves(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Single values (and empty ones) by path."""
    inner: list[tuple[str, JsonValue]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    if isinstance(value, list):
        inner = [(str(number), item) for number, item in enumerate(value)]
    found: dict[str, JsonValue] = {}
    for key, item in inner:
        found |= leaves(item, f"{path}.{key}" if path else key)
    return found or {path: value}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_what_is_final_in_xml_stays(data: st.DataObject) -> None:
    """Whatever the schema: what is final is right, and at the end all of it is there."""
    schema, values = data.draw(schemas())
    root, value = shape_of(schema).root, data.draw(values)
    text = render(root, value, "doc")
    known = leaves(value)
    for length in range(1, len(text) + 1):
        found = unfinished(root, text[:length])
        for path in found[1] if found else ():
            assert found
            if path in known:
                assert same(leaves(found[0])[path], known[path]), (text[:length], path)
    whole = unfinished(root, text)
    assert whole is not None
    assert same(whole[0], value)
    for path in (path for path, it in known.items() if it not in ([], {})):  # a list that is a constant is one value
        assert any(it in ("", path) or path.startswith(f"{it}.") for it in whole[1]), path
