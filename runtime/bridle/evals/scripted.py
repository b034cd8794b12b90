"""A model whose replies are written down: what a case brings to show that a skill's control flow is right, whatever
model there is."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pydantic import JsonValue

from bridle.card import Card, ThinkingCard
from bridle.engine import scripted
from bridle.model import Model

SCRIPTED = "scripted"
"""What it is called."""


def scripted_model(
    replies: Sequence[JsonValue] = (), *, thinking: bool = False, context: int = 8192, deterministic: bool = False
) -> Model:
    """A model that gives the replies in turn, held to forms as any other; what is no text is spelled as JSON."""
    texts = [it if isinstance(it, str) else json.dumps(it, ensure_ascii=False) for it in replies]
    card = Card(name=SCRIPTED, thinking=ThinkingCard() if thinking else ThinkingCard(budget=0))
    return Model(scripted.engine(texts, context=context, deterministic=deterministic), card)
