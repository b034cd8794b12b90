"""A run's steps taken once more, by the same model over the same record: whether a machine says today what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bridle.catalogue import Catalogue
from bridle.journal import Journal, Seen, StepTaken, prompts
from bridle.replay import replay
from bridle.skill import Skill
from bridle.step import Step, StepError, take
from bridle.tool import Tool
from bridle.turn import Attempt, Writer


@dataclass(frozen=True)
class Retaken:
    """What came of a step, then and now."""

    path: str
    tokens: int
    """Written then."""
    parts: str = ""
    """Where the two part, for people; empty where they do not."""
    drift: float = 0.0
    """The greatest difference in a chosen token's probability, as far as they are the same."""
    chance: bool = False
    """It was left to chance without a seed, and was not taken again."""


@dataclass
class Retaking:
    """Takes the recorded steps of a run again, and keeps what came of each."""

    seen: dict[tuple[str, int], Seen]
    """The prompts of attempts, by path and number."""
    found: list[Retaken] = field(default_factory=list[Retaken])

    async def __call__(self, step: Step[Any], model: Writer, known: Sequence[StepTaken]) -> None:
        """Take a step of which attempts are recorded."""
        path, tokens = known[0].path, sum(len(it.output_tokens) for it in known)
        sampling = step.sampling
        if sampling is not None and sampling.temperature > 0 and sampling.seed is None:
            self.found.append(Retaken(path, tokens, chance=True))
            return
        try:
            attempts = (await take(step, model)).attempts
        except StepError as error:
            attempts = error.attempts
        drift = 0.0
        for then, now in zip(known, attempts, strict=False):
            same, parts = self._compare(then, now)
            pairs = zip(then.choices[:same], now.choices[:same], strict=False)
            drift = max([drift, *(abs(one[0] - other[0]) for one, other in pairs)])
            if parts:
                self.found.append(Retaken(path, tokens, f"attempt {then.attempt}, {parts}", drift))
                return
        parts = "" if len(known) == len(attempts) else f"{len(known)} attempts then, {len(attempts)} now"
        self.found.append(Retaken(path, tokens, parts, drift))

    def _compare(self, then: StepTaken, now: Attempt) -> tuple[int, str]:
        """How many choices are the same, and where the first is that is not."""
        prompt = self.seen[then.path, then.attempt].tokens
        if prompt != now.prompt.tokens:
            return 0, "its prompt"
        ids, text = now.generation.ids, list(now.pieces)
        for number, (one, other) in enumerate(zip(then.output_tokens, ids, strict=False)):
            if one != other:
                said = then.pieces[number] if then.pieces else str(one)
                return then.forced[:number].count("s"), f"token {number + 1}: {said!r} then, {text[number]!r} now"
        if len(then.output_tokens) != len(ids):
            return 0, f"{len(then.output_tokens)} tokens then, {len(ids)} now"
        if then.text != now.text:  # of a model behind a server, which tells no tokens
            return 0, f"{then.text[:40]!r} then, {now.text[:40]!r} now"
        return len(then.choices), ""


def take_anew(
    journal: Journal,
    run: str,
    model: Writer,
    *,
    tools: Sequence[Tool],
    catalogue: Catalogue,
    skill: Skill | str = "",
) -> list[Retaken]:
    """Take the steps of a run again: same prompts, forms and seeds, with the recorded results of its calls.

    Nothing is called, and nothing is written. Votes and what was only weighed are left as they are.

    Args:
        journal: where it is.
        run: its id.
        model: the one that it was made with.
        tools: those that its agent had beside its skill's own.
        catalogue: where its skill is found.
        skill: its skill, if it is in no catalogue.

    Raises:
        Astray: it does something else on the way.
        JournalError: it cannot be read, or an older version wrote it.
        UsageError: its skill is not to be found.
    """
    events = journal.events(run)
    whole = prompts(events)
    seen = {(it.path, it.attempt): whole[event.number] for event in events if isinstance(it := event.body, StepTaken)}
    anew = Retaking(seen)
    replay(journal, run, tools=tools, catalogue=catalogue, skill=skill, model=model, anew=anew)
    return anew.found
