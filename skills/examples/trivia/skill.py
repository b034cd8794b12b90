"""An observation, a thought, a query: looked up until that is enough, or five times."""

from pydantic import BaseModel

from bridle.context import Context

ROUNDS = 5


class Reasoning(BaseModel):
    """Where the question stands."""

    observation: str
    thought: str
    query: str | None = None
    final: bool


async def run(context: Context) -> str:
    """Look up, think again, answer."""
    for _ in range(ROUNDS):
        reasoning = await context.extract(
            Reasoning,
            "What is known by now? What comes next? Give a short query, or set final if what is known is enough.",
        )
        context.tell(f"Observation: {reasoning.observation}\nThought: {reasoning.thought}")
        if reasoning.final or not reasoning.query:
            return await context.reply()
        await context.call("search_text", text=reasoning.query)
    return await context.reply("Answer with the best that is known.")
