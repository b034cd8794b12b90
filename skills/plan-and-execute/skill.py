"""A plan as a form, each task done by the plain loop and looked at by a critic, and a last word about all of it."""

import re
from collections.abc import Mapping

from bridle.context import Context
from bridle.errors import ToolError
from bridle.plan import Plan, Remedy, Report, Task, Tasks, carry_out

YES = re.compile(r"\s*(?:yes|y|ok|okay)\b(?!.*\b(?:but|except|only)\b)", re.IGNORECASE | re.DOTALL)
"""A plan is agreed to; what is agreed to on a condition is not."""
REVIEWS = 3
"""Times that a plan is looked at."""
PLAN = "Make a plan for the request."
TELL = "Tell what came of the request, in a few sentences, from this alone."


async def run(context: Context) -> str:
    """Plan, do, tell."""
    plan = await make(context)
    context.note("; ".join(task.goal for task in plan.tasks))
    report = await carry_out(context, plan, do, mend)
    done = "\n".join(f"{task}: {result}" for task, result in report.results.items())
    not_done = "\n".join(f"{task}: {reason}" for task, reason in report.left_out.items())
    if report.undone:
        lasting = "".join(f"\n{it.tool} could not be undone" for it in report.lasting)
        return f"It was given up, and what was done was undone:\n{not_done}{lasting}"
    return await context.reply(
        f"What was done:\n{done or 'nothing'}\n\nWhat was left out:\n{not_done or 'nothing'}\n\n{TELL}"
    )


async def make(context: Context) -> Plan:
    """A plan that whoever is to review it has nothing against. A critic's last word is passed over, a person's is not.

    Raises:
        ToolError: the person would have none of them.
    """
    settings, question, refused = context.course.settings, PLAN, False
    plan = await context.extract(Plan, question, model=settings.planner or context.model)
    for _ in range(REVIEWS):
        match settings.review:
            case "person":
                said = str(await context.ask(f"The plan:\n{plan}\nShall it be done so? (yes, or what is to change)"))
                if YES.match(said):
                    return plan
                refused = True
            case "critic":
                review = await context.verify(str(plan), "Does the plan come to what was asked, and to nothing else?")
                if review.passes:
                    break
                context.tell(f"A review of the plan found this:\n{review}")
            case _:
                break
        plan = await context.extract(Plan, question, model=settings.planner or context.model)
    if refused:
        raise ToolError(f"none of {REVIEWS} plans was what you wanted")
    return plan


async def do(context: Context, task: Task, given: Mapping[str, str]) -> str:
    """One task, and whether it came to what it was for."""
    known = "".join(f"\n{name}: {result}" for name, result in given.items())
    result = await context.delegate(context.catalogue.find("react"), f"{task.goal}{known}")
    context.task = task.goal
    review = await context.verify(result, "Is that what was to be done, as far as the task says?")
    if not review.passes:
        raise ToolError(f"{result} ({review})")
    return result


async def mend(context: Context, task: Task, reason: str, report: Report) -> Tasks | Remedy:
    """What to do about a task that failed."""
    done = "".join(f"\n{name}: {result}" for name, result in report.results.items())
    told = f"The task {task.id} ({task.goal}) failed: {reason}\nDone by now:{done or ' nothing'}"
    options: list[Remedy] = ["skip", "plan again", "give up"]
    match await context.choose(options, f"{told}\nWhat is to be done about it?"):
        case "plan again":
            planner = context.course.settings.planner or context.model
            return await context.extract(Tasks, f"{told}\nMake a plan for what is not done yet.", model=planner)
        case "skip":
            return "skip"
        case _:
            return "give up"
