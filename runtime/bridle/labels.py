"""Labels: the tools whose results something may depend on, in their own words or in a few values alone.

What was read apart (`Policy.quarantine`) brings no words along: it makes nobody say anything, though it may still be
confidential.
"""

from __future__ import annotations

from collections.abc import Iterable

_APART = " (read apart)"
WITHHELD = "error: {} did not work, and why is kept in quarantine"
"""What is shown where a tool failed,"""
UNREAD = "error: what came of {} could not be read"
"""and where nothing could be made of what came of it."""


def read_apart(tool: str) -> str:
    """The label of what depends on nothing of a tool's results but values without room for words.

    >>> read_apart("read_page")
    'read_page (read apart)'
    """
    return f"{tool}{_APART}"


def in_words(labels: Iterable[str]) -> frozenset[str]:
    """The tools whose words something may depend on.

    >>> sorted(in_words(["find_people", "read_page (read apart)"]))
    ['find_people']
    """
    return frozenset(it for it in labels if not it.endswith(_APART))


def at_all(labels: Iterable[str]) -> frozenset[str]:
    """The tools that something may depend on in any way.

    >>> sorted(at_all(["find_people", "read_page (read apart)"]))
    ['find_people', 'read_page']
    """
    return frozenset(it.removesuffix(_APART) for it in labels)
