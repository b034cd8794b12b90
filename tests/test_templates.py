"""Chat templates: the prompt ends where the model's turn starts, what is said stays text, and nothing runs for ever."""

from __future__ import annotations

import contextlib
import re
import resource
import time
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.card import ThinkingCard, cards
from bridle.engine import scripted
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import ModelError
from bridle.prompt import Message, Prompt, Template
from conftest import DATA
from hostile import HOSTILE
from styles import STYLES, Style

WHOLE = [
    Message("system", "You are BOSS."),
    Message("user", "First."),
    Message("assistant", "Done one.", "OLD thought"),
    Message("user", "Second."),
    Message("assistant", '{"tool": "look"}', "NEW thought"),
    Message("tool", "Result ONE"),
    Message("tool", "Result TWO"),
]
CONVERSATIONS = {
    "with tools": WHOLE,
    "one question": WHOLE[:2],
    "without a system message": WHOLE[1:4],
    "a question only": WHOLE[1:2],
    "two questions": [WHOLE[0], WHOLE[1], WHOLE[3]],
    "the assistant first": WHOLE[2:4],
}


def words_of(style: Style) -> Vocabulary:
    return scripted.vocabulary(names=style.names)


def template(style: Style) -> Template:
    return Template(words_of(style), style.source, style.tool_role, style.thinking)


def controls(prompt: Prompt, words: Vocabulary) -> list[str]:
    return [words.pieces[token].decode() for token in prompt.tokens if token in words.control]


