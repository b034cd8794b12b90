"""The plain loop: look at what there is, plan, act; until an answer ends it."""

from dataclasses import replace

from bridle.context import Context
from bridle.grammar.said import Answer, Ask, Call

FORM = "observation-plan"
"""Of thoughts, for models that have no form of their own: two lines, what is seen and what follows from it."""


async def run(context: Context) -> str:
    """Observation, thought and action, again and again."""
    thinking = context.course.settings.thinking
    if thinking is not None and thinking.form == "free" and not thinking.native:
        thinking = replace(thinking, form=FORM)
    while True:
        match await context.act(thinking=thinking):
            case Call() as call:
                await context.call(call)
            case Ask(question):
                await context.ask(question)
            case Answer(text):
                return text
