"""What Bridle knows about a model that its file does not say: markers, prompt habits, defaults.

A card is `models/NAME/card.toml`. A model without one gets a card made from its metadata: its chat template tells
whether it thinks natively and how.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridle.errors import UsageError, describe
from bridle.shelf import shelf


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Variables = Mapping[str, bool | str]
"""What a chat template is told, by name."""


class ThinkingCard(_Part):
    """How the model marks its thinking. Whitespace in the markers is part of its natural spelling."""

    open: str = "<thinking>\n"
    close: str = "</thinking>\n"
    budget: int = Field(default=256, ge=0)
    """Tokens at most; 0 for a model that is better without."""
    form: str = "free"
    """A file of the grammars shelf, without its ending."""
    native: bool = False
    """The model was trained to think between these markers."""
    on: Variables = {}
    """What its chat template is told for a turn with thinking, beside `enable_thinking` and `thinking`."""
    off: Variables = {}
    """The same for a turn without."""
    instruction: str = ""
    """What the system message has to say so that it thinks, where the chat template does not."""
    closed: str = ""
    """What a turn without thinking begins with, where the chat template does not write it."""
    replay: bool | Literal["all"] = False
    """It was trained to see what it thought since the user last spoke; or all that it thought in the conversation.
    Everybody else's thinking stays hidden."""


class PromptCard(_Part):
    """How the model is spoken to."""

    template: str | None = None
    """A chat template (Jinja), instead of the one in the file."""
    terse: bool = False
    """The model was trained on tool lists alone and needs no instructions."""
    copies: bool = False
    """Arguments that are plain strings can only be what was said, by people or by tools: for a model that is too small
    to spell what it has not seen."""
    tool_role: Literal["tool", "user"] = "user"
    """Whose words tool results are. Many templates have no place for results of calls that they did not spell."""
    ends: tuple[str, ...] = ()
    """Control tokens that end a turn, by name, beside those that the file says."""
    calls: Literal[
        "", "deepseek", "gemma", "granite", "harmony", "hermes", "lfm", "llama", "mistral", "phi", "qwen"
    ] = ""
    """How it spells tool calls by itself, for the record: Bridle asks for its own form."""


class SpellingCard(_Part):
    """The model's natural spelling of JSON."""

    item_separator: str = ", "
    key_separator: str = ": "


class Sampled(_Part):
    """How to sample."""

    temperature: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    top_k: int = Field(default=0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    min_p: float = Field(default=0.0, ge=0, le=1)


class SamplingCard(Sampled):
    """The defaults that its makers recommend; greedy if they say nothing."""

    thinking: Sampled | None = None
    """For a turn with thinking, if that differs."""


class Card(_Part):
    """One model, or a family of them."""

    name: str
    about: str = ""
    file: str | None = None
    """The GGUF beside the card, if it is bundled."""
    data: str = ""
    """SHA-256 of the data that it was trained on, where that can be made again."""
    match: tuple[str, ...] = ()
    """Regular expressions; a model whose `general.name` or file name one of them finds is of this family. Names are
    compared in small letters, with hyphens for spaces and underscores: `qwen-3.5-4b`."""
    context: int = Field(default=8192, ge=256)
    fallback: str | None = None
    """The model that takes a step where this one fails: a bundled one, or a file, from the card's folder if it is
    there. Never one behind a server: a card opens no connection."""
    thinking: ThinkingCard = ThinkingCard()
    prompt: PromptCard = PromptCard()
    spelling: SpellingCard = SpellingCard()
    sampling: SamplingCard = SamplingCard()


@cache
def cards() -> Mapping[str, Card]:
    """All cards on the shelf, by name.

    Raises:
        UsageError: a card cannot be read; the message says which and why.
    """
    found = (read_card(path) for path in sorted(shelf("models").glob("*/card.toml")))
    return {card.name: card for card in found}


def read_card(path: Path) -> Card:
    """One card.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(f"no card at {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{path} is not a model card: {describe(error)}") from None


def spell_card(card: Card) -> str:
    """A card as TOML, without what is as usual.

    >>> print(spell_card(Card(name="x", spelling=SpellingCard(key_separator=":"))))
    name = "x"
    <BLANKLINE>
    [spelling]
    key_separator = ":"
    """
    told: dict[str, object] = card.model_dump(mode="json", exclude_defaults=True)
    lines = [f"{key} = {_spell(value)}" for key, value in told.items() if not isinstance(value, dict)]
    for part, values in told.items():
        if isinstance(values, dict):
            pairs = cast("dict[str, object]", values).items()
            lines += ["", f"[{part}]", *(f"{key} = {_spell(value)}" for key, value in pairs)]
    return "\n".join(lines)


def _spell(value: object) -> str:
    """A value in TOML; strings, numbers and lists of them are spelled as in JSON, tables in one line."""
    if isinstance(value, dict):
        pairs = cast("Mapping[str, object]", value).items()
        return "{ " + ", ".join(f"{json.dumps(key)} = {_spell(inner)}" for key, inner in pairs) + " }"
    return json.dumps(value, ensure_ascii=False)


MARKERS = (
    ("<|channel|>analysis", "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<channel|>", "<|channel>thought\n", "<channel|>"),
    ("[/THINK]", "[THINK]", "[/THINK]"),
    ("</think>", "<think>\n", "</think>\n\n"),
    ("</seed:think>", "<seed:think>", "</seed:think>"),
    ("◁/think▷", "◁think▷", "◁/think▷"),
)
"""What chat templates of thinking models contain, with how thinking then opens and closes."""


def card_for(path: Path, metadata: Mapping[str, str]) -> Card:
    """The card of a loaded model: the one beside it, the one of its family, or one made from its metadata."""
    if (path.parent / "card.toml").is_file():
        return read_card(path.parent / "card.toml")
    name = metadata.get("general.name") or path.stem
    for text in dict.fromkeys((name, path.stem)):
        for card in cards().values():
            if is_of(card, text):
                return card
    return Card(name=name, thinking=thinking_in(metadata.get("tokenizer.chat_template", "")))


def is_of(card: Card, name: str) -> bool:
    """Whether a model of this name, from its file or its metadata, belongs to a card.

    >>> is_of(Card(name="qwen-3", match=("^qwen-?3-",)), "Qwen3 4B Instruct")
    True
    """
    plain = re.sub(r"[\s_]+", "-", name.lower())
    return any(re.search(pattern, plain) for pattern in card.match)


def thinking_in(template: str) -> ThinkingCard:
    """What a chat template tells about thinking."""
    for sign, opening, closing in MARKERS:
        if sign in template:
            return ThinkingCard(open=opening, close=closing, budget=512, native=True)
    return ThinkingCard()
