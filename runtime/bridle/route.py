"""Which skill a request is for: what a model finds likeliest, or what the person says where two are close.

The skills stand in a list with what they are for; the model weighs their names as its next word, so that each has an
exact probability (see `weigh`). Guessing between two that are close is worse than a question (Zamani et al., 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridle.context import Context
from bridle.delegate import Delegate

MARGIN = 0.25
"""How much likelier the first has to be than the second."""
NONE = "none"
QUESTION = "Which of these is the request for? Reply with its name alone."


@dataclass(frozen=True)
class Route:
    """Where a request goes."""

    skill: str
    """Empty if it is for none of them."""
    probability: float | None
    """As the model has it; None behind a server, which tells no probabilities."""
    margin: float | None
    """Between the first and the second."""
    question: str = ""
    """What the person was asked, if the model was not sure."""


async def route(context: Context, skills: Sequence[Delegate], margin: float = MARGIN) -> Route:
    """The skill for the task of a context.

    Raises:
        Ended: two are close and nobody is there to say which: the run pauses with the question.
    """
    fitting = [skill for skill in skills if not skill.unfit(context)]
    options = [*(skill.name for skill in fitting), NONE]
    question = f"{listed([(skill.name, skill.description) for skill in fitting])}\n{QUESTION}"
    decision = await context.decide(question, options)
    if decision.probability is None:
        return Route("" if decision.option == NONE else decision.option, None, None)
    ranked = sorted(zip(decision.probabilities, options, strict=True), reverse=True)
    (best, first), (next_best, second) = ranked[:2]
    if best - next_best >= margin:
        return Route("" if first == NONE else first, best, best - next_best)
    about = {skill.name: f"{skill.name} ({skill.description})" for skill in fitting} | {NONE: "something else"}
    question = f"Do you mean {about[first]} or {about[second]}?"
    answer = str(await context.ask(question)).casefold()
    named = [name for name in options if name.casefold() in answer]
    if not named:  # said in other words: the model reads them, and has to decide now
        named = [await context.choose(options, QUESTION)]
    chosen = max(named, key=len)
    probability = decision.probabilities[options.index(chosen)]
    return Route("" if chosen == NONE else chosen, probability, best - next_best, question)


def listed(skills: Sequence[tuple[str, str]]) -> str:
    """Skills by name and what each is for, as the model reads them, a line each.

    >>> print(listed([("chat", "Answer in plain words.")]))
    - chat: Answer in plain words.
    - none: nothing of this
    """
    return "\n".join(f"- {name}: {about}" for name, about in (*skills, (NONE, "nothing of this")))
