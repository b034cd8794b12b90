"""The hidden thinking block: its markers, its form and its budget, as the first phase of a document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Template
from typing import cast

from bridle.engine.vocabulary import Vocabulary
from bridle.errors import GrammarError
from bridle.grammar.compile import literal
from bridle.grammar.document import Phase
from bridle.grammar.schema import Schema
from bridle.shelf import shelf

NO_TOOLS: Mapping[str, Schema] = {}


@dataclass(frozen=True)
class Thinking:
    """A block that opens with `open` (which the prompt ends with) and is closed by force after `budget` tokens.

    `form` names a file of the grammars shelf. Whitespace in the markers is part of their spelling.
    """

    open: str = "<thinking>\n"
    close: str = "</thinking>\n"
    budget: int = 256
    form: str = "free"

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
        if self.form == "free" or (not tools and "$tools" in text):
            text = self._read("free-token" if marker in vocabulary.markers else "free")
        names = _options(tools)
        lacks = {name: _options(cast("Schema", schema.get("properties", {}))) for name, schema in tools.items()}
        needs = " | ".join(f"{json.dumps(f'{name} needs ')} ({lack})" for name, lack in lacks.items() if lack)
        thought = Template(text).substitute(close=literal(marker, vocabulary), tools=names, needs=needs or names)
        start = f"start: thought {literal(rest)}" if rest else "start: thought"
        return Phase("thinking", f"{start}\n{thought}", budget=self.budget, tail=self.close)

    def _read(self, form: str) -> str:
        path = shelf("grammars") / f"{form}.lark"
        if not path.is_file():
            raise GrammarError(f"there is no thinking form '{form}' in {path.parent}")
        return path.read_text(encoding="utf-8")


def _options(names: Iterable[str]) -> str:
    return " | ".join(map(json.dumps, names))
