"""The obvious at once, without the model; else the likeliest skill, or a question; another one if it was misread."""

from bridle.context import Context
from bridle.errors import Misread
from bridle.obvious import obvious
from bridle.route import route

MOST = 3
"""Skills that are tried."""


async def run(context: Context) -> str:
    """Sort, then give away."""
    call = obvious(context.task)
    if call is not None and call.tool in [tool.name for tool in context.tools]:
        seen = await context.call(call)
        if seen.ok:
            return seen.text
    tried, said = ["intent-router"], "I have no skill for that."
    for _ in range(MOST):
        found = await route(context, [it for name, it in context.catalogue.skills.items() if name not in tried])
        if not found.skill:
            break
        sure = "" if found.probability is None else f" ({found.probability:.0%})"
        context.note(f"{found.skill}{sure}")
        begun = len(context.bounds.calls)
        try:
            return await context.delegate(context.catalogue.find(found.skill), context.task)
        except Misread as error:  # before it did much, and what it did is taken back
            context.note(f"not for {found.skill}: {error.message}")
            await context.undo(context.own(begun))
            tried.append(found.skill)
            said = error.message
    return said
