"""What a task can be given to: the function of a skill, or a skill."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from bridle.errors import UsageError

if TYPE_CHECKING:
    from bridle.context import Context

T = TypeVar("T")
Work = Callable[["Context"], Awaitable[T]]
"""What can be done with a context."""


class Delegate(Protocol):
    """What a task can be given to: a skill."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def instructions(self) -> str:
        """What its steps are told."""
        ...

    def allows(self, tool: str) -> bool:
        """Whether it may use a tool."""
        ...

    def load(self) -> Work[str]:
        """Its function."""
        ...


def no_skills(name: str) -> Delegate:
    """Where no skills are at hand."""
    raise UsageError(f"there is no skill '{name}' here")
