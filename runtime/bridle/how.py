"""How steps are taken: what holds for all of a run, and where one step differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from bridle.engine.base import Sampling
from bridle.grammar.thinking import Thinking
from bridle.policy import OPEN, Policy
from bridle.prompt import Message
from bridle.turn import Writer


@dataclass(frozen=True)
class StepSettings:
    """How the steps of a run are taken."""

    format: Literal["json", "xml"] = "json"
    thinking: Thinking | None = None
    constrain: bool = True
    retries: int = 2
    temperature: float | None = None
    """None for what the model's card recommends."""
    seed: int | None = None
    fallback: Writer | None = None
    """Takes a step where the model fails; None for the one that the model's card names."""
    planner: Writer | None = None
    """Makes the plans of skills that plan, if another model does."""
    review: Literal["nobody", "critic", "person"] = "nobody"
    """Who looks at a plan before it is carried out."""
    policy: Policy = OPEN
    """What is allowed."""
    undo: bool = False
    """What a run did is taken back, the last first, where it fails or is stopped (a saga)."""
    hand_over: bool = False
    """A person is asked how to go on where a run would fail."""

    def __post_init__(self) -> None:
        Sampling(self.temperature or 0.0, seed=self.seed)  # refuses what no step could sample with

    def sampling(self, model: Writer, thinking: Thinking | None, number: int) -> Sampling:
        """How tokens are chosen in the step of that number: each step has a seed of its own."""
        sampling = model.sampling_for(thinking)
        temperature = sampling.temperature if self.temperature is None else self.temperature
        seed = sampling.seed if self.seed is None else self.seed + number
        return replace(sampling, temperature=temperature, seed=seed)


class How(TypedDict, total=False):
    """How one step is taken, where it differs from its run."""

    instructions: str
    """What is told beside the skill's own instructions."""
    examples: Sequence[tuple[str, str]]
    """Requests, each with the reply as it should be spelled, shown before the conversation."""
    thinking: Thinking | None
    """None for none."""
    tokens: int
    """Made in this step at most."""
    model: Writer
    """Takes the step, if not the run's."""


def shown(how: How) -> list[Message]:
    """The examples of a step as the conversation before it."""
    pairs = ((Message("user", said), Message("assistant", reply)) for said, reply in how.get("examples", ()))
    return [message for pair in pairs for message in pair]


def asked(question: str) -> list[Message]:
    """What a step is asked, if anything."""
    return [Message("user", question)] if question else []
