"""The plain loop: let the model act until it answers."""

from bridle.context import Context
from bridle.grammar.action import Answer, Ask, Call


async def run(context: Context) -> str:
    """Act, look, act again; the answer ends it."""
    while True:
        match await context.act():
            case Call() as call:
                await context.call(call)
            case Ask(question):
                await context.ask(question)
            case Answer(text):
                return text
