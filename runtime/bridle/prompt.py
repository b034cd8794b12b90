"""Messages become the exact tokens a model was trained to read.

The chat template (the card's, else the model's own) runs within bounds. What users, tools and documents say is
tokenized as text: while the template works, the characters that names of control tokens begin and end with stand for
themselves only where the template wrote them, so that no template can make such a token of what was said. The prompt
ends where the model's turn starts, with thinking opened once, or switched off.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Literal

from jinja2 import Template as JinjaTemplate
from jinja2 import TemplateError

from bridle.card import ThinkingCard, thinking_in
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import ModelError
from bridle.template import TemplateLimit, read_template, render
from bridle.values import common

Role = Literal["system", "user", "assistant", "tool"]
Turn = dict[str, str]
"""A message as chat templates read it."""

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
NO_TOOLS: Mapping[str, object] = {"tools": None, "documents": None}
"""What transformers tells a template where there are none."""
UNSAID: Mapping[str, object] = {}
"""For templates that want them not to be there at all."""


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str
    thinking: str = ""
    """What the assistant thought before. The model sees it again only if its card says `replay`."""
    sources: frozenset[str] = frozenset()
    """The tools whose results it may depend on; none for what people and skills said of themselves."""


def sources(messages: Iterable[Message]) -> frozenset[str]:
    """The tools whose results are known to whoever read some messages."""
    return frozenset[str]().union(*(message.sources for message in messages))


@dataclass(frozen=True)
class Prompt:
    """What the model is given: the text, for people, and the tokens, exactly."""

    text: str
    tokens: array[int] = field(default_factory=lambda: array("i"))
    """Of 32 bits each: thousands are taken over and compared as memory. None where a server makes them."""
    thinking: bool = False
    """It ends inside an opened thinking block."""
    stable: int = 0
    """Tokens at its beginning that every prompt with this system message has."""


@dataclass(frozen=True)
class Template:
    """A chat template for one vocabulary.

    `source` None picks the one that the vocabulary's markers suggest; `thinking` None reads off the template how the
    model thinks.
    """

    vocabulary: Vocabulary
    source: str | None = None
    tool_role: Literal["tool", "user"] = "user"
    thinking: ThinkingCard | None = None

    def prompt(
        self, messages: Sequence[Message], *, thinking: str | None = None, begin: str = "", reply: bool = True
    ) -> Prompt:
        """The prompt for the assistant's next turn.

        Args:
            messages: the conversation so far.
            thinking: the marker that opens the thinking block, or None for a turn without one.
            begin: text that the assistant's turn begins with.
            reply: end with the beginning of that turn; else with the conversation.

        Raises:
            ModelError: the template fails, or takes more time or room than a template may.
        """
        native = thinking is not None and self._card.native and thinking.strip() == self._card.open.strip()
        cloak = self._cloak([*(text for it in messages for text in (it.content, it.thinking)), begin])
        text = self._render([cloak.put_on(message) for message in messages], cloak, native, reply)
        if reply:
            text = self._opened(text, thinking) if native else self._closed(text, thinking)
        text += cloak.hide(begin)
        tokens = self._tokenize(text, cloak)
        system = messages[0].content if messages and messages[0].role == "system" else None
        stable = self._common_to_runs(system, native, tokens) if system is not None else 0
        return Prompt(cloak.show(text), tokens, reply and thinking is not None, stable)

    def _opened(self, text: str, thinking: str | None) -> str:
        """A prompt that ends inside the model's own thinking block, whatever the template made of it."""
        text = self._empty_block.sub("", text)
        return text if text.rstrip().endswith(self._card.open.strip()) else text + (thinking or "")

    def _closed(self, text: str, thinking: str | None) -> str:
        """A prompt with the model's own thinking switched off; a block of other markers begun, if there is one."""
        opening, closing = self._card.open.strip(), self._card.close.strip()
        if self._card.native and not text.rstrip().endswith(closing):
            if text.rstrip().endswith(opening):
                before = text[: text.rindex(opening)]
                text = before + (self._card.closed or text[len(before) :] + self._card.close)
            else:
                text += self._card.closed
        if thinking is None or text.rstrip().endswith(thinking.strip()):
            return text
        return text + thinking

    @cached_property
    def _card(self) -> ThinkingCard:
        return self.thinking or thinking_in(self.source or "")

    @cached_property
    def _empty_block(self) -> re.Pattern[str]:
        opening, closing = (re.escape(marker.strip()) for marker in (self._card.open, self._card.close))
        return re.compile(rf"{opening}\s*{closing}\s*\Z")

    def _common_to_runs(self, system: str, native: bool, tokens: array[int]) -> int:
        """How many tokens every prompt with this system message begins with."""
        known = self._beginnings.get((system, native))
        if known is None:
            cloak = self._cloak([system])
            messages = [cloak.put_on(Message("system", system)), Message("user", "?")]
            text = self._render(messages, cloak, native, reply=True)
            hidden = cloak.hide(system).strip()
            known = self._tokenize(text[: max(text.find(hidden), 0) + len(hidden)], cloak)
            self._beginnings[system, native] = known
            while len(self._beginnings) > BEGINNINGS:
                self._beginnings.pop(next(iter(self._beginnings)))
        return common(known, tokens)

    @cached_property
    def _beginnings(self) -> dict[tuple[str, bool], array[int]]:
        """Tokens up to the end of a system message, for the ones used lately."""
        return {}

    @cached_property
    def _names(self) -> re.Pattern[str]:
        """Names of control tokens, the longest first."""
        names = sorted((name for name in self.vocabulary.markers if name.strip()), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names)) or r"(?!)")

    @cached_property
    def _edges(self) -> str:
        """The characters that names of control tokens begin and end with."""
        names = [name for name in self.vocabulary.markers if name.strip()]
        return "".join(sorted({character for name in names for character in (name[0], name[-1])}))

    def _cloak(self, texts: Sequence[str]) -> _Cloak:
        return _Cloak.over(self._edges, [*texts, self.source or "", self._card.instruction])

    def _tokenize(self, text: str, cloak: _Cloak) -> array[int]:
        """Tokens of a rendered text; names of control tokens that were said are spelled out."""
        tokens = array("i")
        plain, at = cloak.show(text), 0
        for found in self._names.finditer(plain) if plain != text else ():
            if text[found.start() : found.end()] != found[0]:
                if found.start() > at:
                    tokens += self.vocabulary.tokenize(plain[at : found.start()], True)
                tokens += self.vocabulary.tokenize(found[0], False)
                at = found.end()
        if at < len(plain):
            tokens += self.vocabulary.tokenize(plain[at:], True)
        bos = self.vocabulary.bos
        if self.vocabulary.add_bos and bos is not None and tokens[:1] != array("i", [bos]):
            tokens.insert(0, bos)
        return tokens

    def _render(self, messages: Sequence[Message], cloak: _Cloak, native: bool, reply: bool) -> str:
        """Render; a template that refuses or drops system messages or tool results gets them as the user's words.

        Raises:
            ModelError: it refuses everything, or takes more than it may.
        """
        first: Exception | None = None
        best, most = "", -1
        for turns in self._shapes(self._instructed(messages, native), native, cloak.mark):
            for absent in (NO_TOOLS, UNSAID):
                try:
                    text = self._run(turns, native, reply, absent)
                except TemplateError as error:
                    first = first or error
                    continue
                except TemplateLimit as error:
                    raise ModelError(
                        f"the model's chat template is stopped: {error}", hint="set a template in its card"
                    ) from None
                carried = _carried(text, messages)
                if carried > most:
                    best, most = text, carried
                break
            if most == len(messages):
                break
        if most < 0:
            raise ModelError(f"the model's chat template fails: {first}", hint="set a template in its card")
        return self._replayed(best, cloak.mark, [it.thinking for it in self._thoughts(messages)])

    def _instructed(self, messages: Sequence[Message], native: bool) -> list[Message]:
        """The messages, with the words that make the model think where it takes words."""
        words = self._card.instruction.strip()
        if not native or not words:
            return list(messages)
        if messages and messages[0].role == "system":
            return [replace(messages[0], content=f"{messages[0].content}\n\n{words}"), *messages[1:]]
        return [Message("system", words), *messages]

    def _shapes(self, messages: Sequence[Message], native: bool, mark: str) -> Iterator[list[Turn]]:
        """The turns as the card wants them; tool results as the user's words; user and assistant by turns."""
        again = self._thoughts(messages) if native else []

        def turn(message: Message, tool_role: str) -> Turn:
            if message.role == "tool" and tool_role == "user":
                return {"role": "user", "content": f"<result>\n{message.content}\n</result>"}
            if any(message is it for it in again):
                names = ("reasoning_content", "reasoning", "thinking")
                spoken = {"role": "assistant", "content": mark + message.content}
                return spoken | dict.fromkeys(names, message.thinking)
            return {"role": message.role, "content": message.content}

        yield [turn(message, self.tool_role) for message in messages]
        if self.tool_role == "tool" and any(message.role == "tool" for message in messages):
            yield [turn(message, "user") for message in messages]
        turns = [turn(message, "user") for message in messages]
        if turns and turns[0]["role"] == "system":
            yield [turns[0], *_alternating(turns[1:])]
        yield _alternating(turns)

    def _thoughts(self, messages: Sequence[Message]) -> list[Message]:
        """The assistant's turns whose thinking it is shown again, where it thinks natively."""
        last = max((place for place, message in enumerate(messages) if message.role == "user"), default=-1)
        since = {False: len(messages), True: last + 1, "all": 0}[self._card.replay]
        return [message for message in messages[since:] if message.role == "assistant" and message.thinking]

    def _replayed(self, text: str, mark: str, thoughts: Sequence[str]) -> str:
        """The text with earlier thinking in its place, where the template has not written it already."""
        done, *parts = text.split(mark)
        if len(parts) != len(thoughts):
            return text.replace(mark, "")
        for thought, part in zip(thoughts, parts, strict=True):
            if thought.strip() not in done[-len(thought) - len(self._card.close) - 64 :]:
                done = done.removesuffix(self._card.closed) if self._card.closed else done
                done = self._empty_block.sub("", done) + self._card.open + thought + self._card.close
            done += part
        return done

    def _run(self, turns: Sequence[Turn], native: bool, reply: bool, absent: Mapping[str, object]) -> str:
        told = self._card.on if native else self._card.off
        variables: dict[str, object] = {
            "messages": turns,
            "add_generation_prompt": reply,
            "enable_thinking": native,
            "thinking": native,
            "bos_token": self._piece(self.vocabulary.bos),
            "eos_token": self._piece(min(self.vocabulary.eog, default=None)),
        }
        size = sum(len(text) for turn in turns for text in turn.values())
        return render(self._compiled, size, {**variables, **absent, **told})

    @cached_property
    def _compiled(self) -> JinjaTemplate:
        return read_template(self.source or (CHATML if "<|im_start|>" in self.vocabulary.markers else PLAIN))

    def _piece(self, token: int | None) -> str:
        return "" if token is None else self.vocabulary.pieces[token].decode("utf-8", "replace")


