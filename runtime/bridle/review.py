"""A review: what a critic that did not write a draft finds in it.

A critic who sees only the task and the draft finds more than the writer who looks again: it does not share the
writer's reasons (Dhuliawala et al., 2023).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

CRITIC = (
    "You review a draft that somebody else wrote. Judge it by the task alone. Name every fault, the worst first, each "
    "with the words that it is about. If there is none, say so with an empty list.\n"
)


class Finding(BaseModel):
    """One fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: Literal["wrong", "missing", "unclear", "minor"]
    quote: str = Field(max_length=200)
    """The words that it is about; empty for what is missing."""
    problem: str = Field(min_length=1, max_length=300)


class Review(BaseModel):
    """All faults that were found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: list[Finding] = Field(max_length=10)

    @property
    def passes(self) -> bool:
        """Nothing is wrong and nothing is missing."""
        return not any(it.severity in ("wrong", "missing") for it in self.findings)

    def __str__(self) -> str:
        lines = [f"- {it.severity}: {it.problem}" + (f' ("{it.quote}")' if it.quote else "") for it in self.findings]
        return "\n".join(lines) or "no faults"
