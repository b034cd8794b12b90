"""The hidden thinking block: its markers, its form and its budget, as the first phase of a document."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from bridle.engine.vocabulary import Vocabulary
from bridle.errors import GrammarError
from bridle.grammar.compile import literal
from bridle.grammar.document import Phase
from bridle.shelf import shelf


@dataclass(frozen=True)
class Thinking:
    """A block that opens with `open` (which the prompt ends with) and is closed by force after `budget` tokens.

    `form` names a file of the grammars shelf. Whitespace in the markers is part of their spelling.
    """

    open: str = "<thinking>\n"
    close: str = "</thinking>\n"
    budget: int = 256
    form: str = "free"

    def phase(self, vocabulary: Vocabulary) -> Phase:
        """The block after its opening marker, the closing marker included.

        Raises:
            GrammarError: there is no such form on the shelf.
        """
        marker = self.close.strip()
        rest = self.close[self.close.index(marker) + len(marker) :]
        form = "free-token" if self.form == "free" and marker in vocabulary.markers else self.form
        path = shelf("grammars") / f"{form}.lark"
        if not path.is_file():
            raise GrammarError(f"there is no thinking form '{self.form}' in {path.parent}")
        thought = Template(path.read_text(encoding="utf-8")).substitute(close=literal(marker, vocabulary))
        start = f"start: thought {literal(rest)}" if rest else "start: thought"
        return Phase("thinking", f"{start}\n{thought}", budget=self.budget, tail=self.close)
