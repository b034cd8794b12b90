"""What people ask of one tool: patterns of sentences, the values in them, what is asked for when one is missing.

The words in a slot are the argument, letter by letter. Results are made by the tools' own code where they are pure,
else in exactly their words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from values import Values

Args: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Intent:
    """One thing to do with one tool."""

    tool: str
    slots: Mapping[str, Callable[[Values], str]]
    """How each argument is drawn, by its name."""
    says: tuple[str, ...]
    """Patterns (`frames`)."""
    held: tuple[str, ...]
    """Whole sentences in other words, which training never shows."""
    result: Callable[[Values, Args], str]
    lead: str
    """What stands before the result in the answer."""
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """For an argument that may be missing, patterns without it."""
    fixed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Arguments that the sentence implies."""
    numbers: tuple[str, ...] = ()
    """Arguments that are numbers."""


QUESTIONS = {
    "name": "Which file should I look for?",
    "path": "Which file?",
    "text": "What text?",
    "content": "What should the file say?",
    "expression": "What should I calculate?",
    "date": "Which date?",
    "days": "How many days?",
    "start": "From which date?",
    "end": "To which date?",
    "value": "Which value?",
    "from_unit": "From which unit?",
    "to_unit": "To which unit?",
    "title": "What is the event called?",
    "to": "Who should get the mail?",
    "subject": "What is the mail about?",
    "column": "Which column?",
    "operation": "What should I do with the table?",
}


def listing(values: Values, make: Callable[[], str], least: int = 0) -> str:
    """Some lines; or `nothing`."""
    count = values.random.choice([least or 1, 1, 1, 2, 3, 4])
    return "\n".join(dict.fromkeys(make() for _ in range(count))) or "nothing"


def day(values: Values) -> str:
    """A date as the tools write it."""
    random = values.random
    weekday = values.pick(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"])
    return f"{random.randint(2024, 2031)}-{random.randint(1, 12):02d}-{random.randint(1, 28):02d} ({weekday})"
