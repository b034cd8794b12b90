"""The hidden thinking block: its markers, its form and its budget, as the first phase of a document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template

from bridle.engine.vocabulary import Vocabulary
from bridle.errors import GrammarError
from bridle.grammar.compile import literal
from bridle.grammar.document import Phase
from bridle.grammar.keywords import Schema
from bridle.grammar.kinds import values_of
from bridle.grammar.parameters import Parameter, leaves
from bridle.grammar.span import expression
from bridle.shelf import shelf

NO_TOOLS: Mapping[str, Schema] = {}
ANYTHING = "[^;<\\x00-\\x1f]{1,200}"
"""A value that is thought of, in a regular expression's words,"""
VALUES = {"boolean": "true|false", "integer": "-?[0-9]{1,15}", "number": "-?[0-9]{1,15}(\\.[0-9]{1,15})?"}
"""and those of some types."""
MISSING = "missing"
"""What is thought of a value that nobody gave."""
SOFT = 64
"""Tokens before the end of a budget from which a free thought is closed at a pause, at most; and at most a quarter."""


@dataclass(frozen=True)
class Thinking:
    """A block that opens with `open` (which the prompt ends with) and is closed by force after `budget` tokens.

    Near the end of the budget a free thought is closed where it pauses. `form` names a file of the grammars shelf.
    Whitespace in the markers is part of their spelling; they may be one token or several, control tokens or not.
    `native`: the model was trained to think between these markers.
    """

    open: str = "<thinking>\n"
    close: str = "</thinking>\n"
    budget: int = 256
    form: str = "free"
    native: bool = False

    def phase(self, vocabulary: Vocabulary, tools: Mapping[str, Schema] = NO_TOOLS) -> Phase:
        """The block after its opening marker, the closing marker included.

        `tools` are those that may be used next, by name, with the schema of their arguments; a form that speaks of
        tools gives way to a free thought where there are none.

        Raises:
            GrammarError: there is no such form on the shelf.
        """
        marker = self.close.strip()
        rest = self.close[self.close.index(marker) + len(marker) :]
        text = self._read(self.form)
        free = self.form == "free" or (not tools and ("$tools" in text or "$moves" in text))
        if free:
            plain = marker[: _first_control(marker, vocabulary)]
            text = self._read("free" if plain else "free-token")
            if plain:  # a suffix is text; control tokens that come after it stand behind it
                marker, rest = plain, marker[len(plain) :] + rest
        spans = dict[str, str]()
        moves = " | ".join(_move(name, schema, spans) for name, schema in tools.items())
        close = literal(marker, vocabulary)
        thought = Template(text).substitute(close=close, tools=_options(tools), moves=moves)
        thought = "\n".join([thought, *(f"{name}: /{said}/" for said, name in spans.items())])
        start = f"start: thought {literal(rest, vocabulary)}" if rest else "start: thought"
        soft = min(SOFT, self.budget // 4) if free else 0
        tail = self.close if free else ""  # a form's lines may have the marker as text
        return Phase("thinking", f"{start}\n{thought}", budget=self.budget, tail=tail, soft=soft)

    def thought(self, tokens: Sequence[int], vocabulary: Vocabulary) -> str:
        """What was thought, of the tokens of a whole block without its opening marker."""
        return self.spell(tokens, vocabulary).partition(self.close.strip())[0].strip()

    def spell(self, tokens: Sequence[int], vocabulary: Vocabulary) -> str:
        """Tokens as text, with the names of the control tokens that the markers have."""
        marks = {token for name, token in vocabulary.markers.items() if name in self.open + self.close}
        pieces = [vocabulary.pieces[it] for it in tokens if it in marks or it not in vocabulary.control]
        return b"".join(pieces).decode("utf-8", "replace")

    def _read(self, form: str) -> str:
        path = shelf("grammars") / f"{form}.lark"
        if not path.is_file():
            raise GrammarError(f"there is no thinking form '{form}' in {path.parent}")
        return path.read_text(encoding="utf-8")


def _move(name: str, schema: Schema, spans: dict[str, str]) -> str:
    """How a call is worked out, as a rule: the tool, and of each parameter the value that there is, or that it is
    missing. `spans`: the names of the expressions that texts are held to; new ones are added."""
    while "properties" not in schema and isinstance(both := schema.get("allOf"), list) and isinstance(both[0], dict):
        schema = both[0]  # the tool's own, before what a policy makes of it
    return " ".join([json.dumps(name), *(_thought_of(it, spans) for it in leaves(schema))])


def _thought_of(part: Parameter, spans: dict[str, str]) -> str:
    if (options := values_of(part.spec)) is not None:
        value = _options(it if isinstance(it, str) else json.dumps(it) for it in options)
    elif (said := expression(part.spec)) is not None:
        value = spans.setdefault(said, f"SPAN{len(spans)}")
    else:
        value = f"/{VALUES.get(str(part.spec.get('type')), ANYTHING)}/"
    rule = f'{json.dumps(f"; {part.name}: ")} ({value} | "{MISSING}")'
    return rule if part.needed else f"({rule})?"


def _options(texts: Iterable[str]) -> str:
    return " | ".join(map(json.dumps, texts))


def _first_control(text: str, vocabulary: Vocabulary) -> int:
    """Where the first name of a control token stands; the end if there is none."""
    return min((place for name in vocabulary.markers if (place := text.find(name)) >= 0), default=len(text))
