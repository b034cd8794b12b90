"""Schemas rewritten for the grammar: what is claimed to be exact is, what is not allows more and is checked after."""

from __future__ import annotations

import json
import time
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from bridle.errors import FormatError, GrammarError
from bridle.evals.order import can_write
from bridle.evals.tasks import read_tasks
from bridle.grammar.check import checker
from bridle.grammar.formats import FORMATS
from bridle.grammar.hold import hold
from bridle.grammar.rewrite import rewrite
from claims import judge

NAMES = st.sampled_from(["a", "b", "c"])
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
SCALARS: st.SearchStrategy[JsonValue] = st.sampled_from([None, True, False, 0, 1, 2, 3.5, -1, "", "a", "ab", "b1"])
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


def plain() -> st.SearchStrategy[dict[str, JsonValue]]:
    """Keywords that hold no schemas."""
    small = st.integers(0, 3)
    return st.one_of(
        st.just({}),
        st.fixed_dictionaries(
            {"type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True)}
        ),  # type: ignore[arg-type]
        st.fixed_dictionaries({"const": SCALARS}),
        st.fixed_dictionaries({"enum": st.lists(SCALARS, min_size=1, max_size=3, unique_by=repr)}),  # type: ignore[arg-type]
        st.fixed_dictionaries({"type": st.just("integer")}, optional={"minimum": small, "exclusiveMaximum": small}),
        st.fixed_dictionaries(
            {"type": st.just("string")},
            optional={"minLength": small, "maxLength": small, "pattern": st.sampled_from(["^a", "b$", "^[ab]\\d?$"])},
        ),
        st.fixed_dictionaries({"required": st.lists(NAMES, min_size=1, max_size=2, unique=True)}),  # type: ignore[arg-type]
        st.fixed_dictionaries(
            {"type": st.just("array")}, optional={"minItems": small, "maxItems": small, "uniqueItems": st.just(True)}
        ),
        st.fixed_dictionaries(
            {
                "dependentRequired": st.dictionaries(
                    NAMES, st.lists(NAMES, max_size=2, unique=True), min_size=1, max_size=2
                )
            }
        ),  # type: ignore[arg-type]
        st.fixed_dictionaries({"type": st.just("object")}, optional={"minProperties": small, "maxProperties": small}),
    )


def compound(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Keywords that hold schemas."""
    part = inner | st.booleans()
    few = st.lists(part, min_size=1, max_size=3)
    objects = st.fixed_dictionaries(
        {"properties": st.dictionaries(NAMES, part, min_size=1, max_size=3)},
        optional={
            "type": st.just("object"),
            "required": st.lists(NAMES, max_size=2, unique=True),
            "additionalProperties": part,
            "patternProperties": st.dictionaries(st.sampled_from(["^a$", "^[bc]$"]), part, max_size=1),
            "unevaluatedProperties": st.just(False),
        },
    )
    single = [st.fixed_dictionaries({key: few}) for key in ("anyOf", "oneOf", "allOf")] + [
        st.fixed_dictionaries({key: part}) for key in ("not", "contains", "propertyNames")
    ]
    return st.one_of(
        objects,
        st.fixed_dictionaries({"items": part}, optional={"prefixItems": few, "type": st.just("array")}),
        st.fixed_dictionaries({"if": part}, optional={"then": part, "else": part}),
        st.fixed_dictionaries({"dependentSchemas": st.dictionaries(NAMES, part, min_size=1, max_size=2)}),
        *single,
        st.tuples(st.one_of(*single), plain() | objects).map(lambda both: {**both[0], **both[1]}),
        st.tuples(objects, plain()).map(lambda both: {**both[1], **both[0]}),
    )


SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(plain(), compound, max_leaves=6)


def accepts(schema: Any, value: JsonValue) -> bool:
    try:
        checker(schema)(value)
    except FormatError:
        return False
    return True


@example({"not": {"type": "object", "properties": {"a": {}}, "unevaluatedProperties": False}}, [{"b": None}, {"a": 1}])
@example({"not": {"type": "array", "prefixItems": [{}], "unevaluatedItems": False}}, [[1], [1, 2], None])
@settings(max_examples=400, deadline=None)
@given(SCHEMAS, st.lists(VALUES, min_size=4, max_size=10))
def test_rewriting_keeps_what_a_schema_means(schema: dict[str, Any], values: list[JsonValue]) -> None:
    result = rewrite(schema)
    for value in values:
        before, after = accepts(schema, value), accepts(dict(result.schema), value)
        assert before == after or (after and result.loose), (schema, result, value)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, st.lists(VALUES, min_size=4, max_size=8))
def test_what_the_grammar_holds_is_what_the_schema_means(schema: dict[str, Any], values: list[JsonValue]) -> None:
    try:
        held = hold(schema, close=False)
    except GrammarError:
        assert not any(accepts(schema, value) for value in values), schema
        return
    for value in values:
        valid, written = accepts(schema, value), can_write(held.schema, value)
        if written is not None:
            assert valid == written or (written and held.loose), (schema, held, value)


def closed() -> list[tuple[dict[str, Any], JsonValue, JsonValue]]:
    """Schemas that do not say whether they are closed, a value of each, and one with a key that nothing speaks of."""
    a: dict[str, Any] = {"properties": {"a": {}}}
    b: dict[str, Any] = {"properties": {"b": {}}}
    return [
        ({**a, "required": ["z"]}, {"a": None, "z": 1}, {"z": 1, "y": 1}),
        ({**a, "oneOf": [{"required": ["a"]}, {"required": ["x"]}]}, {"x": 1}, {"a": 1, "y": 1}),
        ({"allOf": [a, {**b, "required": ["b"]}]}, {"a": 1, "b": 2}, {"b": 1, "c": 1}),
        ({"$defs": {"d": a}, "allOf": [{"$ref": "#/$defs/d"}], **b}, {"b": 1, "a": 1}, {"c": 1}),
    ]


@pytest.mark.parametrize(("schema", "good", "bad"), closed())
def test_objects_are_closed_as_a_whole(schema: dict[str, Any], good: JsonValue, bad: JsonValue) -> None:
    held = hold({"type": "object", **schema})
    assert can_write(held.schema, good)
    assert accepts(schema, bad)
    assert not can_write(held.schema, bad)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        (r"^\d$", "٣", False),
        (r"^\w$", "é", False),
        (r"^a|b$", "xb", True),
        (r"^[^]$", "\n", True),
        (r"^\cA$", "\x01", True),
        (r"^[a&&b]$", "&", True),
        (r"^[[]$", "[", True),
        (r"^.$", "\n", False),
        (r"^a{,3}$", "a{,3}", True),
        (r"^{a}$", "{a}", True),
        (r"^[^\S]$", " ", True),
        (r"^[\s\S]$", "\n", True),
        (r"^[a-\d]$", "-", True),
        (r"^\uD83D\uDE00$", "\U0001f600", True),
        (r"^a\Z", "a", True),
        (r"^(?<n>a)\k<n>$", "aa", True),
        (r"^(?!x).*$", "xa", False),
        (r"\bfoo\b", "a foo b", True),
    ],
)
def test_patterns_mean_what_ecma_says(pattern: str, text: str, matches: bool) -> None:
    schema: dict[str, JsonValue] = {"type": "string", "pattern": pattern}
    held = hold(schema)
    assert accepts(schema, text) is matches
    assert can_write(held.schema, text) is (matches or bool(held.loose))


@pytest.mark.parametrize("pattern", [r"^(?=x?)(a+)+$", r"^(a|a?)+$", r"(?!b)(\w+\s?)*$", r"^((a+)\2?)+$"])
def test_patterns_take_no_time_to_speak_of(pattern: str) -> None:
    before = time.process_time()
    accepts({"pattern": pattern}, "a" * 5000 + "!")
    assert time.process_time() - before < 1


def test_what_is_no_pattern_is_named_and_fails_nothing() -> None:
    held = hold({"type": "string", "pattern": "["})
    assert "no regular expression" in held.loose[0]
    assert can_write(held.schema, "x")


def test_references_that_lead_out_open_no_socket() -> None:
    with pytest.raises(GrammarError, match="not a valid JSON Schema"):
        checker({"$ref": "http://127.0.0.1:9/schema.json"})
    assert rewrite({"$ref": "http://127.0.0.1:9/schema.json"}).loose == ("/: $ref http://127.0.0.1:9/schema.json",)


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"a": {"oneOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]}}, "$ref": "#/$defs/a"},
        {"allOf": [{"$ref": "#"}]},
        {"not": {"$ref": "#"}},
        {"properties": {"a": {"$ref": "#"}}, "oneOf": [{"$ref": "#/properties/a"}, {}]},
        {"$ref": "#/$defs/%25a~1b", "$defs": {"%a/b": {"type": "integer"}}},
    ],
)
def test_recursive_and_odd_references_end(schema: dict[str, Any]) -> None:
    hold(schema)


def test_the_test_suite_of_json_schema_is_claimed_rightly(data: Any) -> None:
    """Of the cases that are claimed to be exact none is judged wrong; formats are asserted here, not annotated."""
    folder = data.archive("json-schema-test-suite.tar.xz")
    wrong: list[str] = []
    exact = 0
    for draft, dialect in (("draft7", "http://json-schema.org/draft-07/schema#"), ("draft2020-12", "")):
        for path in sorted(folder.glob(f"**/tests/{draft}/*.json")):
            counts, found = judge(path, dialect)
            exact += counts["exact"]
            wrong += [line for line in found if "only an annotation" not in line]
    assert exact > 1000
    assert not wrong


def test_calls_of_bfcl_are_held_and_every_possible_answer_is_accepted(data: Any) -> None:
    """Every function's schema compiles; each value of an answer that its own schema admits can be written.

    Some answers are not of their function's schema: another case in an enum, no value where one is required.
    """
    folder = data.archive("bfcl-dev.tar.xz")
    files = [file for file in sorted(folder.rglob("BFCL_v4_*.json")) if file.parent.name != "possible_answer"]
    tasks = {task.name: task for file in files for task in read_tasks(file)}
    refused: list[str] = []
    written = odd = 0
    for file in sorted(folder.rglob("possible_answer/*.json")):
        for line in file.read_text(encoding="utf-8").splitlines():
            answer = json.loads(line)
            tools = {tool.name: tool for tool in tasks[answer["id"]].tools}
            for name, args in ((name, args) for call in answer["ground_truth"] for name, args in call.items()):
                for key, options in args.items():
                    whole = cast("dict[str, Any]", tools[name].schema)
                    schema: dict[str, Any] = {**whole["properties"][key], "$defs": whole.get("$defs", {})}
                    for option in map(meant, options):
                        if not accepts(schema, option):
                            odd += option != ""
                        elif can_write(hold(schema).schema, option):
                            written += 1
                        else:
                            refused.append(f"{answer['id']}: {name}.{key} = {option!r} in {schema!r}")
    assert written > 3000
    assert odd < 20
    assert not refused, "\n".join(refused)


def meant(option: Any) -> Any:
    """An answer's value: inside objects, BFCL lists the possible values of each key."""
    if isinstance(option, dict):
        entries = cast("dict[str, Any]", option)
        return {key: meant(it[0]) if isinstance(it, list) and it else meant(it) for key, it in entries.items()}
    if isinstance(option, list):
        return [meant(item) for item in cast("list[Any]", option)]
    return option


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_a_format_lets_write_is_valid(name: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(f"(?:{FORMATS[name]})", fullmatch=True, alphabet=st.characters(codec="ascii")))
    assert accepts({"type": "string", "format": name}, text), text