@dataclass(frozen=True)
class _Cloak:
    """Characters of what is said, and what stands for them while a template works: letters that nobody said."""

    letters: Mapping[str, str] = field(default_factory=dict[str, str])
    mark: str = ""
    """Another such letter."""

    @classmethod
    def over(cls, characters: str, texts: Sequence[str]) -> _Cloak:
        """A cloak for `characters` that is not made of anything in `texts`."""
        said = set[str]().union(*texts)
        private = (chr(code) for code in chain(range(0xE000, 0xF900), range(0xF0000, 0xFFFFE)))
        free = (letter for letter in private if letter not in said and letter not in characters)
        return cls({character: next(free) for character in characters}, next(free))

    def put_on(self, message: Message) -> Message:
        return replace(message, content=self.hide(message.content), thinking=self.hide(message.thinking))

    def hide(self, text: str) -> str:
        for character, letter in self.letters.items():
            text = text.replace(character, letter)
        return text

    def show(self, text: str) -> str:
        for character, letter in self.letters.items():
            text = text.replace(letter, character)
        return text


def _carried(text: str, messages: Sequence[Message]) -> int:
    """How many messages a rendered text has in their order, as they are or in JSON; an assistant's may be missing."""
    count = at = 0
    for message in messages:
        content = message.content.strip()
        forms = (content, json.dumps(content, ensure_ascii=False)[1:-1])
        place, length = next(((place, len(it)) for it in forms if (place := text.find(it, at)) >= 0), (-1, 0))
        at = max(at, place + length)
        count += place >= 0 or message.role == "assistant"
    return count


def _alternating(turns: Sequence[Turn]) -> list[Turn]:
    """The same words with user and assistant by turns, the user first, as the strictest templates want them."""
    result: list[Turn] = [{"role": "user", "content": ""}] if turns and turns[0]["role"] == "assistant" else []
    for turn in turns:
        role = "assistant" if turn["role"] == "assistant" else "user"
        if result and result[-1]["role"] == role:
            result[-1]["content"] += "\n\n" + turn["content"]
        else:
            result.append({**turn, "role": role})
    return result
