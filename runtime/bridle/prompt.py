"""Messages become the exact tokens a model was trained to read.

The chat template (the card's, else the model's own) runs in jinja2's immutable sandbox. What users, tools and
documents say is tokenized as text: the name of a control token in it never becomes that token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, NoReturn, cast

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridle.engine.vocabulary import Vocabulary
from bridle.errors import ModelError

Role = Literal["system", "user", "assistant", "tool"]

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The template of most open families, for a model that has its markers and no template."""
PLAIN = (
    "{% for message in messages %}### {{ message.role }}:\n{{ message.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}### assistant:\n{% endif %}"
)
"""For a model that has neither."""

BEGINNINGS = 64
"""System messages whose tokens are remembered."""
_GUARD = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Prompt:
    """What the model is given: the text, for people, and the tokens, exactly."""

    text: str
    tokens: tuple[int, ...]
    thinking: bool = False
    """It ends inside an opened thinking block."""
    stable: int = 0
    """Tokens at its beginning that every prompt with this system message has."""


@dataclass(frozen=True)
class Template:
    """A chat template for one vocabulary.

    `source` None picks the one that the vocabulary's markers suggest.
    """

    vocabulary: Vocabulary
    source: str | None = None
    tool_role: Literal["tool", "user"] = "user"

    def prompt(self, messages: Sequence[Message], *, thinking: str | None = None, begin: str = "") -> Prompt:
        """The prompt for the assistant's next turn.

        Args:
            messages: the conversation so far.
            thinking: the marker that opens the thinking block, or None for a turn without one.
            begin: text that the assistant's turn begins with.

        Raises:
            ModelError: the template fails.
        """
        guarded = [Message(message.role, self._guard(message.content)) for message in messages]
        text = self._render(guarded, thinking is not None)
        if thinking is not None and not text.rstrip().endswith(thinking.strip()):
            text += thinking
        text += self._guard(begin)
        tokens = self._tokenize(text)
        stable = self._common_to_runs(guarded[0].content, tokens) if guarded[0].role == "system" else 0
        return Prompt(self._unguard(text), tuple(tokens), thinking is not None, stable)

    def _common_to_runs(self, system: str, tokens: Sequence[int]) -> int:
        """How many tokens every prompt with this system message begins with."""
        known = self._beginnings.get(system)
        if known is None:
            text = self._render([Message("system", system), Message("user", "?")], thinking=False)
            known = self._beginnings[system] = self._tokenize(text[: text.find(system) + len(system)])
            while len(self._beginnings) > BEGINNINGS:
                self._beginnings.pop(next(iter(self._beginnings)))
        pairs = enumerate(zip(known, tokens, strict=False))
        return next((number for number, (ours, theirs) in pairs if ours != theirs), min(len(known), len(tokens)))

    @cached_property
    def _beginnings(self) -> dict[str, list[int]]:
        """Tokens up to the end of a system message, for the ones used lately."""
        return {}

    @cached_property
    def _names(self) -> list[str]:
        """Control tokens by name, the longest first."""
        return sorted((name for name in self.vocabulary.markers if name.strip()), key=len, reverse=True)

    @cached_property
    def _guards(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(name) for name in self._names) or r"(?!)")

    def _guard(self, text: str) -> str:
        """Content with the names of control tokens hidden from the tokenizer, and guards of its own taken out."""
        numbers = {name: number for number, name in enumerate(self._names)}
        return self._guards.sub(lambda found: f"\ue000{numbers[found[0]]}\ue001", _GUARD.sub("", text))

    def _unguard(self, text: str) -> str:
        return _GUARD.sub(lambda found: self._names[int(found[1])], text)

    def _tokenize(self, text: str) -> list[int]:
        tokens: list[int] = []
        at = 0
        for found in _GUARD.finditer(text):
            tokens += self.vocabulary.tokenize(text[at : found.start()], True) if found.start() > at else []
            tokens += self.vocabulary.tokenize(self._names[int(found[1])], False)
            at = found.end()
        tokens += self.vocabulary.tokenize(text[at:], True) if at < len(text) else []
        bos = self.vocabulary.bos
        if self.vocabulary.add_bos and bos is not None and tokens[:1] != [bos]:
            tokens.insert(0, bos)
        return tokens

    def _render(self, messages: Sequence[Message], thinking: bool) -> str:
        """Render; a template that refuses system messages or tool results gets them as the user's words."""
        turns = [self._speak(message) for message in messages]
        try:
            return self._run(turns, thinking)
        except TemplateError as first:
            try:
                return self._run(_alternating(turns), thinking)
            except TemplateError:
                raise ModelError(
                    f"the model's chat template fails: {first}", hint="set a template in its card"
                ) from None

    def _speak(self, message: Message) -> dict[str, str]:
        if message.role == "tool" and self.tool_role == "user":
            return {"role": "user", "content": f"<result>\n{message.content}\n</result>"}
        return {"role": message.role, "content": message.content}

    def _run(self, turns: Sequence[Mapping[str, str]], thinking: bool) -> str:
        return self._compiled.render(
            messages=turns,
            add_generation_prompt=True,
            enable_thinking=thinking,
            bos_token=self._piece(self.vocabulary.bos),
            eos_token=self._piece(min(self.vocabulary.eog, default=None)),
            strftime_now=_now,
        )

    @cached_property
    def _compiled(self) -> JinjaTemplate:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _to_json
        cast("dict[str, object]", environment.globals)["raise_exception"] = _raise
        source = self.source or (CHATML if "<|im_start|>" in self.vocabulary.markers else PLAIN)
        try:
            return environment.from_string(source)
        except TemplateError as error:
            raise ModelError(f"the model's chat template cannot be read: {error}", hint="set one in its card") from None

    def _piece(self, token: int | None) -> str:
        return "" if token is None else self.vocabulary.pieces[token].decode("utf-8", "replace")


def _alternating(turns: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The same words with user and assistant by turns, as the strictest templates want them."""
    result: list[dict[str, str]] = []
    for turn in turns:
        role = "assistant" if turn["role"] == "assistant" else "user"
        if result and result[-1]["role"] == role:
            result[-1]["content"] += "\n\n" + turn["content"]
        else:
            result.append({"role": role, "content": turn["content"]})
    return result


def _now(style: str) -> str:
    return datetime.now().strftime(style)


def _to_json(value: object, indent: int | None = None, **_: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
