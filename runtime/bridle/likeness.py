"""How much a request is like what people say who want a thing: naive Bayes over words and pieces of words.

A skill says in its `requests.txt` what it is asked for, in people's own words; small models know that better from
examples than from descriptions. What is in none of them counts for nothing, so that names and numbers do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import log
from pathlib import Path

from bridle.errors import SkillError

FILE = "requests.txt"
PRIOR = 1000.0
"""So many features of all are added to those of each (Dirichlet smoothing: Zhai and Lafferty, 2001)."""
PIECE = 4
"""Characters of a piece of a word: other forms of a word share most of them, and so do misspelled ones."""
_WORDS = re.compile(r"[^\W\d_]+|\d|[^\w\s]")
_ALTERNATIVES = re.compile(r"\bor(?: rather| maybe)?\b|\s/\s|[,-]\s*no,|\bi mean\b", re.IGNORECASE)


class Likeness:
    """What is said of some things, counted."""

    def __init__(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Count; of things that nothing is said of, nothing can be like it or unlike."""
        self._counts = {name: Counter(it for text in said for it in _features(text)) for name, said in texts.items()}
        self._sizes = {name: counts.total() for name, counts in self._counts.items()}
        self._all = Counter[str]()
        for counts in self._counts.values():
            self._all.update(counts)
        self._size = self._all.total() + len(self._all) / 2

    def scores(self, text: str) -> dict[str, float]:
        """By thing, the logarithm of how much likelier a text is there than anywhere.

        >>> said = Likeness({"travel": ["book a flight", "fly to Rome"], "chat": ["hello", "tell a joke"], "new": []})
        >>> scores = said.scores("Any flights?")
        >>> max(scores, key=scores.__getitem__), scores["new"]
        ('travel', 0.0)
        """
        features = [it for it in _features(text) if it in self._all]
        return {name: sum(self._score(name, it) for it in features) for name in self._counts}

    def _score(self, name: str, feature: str) -> float:
        if not self._sizes[name]:
            return 0.0
        share = (self._all[feature] + 0.5) / self._size
        return log((self._counts[name][feature] + PRIOR * share) / (self._sizes[name] + PRIOR) / share)


def alternatives(text: str) -> list[str]:
    """What a text says instead of each other, if it does.

    >>> alternatives("Book a flight, or rather tell me a joke!")
    ['Book a flight, ', ' tell me a joke!']
    """
    return [it for it in _ALTERNATIVES.split(text) if _WORDS.search(it)] or [text]


def read_requests(folder: Path) -> Sequence[str]:
    """What people say who want a skill, from its folder; nothing if it does not say.

    Raises:
        SkillError: the file cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SkillError(f"{path} cannot be read: {error}") from None


def _features(text: str) -> Iterator[str]:
    for word in _WORDS.findall(text.casefold()):
        yield word
        if len(word) >= PIECE:
            whole = f"^{word}$"
            yield from (whole[start : start + PIECE] for start in range(len(whole) - PIECE + 1))
