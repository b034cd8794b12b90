"""Replies that cannot be used, and the complaint that Bridle answers them with.

What colt sees of them is how to read a complaint: the reply after it is right.
"""

from __future__ import annotations

from random import Random

from bridle.errors import FormatError
from bridle.grammar.action import Actions
from bridle.grammar.afterwards import check
from bridle.grammar.said import Call
from bridle.parse import recover
from bridle.repair import complaint


def mistaken(random: Random, form: Actions, call: Call) -> tuple[str, str] | None:
    """A call gone wrong, as text, and what is said of it; None if the mistake can be mended without asking."""
    try:
        text = random.choice((_misnamed, _misspelled, _lacking, _renamed, _stopped))(random, form, call)
    except FormatError:  # cannot even be spelled
        return None
    try:
        tree = recover(text, form.syntax, form.roots, form.names, form.schema).tree
        check(form, form.load(tree), text)
    except FormatError as error:
        return text, complaint(error.message, text, form.syntax)
    return None


def _misnamed(random: Random, form: Actions, call: Call) -> str:
    """A tool that there is not."""
    verb, _, thing = call.tool.partition("_")
    name = random.choice([verb, thing or "use", f"{thing}_{verb}", f"{call.tool}s"])
    return form.spell(call).replace(call.tool, name)


def _misspelled(random: Random, form: Actions, call: Call) -> str:
    """A letter of the tool's name is missing."""
    at = random.randrange(len(call.tool))
    return form.spell(call).replace(call.tool, call.tool[:at] + call.tool[at + 1 :])


def _lacking(random: Random, form: Actions, call: Call) -> str:
    """An argument is missing."""
    left_out = random.choice(list(call.args) or [""])
    return form.spell(Call(call.tool, {name: value for name, value in call.args.items() if name != left_out}))


def _renamed(random: Random, form: Actions, call: Call) -> str:
    """An argument has another name."""
    renamed, to = random.choice(list(call.args) or [""]), random.choice(["name", "value", "text", "item", "input"])
    return form.spell(Call(call.tool, {to if name == renamed else name: it for name, it in call.args.items()}))


def _stopped(random: Random, form: Actions, call: Call) -> str:
    """The text ends too soon."""
    text = form.spell(call)
    return text[: random.randrange(1, len(text))]
