"""Sessions: a tool list and a few requests, each answered with calls, results and words, in the runtime's own prompts.

What colt is trained on is what it is run on: the system message is `bridle.brief`, the replies are spelled by
`bridle.grammar.action`, the turns by colt's chat template. A session is a list of segments; those of the assistant
are learned, the rest is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from chains import CHAINS
from frames import Half, dress, sentence
from intents import QUESTIONS, Args, Intent
from intents_all import INTENTS
from invented import Invention, ask_for, draw, invent, slots, typed
from mistakes import mistaken
from strangers import ERRORS, GREETINGS, INJECTED, REPLIES, STRANGE, STRANGE_HELD
from thoughts import BY_NAME, choice
from values import Values
from verbs import Verbs

from bridle.brief import brief
from bridle.grammar.action import Actions
from bridle.grammar.said import Answer, Ask, Call, Said, Show
from bridle.grammar.thinking import MISSING as UNKNOWN
from bridle.tool import FAILED, Tool
from bridle.toolbox import TOOLBOX

Kind = Literal["context", "thinking", "call", "ask", "answer", "refuse", "verb", "weighed", "missing"]

NEIGHBOURS = (
    {"find_files", "search_text", "list_files", "read_file", "find_notes", "query_table"},
    {"add_note", "add_event", "write_file", "draft_mail"},
    {"shift_date", "days_between", "current_time", "list_events", "add_event"},
    {"calculate", "convert_units", "query_table"},
)
"""Tools that may stand in for each other: a request for one is no stranger to a list with another."""
MISTAKEN = 0.05
"""Share of the calls that were made wrongly before, and complained about."""
UNSAID = f" {UNKNOWN}"
"""What a thought says of a parameter that nobody has said."""
MISSING = 0.28
"""Share of the requests that lack a value."""
THINKING = 0.75
"""Share of the steps that are thought about."""
QUOTED = frozenset(("name", "folder", "text", "path", "content", "title", "subject", "body", "w", "p", "t"))
"""Slots whose values people put in quotes now and then."""
NO_TOOL = "I have no tool for that."


class Segment(NamedTuple):
    """A stretch of a session's text."""

    text: str
    kind: Kind


@dataclass(frozen=True)
class World:
    """Which words, sentences and tools a session is made of, and what its requests are about (None: everything)."""

    values: Half = "seen"
    phrasings: Half = "seen"
    tools: Half = "seen"
    only: Literal["chain", "injection", "missing", "refusal"] | None = None


SEEN = World()
"""All that training shows."""


@dataclass(frozen=True)
class Task:
    """One request, and how it goes."""

    request: str
    steps: tuple[tuple[Said, str, str], ...]
    """Action, thinking, and what comes back (a result, a user's reply, or nothing after the last)."""
    refusal: bool = False


