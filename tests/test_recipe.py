"""colt's data: what it is to learn is right, can be said under its own grammar, and is kept apart from its test."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from bridle.brief import arguments
from bridle.errors import BridleError
from bridle.evals.cases import read_suite
from bridle.grammar.check import checker
from bridle.grammar.said import Ask, Call
from bridle.model import Model
from bridle.prompt import Message
from bridle.shelf import shelf

RECIPE = shelf("models") / "colt" / "recipe"


@pytest.fixture(scope="module")
def recipe() -> Any:
    """Imports a module of the recipe."""
    if not RECIPE.is_dir():
        pytest.skip("an installed Bridle has no recipe")
    sys.path.insert(0, str(RECIPE))
    yield import_module
    sys.path.remove(str(RECIPE))


WORLDS: tuple[dict[str, str], ...] = (
    {},
    {"values": "unseen"},
    {"values": "unseen", "phrasings": "unseen"},
    {"values": "unseen", "tools": "unseen"},
    {"only": "chain"},
    {"only": "missing"},
    {"only": "injection"},
    {"only": "refusal"},
)


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_every_call_can_be_made(recipe: Any, world: dict[str, str]) -> None:
    """Its tool is there and takes its arguments, which stand in what was said before."""
    sessions = recipe("sessions")
    maker = sessions.Maker(11, sessions.World(**world))
    calls = 0
    for _ in range(120):
        tools, inventions = maker.tools()
        task = maker.task(tools, inventions)
        said = [Message("user", task.request)]
        for action, _, following in task.steps:
            if isinstance(action, Call):
                tool = next(tool for tool in tools if tool.name == action.tool)
                tool.check(action.args)
                checker(arguments([tool], said, copies=True)[tool.name])(dict(action.args))
                calls += 1
            said.append(Message("tool" if isinstance(action, Call) else "user", following))
    assert calls > 60 or world.get("only") == "refusal"


@pytest.mark.parametrize("world", WORLDS[::3], ids=str)
def test_every_thought_can_be_thought(recipe: Any, world: dict[str, str], colt: Model) -> None:
    """Under the form that colt's card names, whose values stand in what was said before."""
    sessions, vocabulary, thinking = recipe("sessions"), colt.engine.vocabulary, colt.thinking
    maker = sessions.Maker(12, sessions.World(**world))
    for _ in range(25):
        tools, inventions = maker.tools()
        task = maker.task(tools, inventions)
        said = [Message("user", task.request)]
        for action, thought, following in task.steps:
            assert thinking is not None
            phase = thinking.phase(vocabulary, arguments(tools, said, copies=True))
            tokens = vocabulary.tokenize(f"{thought}{thinking.close}", False).tolist()
            held = colt.compiler.compile(phase.grammar).start.deep_copy()
            assert held.validate_tokens(tokens) == len(tokens) <= thinking.budget, (thought, task.request)
            said.append(Message("tool" if isinstance(action, Call) else "user", following))


@pytest.mark.parametrize("half", ["seen", "unseen"])
def test_every_exercise_of_a_verb_can_be_said(recipe: Any, half: str, colt: Model) -> None:
    """Under its form, token for token; and it means what it should."""
    sessions, verbs = recipe("sessions"), recipe("verbs")
    random, vocabulary = sessions.Random(4), colt.engine.vocabulary
    made = verbs.Verbs(random, sessions.Values(random, half), half)
    for number in range(120):
        exercise = made.exercise(list(get_args(verbs.Verb))[number % 8])
        reply = vocabulary.tokenize(exercise.reply, False).tolist()
        grammar = colt.compiler.compile(exercise.form.grammar()).start.deep_copy()
        assert grammar.validate_tokens(reply) == len(reply), exercise.reply
        assert grammar.consume_tokens(reply)
        assert grammar.is_accepting(), exercise.reply
        exercise.form.load(
            json.loads(exercise.reply) if exercise.form.syntax == "json" else exercise.reply
        )  # or raises


def test_what_could_be_either_is_labelled_by_chance(recipe: Any) -> None:
    sessions, verbs = recipe("sessions"), recipe("verbs")
    random = sessions.Random(4)
    made = verbs.Verbs(random, sessions.Values(random, "seen"), "seen")
    routes = [made.exercise("route") for _ in range(300)]
    assert 0.15 < sum(not it.clear for it in routes) / len(routes) < 0.45
    assert all(it.reply in it.form.options for it in routes)


