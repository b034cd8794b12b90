"""What one step of an agent can say: a tool call, an answer, a result shown as it is, a question, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import JsonValue


@dataclass(frozen=True)
class Call:
    """Use a tool."""

    tool: str
    args: Mapping[str, JsonValue]


@dataclass(frozen=True)
class Answer:
    """Finish with an answer."""

    text: str
    cites: tuple[int, ...] = ()
    """The numbers of the calls that it stands on, where it has to name them."""


@dataclass(frozen=True)
class Show:
    """Finish with what the last call came to, word for word, under a text."""

    text: str

    def answer(self, result: str) -> Answer:
        """The answer that it makes of a result.

        >>> Show("The file says:").answer("milk and eggs").text
        'The file says: milk and eggs'
        """
        blank = "\n" if "\n" in result else " "
        return Answer(f"{self.text.strip()}{blank}{result}".strip())


@dataclass(frozen=True)
class Ask:
    """Ask the user for what is missing."""

    text: str


@dataclass(frozen=True)
class Refuse:
    """Do not do it, and say why."""

    text: str


Action: TypeAlias = Call | Answer | Ask
Said: TypeAlias = Action | Show | Refuse
"""All that can be said; what shows a result becomes an answer, what refuses ends the run."""
Reply: TypeAlias = Literal["answer", "show", "ask", "refuse"]
REPLIES: Sequence[Reply] = ("answer", "ask", "refuse")
