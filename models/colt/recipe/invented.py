"""Tools that do not exist, so that a tool list has to be read.

Each is a verb and an object with a few parameters; its name, description and the request for it share words, which is
how tools are told apart in life as well. Tools of the `unseen` half are made of words that training never shows.
"""

from __future__ import annotations

from dataclasses import dataclass

from values import Half, Values, words

from bridle.tool import Effect, Tool, tool_from

# fmt: off  (tables)
VERBS: dict[Half, tuple[str, ...]] = {
    "seen": words(
        "open close lock unlock start stop pause resume check show copy move rename delete archive restore "
        "print scan upload download share sync test deploy build clean rotate resize crop merge split sort "
        "tag rate buy sell rent return repair paint wash cook feed water charge mute dim boost hire approve "
        "reject assign ship pack load track play record translate forecast measure order cancel extend refill "
        "reserve"
    ),
    "unseen": words("calibrate dispatch flush inspect polish quarantine refund sharpen throttle unpack validate zip"),
}
OBJECTS: dict[Half, tuple[str, ...]] = {
    "seen": words(
        "door window lamp server router disk image video ticket order invoice account user team room desk "
        "camera drone robot sensor battery garage oven fridge fan heater pump valve key badge card page site "
        "branch pipeline cluster queue topic index cache alarm pet truck box shelf store menu recipe playlist "
        "photo album map route seat song weather stock currency timer table parcel taxi"
    ),
    "unseen": words("antenna canoe dashboard elevator furnace hologram kiosk manifold oscilloscope projector turbine"),
}
PARAMETERS: dict[Half, tuple[tuple[str, str], ...]] = {
    "seen": (
        ("id", "code"),
        ("code", "code"),
        ("owner", "name"),
        ("label", "word"),
        ("room", "word"),
        ("color", "word"),
        ("size", "number"),
        ("count", "number"),
        ("level", "number"),
        ("price", "decimal"),
        ("day", "date"),
        ("hour", "time"),
        ("city", "city"),
        ("file", "file"),
        ("group", "word"),
        ("speed", "number"),
        ("mode", "word"),
        ("target", "name"),
        ("reason", "phrase"),
        ("zone", "word"),
        ("serial", "code"),
        ("limit", "number"),
    ),
    "unseen": (
        ("angle", "number"),
        ("voucher", "code"),
        ("species", "word"),
        ("depth", "number"),
        ("sponsor", "name"),
        ("depot", "city"),
    ),
}
_NUMBERS = ("number", "decimal")
_TRAIN = (
    "{verb} the {object} with {values}",
    "please {verb} {object}, {values}",
    "can you {verb} a {object}? {values}",
    "I need to {verb} the {object}: {values}",
    "{verb} {object} {values}",
    "{Verb} the {object} for me, {values}",
    "I would like the {object} to {verb}, {values}",
    "{Verb} {object}: {values}",
    "{object} {verb} {values}",
)
_HELD = ("time to {verb} that {object}, use {values}", "go ahead and {verb} one {object} ({values})")
# fmt: on


@dataclass(frozen=True)
class Invention:
    """An invented tool, and what its requests are made of."""

    tool: Tool
    verb: str
    object: str
    parameters: tuple[tuple[str, str], ...]


def invent(values: Values, world: Half) -> Invention:
    """A new tool."""
    random = values.random

    def word(pool: tuple[str, ...]) -> str:
        return values.made_up() if values.chance(0.25) else random.choice(pool)

    verb, thing = word(VERBS[world]), word(OBJECTS[world])
    parameters = tuple(random.sample(PARAMETERS[world], random.choice([1, 1, 1, 2, 2, 3])))
    name = random.choice([f"{verb}_{thing}", f"{verb}_{thing}", f"{thing}_{verb}"])
    about = random.choice(
        [
            f"{verb.capitalize()} a {thing}.",
            f"{verb.capitalize()} the {thing}.",
            f"{verb.capitalize()} {thing} by {parameters[0][0]}.",
        ]
    )
    return Invention(_make(name, about, parameters), verb, thing, parameters)


def ask_for(values: Values, invention: Invention, drawn: dict[str, str], *, held: bool) -> str:
    """A request for it that holds the drawn values."""
    random = values.random
    items = [
        random.choice(["{0} {1}", "{0} {1}", "{0}: {1}", "{0} is {1}", "the {0} {1}", "{0} = {1}"]).format(
            name, drawn[name]
        )
        for name, _ in invention.parameters
        if name in drawn
    ]
    random.shuffle(items)
    if len(items) == 1 and values.chance(0.3):
        items = list(drawn.values())
    form = random.choice(_HELD if held else _TRAIN)
    if not items:
        form = random.choice(["{verb} the {object}", "please {verb} a {object}", "can you {verb} the {object}?"])
    return form.format(
        verb=invention.verb,
        Verb=invention.verb.capitalize(),
        object=invention.object,
        values=random.choice([", ", " and "]).join(items),
    )


def draw(values: Values, kind: str) -> str:
    """A value for a parameter."""
    return str(getattr(values, kind)())


def is_number(kind: str) -> bool:
    """Whether a parameter is a number."""
    return kind in _NUMBERS


def _make(name: str, about: str, parameters: tuple[tuple[str, str], ...]) -> Tool:
    """A `Tool` by way of a function with the right signature."""
    kinds = {
        parameter: (float if kind == "decimal" else int if kind == "number" else str) for parameter, kind in parameters
    }

    def function(**_: object) -> str:
        return ""

    import inspect

    function.__name__ = name
    function.__doc__ = about
    function.__annotations__ = dict(kinds)
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(p, inspect.Parameter.KEYWORD_ONLY, annotation=kind) for p, kind in kinds.items()]
    )
    return tool_from(function, Effect.PURE, name, 1.0)
