"""Sessions: a tool list and a few requests, each answered with calls, results and words, in the runtime's own prompts.

What colt is trained on is what it is run on: the system message is `bridle.brief`, the replies are spelled by
`bridle.grammar.action`, the turns by colt's chat template. A session is a list of segments; those of the assistant
are learned, the rest is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from intents import INTENTS, QUESTIONS, Args, Intent
from invented import Invention, ask_for, draw, invent, is_number
from values import Half, Values

from bridle.brief import brief
from bridle.grammar.action import Action, Actions, Answer, Ask, Call
from bridle.tool import Tool
from bridle.toolbox import TOOLBOX

Kind = Literal["context", "thinking", "call", "ask", "answer", "refuse"]

BY_NAME = {tool.name: tool for tool in TOOLBOX}
NEIGHBOURS = (
    {"find_files", "search_text", "list_files", "read_file", "find_notes", "query_table"},
    {"add_note", "add_event", "write_file", "draft_mail"},
    {"shift_date", "days_between", "current_time", "list_events", "add_event"},
    {"calculate", "convert_units", "query_table"},
)
"""Tools that may stand in for each other: a request for one is no stranger to a list with another."""
STRANGE = (
    "Write me a poem",
    "Who won the game?",
    "Do you like me?",
    "Sing for me",
    "What is the meaning of life?",
    "Tell me a joke",
    "Are you human?",
    "Predict the lottery",
    "Why is the sky blue?",
    "Who is the king of {city}?",
    "Make me a sandwich",
    "Fly me to {city}",
    "What do you think of {word}?",
    "Explain {word} to me",
    "Draw a {word}",
    "Will {name} marry me?",
)
STRANGE_HELD = (
    "Recite a story about {word}",
    "Am I smart?",
    "Which came first, the {word} or the egg?",
    "Cheer {name} up",
)
NO_TOOL = "I have no tool for that."
GREETINGS = ("Hi", "Hello", "Hey there", "Good morning", "hi!", "Hello there")
ERRORS = ("not found", "no access", "{word} failed", "it took too long", "no such {word}")


class Segment(NamedTuple):
    """A stretch of a session's text."""

    text: str
    kind: Kind


@dataclass(frozen=True)
class World:
    """Which words, phrasings and tools a session is made of."""

    values: Half = "seen"
    phrasings: Half = "seen"
    tools: Half = "seen"


SEEN = World()
"""All that training shows."""


@dataclass(frozen=True)
class Task:
    """One request, and how it goes."""

    request: str
    steps: tuple[tuple[Action, str, str], ...]
    """Action, thinking, and what comes back (a result, a user's reply, or nothing after the last)."""
    refusal: bool = False


