"""The obvious at once, without the model; else the likeliest skill, or a question."""

from bridle.context import Context
from bridle.obvious import obvious
from bridle.route import route


async def run(context: Context) -> str:
    """Sort, then give away."""
    call = obvious(context.task)
    if call is not None and call.tool in [tool.name for tool in context.tools]:
        seen = await context.call(call)
        if seen.ok:
            return seen.text
    skills = [skill for name, skill in context.catalogue.skills.items() if name != "intent-router"]
    found = await route(context, skills)
    if not found.skill:
        return "I have no skill for that."
    sure = "" if found.probability is None else f" ({found.probability:.0%})"
    context.note(f"{found.skill}{sure}")
    return await context.delegate(context.catalogue.find(found.skill), context.task)
