"""A workflow that was written down, carried out: each step is a verb of the context, or steers the others.

Variables are what steps came to (`as`), `task`, `answer` (what was said last) and `error` (inside `on error`). A
condition is an expression, as `{{ n > 3 }}`, or a question, which the model decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from typing_extensions import Unpack

from bridle.bounds import Ended
from bridle.context import Context
from bridle.errors import BridleError, SkillError
from bridle.grammar.said import Answer, Ask, Call
from bridle.grammar.thinking import Thinking
from bridle.how import How
from bridle.tool import render
from bridle.workflow.steps import HOW, Reader, Step, Verb
from bridle.workflow.values import TYPES, fill, is_expression, schema_of

MOST = 100
"""Rounds of a loop that does not say how many it may take."""


class _Returned(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True)
class Flow:
    """The steps of one file. Called with a context, it does them and gives the answer."""

    variables: Mapping[str, Any]
    steps: Sequence[Step]

    async def __call__(self, context: Context) -> str:
        """Do the steps. The answer is what `return` gives, or else what was said last.

        Raises:
            SkillError: a step cannot be done as it is written.
            Ended: a bound of the run is met.
        """
        run = _Run(context, {"task": context.task, "answer": "", **self.variables})
        try:
            await run.block(self.steps)
        except _Returned as end:
            return render(end.value)
        return render(run.variables["answer"])


def read_flow(path: Path) -> Flow:
    """The workflow in a file.

    Raises:
        SkillError: it is not one; the message says where and why.
    """
    return Flow(*Reader(path, {name: verb for name, (verb, _) in _VERBS.items()}).read())


class _Run:
    def __init__(self, context: Context, variables: dict[str, Any]) -> None:
        self.context = context
        self.variables = variables

    async def block(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await self._step(step)

    async def _step(self, step: Step) -> None:
        try:
            value = await self._value(step)
        except BridleError as error:
            if "on error" not in step.blocks or (isinstance(error, Ended) and error.final):
                raise
            self.variables["error"] = error.message
            await self.block(step.blocks["on error"])
            return
        if (name := step.options.get("as")) and step.verb != "for each":
            self.variables[str(name)] = value

    async def _value(self, step: Step) -> Any:
        _, work = _VERBS[step.verb]
        try:
            return await work(self, step)
        except (TypeError, ValueError) as error:  # an option is not what it should be
            raise SkillError(f"{step.place}: '{step.verb}' cannot be done: {error}") from None

    def _fill(self, value: Any, step: Step) -> Any:
        return fill(value, self.variables, step.place)

    def _text(self, step: Step) -> str:
        return "" if step.what is None else str(self._fill(step.what, step))

    def _how(self, step: Step) -> How:
        said = {name: self._fill(value, step) for name, value in step.options.items() if name in HOW}
        if "examples" in said:
            pairs = cast("list[list[Any]]", said["examples"])
            said["examples"] = [(str(request), str(reply)) for request, reply in pairs]
        if "thinking" in said:
            budget, usual = said["thinking"], self.context.course.settings.thinking or Thinking()
            said["thinking"] = usual if budget is True else None if not budget else replace(usual, budget=int(budget))
        return cast("How", said)

    async def reply(self, step: Step) -> str:
        self.variables["answer"] = await self.context.reply(self._text(step), **self._how(step))
        return self.variables["answer"]

    async def act(self, step: Step) -> Any:
        """One action of the model, carried out: the result of a call, an answer, or what a person said."""
        action = await self.context.act(self._text(step) or None, **self._how(step))
        match action:
            case Call():
                seen = await self.context.call(action)
                if not seen.ok and "on error" in step.blocks:  # else the model, which is told, sees to it
                    raise SkillError(f"{step.place}: {action.tool}: {seen.text}")
                return seen.value
            case Ask(question):
                return await self.context.ask(question)
            case Answer(text):
                self.variables["answer"] = text
                return text

    async def choose(self, step: Step) -> str:
        options = [str(it) for it in self._fill(step.options["from"], step)]
        chosen = await self.context.choose(options, self._text(step), **self._how(step))
        await self.block(step.blocks.get(chosen, ()))
        return chosen

    async def decide(self, step: Step) -> bool:
        yes = await self._holds(step.what, step, **self._how(step))
        await self.block(step.blocks.get("yes" if yes else "no", ()))
        return yes

    async def extract(self, step: Step) -> Any:
        question = str(self._fill(step.options.get("question", ""), step))
        schema = schema_of(self._fill(step.what, step), step.place)
        return await self.context.extract(schema, question, **self._how(step))

    async def verify(self, step: Step) -> Any:
        criteria = str(self._fill(step.options.get("criteria", ""), step))
        return await self.context.verify(self._text(step), criteria, **self._how(step))

    async def call(self, step: Step) -> Any:
        seen = await self.context.call(self._text(step), **self._fill(step.options.get("with", {}), step))
        if not seen.ok:
            raise SkillError(f"{step.place}: {step.what}: {seen.text}")
        return seen.value

    async def ask(self, step: Step) -> Any:
        name = str(step.options.get("type", "text"))
        if name not in TYPES:
            raise SkillError(f"{step.place}: '{name}' is no type to ask for; there are: {', '.join(TYPES)}")
        return await self.context.ask(self._text(step), TYPES[name])

    async def delegate(self, step: Step) -> Any:
        work = self.context.catalogue.find(self._text(step))
        task = str(self._fill(step.options["task"], step))
        tools = step.options.get("tools")
        return await self.context.delegate(work, task, tools=None if tools is None else self._fill(tools, step))

    async def tell(self, step: Step) -> None:
        self.context.tell(self._text(step))

    async def note(self, step: Step) -> None:
        self.context.note(self._text(step))

    async def set(self, step: Step) -> None:
        values = self._fill(step.what, step)
        if not isinstance(values, dict):
            raise SkillError(f"{step.place}: 'set' needs a mapping of names to values")
        self.variables.update(cast("dict[str, Any]", values))

    async def if_(self, step: Step) -> None:
        await self.block(step.blocks.get("then" if await self._holds(step.what, step) else "else", ()))

    async def loop(self, step: Step) -> None:
        most, due = int(self._fill(step.options.get("most", MOST), step)), step.verb == "while"
        for _ in range(most):
            await self._give_way()
            if await self._holds(step.what, step) is not due:
                return
            await self.block(step.blocks["do"])
        if "most" not in step.options:
            raise SkillError(f"{step.place}: '{step.verb}' went round {most} times; say 'most' if that is right")

    async def for_each(self, step: Step) -> None:
        items = self._fill(step.what, step)
        if isinstance(items, str) or not hasattr(items, "__iter__"):
            raise SkillError(f"{step.place}: 'for each' needs a list, not {render(items)[:80]!r}")
        for item in items:
            await self._give_way()
            self.variables[str(step.options["as"])] = item
            await self.block(step.blocks["do"])

    async def parallel(self, step: Step) -> list[Any]:
        """Branches see the variables, and what they set is theirs; each comes to its answer."""

        async def branch(context: Context, steps: Sequence[Step]) -> Any:
            run = _Run(context, {**self.variables, "answer": ""})
            try:
                await run.block(steps)
            except _Returned as end:
                return end.value
            return run.variables["answer"]

        def work(steps: Sequence[Step]) -> Callable[[Context], Awaitable[Any]]:
            return lambda context: branch(context, steps)

        branches = [steps for name, steps in step.blocks.items() if name != "on error"]
        return await self.context.parallel(*map(work, branches))

    async def do(self, step: Step) -> None:
        await self.block(step.blocks["do"])

    async def return_(self, step: Step) -> None:
        raise _Returned(self._fill(step.what, step))

    async def fail(self, step: Step) -> None:
        raise SkillError(self._text(step))

    async def _give_way(self) -> None:
        """Let others have a turn, and stop where the run has to: a loop may do nothing that would."""
        await asyncio.sleep(0)
        self.context.bounds.in_time()

    async def _holds(self, condition: Any, step: Step, **how: Unpack[How]) -> bool:
        """An expression, or a question that the model decides."""
        if is_expression(condition):
            return bool(self._fill(condition, step))
        return (await self.context.decide(str(self._fill(condition, step)), **how)).option == "yes"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOOP = Verb(_names("most"), _names("do"), _names("do"))
_VERBS: Mapping[str, tuple[Verb, Callable[[_Run, Step], Awaitable[Any]]]] = {
    "reply": (Verb(HOW, bare=True), _Run.reply),
    "act": (Verb(HOW, bare=True), _Run.act),
    "choose": (Verb(HOW | {"from"}, branches="when"), _Run.choose),
    "decide": (Verb(HOW, blocks=_names("yes no")), _Run.decide),
    "extract": (Verb(HOW | {"question"}), _Run.extract),
    "verify": (Verb(HOW | {"criteria"}), _Run.verify),
    "call": (Verb(_names("with")), _Run.call),
    "ask": (Verb(_names("type")), _Run.ask),
    "delegate": (Verb(_names("task tools"), needed=_names("task")), _Run.delegate),
    "tell": (Verb(), _Run.tell),
    "note": (Verb(), _Run.note),
    "set": (Verb(), _Run.set),
    "if": (Verb(blocks=_names("then else"), needed=_names("then")), _Run.if_),
    "while": (_LOOP, _Run.loop),
    "until": (_LOOP, _Run.loop),
    "for each": (Verb(blocks=_names("do"), needed=_names("do as")), _Run.for_each),
    "parallel": (Verb(), _Run.parallel),
    "do": (Verb(), _Run.do),
    "return": (Verb(), _Run.return_),
    "fail": (Verb(), _Run.fail),
}
"""The verbs: what may stand in each, and what carries it out."""
