"""The tools that a run may use, chosen from the task alone, before anything is read that somebody else wrote.

What is not chosen is not offered, whatever a result says later (plan before data: Debenedetti et al. 2025).
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import JsonValue

from bridle.context import Context
from bridle.grammar.keywords import Schema
from bridle.journal import Ruled
from bridle.prompt import Message

QUESTION = "Which of these tools does the request need? Name all of them, and none that it does not need."


async def choose_scope(context: Context) -> frozenset[str]:
    """The tools of a context that its task needs, as the model finds.

    Raises:
        Ended: a bound of the run is met, or no attempt gave a list.
    """
    names: JsonValue = [it.name for it in context.tools]
    listed: JsonValue = {"type": "array", "items": {"enum": names}, "maxItems": len(context.tools)}
    kind: Schema = {"type": "object", "properties": {"tools": listed}, "required": ["tools"]}
    offered = "\n".join(f"- {it.name}: {it.description}" for it in context.tools)
    alone = replace(context, instructions="", messages=[Message("user", context.task)], place="scope/")
    reply: dict[str, list[str]] = await alone.extract(kind, f"{offered}\n{QUESTION}")
    chosen = frozenset(reply["tools"])
    left_out = {it.name: "the task does not need it" for it in context.tools if it.name not in chosen}
    context.course.tell(Ruled(path="scope", verdicts=left_out))
    return chosen
