"""What happened, once and for all: typed events, chained by hash, in one SQLite file."""

from bridle.journal.event import (
    Body,
    CallAnswered,
    CallIntended,
    Certainty,
    Decided,
    Delegated,
    Event,
    Heard,
    Noted,
    Offered,
    Returned,
    RunEnded,
    RunJudged,
    RunStarted,
    Status,
    StepTaken,
    Tokens,
)
from bridle.journal.store import Journal, RunSummary

__all__ = [
    "Body",
    "CallAnswered",
    "CallIntended",
    "Certainty",
    "Decided",
    "Delegated",
    "Event",
    "Heard",
    "Journal",
    "Noted",
    "Offered",
    "Returned",
    "RunEnded",
    "RunJudged",
    "RunStarted",
    "RunSummary",
    "Status",
    "StepTaken",
    "Tokens",
]
