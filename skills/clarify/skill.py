"""Questions until the request is clear, three at most; only then may tools be used."""

from typing import Literal

from pydantic import BaseModel, Field

from bridle.context import Context

MOST = 3
CLEAR = "Is anything unclear that has to be known before this is done?"


class Clarity(BaseModel):
    """What stands in the way of doing a request."""

    problem: Literal["none", "vague", "incomplete", "contradictory"]
    question: str = Field(default="", max_length=200)
    """What to ask the person, if there is a problem."""


async def run(context: Context) -> str:
    """Ask, then let the plain loop do it."""
    said = [context.task]
    for _ in range(MOST):
        clarity = await context.extract(Clarity, CLEAR)
        if clarity.problem == "none" or not clarity.question:
            break
        answer = await context.ask(clarity.question)
        said.append(f"{clarity.question} {answer}")
    return await context.delegate(context.catalogue.find("react"), "\n".join(said))