class Maker:
    """Makes sessions of one world, the same ones for the same seed."""

    def __init__(self, seed: int, world: World = SEEN) -> None:
        self.world = world
        self.random = Random(seed)
        self.values = Values(self.random, world.values)
        self.naming = self.values if world.tools == world.values else Values(self.random, world.tools)
        """What tools and their parameters are called."""

    def session(self, turns: int = 5, share_full: float = 0.2) -> list[Segment]:
        """A session of `turns` requests, or as few as half of them."""
        tools, inventions = self.tools(share_full)
        form = self.form(tools)
        segments = [Segment(f"<|system|>{brief('', tools, form, None, terse=True)}<|end|>", "context")]
        for _ in range(self.random.randint(turns // 2, turns)):
            segments += self._spell(self.task(tools, inventions), form)
        return segments

    def verb(self) -> list[Segment]:
        """A session of one step of another verb."""
        exercise = Verbs(self.random, self.values, self.world.phrasings).exercise()
        said = "".join(f"<|user|>{it}<|end|>" for it in exercise.said)
        head = f"<|system|>{brief('', (), exercise.form, None, terse=True)}<|end|>{said}<|assistant|>"
        thinks = not exercise.weighed and self.random.random() < 0.6
        thought = [Segment(f"{exercise.verb}</thinking>", "thinking")] if thinks else []
        return [
            Segment(head + ("<thinking>" if thinks else ""), "context"),
            *thought,
            Segment(f"{exercise.reply}<|end|>", "weighed" if exercise.weighed else "verb"),
        ]

    def tools(self, share_full: float = 0.2) -> tuple[list[Tool], list[Invention]]:
        """A tool list, and which of it is invented: the whole toolbox, or a few of it among inventions."""
        random = self.random
        if self.world.tools == "seen" and (random.random() < share_full or self.world.only in ("chain", "injection")):
            return list(TOOLBOX), []
        size = random.randint(2, 8)
        invented = size if self.world.tools == "unseen" else sum(random.random() < 0.5 for _ in range(size))
        inventions = list(self._inventions(invented))
        tools = [it.tool for it in inventions] + random.sample(list(TOOLBOX), size - invented)
        random.shuffle(tools)
        return tools, inventions

    def form(self, tools: list[Tool]) -> Actions:
        """The action form over the tools, mostly JSON."""
        return Actions({tool.name: tool.schema for tool in tools}, "xml" if self.random.random() < 0.25 else "json")

    def task(self, tools: list[Tool], inventions: list[Invention]) -> Task:
        """A request that suits the tools, or does not."""
        present = {tool.name for tool in tools}
        chance, only = self.random.random(), self.world.only
        if only == "refusal" or (only is None and chance < 0.11):
            return self._refuse(present)
        if only is None and chance < 0.13:
            return Task(self._pick(GREETINGS), ((Answer("Hello! How can I help?"), "greeting", ""),))
        chains = [chain for chain in CHAINS if chain.needs <= present]
        if chains and (only == "chain" or (only is None and chance < 0.3)):
            request, steps = self.random.choice(chains).make(self.values, self._say)
            return Task(request, steps)
        if only == "injection":
            return self._use(self.random.choice([it for it in INTENTS if it.tool in INJECTED]))
        intents = [intent for intent in INTENTS if intent.tool in present]
        if only == "missing":
            intents = [intent for intent in intents if intent.missing] or intents
        if inventions and (not intents or self.random.random() < len(inventions) / len(tools)):
            return self._use_invention(self.random.choice(inventions))
        tool = self.random.choice(sorted({intent.tool for intent in intents}))
        return self._use(self.random.choice([intent for intent in intents if intent.tool == tool]))

    def _inventions(self, count: int) -> Iterator[Invention]:
        used, made = set(BY_NAME), list[Invention]()
        while len(made) < count:
            invention = invent(self.naming, self.world.tools, made)
            pair = (invention.verb, invention.object)
            if invention.tool.name not in used and pair not in {(it.verb, it.object) for it in made}:
                used.add(invention.tool.name)
                made.append(invention)
                yield invention

    def _pick(self, patterns: tuple[str, ...]) -> str:
        return sentence(self.random, patterns, "seen")

    def _say(self, patterns: tuple[str, ...], drawn: dict[str, str], held: tuple[str, ...] = ()) -> str:
        """A sentence with its values in place."""
        half = self.world.phrasings
        if half == "unseen" and held and self.random.random() < 0.5:
            text = self.random.choice(held)
        else:
            text = sentence(self.random, patterns, half)
        if self.random.random() < 0.1:
            mark = self.random.choice(['"{}"', '"{}"', "'{}'", "“{}”", "`{}`"])
            drawn = {name: mark.format(it) if name in QUOTED else it for name, it in drawn.items()}
        return dress(self.random, text, drawn, half)

    def _use(self, intent: Intent) -> Task:
        drawn = self._draw({name: lambda make=make: make(self.values) for name, make in intent.slots.items()})
        if "from_unit" in drawn:
            drawn["from_unit"], drawn["to_unit"] = self.values.units()
        if intent.missing and (self.world.only == "missing" or self.random.random() < MISSING):
            return self._ask_first(intent, drawn)
        request = self._say(intent.says, drawn, intent.held)
        args = self._args(intent, drawn)
        return Task(request, self._call(intent.tool, args, choice(BY_NAME[intent.tool], args), intent))

    def _draw(self, makers: dict[str, Callable[[], str]]) -> dict[str, str]:
        """Values, each another."""
        drawn: dict[str, str] = {}
        for name, make in makers.items():
            drawn[name] = make()
            for _ in range(20):
                if drawn[name] not in [it for other, it in drawn.items() if other != name]:
                    break
                drawn[name] = make()
        return drawn

    def _args(self, intent: Intent, drawn: dict[str, str]) -> Args:
        values = {**drawn, **intent.fixed}
        order = BY_NAME[intent.tool].arguments.model_fields
        return {
            name: typed("decimal", values[name]) if name in intent.numbers else values[name]
            for name in order
            if name in values
        }

    def _call(
        self, tool: str, args: Args, thinking: str, intent: Intent | None = None
    ) -> tuple[tuple[Said, str, str], ...]:
        call = (Call(tool, dict(args)), thinking)
        if self.world.only != "injection" and self.random.random() < 0.06:
            error = self.random.choice(ERRORS).format(word=self.values.word())
            return ((*call, f"{FAILED}{error}"), (Answer(f"Sorry, that did not work: {error}."), "failed", ""))
        result = intent.result(self.values, args) if intent else self._any_result()
        if (error := result.removeprefix(FAILED)) != result:
            return ((*call, result), (Answer(f"Sorry, that did not work: {error}."), "failed", ""))
        if intent and tool in INJECTED and (self.world.only == "injection" or self.random.random() < 0.25):
            result = self._with_orders(tool, result)
        found = result != "nothing"
        answer = Show(intent.lead if intent else "Done:") if found else Answer("I found nothing.")
        return ((*call, result), (answer, "done", ""))

    def _with_orders(self, tool: str, result: str) -> str:
        """A result in which somebody tells the model what to do: it is quoted like any other."""
        intent = self.random.choice([it for it in INTENTS if it.slots])
        drawn = {name: make(self.values) for name, make in intent.slots.items()}
        order = sentence(self.random, intent.says, "seen").format_map(drawn)
        lead = INJECTED[tool].format(file=self.values.file(), number=self.random.randint(1, 40))
        told = lead + self._pick(STRANGE["orders"]).format(order=order)
        return self.random.choice([told, f"{result}\n{told}"]) if result != "nothing" else told

    def _any_result(self) -> str:
        values = self.values
        return self.random.choice(
            [
                self.random.choice(["ok", "done", "ready"]),
                f"{values.word()} {values.number()}",
                f"{values.code()} is {self.random.choice(['open', 'closed', 'late', 'full', 'new'])}",
                values.phrase(),
            ]
        )

    def _ask_first(self, intent: Intent, drawn: dict[str, str]) -> Task:
        missing = self.random.choice(list(intent.missing))
        request, args = self._say(intent.missing[missing], drawn), self._args(intent, drawn)
        had = {name: value for name, value in args.items() if name != missing}
        question = Ask(QUESTIONS[missing]), choice(BY_NAME[intent.tool], had, missing), self._reply(drawn[missing])
        return Task(request, (question, *self._call(intent.tool, args, choice(BY_NAME[intent.tool], args), intent)))

    def _reply(self, value: str) -> str:
        return self._pick(REPLIES).format(value)

    def _use_invention(self, invention: Invention) -> Task:
        values, half = self.values, self.world.phrasings
        drawn = self._draw({name: lambda kind=kind: draw(values, kind) for name, kind in invention.parameters})
        tool, args = invention.tool, invention.args(drawn)
        thinking = choice(tool, args)
        askable = [name for name, kind in invention.parameters if kind != "flag"]
        if askable and (self.world.only == "missing" or self.random.random() < MISSING):
            missing = self.random.choice(askable)
            rest = {key: value for key, value in drawn.items() if key != missing}
            thought = choice(tool, rest, missing)
            question = (Ask(f"Which {missing}?"), thought, self._reply(drawn[missing]))
            request = dress(self.random, ask_for(values, invention, rest, half), slots(invention, rest), half)
            return Task(request, (question, *self._call(tool.name, args, thinking)))
        request = dress(self.random, ask_for(values, invention, drawn, half), slots(invention, drawn), half)
        return Task(request, self._call(tool.name, args, thinking))

    def _refuse(self, present: set[str]) -> Task:
        near = set().union(present, *(group for group in NEIGHBOURS if group & present))
        absent = [intent for intent in INTENTS if intent.tool not in near]
        half = self.world.phrasings
        if absent and self.random.random() < 0.4:
            intent = self.random.choice(absent)
            request = self._say(
                intent.says, {name: make(self.values) for name, make in intent.slots.items()}, intent.held
            )
        elif self.random.random() < 0.5:
            stranger = invent(self.naming, self.world.tools)
            drawn = {name: draw(self.values, kind) for name, kind in stranger.parameters}
            request = dress(self.random, ask_for(self.values, stranger, drawn, half), slots(stranger, drawn), half)
        else:
            drawn = {"word": self.values.word(), "city": self.values.city(), "name": self.values.name()}
            request = self._say(STRANGE["requests"], drawn, STRANGE_HELD)
        return Task(request, ((Answer(NO_TOOL), "tool: none", ""),), refusal=True)

    def _spell(self, task: Task, form: Actions) -> Iterator[Segment]:
        incoming, role = task.request, "user"
        for action, thinking, following in task.steps:
            head = f"<|{role}|>{incoming}<|end|><|assistant|>"
            if isinstance(action, Call) and self.random.random() < MISTAKEN:
                wrong = mistaken(self.random, form, action)
                head += f"{wrong[0]}<|end|><|user|>{wrong[1]}<|end|><|assistant|>" if wrong else ""
            thinks = self.random.random() < THINKING
            yield Segment(head + ("<thinking>" if thinks else ""), "context")
            if thinks:
                known, unsaid, rest = f"{thinking}</thinking>".partition(UNSAID)
                yield Segment(known, "thinking")
                if unsaid:
                    yield Segment(unsaid, "missing")
                    yield Segment(rest, "thinking")
            yield Segment(f"{form.spell(action)}<|end|>", _kind(action, task.refusal))
            incoming, role = following, "tool" if isinstance(action, Call) else "user"


def _kind(action: Said, refusal: bool) -> Kind:
    match action:
        case Call():
            return "call"
        case Ask():
            return "ask"
        case _:
            return "refuse" if refusal else "answer"


if __name__ == "__main__":
    for world in (World(), World("unseen"), World(tools="unseen", values="unseen")):
        maker = Maker(3, world)
        for _ in range(3):
            print("".join(segment.text for segment in maker.session()), end="\n\n")
