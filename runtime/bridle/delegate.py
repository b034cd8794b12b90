"""What a task can be given to: the function of a skill, or a skill."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from bridle.errors import UsageError

if TYPE_CHECKING:
    from bridle.context import Context
    from bridle.shots import Shot
    from bridle.tool import Tool

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
    def description(self) -> str:
        """What it is for."""
        ...

    @property
    def instructions(self) -> str:
        """What its steps are told."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 over its files."""
        ...

    def allows(self, tool: str) -> bool:
        """Whether it may use a tool."""
        ...

    def unfit(self, context: Context) -> str:
        """Why it cannot be used as things stand; empty if it can."""
        ...

    def tools(self) -> Sequence[Tool]:
        """The tools that it brings along."""
        ...

    def shots(self) -> Sequence[Shot]:
        """Examples of what is to be done about requests."""
        ...

    def requests(self) -> Sequence[str]:
        """What people say who want it, in their own words."""
        ...

    def load(self) -> Work[str]:
        """Its function."""
        ...


class Delegates(Protocol):
    """Those that there are."""

    @property
    def skills(self) -> Mapping[str, Delegate]:
        """By name."""
        ...

    def find(self, name: str) -> Delegate:
        """One of them.

        Raises:
            UsageError: there is none of that name.
        """
        ...


class _Nobody:
    skills: Mapping[str, Delegate] = MappingProxyType({})

    def find(self, name: str) -> Delegate:
        raise UsageError(f"there is no skill '{name}' here")


NOBODY: Delegates = _Nobody()
"""Where no skills are at hand."""
