"""Thinking with every kind of marker: the budget is kept, the marker is whole, and a thought ends where it pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

import laws
from bridle.brief import brief
from bridle.card import Card, ThinkingCard
from bridle.engine import scripted
from bridle.engine.base import Request
from bridle.engine.mask import allocate, tokens_of
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BudgetError
from bridle.grammar.base import Choice
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.grammar.passage import pause
from bridle.grammar.thinking import Thinking
from bridle.model import Model
from bridle.parse import split_thinking
from bridle.prompt import Message
from bridle.step import Step, take
from bridle.toolbox import TOOLBOX
from scripts import copycat

NAMES = ("<|return|>", "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "[/THINK]", "[THINK]", "<|user|>")
WORDS = ("</", "think", "</think>", "thinking", " word", " words", "ing", "\n\n", ". ", " The", "assistant", "ab", '"}')
BODY = Choice(["yes", "no"])
KINDS = {
    "several tokens": Thinking(),
    "several tokens and no space": Thinking("<t>", "</t>"),
    "one ordinary token": Thinking("<think>\n", "</think>\n\n"),
    "a line before": Thinking("<think>\n", "\n</think>\n"),
    "one control token": Thinking("[THINK]", "[/THINK]"),
    "a control token and a line": Thinking("[THINK]", "[/THINK]\n"),
    "channels": Thinking("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    "a sentence": Thinking("Here is my thought process:\n", "Here is my response:\n"),
    "text and a control token": Thinking("<a>", "</a><|message|>"),
}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return scripted.vocabulary(WORDS, NAMES)


@pytest.fixture(scope="module")
def tools(vocabulary: Vocabulary) -> Compiler:
    return Compiler(vocabulary)


@pytest.fixture(scope="module")
def model(vocabulary: Vocabulary) -> Iterator[Model]:
    with Model(scripted.engine(laws.random_script(vocabulary.size), vocabulary), Card(name="random")) as opened:
        yield opened


def with_budget(thinking: Thinking, budget: int, form: str = "free") -> Thinking:
    return Thinking(thinking.open, thinking.close, budget, form)


def least(thinking: Thinking, compiler: Compiler) -> int:
    phase = thinking.phase(compiler.vocabulary)
    return len(compiler.compile(phase.grammar, phase.tail).minimum or ())


def write(document: Document, due: Sequence[int], random: np.random.Generator | None = None) -> list[int]:
    """The tokens of a document: those due where the mask lets them through, else any."""
    said, row = list[int](), allocate(document._compiler.vocabulary.size)  # pyright: ignore[reportPrivateUsage]
    while not document.finished:
        step = document.forced()
        if not step:
            document.fill(row)
            allowed = tokens_of(row)
            wanted = due[len(said)] if len(said) < len(due) else -1
            step = [wanted if wanted in allowed else int(random.choice(allowed) if random is not None else allowed[0])]
        grown = document.advance(step)
        said = [*said, *step][: len(said) + grown]
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_budgets_are_kept_and_markers_are_whole(kind: str, tools: Compiler) -> None:
    """With random weights, from the smallest budget up."""
    words, smallest = tools.vocabulary, least(KINDS[kind], tools)
    for budget in range(smallest, smallest + 40):
        thinking = with_budget(KINDS[kind], budget)
        document = Document(tools, laws.phases(BODY, thinking, words), budget + 3)
        said = write(document, [], np.random.default_rng(budget))
        length = document.lengths[0]
        assert length <= budget
        block = thinking.spell(said[:length], words)
        thought, marker, rest = block.partition(thinking.close.strip())
        assert (marker + rest).strip() == thinking.close.strip()
        assert block.endswith(thinking.close.lstrip())
        assert thinking.thought(said[:length], words) == thought.strip()
        assert "�" not in thought
        assert words.text(said[length:]) in ("yes", "no")


@pytest.mark.parametrize("kind", KINDS)
def test_a_budget_below_the_marker_is_refused(kind: str, tools: Compiler) -> None:
    smallest = least(KINDS[kind], tools)
    thinking = with_budget(KINDS[kind], 1)
    with pytest.raises(BudgetError, match="the shortest output"):
        Document(tools, laws.phases(BODY, thinking, tools.vocabulary), smallest)
    document = Document(tools, laws.phases(BODY, thinking, tools.vocabulary), smallest + 3)
    write(document, [])
    assert document.lengths[0] == smallest, "a share below the marker is the marker"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not KINDS[kind].close.strip().startswith(("[", "<|"))])
def test_a_marker_that_was_begun_is_completed(kind: str, tools: Compiler) -> None:
    words, marker = tools.vocabulary, KINDS[kind].close.strip().partition("<|")[0]
    for begun in range(1, len(marker)):
        due = [
            token for _ in range(30) for token in (*words.tokenize("ab", False), *map(words_of_byte, marker[:begun]))
        ]
        for budget in range(20 + 2 * len(marker), 30 + 2 * len(marker)):
            thinking = with_budget(KINDS[kind], budget)
            document = Document(tools, [thinking.phase(words)], budget)
            thought = thinking.thought(write(document, due), words)
            assert not any(thought.endswith(marker[:size]) for size in range(1, len(marker))), thought


def words_of_byte(character: str) -> int:
    return len(NAMES) + ord(character)


TEXT = (
    "First I look. The file is there; it has words in it, and some words more than that.\n"
    'Then what?  I read 3.14 and "that." It is all right! So be it: done\nand é then words words words words words '
) * 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_thought_is_closed_where_it_pauses(kind: str, tools: Compiler) -> None:
    words = tools.vocabulary
    due, ends = words.tokenize(TEXT, False), set[str]()
    for budget in range(60, 260, 7):
        thinking = with_budget(KINDS[kind], budget)
        document = Document(tools, laws.phases(BODY, thinking, words), budget + 3)
        said = write(document, due)
        block = thinking.spell(said[: document.lengths[0]], words)
        thought = block.partition(thinking.close.strip())[0].removesuffix("\n" if kind == "a line before" else "")
        assert TEXT.startswith(thought)
        assert thought.endswith("\n") or TEXT[len(thought)].isspace(), thought[-20:]
        assert budget * 3 // 4 - 2 * len(thinking.close) <= document.lengths[0] <= budget
        assert document.cut == ["thinking"]
        ends.add("line" if thought.endswith("\n") else "sentence" if thought[-1] in '.!?:"' else "word")
    assert ends == {"line", "sentence", "word"}


def test_a_thought_that_ends_by_itself_is_not_cut(tools: Compiler) -> None:
    words, thinking = tools.vocabulary, Thinking(budget=40)
    document = Document(tools, laws.phases(BODY, thinking, words), 60)
    said = write(document, words.tokenize("I see. It is so\n</thinking>\nno", False))
    assert (thinking.thought(said[: document.lengths[0]], words), document.cut) == ("I see. It is so", [])


def test_pauses() -> None:
    cases = {
        (b"a line\n", b"x"): 3,
        (b"So it is.", b" The"): 2,
        (b'He said "no."', b" The"): 2,
        (b"So it is.", b"5"): 0,
        ("好。".encode(), b"x"): 2,
        (b"one", b" two"): 1,
        (b"one", b"\n"): 1,
        (b"on", b"e"): 0,
    }
    for (said, piece), rank in cases.items():
        assert pause(said, piece) == rank, (said, piece)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_keep_their_form_with_every_marker(kind: str, model: Model) -> None:
    """1: whatever the logits; and 7: no marker and no thought in what is answered."""
    smallest = least(KINDS[kind], model.compiler)
    for seed in range(12):
        thinking = with_budget(KINDS[kind], smallest + 5 * seed)
        outcome = laws.law_of_form(model, BODY, thinking=thinking, max_tokens=smallest + 4 * seed + 3, seed=seed)
        assert outcome.value in ("yes", "no")
        assert thinking.close.strip() not in outcome.thinking


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_inside_thinking_keeps_its_shape(kind: str, model: Model) -> None:
    thinking = with_budget(KINDS[kind], 120, "observation-plan")
    step = Step([Message("user", "go")], BODY, thinking, max_tokens=200)
    lines = asyncio.run(take(step, model)).thinking.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["Observation", "Plan"]
    moves = with_budget(KINDS[kind], 40, "next-move").phase(
        model.engine.vocabulary, {tool.name: tool.schema for tool in TOOLBOX[:3]}
    )
    said = write(Document(model.compiler, [moves], 60), [], np.random.default_rng(1))
    assert with_budget(KINDS[kind], 40).thought(said, model.engine.vocabulary)


@pytest.mark.parametrize("kind", KINDS)
def test_drafts_do_not_change_where_a_thought_ends(kind: str, vocabulary: Vocabulary, tools: Compiler) -> None:
    """3, near the end of a budget."""
    for seed in range(3):
        script = copycat(vocabulary.size, seed)
        phases = laws.phases(BODY, with_budget(KINDS[kind], 90), vocabulary)
        documents = [Document(tools, phases, 95) for _ in range(2)]
        with scripted.engine(script, vocabulary) as engine:
            prompt = vocabulary.tokenize(f"<|user|>go {seed} words words", True)
            laws.law_of_speed(engine, script, prompt, documents, Request([*prompt, 9], 30))


def test_thinking_is_parted_without_a_grammar_too(vocabulary: Vocabulary) -> None:
    for thinking in KINDS.values():
        said = vocabulary.tokenize(f"a plan{thinking.close}the answer", True)
        reply = split_thinking(thinking.spell(said, vocabulary), thinking.open, thinking.close, opened=True)
        assert (reply.thinking, reply.body) == ("a plan", "the answer")


def test_the_body_is_free_of_thinking_phases(tools: Compiler) -> None:
    """A phase that does not say `soft` is never ended early."""
    due = tools.vocabulary.tokenize('"one. two\\n three"', False).tolist()
    text = Phase("document", 'start: /"[^"]*"/')
    document = Document(tools, [text], len(due))
    assert write(document, due) == due
    assert document.cut == []


def test_who_thinks_natively_is_not_told_the_markers() -> None:
    native = Thinking("<|channel|>analysis<|message|>", "<|end|>", native=True)
    assert "inside <thinking></thinking>" in brief("", [], BODY, Thinking())
    assert "<|" not in brief("", [], BODY, native)
    assert "Think first, briefly;" in brief("", [], BODY, native)


def test_a_card_makes_the_thinking_of_a_model() -> None:
    card = Card(name="x", thinking=ThinkingCard(native=True, open="[THINK]", close="[/THINK]", budget=99))
    with Model(scripted.engine([]), card) as model:
        assert model.thinking == Thinking("[THINK]", "[/THINK]", 99, native=True)
        assert model.template.thinking == card.thinking
