"""The model writes the expression, the tool works it out, the model says what it means."""

from bridle.context import Context
from bridle.grammar.said import Call


async def run(context: Context) -> str:
    """Compute, then reply."""
    match await context.act("calculate"):
        case Call() as call:
            await context.call(call)
        case _:  # with one given tool there is nothing else to say
            pass
    return await context.reply("Say the result in one sentence.")
