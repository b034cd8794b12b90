"""Tools that do not exist, so that a tool list has to be read.

Each is a verb and an object with a few parameters; its name, its description and the request for it share words, which
is how tools are told apart in life as well. Often another tool of the list shares one of the two words, so that both
have to be read. Tools of the `unseen` half are made of words that training never shows.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any, Literal

from frames import Half, sentence, words
from intents import Args
from pydantic import create_model
from values import Values

from bridle.tool import Effect, Tool, tool_from

# fmt: off  (tables)
VERBS: dict[Half, tuple[str, ...]] = {
    "seen": words(
        "open close lock unlock start stop pause resume check show copy move rename delete archive restore print scan "
        "upload download share sync test deploy build clean rotate resize crop merge split sort tag rate buy sell rent "
        "return repair paint wash cook feed water charge mute dim boost hire approve reject assign ship pack load track "
        "play record translate forecast measure order cancel extend refill reserve book call invite greet warn notify "
        "find get fetch list count add remove update edit create make set reset change fill empty lift lower push pull "
        "hide save watch follow block allow pay bill tax weigh heat cool dry freeze plant cut trim fold wrap sign seal "
        "stamp file post publish draft review grade teach train coach plan delay skip repeat swap trade lend borrow"
    ),
    "unseen": words("calibrate dispatch flush inspect polish quarantine refund sharpen throttle unpack validate zip"),
}
OBJECTS: dict[Half, tuple[str, ...]] = {
    "seen": words(
        "door window lamp server router disk image video ticket order invoice account user team room desk camera drone "
        "robot sensor battery garage oven fridge fan heater pump valve key badge card page site branch pipeline cluster "
        "queue topic index cache alarm pet truck box shelf store menu recipe playlist photo album map route seat song "
        "weather stock currency timer table parcel taxi bus train flight hotel trip visa guest member client lead deal "
        "contract policy claim loan payment budget report chart survey poll vote lesson course exam book letter stamp "
        "garden tree field barn horse dog cat fish tank pool boat ship port crane engine motor wheel tyre brake light "
        "curtain blind bed sofa mirror floor roof wall fence gate bridge tunnel tower office shop market kitchen bar"
    ),
    "unseen": words("antenna canoe dashboard elevator furnace hologram kiosk manifold oscilloscope projector turbine"),
}
PARAMETERS: dict[Half, tuple[tuple[str, str], ...]] = {
    "seen": (
        ("id", "code"),
        ("code", "code"),
        ("number", "code"),
        ("serial", "code"),
        ("reference", "code"),
        ("owner", "name"),
        ("target", "name"),
        ("person", "name"),
        ("customer", "name"),
        ("by", "name"),
        ("label", "word"),
        ("room", "word"),
        ("color", "word"),
        ("group", "word"),
        ("mode", "word"),
        ("zone", "word"),
        ("title", "phrase"),
        ("reason", "phrase"),
        ("message", "phrase"),
        ("comment", "phrase"),
        ("size", "number"),
        ("count", "number"),
        ("level", "number"),
        ("speed", "number"),
        ("limit", "number"),
        ("minutes", "number"),
        ("amount", "decimal"),
        ("price", "decimal"),
        ("weight", "decimal"),
        ("day", "date"),
        ("date", "date"),
        ("due", "date"),
        ("hour", "time"),
        ("time", "time"),
        ("city", "city"),
        ("place", "city"),
        ("destination", "city"),
        ("file", "file"),
        ("source", "file"),
        ("urgent", "flag"),
        ("silent", "flag"),
        ("priority", "choice"),
        ("quality", "choice"),
        ("kind", "choice"),
        ("model", "code"),
        ("token", "code"),
        ("plate", "code"),
        ("barcode", "code"),
        ("sender", "name"),
        ("author", "name"),
        ("manager", "name"),
        ("driver", "name"),
        ("theme", "word"),
        ("brand", "word"),
        ("channel", "word"),
        ("material", "word"),
        ("subject", "phrase"),
        ("topic", "phrase"),
        ("slogan", "phrase"),
        ("summary", "phrase"),
        ("width", "number"),
        ("height", "number"),
        ("distance", "number"),
        ("seats", "number"),
        ("copies", "number"),
        ("rate", "decimal"),
        ("length", "decimal"),
        ("temperature", "decimal"),
        ("deadline", "date"),
        ("birthday", "date"),
        ("start", "time"),
        ("origin", "city"),
        ("station", "city"),
        ("town", "city"),
        ("document", "file"),
        ("attachment", "file"),
    ),
    "unseen": (
        ("angle", "number"),
        ("voucher", "code"),
        ("species", "word"),
        ("depth", "number"),
        ("sponsor", "name"),
        ("depot", "city"),
        ("pressure", "decimal"),
        ("motto", "phrase"),
    ),
}
CHOICES = (
    words("low normal high"),
    words("small medium large"),
    words("fast slow eco"),
    words("red green blue"),
    words("daily weekly monthly"),
    words("draft final"),
    words("public private"),
    words("left right"),
    words("hot cold"),
)
_ASKS: dict[Half, tuple[str, ...]] = {
    "seen": (
        "{verb} [the|a|my|our|that|this] {object} {values}",
        "{verb} [the|a|my] {object}[,|:| -] {values}",
        "(can|could|will|would) (you|we) {verb} [the|a|my|our] {object} {values}?",
        "I (need|want|have|would like) to {verb} [the|a|my] {object} {values}",
        "(the|my|our) {object} (should|must|has to|needs to) be (processed|done): {verb} it {values}",
        "{values}: {verb} [the|a] {object}",
        "{object} {verb} {values}",
        "it is about [the|a|my] {object} {values}, (please {verb} it|{verb} it now|{verb} that)",
        "(what about|how about|time for) {verb} {object} {values}?",
        "we (have|need|want) to {verb} [the|a] {object} {values}",
        "(is it time|are you able|are we allowed|do you know how) to {verb} [the|a|one|every|each] {object} {values}?",
        "{verb} (any|some|one|every|each|his|her|their) {object} {values}",
        "(somebody|you|we|they) (should|must|may) {verb} [the|a|one|every] {object} {values}",
        "(with|having|given) {values}, {verb} [the|a|one] {object}",
        "(next|then|now)[:|,] {object} {values}, {verb} (it|this one|that one)",
    ),
    "unseen": ("would it be possible to {verb} one {object} {values}", "{verb} whichever {object} {values}"),
}
_BARE = (
    "{verb} [the|a|my|our|that] {object}",
    "(can|could|will|would) you {verb} [the|a|my] {object}?",
    "I (need|want|would like) to {verb} [the|a|my] {object}",
    "{object} {verb}",
    "(let us|we have to) {verb} [the|a] {object}",
    "(somebody|you|we) (should|must|may) {verb} (the|a|one|every) {object}",
    "(what about|how about|time) to {verb} (the|a|one|some) {object}?",
    "{verb} (any|some|one|every|each|another) {object}",
)
_GIVEN = {
    "date": ("on {1}", "for {1}", "{0} {1}", "{1}"),
    "time": ("at {1}", "{0} {1}", "from {1}"),
    "city": ("in {1}", "to {1}", "{0} {1}", "for {1}"),
    "name": ("for {1}", "{0} {1}", "{0} is {1}", "with {0} {1}"),
    "file": ("from {1}", "{0} {1}", "with {1}", "{1}"),
    "code": ("{1}", "number {1}", "{0} {1}", "with {0} {1}", "{0}: {1}"),
    "choice": ("{0} {1}", "with {1} {0}", "{1} {0}", "{0} = {1}"),
}
_ALWAYS = ("{0} {1}", "{0}: {1}", "{0} is {1}", "with {0} {1}", "the {0} is {1}", "{0} = {1}", "use {0} {1}")
_LOOKS = {"city": "name"}
"""Kinds whose values look like those of another. Two values that look alike are told apart by name."""
# fmt: on
GROUPS = words("details options settings where about")
"""Arguments that hold others."""
_PLAIN: dict[str, Any] = {"decimal": float, "number": int, "flag": bool}


@dataclass(frozen=True)
class Invention:
    """An invented tool, and what its requests are made of."""

    tool: Tool
    verb: str
    object: str
    parameters: tuple[tuple[str, str], ...]
    group: str = ""
    """The argument that holds all parameters but the first; none if empty."""

    def args(self, drawn: dict[str, str]) -> Args:
        """Drawn values as the arguments of a call."""
        flat: Args = {name: typed(kind, drawn[name]) for name, kind in self.parameters}
        outer = self.parameters[0][0] if self.group else ""
        return {outer: flat.pop(outer), self.group: flat} if self.group else flat


def invent(values: Values, world: Half, beside: Collection[Invention] = ()) -> Invention:
    """A new tool; it may share its verb or its object with one that is there."""
    random = values.random

    def word(pool: tuple[str, ...]) -> str:
        return values.made_up() if values.chance(0.35) else random.choice(pool)

    verb, thing = word(VERBS[world]), word(OBJECTS[world])
    if beside and values.chance(0.5):
        other = random.choice(list(beside))
        verb, thing = (other.verb, thing) if values.chance(0.5) else (verb, other.object)
    parameters = _parameters(values, world)
    name = random.choice(
        [f"{verb}_{thing}", f"{verb}_{thing}", f"{verb}_{thing}", f"{thing}_{verb}", f"{verb}{thing.capitalize()}"]
    )
    about = random.choice(
        [
            f"{verb.capitalize()} a {thing}.",
            f"{verb.capitalize()} the {thing}.",
            f"{verb.capitalize()} {thing}s.",
            f"Use it to {verb} a {thing}.",
            f"This will {verb} the {thing}.",
            f"For the {thing}: {verb} it.",
            f"{verb.capitalize()} one {thing}" + (f" by {parameters[0][0]}." if parameters else "."),
        ]
    )
    kinds = {parameter: _type(values, kind) for parameter, kind in parameters}
    told = tuple(
        (parameter, "|".join(kinds[parameter].__args__) if kind == "choice" else kind) for parameter, kind in parameters
    )
    group = random.choice(GROUPS) if len(told) > 1 and values.chance(0.25) else ""
    if group:
        first, *others = kinds
        inner: dict[str, Any] = {it: (kinds[it], ...) for it in others}
        kinds = {first: kinds[first], group: create_model(group.capitalize(), **inner)}
    return Invention(_make(name, about, kinds), verb, thing, told, group)


def _parameters(values: Values, world: Half) -> tuple[tuple[str, str], ...]:
    """Names and kinds; of the seen half some have names that nobody has seen, so that names are read as well."""
    known = values.random.sample(PARAMETERS[world], values.random.choice([0, 1, 1, 1, 2, 2, 3]))
    alike = [it for it in PARAMETERS[world] if known and it[1] == known[0][1] and it not in known]
    if len(known) > 1 and alike and values.chance(0.3):  # two values of one kind: which is which is to be read
        known[-1] = values.random.choice(alike)
    named: dict[str, str] = {}
    for name, kind in known:
        made_up = values.made_up() if world == "seen" and values.chance(0.2) else name
        named[name if iskeyword(made_up) or made_up in named else made_up] = kind
    return tuple(named.items())


def ask_for(values: Values, invention: Invention, drawn: dict[str, str], half: Half) -> str:
    """A sentence that asks for it, with slots (`slots`) for its verb, its object and each drawn value."""
    random = values.random
    looks = [_LOOKS.get(kind, kind) for _, kind in invention.parameters]
    items: list[str] = []
    for name, kind in invention.parameters:
        if name not in drawn:
            continue
        if kind == "flag":
            items.append(random.choice([name, name, f"make it {name}"]) if drawn[name] == "true" else f"not {name}")
            continue
        alone = looks.count(_LOOKS.get(kind, kind)) == 1
        kind = "choice" if "|" in kind else kind
        ways = _GIVEN[kind] if alone and kind in _GIVEN and values.chance(0.6) else _ALWAYS
        items.append(random.choice(ways).format(name, "{" + name + "}"))
    random.shuffle(items)
    if not items:
        text = sentence(random, _BARE, "seen")
    else:
        own = half == "unseen" and values.chance(0.4)
        text = sentence(random, _ASKS["unseen" if own else "seen"], "seen" if own else half)
    joined = random.choice([", ", " and ", ", ", " "]).join(items)
    return text.replace("{values}", joined)


def slots(invention: Invention, drawn: dict[str, str]) -> dict[str, str]:
    """What stands in the slots of such a sentence."""
    return {**drawn, "verb": invention.verb, "object": invention.object}


def draw(values: Values, kind: str) -> str:
    """A value for a parameter."""
    if kind == "flag":
        return values.random.choice(["true", "true", "false"])
    return values.random.choice(kind.split("|")) if "|" in kind else str(getattr(values, kind)())


def typed(kind: str, text: str) -> str | float | int:
    """A drawn value as an argument."""
    if kind == "flag":
        return text == "true"
    return (float(text) if "." in text else int(text)) if kind in ("number", "decimal") else text


def _type(values: Values, kind: str) -> Any:
    return Literal[values.random.choice(CHOICES)] if kind == "choice" else _PLAIN.get(kind, str)


def _make(name: str, about: str, kinds: dict[str, Any]) -> Tool:
    """A `Tool` by way of a function with the right signature."""

    def function(**_: object) -> str:
        return ""

    function.__name__ = name
    function.__doc__ = about
    function.__annotations__ = dict(kinds)
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(p, inspect.Parameter.KEYWORD_ONLY, annotation=kind) for p, kind in kinds.items()]
    )
    return tool_from(function, effect=Effect.PURE, name=name, timeout=1.0)