def in_order(text: str, parts: Sequence[str]) -> bool:
    return re.search(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


@pytest.mark.parametrize("talk", CONVERSATIONS)
@pytest.mark.parametrize("name", STYLES)
def test_every_style_renders_every_conversation(name: str, talk: str) -> None:
    style, messages = STYLES[name], CONVERSATIONS[talk]
    made = template(style)
    for thinking, end in ((style.thinking.open, style.on), (None, style.off)):
        prompt = made.prompt(messages, thinking=thinking)
        assert prompt.text.endswith(end), prompt.text[-80:]
        assert prompt.thinking == (thinking is not None)
        assert in_order(prompt.text, [message.content for message in messages])
        assert "OLD" not in prompt.text
        assert ("NEW" in prompt.text) == (style.thinking.replay and thinking is not None and messages is WHOLE)
        whole = made.prompt(messages, thinking=thinking, begin="{")
        assert (whole.text, whole.tokens[: len(prompt.tokens)]) == (prompt.text + "{", prompt.tokens)
    bare = made.prompt(messages, reply=False)
    assert in_order(bare.text, [message.content for message in messages])
    assert not bare.text.endswith((style.off, style.on))


@pytest.mark.parametrize("name", STYLES)
def test_thinking_opens_once(name: str) -> None:
    """Also where other markers than the model's own are wanted: its own are closed then."""
    style = STYLES[name]
    opening, closing = style.thinking.open.strip(), style.thinking.close.strip()
    for talk in (WHOLE[:2], WHOLE[:4]):
        turn = (
            template(style)
            .prompt(talk, thinking=style.thinking.open)
            .text.rpartition("Second." if talk[2:] else "First.")[2]
        )
        assert turn.count(opening) == 1
        assert closing not in turn
        other = template(style).prompt(talk, thinking="<reason>").text
        assert other.endswith("<reason>")
        assert not other.removesuffix("<reason>").rstrip().endswith(opening)


def test_thinking_since_the_user_spoke_is_seen_again_where_the_card_says_so() -> None:
    prompt = template(STYLES["channels"]).prompt(WHOLE, thinking=STYLES["channels"].thinking.open)
    assert (
        "<|start|>assistant<|channel|>analysis<|message|>NEW thought<|end|>"
        '<|start|>assistant<|channel|>final<|message|>{"tool": "look"}<|end|>'
    ) in prompt.text
    written = STYLES["a switch that writes an empty block"]
    prompt = template(written).prompt(WHOLE, thinking="<think>\n")
    assert '<|im_start|>assistant\n<think>\nNEW thought\n</think>\n\n{"tool": "look"}<|im_end|>' in prompt.text
    assert prompt.text.count("NEW") == 1
    hidden = written.thinking.model_copy(update={"replay": False})
    assert (
        "NEW"
        not in Template(words_of(written), written.source, "tool", hidden).prompt(WHOLE, thinking="<think>\n").text
    )
    later = [*WHOLE, Message("assistant", "So."), Message("user", "Third.")]
    assert "NEW" not in template(written).prompt(later, thinking="<think>\n").text
    always = replace(template(written), thinking=written.thinking.model_copy(update={"replay": "all"}))
    text = always.prompt(later, thinking="<think>\n").text
    assert in_order(text, ["OLD", "NEW", "So.", "Third."])
    assert "OLD" not in always.prompt(later).text  # a turn without thinking


def test_what_makes_it_think_is_in_the_system_message() -> None:
    style = STYLES["no switch at all"]
    with_system = template(style).prompt(WHOLE[:2], thinking="<think>\n").text
    assert "You are BOSS.\n\nThink in <think></think>.<|im_end|>" in with_system
    assert "system\nThink in" in template(style).prompt(WHOLE[1:2], thinking="<think>\n").text
    assert "Think in" not in template(style).prompt(WHOLE[:2]).text
    told = template(STYLES["channels"])
    assert "Effort: low" in told.prompt(WHOLE[:2], thinking=STYLES["channels"].thinking.open).text
    assert "Effort: medium" in told.prompt(WHOLE[:2]).text


def test_a_template_that_drops_or_changes_what_is_said_gets_it_otherwise() -> None:
    dropped = template(STYLES["a channel behind a token in the system turn"]).prompt(WHOLE).text
    assert "<|turn>user\n<result>\nResult ONE\n</result>" in dropped
    talk = [Message("system", "Look in docs/thinking."), Message("user", "Hi")]
    assert "docs/thinking." in template(STYLES["words taken out of the system message"]).prompt(talk).text


def test_a_system_message_stays_one_where_only_turns_are_strict() -> None:
    strict = "{% for m in messages[1:] %}{% if (m.role == 'user') != loop.index0 is even %}"
    strict += "{{ raise_exception('no') }}{% endif %}{% endfor %}"
    source = strict + "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    text = Template(scripted.vocabulary(), source).prompt(CONVERSATIONS["two questions"]).text
    assert text == "<system>You are BOSS.<user>First.\n\nSecond."


def test_how_a_model_thinks_is_read_off_its_template() -> None:
    style = STYLES["the same, and nobody says how to close it"]
    made = Template(words_of(style), style.source.replace("<think>", "</think> is never written, <think>"), "tool")
    assert made.prompt(WHOLE[:2], thinking="<think>\n").text.endswith("written, <think>\n")
    assert made.prompt(WHOLE[:2]).text.endswith("<think>\n</think>\n\n")


@pytest.mark.parametrize("name", STYLES)
def test_prompts_with_one_system_message_share_their_beginning(name: str) -> None:
    made = template(STYLES[name])
    one = made.prompt(WHOLE[:2], thinking=STYLES[name].thinking.open)
    other = made.prompt([WHOLE[0], Message("user", "Else?")], thinking=STYLES[name].thinking.open)
    assert one.tokens[: one.stable] == other.tokens[: one.stable]
    assert one.stable == other.stable > len("You are BOSS.") / 2


NAMES = {name for style in STYLES.values() for name in style.names}
PARTS = sorted(NAMES | {part for name in NAMES for part in (name[:4], name[4:], name[-1])})
ODD = ["/think", "</think>", "<think>\n", "\ue000", "\ue001", "\ue002", "\U000f0000", "\x00", "<", ">", "\n", " a"]
SPOKEN = st.one_of(
    st.text(max_size=12),
    st.lists(st.one_of(st.sampled_from(PARTS), st.sampled_from(ODD)), max_size=8).map("".join),
)


@pytest.mark.parametrize("name", STYLES)
@settings(max_examples=25, deadline=None)
@given(said=st.lists(SPOKEN, min_size=6, max_size=6))
def test_what_is_said_never_becomes_a_control_token(name: str, said: list[str]) -> None:
    """Through any template, even one that takes words out of the middle of what is said."""
    style = STYLES[name]
    roles = ("system", "user", "assistant", "user", "tool", "tool")

    def talk(texts: Sequence[str]) -> list[Message]:
        return [Message(role, f"a{text}b") for role, text in zip(roles, texts, strict=True)]

    words = words_of(style)
    prompt = template(style).prompt(talk(said), thinking=style.thinking.open, begin=said[0])
    harmless = template(style).prompt(talk([""] * 6), thinking=style.thinking.open)
    as_turns = template(style).prompt([Message("user", "\n\n".join(f"a{it}b" for it in said))])
    assert controls(prompt, words) in (controls(harmless, words), _merged(style, talk(said)), controls(as_turns, words))
    assert words.text(prompt.tokens)  # every token is one
    if name == "no thinking":
        spelled = b"".join(words.pieces[token] for token in prompt.tokens).decode()
        assert spelled == prompt.text
        assert all(message.content in prompt.text for message in talk(said))


def _merged(style: Style, messages: Sequence[Message]) -> list[str]:
    """Control tokens where turns had to be merged: those of the same roles by turns."""
    merged = [Message("user", "x"), Message("assistant", "x"), Message("user", "x")]
    return controls(template(style).prompt(merged, thinking=style.thinking.open), words_of(style))


def test_empty_and_odd_conversations_fail_cleanly_or_render() -> None:
    for style in STYLES.values():
        for messages in ([], [Message("user", "")], [Message("system", "")], [Message("assistant", "x")]):
            with contextlib.suppress(ModelError):
                template(style).prompt(messages)


TEMPLATES = sorted(DATA.glob("templates/*.jinja"))
CARDS = {
    "SmolLM3": "smollm-3",
    "Mistral-Small": "mistral",
    "Hermes-2": "hermes",
    "Qwen2.5": "qwen-2.5",
    "Qwen3": "qwen-3",
    "DeepSeek-R1": "deepseek-r1",
    "gemma-2": "gemma-2",
    "gemma-4": "gemma-4",
    "granite-4": "granite-4",
    "Llama-3.2": "llama-3",
    "Phi-3.5": "phi-3",
    "gpt-oss": "gpt-oss",
}


@pytest.mark.parametrize("path", TEMPLATES or [None], ids=lambda path: path.stem if path else "none")
def test_templates_of_real_models_render_with_their_cards(path: Path | None) -> None:
    if path is None:
        pytest.skip("no templates: set BRIDLE_TEST_DATA to a folder that has them")
    source = path.read_text(encoding="utf-8")
    card = next((cards()[name] for sign, name in CARDS.items() if sign in path.stem), None)
    names = tuple(
        dict.fromkeys(
            re.findall(
                r"<\|?(?:start|end|im|eot|turn|channel|message|user|assistant|system)[a-z_]*\|?>|\[/?INST\]", source
            )
        )
    )
    words = scripted.vocabulary(names=names or ("<|end|>",))
    thinking = card.thinking if card else ThinkingCard()
    made = Template(words, source, card.prompt.tool_role if card else "user", thinking)
    for messages in CONVERSATIONS.values():
        for marker in (thinking.open, None, "<reason>"):
            prompt = made.prompt(messages, thinking=marker)
            assert in_order(prompt.text, [message.content for message in messages])
            assert "OLD" not in prompt.text
            end = prompt.text.rstrip()
            assert end.endswith(marker.strip()) if marker else not end.endswith(thinking.open.strip())
            turn = prompt.text.rpartition(messages[-1].content)[2]
            if thinking.native and marker is None and thinking.closed:
                assert end.endswith((thinking.close.strip(), thinking.closed.strip()))
            assert turn.count(thinking.open.strip()) <= 1
        assert in_order(made.prompt(messages, reply=False).text, [message.content for message in messages])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_stopped(name: str) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.thread_time()
    made = Template(scripted.vocabulary(), HOSTILE[name])
    with pytest.raises(ModelError) as caught:
        made.prompt([Message("user", "Hi")])
    assert caught.value.hint
    assert time.thread_time() - start < 6
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000, f"{grown} KB"


def test_long_conversations_are_within_the_allowance() -> None:
    """A book in one message, and a thousand messages."""
    book, long = [Message("user", "word " * 400_000)], [Message("user", "a"), Message("assistant", "b")] * 500
    for name, style in STYLES.items():
        for messages in (book, [*long, Message("user", "c")]):
            prompt = Template(_Silent.words(style), style.source, style.tool_role, style.thinking).prompt(messages)
            assert len(prompt.text) > len(messages), name


class _Silent:
    """Tokenizing a book with the small vocabulary takes minutes, and is not what is tested."""

    @staticmethod
    def words(style: Style) -> Vocabulary:
        small = words_of(style)
        return Vocabulary(small.pieces, small.control, small.eog, lambda text, markers: array("i", [0]))
