"""A run as a whole, in the journal: how it is gone about, how it began, how it ended, what others made of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

CONFIG = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")
"""Of all that is journaled."""


class Status(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    """The model said that it cannot or must not be done."""
    BUDGET = "budget"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    IN_DOUBT = "in doubt"
    """A call was begun that must not be made twice, and nobody knows whether it was made."""
    DAMAGED = "damaged"
    """Its record cannot be read; no run says that of itself."""

    @property
    def fell_short(self) -> bool:
        """It came to its end, and that was not what was wanted."""
        return self in (Status.FAILED, Status.REFUSED, Status.BUDGET)


class _Body(BaseModel):
    model_config = CONFIG


class Tokens(_Body):
    """Where a step's tokens and seconds went. See `bridle.engine.base.Usage`."""

    prompt: int = 0
    reused: int = 0
    sampled: int = 0
    forced: int = 0
    drafted: int = 0
    accepted: int = 0


class Offered(_Body):
    """A tool as a model is told of it."""

    name: str
    description: str
    parameters: str
    """A JSON Schema as text, for the order of its properties is part of it."""


class Said(_Body):
    """A message of the conversation that a run goes on with."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    sources: list[str] = []
    """The tools whose results it may depend on."""


class Way(_Body):
    """How a run is gone about, as far as it needs to be known to take it up again."""

    steps: int
    tokens: int
    seconds: float
    calls_per_tool: int
    step_tokens: int
    thinking: dict[str, JsonValue] | None
    constrain: bool
    retries: int
    temperature: float | None
    planner: str = ""
    """The model that makes plans, if another one does."""
    review: Literal["nobody", "critic", "person"] = "nobody"
    policy: dict[str, JsonValue] = {}
    """What was allowed; everything, if it is empty."""
    hand_over: bool = False
    undo: bool = False
    card: dict[str, JsonValue]
    """What was known of the model."""


class RunStarted(_Body):
    """A run began."""

    kind: Literal["run.started"] = "run.started"
    task: str
    skill: str
    model: str
    format: str
    tools: list[Offered] = []
    """Not in older journals."""
    workspace: str
    seed: int | None
    deterministic: bool = False
    """The engine promised the same tokens for the same run on the same machine. Else batches, drafts and reused
    prompts change the rounding of scores, and with it, seldom, a token."""
    version: str
    parent: str | None = None
    """The run whose conversation it continues."""
    history: list[Said] = []
    """That conversation."""
    digest: str = ""
    """SHA-256 of the skill's files; empty in older journals, as what follows."""
    way: Way | None = None
    forked: str = ""
    """The run that it is a copy of up to a place, and the place: `20261121-101500-abcdef at act#2`."""


class Pending(_Body):
    """The call that a person is asked about."""

    tool: str
    args: dict[str, JsonValue]
    effect: str
    begun: bool = False
    """Nobody knows whether it was made; else it is asked whether it may be."""
    seconds: float | None = None
    """How long an answer is good for."""


class RunAborted(_Body):
    """A run came to nothing, and what it did is about to be taken back; written to disk before it is."""

    kind: Literal["run.aborted"] = "run.aborted"
    status: Status
    reason: str


class RunEnded(_Body):
    """A run ended, or waits for a person."""

    kind: Literal["run.ended"] = "run.ended"
    status: Status
    answer: str | None = None
    question: str | None = None
    pending: Pending | None = None
    """The call that the question is about, if it is about one."""
    reason: str = ""
    undone: bool = False
    """What it did was taken back, as far as it could be."""
    steps: int
    tokens: Tokens
    seconds: float


class RunJudged(_Body):
    """An evaluation looked at what a run came to."""

    kind: Literal["run.judged"] = "run.judged"
    suite: str
    case: str
    family: str
    tags: list[str] = []
    variant: str = ""
    """How its steps were taken, as `format=xml thinking=off`."""
    passed: bool
    reward: float
    """The share of what was expected that came, from 0 to 1."""
    checks: dict[str, str] = {}
    """What was looked at, each with what is wrong with it."""
