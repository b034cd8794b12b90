"""Turns: a conversation as it should have gone, up to one turn of the assistant, and that turn.

What benchmarks ask colt; how well it does as an agent is `suite.py` and `bridle eval`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sessions import Maker, World

from bridle.brief import arguments, brief
from bridle.card import read_card
from bridle.grammar.action import Actions
from bridle.grammar.said import REPLIES, Call, Said
from bridle.prompt import Message
from bridle.tool import Tool

CARD = read_card(Path(__file__).resolve().parents[1] / "card.toml")

__all__ = ["Case", "World", "cases"]


@dataclass(frozen=True)
class Case:
    """A conversation, and the action that should come next."""

    tools: tuple[Tool, ...]
    messages: tuple[Message, ...]
    action: Said
    form: Actions
    """What can be said, with arguments copied as colt's card has it."""


def cases(world: World, count: int, seed: int) -> Iterator[Case]:
    """Cases of a world, turn by turn, until there are enough."""
    maker = Maker(seed, world)
    made = 0
    while made < count:
        tools, inventions = maker.tools()
        form, task = maker.form(tools), maker.task(tools, inventions)
        said = [Message("system", brief("", tools, form, None, terse=True))]
        incoming = Message("user", task.request)
        for action, _, following in task.steps:
            said.append(incoming)
            held = replace(
                form,
                tools=arguments(tools, said, copies=CARD.prompt.copies),
                replies=(*REPLIES, "show"),
                unsaid=() if incoming.role == "tool" else ("show",),
            )
            yield Case(tuple(tools), tuple(said), action, held)
            made += 1
            said.append(Message("assistant", form.spell(action)))
            incoming = Message("tool" if isinstance(action, Call) else "user", following)
