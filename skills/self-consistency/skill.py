"""Several ways of thinking from one prompt, and a vote over what they come to."""

from pydantic import BaseModel, Field

from bridle.context import Context

WAYS = 5


class Answer(BaseModel):
    """What is to be said, as short as it can be."""

    answer: str = Field(min_length=1, max_length=80)


async def run(context: Context) -> str:
    """Vote, and say how sure that is."""
    vote = await context.vote(Answer, WAYS)
    agreed = f"{vote.share:.0%} of {len(vote.outcomes)} ways"
    context.note(f"{agreed} came to it")
    return vote.value.answer if vote.share > 0.5 else f"{vote.value.answer} (not sure: {agreed} came to it)"
