"""How a run was gone about, for its record and from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from pydantic import JsonValue

from bridle.bounds import Limits
from bridle.card import Card
from bridle.errors import JournalError
from bridle.grammar.thinking import Thinking
from bridle.how import StepSettings
from bridle.journal import RunStarted, Way
from bridle.policy import Policy


def way_of(settings: StepSettings, limits: Limits, card: Card) -> Way:
    """How a run is gone about, for its record."""
    thinking = cast("dict[str, JsonValue]", asdict(settings.thinking)) if settings.thinking else None
    return Way(
        **asdict(limits),
        thinking=thinking,
        constrain=settings.constrain,
        retries=settings.retries,
        temperature=settings.temperature,
        review=settings.review,
        hand_over=settings.hand_over,
        undo=settings.undo,
        policy=settings.policy.model_dump(mode="json", exclude_defaults=True),
        card=card.model_dump(mode="json", exclude_defaults=True),
    )


def settings_of(started: RunStarted) -> tuple[StepSettings, Limits, Card]:
    """How steps were taken in a run, its limits, and the card of its model.

    Raises:
        JournalError: it is of an older version, which did not write that down.
    """
    if (way := started.way) is None:
        raise JournalError("the journal does not say how this run was gone about", hint="an older version wrote it")
    thinking = Thinking(**cast("dict[str, Any]", way.thinking)) if way.thinking is not None else None
    settings = StepSettings(
        format="xml" if started.format == "xml" else "json",
        thinking=thinking,
        constrain=way.constrain,
        retries=way.retries,
        temperature=way.temperature,
        review=way.review,
        hand_over=way.hand_over,
        undo=way.undo,
        policy=Policy.model_validate(way.policy),
        seed=started.seed,
    )
    limits = Limits(way.steps, way.tokens, way.seconds, way.calls_per_tool, way.step_tokens)
    return settings, limits, Card.model_validate(way.card)
