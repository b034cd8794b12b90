"""Which skill a request is for: what a model finds likeliest, or what the person says where two are close.

The skills stand in a list with what they are for; the model weighs their names as its next word, so that each has an
exact probability (see `weigh`). What people say who want a skill, where skills tell it, is evidence beside that
(`bridle.likeness`); a request that names an alternative is as likely one as the other. Guessing between two that are
close is worse than a question (Zamani et al., 2020).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

from bridle.context import Context
from bridle.decide import LEAST
from bridle.delegate import Delegate
from bridle.errors import SkillError
from bridle.likeness import Likeness, alternatives

MARGIN = 0.25
"""How much likelier the first has to be than the second."""
EVIDENCE = 16.0
"""How much what people say counts beside a model that has no idea; beside one that is sure, nothing. Chosen on requests
of the recipe's half for training; the other half is for measuring."""
NONE = "none"
QUESTION = "Which of these is the request for? Reply with its name alone."


@dataclass(frozen=True)
class Route:
    """Where a request goes."""

    skill: str
    """Empty if it is for none of them."""
    probability: float | None
    """After all evidence; None behind a server, which tells no probabilities."""
    margin: float | None
    """Between the first and the second."""
    question: str = ""
    """What the person was asked, if the model was not sure."""


async def route(context: Context, skills: Sequence[Delegate], margin: float = MARGIN) -> Route:
    """The skill for the task of a context.

    Raises:
        Ended: two are close and nobody is there to say which: the run pauses with the question.
    """
    if not (fitting := [skill for skill in skills if _fits(skill, context)]):
        return Route("", None, None)
    options = [*(skill.name for skill in fitting), NONE]
    question = f"{listed([(skill.name, skill.description) for skill in fitting])}\n{QUESTION}"
    decision = await context.decide(question, options)
    if decision.probability is None:
        return Route("" if decision.option == NONE else decision.option, None, None)
    told = weighed(context.task, dict(zip(options, decision.probabilities, strict=True)), said_of(fitting))
    ranked = sorted(zip(told.values(), options, strict=True), reverse=True)
    (best, first), (next_best, second) = ranked[:2]
    if best - next_best >= margin:
        return Route("" if first == NONE else first, best, best - next_best)
    about = {skill.name: f"{skill.name} ({skill.description})" for skill in fitting} | {NONE: "something else"}
    question = f"Do you mean {about[first]} or {about[second]}?"
    answer = str(await context.ask(question)).casefold().strip(" .!?")
    by_name = {name.casefold(): name for name in options} | {"something else": NONE}
    chosen = by_name.get(answer) or _only(by_name, answer)
    if chosen is None:  # said in other words: the model reads them, and has to decide now
        chosen = await context.choose(options, QUESTION)
    return Route("" if chosen == NONE else chosen, told[chosen], best - next_best, question)


def _fits(skill: Delegate, context: Context) -> bool:
    """Whether a skill can be used as things stand; one that cannot be loaded cannot."""
    try:
        skill.requests()
        return not skill.unfit(context)
    except SkillError as error:
        context.note(f"{skill.name} is left out: {error.message}")
        return False


def _only(by_name: Mapping[str, str], answer: str) -> str | None:
    """The only option that an answer names, and says yes to.

    >>> _only({"travel": "travel", "chat": "chat"}, "travel please"), _only({"travel": "travel"}, "not travel")
    ('travel', None)
    """
    if re.search(r"\b(?:no|not|neither|nor|never|none)\b|n't\b", answer):
        return None
    named = {name for told, name in by_name.items() if re.search(rf"(?<![\w-]){re.escape(told)}(?![\w-])", answer)}
    return named.pop() if len(named) == 1 else None


def said_of(skills: Sequence[Delegate]) -> dict[str, list[str]]:
    """What people say who want skills, and what these say of themselves; of those that tell the former."""
    return {skill.name: [skill.description, *requests] for skill in skills if (requests := skill.requests())}


def weighed(request: str, told: Mapping[str, float], said: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The probabilities of options, after what people say who want them.

    Args:
        request: what is asked for.
        told: by option, how likely a model finds it.
        said: what people say who want an option; of others, and of `none`, nothing is known.

    >>> said = {"travel": ["Find me a flight", "I need to fly to Oslo"], "chat": ["Hello", "Tell me a joke"]}
    >>> found = weighed("Which flights are there?", {"travel": 0.3, "chat": 0.5, "none": 0.2}, said)
    >>> found["travel"] > 0.3, found["chat"] < 0.5, round(sum(found.values()), 6)
    (True, True, 1.0)
    """
    likeness, parts, found = Likeness(said), alternatives(request), dict.fromkeys(told, 0.0)
    doubt = -sum(it * log(it) for it in told.values() if it > 0) / log(max(2, len(told)))
    for part in parts:
        scores = likeness.scores(part)
        logs = {name: log(max(it, LEAST)) + EVIDENCE * doubt * scores.get(name, 0.0) for name, it in told.items()}
        most = max(logs.values())
        weights = {name: exp(it - most) for name, it in logs.items()}
        for name, weight in weights.items():
            found[name] += weight / sum(weights.values()) / len(parts)
    return found


def listed(skills: Sequence[tuple[str, str]]) -> str:
    """Skills by name and what each is for, as the model reads them, a line each.

    >>> print(listed([("chat", "Answer in plain words.")]))
    - chat: Answer in plain words.
    - none: nothing of this
    """
    return "\n".join(f"- {name}: {about}" for name, about in (*skills, (NONE, "nothing of this")))
