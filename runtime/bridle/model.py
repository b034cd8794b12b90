"""A model of this process: an engine, what its card says of the model in it, and how it writes a turn.

The prompt is rendered to tokens, the form becomes a mask, and the engine decodes under it: thinking first (hidden,
within its budget), then a document that nothing else could have come of.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from functools import cached_property
from threading import Lock

from bridle.card import Card
from bridle.certainty import by_field, by_token
from bridle.engine.base import Engine, Generation, Request, Token
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BudgetError, ContextError
from bridle.grammar.action import Actions
from bridle.grammar.afterwards import left_over
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.grammar.thinking import NO_TOOLS, Thinking
from bridle.parse import Reply, split_thinking
from bridle.prompt import Message, Prompt, Template
from bridle.turn import Attempt, Carded, Fallback, Progress, Stage, Turn, Writer


class Model(Carded):
    """An engine with a card. Building its grammar compiler takes about a second for a large vocabulary, once.

    Args:
        engine: what decodes.
        card: what is known of the model.
        fallback: opens the model that takes over where this one fails, at its first need; closed with this one.
    """

    def __init__(self, engine: Engine, card: Card, fallback: Callable[[], Writer] | None = None) -> None:
        self.engine = engine
        self.card = card
        self._lock = Lock()
        self._fallback = Fallback(fallback)

    def close(self) -> None:
        """Close the engine, and that of the fallback."""
        self._fallback.close()
        self.engine.close()

    def fallback(self) -> Writer | None:
        """See `Writer.fallback`."""
        return self._fallback.get()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The model, as its card calls it."""
        return self.card.name

    @property
    def deterministic(self) -> bool:
        """See `Writer.deterministic`."""
        return self.engine.deterministic

    @property
    def compiler(self) -> Compiler:
        """The grammar compiler of this vocabulary, which tokenizes with the model.

        Raises:
            EngineError: the engine is closed.
        """
        with self._lock:
            _ = self.engine.vocabulary
            return self._compiler

    @cached_property
    def template(self) -> Template:
        """The chat template: the card's, else the model's own."""
        source = self.card.prompt.template or self.engine.metadata.get("tokenizer.chat_template")
        return Template(self.engine.vocabulary, source, self.card.prompt.tool_role, self.card.thinking)

    @cached_property
    def _compiler(self) -> Compiler:
        return Compiler(self.engine.vocabulary)

    async def write(self, turn: Turn) -> Attempt:
        """See `Writer.write`."""
        vocabulary, thinking = self.engine.vocabulary, turn.thinking
        prompt = self.template.prompt(turn.messages, thinking=thinking.open if thinking else None)
        max_tokens = min(turn.max_tokens, self._room(prompt, turn.messages))
        document = self._document(turn, max_tokens, len(prompt.tokens)) if turn.constrain else None
        request = Request(
            prompt=prompt.tokens,
            max_tokens=max_tokens,
            mask=document,
            sampling=turn.sampling or self.sampling_for(thinking),
            session=turn.session,
            stable=prompt.stable,
            priority=turn.priority,
            deadline=turn.deadline,
        )
        if turn.on_progress is not None:
            _report(turn.on_progress, request, document, vocabulary, opened=prompt.thinking)
        generation = await self.engine.generate(request)
        reply = _split(generation, document, thinking, vocabulary, opened=prompt.thinking)
        pieces, choices = by_token(generation.tokens, vocabulary)
        if document is None:
            return Attempt(
                prompt, generation, reply.thinking, reply.body, pieces=pieces, choices=choices, model=self.name
            )
        body = generation.tokens[document.lengths[0] if thinking else 0 :]
        sure = by_field(body, vocabulary, turn.form.syntax)
        return Attempt(
            prompt,
            generation,
            reply.thinking,
            reply.body,
            sure,
            pieces,
            choices,
            cut="document" in document.cut,
            held_by="mask",
            model=self.name,
            notes=tuple(f"checked after, no grammar holds it: {place}" for place in left_over(turn.form)),
        )

    def _room(self, prompt: Prompt, messages: Sequence[Message]) -> int:
        """Tokens that the context has left after a prompt."""
        room = self.engine.context - len(prompt.tokens)
        if room <= 0:
            largest = max(messages, key=lambda message: len(message.content))
            raise ContextError(
                f"the prompt has {len(prompt.tokens)} tokens, but the context holds {self.engine.context}: "
                f"the longest part is a {largest.role} message of {len(largest.content)} characters",
                hint="shorten it, or load the model with a larger context",
            )
        return room

    def _document(self, turn: Turn, max_tokens: int, prompt: int) -> Document:
        phases = [Phase("document", turn.form.grammar(), json=turn.form.syntax == "json")]
        if turn.thinking is not None:
            tools = turn.form.tools if isinstance(turn.form, Actions) else NO_TOOLS
            phases.insert(0, turn.thinking.phase(self.engine.vocabulary, tools))
        try:
            return Document(self.compiler, phases, max_tokens)
        except BudgetError as error:
            if max_tokens == turn.max_tokens:
                raise
            raise ContextError(
                f"the prompt has {prompt} tokens of the {self.engine.context} that the context holds, "
                f"and what is left is too little: {error.message}",
                hint="shorten the request or what it quotes, or load the model with a larger context",
            ) from error


def _split(
    generation: Generation,
    document: Document | None,
    thinking: Thinking | None,
    vocabulary: Vocabulary,
    *,
    opened: bool,
) -> Reply:
    if thinking is None:
        return Reply("", vocabulary.text(generation.ids))
    if document is None:
        said = thinking.spell(generation.ids, vocabulary)
        return split_thinking(said, thinking.open, thinking.close, opened=opened)
    length = document.lengths[0]
    return Reply(thinking.thought(generation.ids[:length], vocabulary), vocabulary.text(generation.ids[length:]))


def _report(
    listen: Callable[[Progress], None],
    request: Request,
    document: Document | None,
    vocabulary: Vocabulary,
    *,
    opened: bool,
) -> None:
    """Turn the engine's callbacks into progress, with text cut at whole characters and parted where thinking ends."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    ids: list[int] = []

    def thought() -> int:
        """How many of the tokens so far are of thinking."""
        if document is None:
            return len(ids) if opened else 0
        return len(ids) if document.phase == "thinking" else document.lengths[0] if opened else 0

    def on_tokens(back: int, tokens: Sequence[Token]) -> None:
        start = len(ids) + back
        del ids[start:]
        ids.extend(token.id for token in tokens)
        border = thought()
        if back < 0:
            decoder.reset()
            start = border if border < len(ids) else 0
        parts: dict[Stage, list[int]] = {"thinking": ids[start:border], "writing": ids[max(start, border) :]}
        for stage, part in parts.items():
            if text := decoder.decode(vocabulary.spell(part)):
                listen(Progress(stage, text, anew=back < 0))

    request.on_tokens = on_tokens
    request.on_prefill = lambda done, total: listen(Progress("reading", done=done, total=total))