class Maker:
    """Makes sessions of one world, the same ones for the same seed."""

    def __init__(self, seed: int, world: World = SEEN) -> None:
        self.world = world
        self.random = Random(seed)
        self.values = Values(self.random, world.values)

    def session(self, turns: int = 3, share_full: float = 0.25) -> list[Segment]:
        """A session of up to `turns` requests."""
        tools, inventions = self.tools(share_full)
        form = self.form(tools)
        segments = [Segment(f"<|system|>{brief('', tools, form, None, terse=True)}<|end|>", "context")]
        for _ in range(self.random.randint(1, turns)):
            segments += self._spell(self.task(tools, inventions), form)
        return segments

    def tools(self, share_full: float = 0.25) -> tuple[list[Tool], list[Invention]]:
        """A tool list, and which of it is invented: the whole toolbox, or a few of it among inventions."""
        random = self.random
        if random.random() < share_full and self.world.tools == "seen":
            return list(TOOLBOX), []
        size = random.randint(2, 7)
        invented = size if self.world.tools == "unseen" else sum(random.random() < 0.45 for _ in range(size))
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
        chance = self.random.random()
        if chance < 0.11:
            return self._refuse(present)
        if chance < 0.13:
            return Task(self.values.pick(list(GREETINGS)), ((Answer("Hello! How can I help?"), "greeting", ""),))
        intents = [intent for intent in INTENTS if intent.tool in present]
        if chance < 0.18 and {"find_files", "read_file"} <= present:
            return self._find_and_read()
        if chance < 0.21 and {"read_file", "add_note"} <= present:
            return self._read_and_note()
        if inventions and (not intents or self.random.random() < len(inventions) / len(tools)):
            return self._use_invention(self.random.choice(inventions))
        tool = self.random.choice(sorted({intent.tool for intent in intents}))
        return self._use(self.random.choice([intent for intent in intents if intent.tool == tool]))

    def _inventions(self, count: int) -> Iterator[Invention]:
        used = set(BY_NAME)
        words: set[str] = set()
        while count:
            invention = invent(self.values, self.world.tools)
            if invention.tool.name not in used and not {invention.verb, invention.object} & words:
                used.add(invention.tool.name)
                words |= {invention.verb, invention.object}
                count -= 1
                yield invention

    def _phrasing(self, intent: Intent) -> str:
        pool = intent.held if self.world.phrasings == "unseen" else intent.train
        return self.random.choice(pool)

    def _use(self, intent: Intent) -> Task:
        drawn = self._draw(intent)
        if intent.missing and self.random.random() < 0.16:
            return self._ask_first(intent, drawn)
        request = self._style(self._phrasing(intent).format_map(drawn))
        return Task(request, self._call(intent.tool, self._args(intent, drawn), intent))

    def _draw(self, intent: Intent) -> dict[str, str]:
        drawn: dict[str, str] = {}
        for name, make in intent.slots.items():
            drawn[name] = make(self.values)
            while list(drawn.values()).count(drawn[name]) > 1:
                drawn[name] = make(self.values)
        if "from_unit" in drawn:
            drawn["from_unit"], drawn["to_unit"] = self.values.units()
        return drawn

    def _args(self, intent: Intent, drawn: dict[str, str]) -> Args:
        values = {**drawn, **intent.fixed}
        order = BY_NAME[intent.tool].arguments.model_fields
        return {
            name: _number(values[name]) if name in intent.numbers else values[name] for name in order if name in values
        }

    def _call(self, tool: str, args: Args, intent: Intent | None) -> tuple[tuple[Action, str, str], ...]:
        call = (Call(tool, dict(args)), f"use {tool}")
        if self.random.random() < 0.06:
            error = self.random.choice(ERRORS).format(word=self.values.word())
            return ((*call, f"error: {error}"), (Answer(f"Sorry, that did not work: {error}."), "failed", ""))
        result = intent.result(self.values, args) if intent else self._any_result()
        if result.startswith("error: "):
            return ((*call, result), (Answer(f"Sorry, that did not work: {result[7:]}."), "failed", ""))
        answer = intent.answer(args, result) if intent else f"Done: {result}."
        return ((*call, result), (Answer(answer), "done", ""))

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
        request = self._style(self.random.choice(intent.missing[missing]).format_map(drawn))
        given = {name: value for name, value in drawn.items() if "{" + name + "}" in "".join(intent.missing[missing])}
        if set(drawn) - set(given) - {missing}:  # the short request says less than the call needs: all at once
            given = drawn
        question = (Ask(QUESTIONS[missing]), f"{intent.tool} needs {missing}", self._reply(drawn[missing]))
        return Task(
            request,
            (question, *self._call(intent.tool, self._args(intent, {**given, missing: drawn[missing]}), intent)),
        )

    def _reply(self, value: str) -> str:
        return self.random.choice(["{}", "{}", "{}", "{} please", "it is {}", "use {}"]).format(value)

    def _use_invention(self, invention: Invention) -> Task:
        values = self.values
        drawn: dict[str, str] = {}
        for name, kind in invention.parameters:
            drawn[name] = draw(values, kind)
            while list(drawn.values()).count(drawn[name]) > 1:
                drawn[name] = draw(values, kind)
        held = self.world.phrasings == "unseen"
        args: Args = {
            name: _number(drawn[name]) if is_number(kind) else drawn[name] for name, kind in invention.parameters
        }
        name = invention.tool.name
        if self.random.random() < 0.14:
            missing = self.random.choice(list(drawn))
            rest = {key: value for key, value in drawn.items() if key != missing}
            question = (Ask(f"Which {missing}?"), f"{name} needs {missing}", self._reply(drawn[missing]))
            return Task(
                self._style(ask_for(values, invention, rest, held=held)), (question, *self._call(name, args, None))
            )
        return Task(self._style(ask_for(values, invention, drawn, held=held)), self._call(name, args, None))

    def _find_and_read(self) -> Task:
        values, word = self.values, self.values.word()
        path, says = values.file(), values.sentence()
        request = self.random.choice(
            [
                "Find the file about {w} and read it",
                "Find {w} and tell me what it says",
                "Look for {w} and read the file",
            ]
        ).format(w=word)
        find = (Call("find_files", {"name": word}), "use find_files", path)
        read = (Call("read_file", {"path": path}), "use read_file", says)
        return Task(self._style(request), (find, read, (Answer(f"The file says: {says}"), "done", "")))

    def _read_and_note(self) -> Task:
        values = self.values
        path, says = values.file(), values.phrase()
        request = self.random.choice(
            ["Read {p} and make a note of what it says", "Read {p} and note it", "Note what {p} says"]
        ).format(p=path)
        saved = f"Saved note {self.random.randint(1, 400)}"
        read = (Call("read_file", {"path": path}), "use read_file", says)
        note = (Call("add_note", {"text": says}), "use add_note", saved)
        return Task(self._style(request), (read, note, (Answer(f"{saved}."), "done", "")))

    def _refuse(self, present: set[str]) -> Task:
        near = set().union(present, *(group for group in NEIGHBOURS if group & present))
        absent = [intent for intent in INTENTS if intent.tool not in near]
        held = self.world.phrasings == "unseen"
        if absent and self.random.random() < 0.4:
            intent = self.random.choice(absent)
            request = self._phrasing(intent).format_map(self._draw(intent))
        elif self.random.random() < 0.4 and self.world.tools == "seen":
            stranger = invent(self.values, "seen")
            request = ask_for(
                self.values, stranger, {n: draw(self.values, k) for n, k in stranger.parameters}, held=held
            )
        else:
            pool = STRANGE_HELD if held else STRANGE
            request = self.random.choice(pool).format(
                word=self.values.word(), city=self.values.city(), name=self.values.name()
            )
        return Task(self._style(request), ((Answer(NO_TOOL), "no tool fits", ""),), refusal=True)

    def _style(self, request: str) -> str:
        random = self.random
        chance = random.random()
        if chance < 0.06:
            return random.choice(["please ", "hey, ", "ok ", "now ", "Could you: "]) + request
        if chance < 0.12:
            return request.rstrip("?.") + random.choice([" please", ", thanks", "!", " now"])
        if chance < 0.2:
            return request[:1].lower() + request[1:]
        if chance < 0.26:
            return request.rstrip("?")
        return request

    def _spell(self, task: Task, form: Actions) -> Iterator[Segment]:
        incoming, role = task.request, "user"
        for action, thinking, following in task.steps:
            thinks = self.random.random() < 0.6
            head = f"<|{role}|>{incoming}<|end|><|assistant|>"
            yield Segment(head + ("<thinking>" if thinks else ""), "context")
            if thinks:
                yield Segment(f"{thinking}</thinking>", "thinking")
            yield Segment(f"{form.spell(action)}<|end|>", _kind(action, task.refusal))
            incoming, role = following, "tool" if isinstance(action, Call) else "user"


def _kind(action: Action, refusal: bool) -> Kind:
    match action:
        case Call():
            return "call"
        case Ask():
            return "ask"
        case Answer():
            return "refuse" if refusal else "answer"


def _number(text: str) -> float | int:
    return float(text) if "." in text else int(text)


if __name__ == "__main__":
    for world in (World(), World("unseen"), World(tools="unseen", values="unseen")):
        maker = Maker(3, world)
        for _ in range(3):
            print("".join(segment.text for segment in maker.session()), end="\n\n")
