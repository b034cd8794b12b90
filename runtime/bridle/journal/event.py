"""What can happen in a run, as frozen models: the bodies of events. How they hang together: `chain`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, JsonValue

from bridle.journal.whole import CONFIG, RunAborted, RunEnded, RunJudged, RunStarted, Tokens

Chosen: TypeAlias = tuple[float, float, str, float]
"""What a model made of one token that it chose: its probability, what the grammar took away, and the runner-up with its
probability, where there was one (`bridle.engine.base.Signal`)."""


class _Body(BaseModel):
    model_config = CONFIG


class Certainty(_Body):
    """What a model made of its choices. See `bridle.certainty`."""

    chosen: int = 0
    """Tokens that were sampled."""
    forced: int = 0
    """Tokens that were the only continuation."""
    masked: float = 0.0
    """Mean probability that the grammar took away."""
    entropy: float = 0.0
    """Mean over the choices, of what the grammar left, in nats."""
    probability: float = 1.0
    """Of all choices together, among what the grammar left, at temperature 1."""


class StepTaken(_Body):
    """The model was asked once. What it saw and said, exactly.

    The prompt is told as what is new since the prompt of event `base` in the same run: its first `shared_tokens`
    tokens and `shared_text` characters are that prompt's. Of a model behind a server it is the messages, as JSON, just
    as they were sent, and there are no tokens.
    """

    kind: Literal["step.taken"] = "step.taken"
    path: str
    """Which verb of the skill, as `act#3`."""
    attempt: int
    base: int | None
    shared_tokens: int
    shared_text: int
    prompt_tokens: list[int]
    prompt_text: str
    output_tokens: list[int]
    forced: str
    """One letter a token: `f` forced, `s` sampled."""
    pieces: list[str] = []
    """The text of each output token; not of a model behind a server, nor in older journals."""
    choices: list[Chosen] = []
    """What was made of each token that was sampled, in their order."""
    thinking: str
    text: str
    value: JsonValue = None
    spelled: str = ""
    """The value as JSON with its keys in their own order; of older journals, which sorted them."""
    came: bool = False
    """The step came to a value here."""
    asked: str = ""
    """A digest of the messages; empty in older journals."""
    sources: list[str] = []
    """The tools whose results the model saw."""
    error: str = ""
    mends: list[str] = []
    stop: str
    cut: bool = False
    constrained: bool
    """Something held the document to its form while it was written."""
    held_by: Literal["", "mask", "server", "nothing"] = ""
    """What: a mask of this process, the server's own constraint, nothing; empty in older journals."""
    model: str = ""
    """The model that wrote it; empty, in older journals, for the run's."""
    request: dict[str, JsonValue] = {}
    """What was sent to a server beside the messages."""
    notes: list[str] = []
    """What was done otherwise than asked, and why."""
    tokens: Tokens
    certainty: Certainty
    fields: dict[str, Certainty] = {}
    """By the path of each value in the document, where one was read."""
    prefill_seconds: float
    decode_seconds: float
    seconds: float = 0.0


class Decided(_Body):
    """The model weighed options, and none of them was written."""

    kind: Literal["decided"] = "decided"
    path: str
    """Which verb of the skill, as `decide#2`."""
    asked: str = ""
    """A digest of the messages; empty in older journals."""
    question: str
    options: list[str]
    probabilities: list[float]
    """Of the options, calibrated."""
    option: str
    sure: bool
    """Its probability was enough."""
    sources: list[str] = []
    """The tools whose results it may depend on."""
    seconds: float


class Counted(_Body):
    """All takings of a step that was taken several times are written down."""

    kind: Literal["counted"] = "counted"
    path: str
    """Which verb of the skill, as `vote#1`."""
    votes: int


class Noted(_Body):
    """A skill said what it is doing."""

    kind: Literal["noted"] = "noted"
    path: str
    text: str


class Delegated(_Body):
    """A skill gave a task to another; what that does has its path before its own."""

    kind: Literal["delegated"] = "delegated"
    path: str
    to: str
    task: str
    digest: str = ""
    """SHA-256 of a skill's files; empty for a function, and in older journals."""


class Returned(_Body):
    """What came of a task that was given away."""

    kind: Literal["returned"] = "returned"
    path: str
    value: JsonValue


Layer: TypeAlias = Literal["global", "workflow", "task"]
"""Whose a value is that is kept: of all runs, of one, of one task in it."""


class Kept(_Body):
    """A skill keeps a typed value."""

    kind: Literal["kept"] = "kept"
    path: str
    layer: Layer
    place: str = ""
    """Of a task: where in the run it stands."""
    name: str
    """Of its type."""
    value: dict[str, JsonValue]
    read: bool = False
    """It was looked at, not changed: as an earlier run left it, or as a branch saw it beside others."""
    sources: list[str] = []
    """The tools whose results it may depend on."""


class StepFailed(_Body):
    """A step came to nothing: none of its attempts could be used."""

    kind: Literal["step.failed"] = "step.failed"
    path: str
    reason: str


class Ruled(_Body):
    """What a policy said before a step, or to a call."""

    kind: Literal["ruled"] = "ruled"
    path: str
    """The step, as `act#1`, or the call, as `call 2`."""
    verdicts: dict[str, str]
    """By tool, of those that it took anything from: in words, with the rules that say so."""


class CallIntended(_Body):
    """A tool is about to be run; written to disk before it is."""

    kind: Literal["call.intended"] = "call.intended"
    key: str
    """Names this call for ever; idempotent tools receive it."""
    tool: str
    args: dict[str, JsonValue]
    effect: str
    sources: list[str] = []
    """The tools whose results the arguments may depend on."""


class CallAnswered(_Body):
    """What came of a call."""

    kind: Literal["call.answered"] = "call.answered"
    key: str
    tool: str
    ok: bool
    result: JsonValue
    text: str
    """What the model was shown, behind its number where answers have to cite."""
    seconds: float
    cached: bool = False
    """It is what the same call came to a moment before."""
    open: bool = False
    """It failed, and may have been done all the same."""


class UndoIntended(_Body):
    """What a call did is about to be taken back; written to disk before it is."""

    kind: Literal["undo.intended"] = "undo.intended"
    key: str
    tool: str


class Undone(_Body):
    """What a call did was taken back, or could not be."""

    kind: Literal["undone"] = "undone"
    key: str
    tool: str
    ok: bool
    text: str


class Heard(_Body):
    """A person said something: an answer to a question."""

    kind: Literal["heard"] = "heard"
    path: str = ""
    """Which verb of the skill, as `ask#1`; empty in older journals."""
    question: str
    text: str


class Prompted(_Body):
    """Somebody who copied the run has the model told something at a step, beside what its skill says."""

    kind: Literal["prompted"] = "prompted"
    path: str
    text: str


Body: TypeAlias = (
    RunStarted
    | StepTaken
    | Decided
    | Counted
    | Noted
    | Delegated
    | Returned
    | Kept
    | StepFailed
    | Ruled
    | CallIntended
    | CallAnswered
    | UndoIntended
    | Undone
    | Heard
    | Prompted
    | RunAborted
    | RunEnded
    | RunJudged
)
