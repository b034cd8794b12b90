"""How a run was gone about, for its record and from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from pydantic import JsonValue, ValidationError

from bridle.bounds import Limits
from bridle.card import Card
from bridle.errors import JournalError, UsageError, describe
from bridle.grammar.thinking import Thinking
from bridle.how import StepSettings
from bridle.journal import RunEnded, RunStarted, Status, Way
from bridle.policy import Policy

PLAIN = ("constrain", "retries", "temperature", "review", "hand_over", "undo")
"""Settings that a record has as they are."""


def way_of(settings: StepSettings, limits: Limits, card: Card) -> Way:
    """How a run is gone about, for its record."""
    thinking = cast("dict[str, JsonValue]", asdict(settings.thinking)) if settings.thinking else None
    return Way(
        **asdict(limits),
        thinking=thinking,
        **{name: getattr(settings, name) for name in PLAIN},
        planner=settings.planner.name if settings.planner else "",
        policy=settings.policy.model_dump(mode="json", exclude_defaults=True),
        card=card.model_dump(mode="json", exclude_defaults=True),
    )


def settings_of(started: RunStarted) -> tuple[StepSettings, Limits, Card]:
    """How steps were taken in a run, its limits, and the card of its model.

    Raises:
        JournalError: it is of an older version, which did not write that down, or another one.
    """
    if (way := started.way) is None:
        raise JournalError("the journal does not say how this run was gone about", hint="an older version wrote it")
    try:
        thinking = Thinking(**cast("dict[str, Any]", way.thinking)) if way.thinking is not None else None
        policy, card = Policy.model_validate(way.policy), Card.model_validate(way.card)
    except (TypeError, ValueError) as error:
        why = describe(error) if isinstance(error, ValidationError) else str(error)
        raise JournalError(f"how this run was gone about cannot be read: {why}") from None
    settings = StepSettings(
        format="xml" if started.format == "xml" else "json",
        thinking=thinking,
        **{name: getattr(way, name) for name in PLAIN},
        policy=policy,
        seed=started.seed,
    )
    return settings, Limits(way.steps, way.tokens, way.seconds, way.calls_per_tool, way.step_tokens), card


def check_same(run: str, started: RunStarted, ended: RunEnded | None, model: str, planner: str, skill: str) -> None:
    """See that a run can be gone on with, by a model, one that makes plans (or none) and the skill with that digest.

    Raises:
        UsageError: it is over, or one of them is not what it was.
    """
    if ended is not None and ended.status is Status.DONE:
        raise UsageError(f"the run {run} is done", hint=f"to do it otherwise: bridle runs fork {run}")
    if ended is not None and ended.undone:
        raise UsageError(f"what the run {run} did was taken back", hint=f"do it anew: bridle run {started.task!r}")
    if started.model != model:
        raise UsageError(
            f"the run {run} is of the model {started.model}, and this is {model}",
            hint=f"bridle runs fork {run} goes on with another one",
        )
    made, now = (started.way.planner if started.way else "") or started.model, planner or model
    if made != now:
        raise UsageError(f"the plans of the run {run} are made by the model {made}, not {now}", hint="say --planner")
    if started.digest and started.digest != skill:
        raise UsageError(
            f"the skill '{started.skill}' is not what it was when the run {run} began",
            hint=f"bridle runs fork {run} does it with the skill as it is now",
        )