def test_what_is_held_out_is_never_shown(recipe: Any) -> None:
    frames, sessions, values = recipe("frames"), recipe("sessions"), recipe("values")
    random = sessions.Random(1)
    for intent in sessions.INTENTS:
        seen = {frames.sentence(random, intent.says, "seen") for _ in range(300)}
        held = {frames.sentence(random, intent.says, "unseen") for _ in range(300)}
        assert not seen & held, intent.tool
        assert not seen & set(intent.held), intent.tool
    one, other = values.LEXICONS["seen"], values.LEXICONS["unseen"]
    for field in ("onsets", "cities", "names", "nouns", "adjectives"):
        assert not set(getattr(one, field)) & set(getattr(other, field))


def test_there_are_hundreds_of_ways_to_ask(recipe: Any) -> None:
    frames, sessions = recipe("frames"), recipe("sessions")
    by_tool: dict[str, int] = {}
    for intent in sessions.INTENTS:
        by_tool[intent.tool] = by_tool.get(intent.tool, 0) + sum(map(frames.ways, intent.says))
    assert sum(by_tool.values()) > 10_000
    assert min(by_tool.values()) >= 25, by_tool


def test_every_heading_of_phrases_is_an_intent(recipe: Any) -> None:
    intents, phrases = recipe("intents_all"), recipe("phrases")
    shown = {pattern for it in intents.INTENTS for says in (it.says, *it.missing.values()) for pattern in says}
    for heading, patterns in phrases.patterns().items():
        assert patterns, heading
        assert set(patterns) <= shown, heading


def test_the_same_seed_makes_the_same_data(recipe: Any) -> None:
    sessions = recipe("sessions")
    one, other, third = ([it.session() for _ in range(20)] for it in map(sessions.Maker, (5, 5, 6)))
    assert one == other != third


def test_tools_are_as_varied_as_their_lists(recipe: Any) -> None:
    sessions = recipe("sessions")
    maker = sessions.Maker(2)
    names = [invention.tool.name for _ in range(200) for invention in maker.tools()[1]]
    assert len(set(names)) > 0.9 * len(names)


def test_suites_are_cases(recipe: Any, tmp_path: Any) -> None:
    suite = recipe("suite")
    told = [case for number, world in enumerate(suite.FAMILIES.values()) for case in suite.cases(world, 4, number)]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
    found = read_suite(tmp_path).cases
    assert len(found) == 4 * len(suite.FAMILIES)
    for case in found:
        tools = {tool.name: tool for tool in case.toolbox()}
        for call in case.expect.calls or ():
            tools[call.tool].check(call.args)
    asked = suite.cases(suite.FAMILIES["a value is missing"], 5, 1)
    assert all(case["replies"] for case in asked)
    assert not issubclass(Ask, BridleError)


def test_a_finished_file_is_gone_on_from(recipe: Any, colt: Model, tmp_path: Path) -> None:
    """Its tokens and its weights, as the export wrote them."""
    pytest.importorskip("torch", reason="bridle[train] is not installed")
    onward, export, model = recipe("onward"), recipe("export"), recipe("model")
    words = onward.tokenizer_of(shelf("models") / "colt" / "colt.gguf")
    for text in (*recipe("make").ODD, "<|user|>What is 15% of 240?<|end|><|assistant|><thinking>"):
        assert words.encode(text, add_special_tokens=False).ids == colt.engine.vocabulary.tokenize(text, True).tolist()
    bundled = shelf("models") / "colt" / "colt.gguf"
    shape = replace(model.Shape(), layers=onward.layers(bundled))
    begun, again = model.Colt(shape), model.Colt(shape)
    onward.fill(begun, bundled)
    words.save(str(tmp_path / "words.json"))
    export.export(begun, tmp_path / "words.json", tmp_path / "again.gguf")
    onward.fill(again, tmp_path / "again.gguf")
    assert all(one.equal(other) for one, other in zip(begun.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("more", [1, 2, 5])
def test_a_finished_file_grows(recipe: Any, tmp_path: Path, more: int) -> None:
    """With layers put between its own it says what it said, also mixed with itself; it does not shrink."""
    torch = pytest.importorskip("torch", reason="bridle[train] is not installed")
    onward, model = recipe("onward"), recipe("model")
    bundled = shelf("models") / "colt" / "colt.gguf"
    held = onward.layers(bundled)
    plain, grown = (model.Colt(replace(model.Shape(), layers=held + it)) for it in (0, more))
    onward.fill(plain, bundled)
    onward.fill(grown, bundled)
    ids = torch.arange(8, 72).reshape(2, 32)
    assert torch.equal(plain(ids), grown(ids))
    torch.nn.init.ones_(grown.blocks[-1].down.weight)
    assert not torch.equal(plain(ids), grown(ids))
    onward.mix(grown, bundled, 0.0)
    assert torch.equal(plain(ids), grown(ids))
    with pytest.raises(RuntimeError, match="layers"):
        onward.fill(model.Colt(replace(model.Shape(), layers=held - 1)), bundled)
