"""A typed function is a tool.

Its annotations make the schema that the grammar holds the model to, its docstring the description the model reads.
A tool declares its *effect*, so that whoever runs it knows what a repetition would do. Parameters annotated with a
`Service` (the workspace, the key of the call) are handed over by the run and never shown to the model.

    >>> @tool(effect="pure")
    ... def add(a: int, b: int = 1) -> int:
    ...     '''Add two numbers.'''
    ...     return a + b
    >>> add.signature()
    'add(a: integer, b?: integer)'
    >>> add.check({"a": 2})
    {'a': 2, 'b': 1}
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, Literal, TypedDict, cast, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, create_model
from typing_extensions import Unpack

from bridle.errors import BridleError, ToolError, UsageError, describe
from bridle.grammar.keywords import Schema
from bridle.grammar.parameters import noted, parameters
from bridle.labels import in_words
from bridle.running import run
from bridle.values import speakable, spelled_out

RESULT_LIMIT = 6_000
"""Characters of a result that the model is shown; the journal keeps all of it."""

FAILED = "error: "
"""What the result of a call that failed begins with."""


class Effect(StrEnum):
    """What running a tool twice would do."""

    PURE = "pure"
    """Changes nothing: run it as often as you like."""
    IDEMPOTENT = "idempotent"
    """The second run with the same `CallKey` changes nothing more."""
    PROBE = "probe"
    """The tool can be asked whether it happened."""
    UNSAFE = "unsafe"
    """Every run counts: never retried by the runtime."""


class Service:
    """Base of what a run hands to its tools. A parameter annotated with a subclass is not part of the schema."""


@dataclass(frozen=True)
class CallKey(Service):
    """Names one call for ever: an idempotent tool that sees the same key again has already done the work."""

    value: str


class Teller(Service):
    """Tells whoever watches how a call is getting on: `tell("searching 214 files")`, `tell("copying", 3, 10)`.

    It may be called from any thread. Nobody has to watch.
    """

    def __init__(self, listen: Callable[[str, int, int], None] | None = None) -> None:
        self._listen = listen

    def __call__(self, text: str, done: int = 0, total: int = 0) -> None:
        """Tell what is being done, and how much of it is."""
        if self._listen is not None:
            self._listen(text, done, total)


@dataclass(frozen=True)
class Observation:
    """What came of one call. `value` is the JSON result (or the error message), `text` what the model is shown."""

    ok: bool
    value: JsonValue
    text: str
    seconds: float = 0.0
    cached: bool = False
    """It is what the same call came to before."""
    open: bool = False
    """It failed, and may have been done all the same: it took too long, or its result is not believed."""


@dataclass(frozen=True)
class Tool:
    """A function with a name, a description, a JSON Schema of its arguments, and a declared effect."""

    name: str
    description: str
    schema: Mapping[str, JsonValue]
    effect: Effect
    timeout: float
    function: Callable[..., object] = field(repr=False)
    arguments: type[BaseModel] = field(repr=False)
    services: Mapping[str, type[Service]] = field(repr=False)
    undo: Tool | None = field(default=None, repr=False)
    """Takes back what a call did; None where nothing can, or where there is nothing to take back."""
    doubt: Callable[[Any], str] | None = field(default=None, repr=False)
    """Says why a result is not to be believed; empty if it is."""
    probe: Tool | None = field(default=None, repr=False)
    """Asks the world whether a call with these arguments happened: what came of it, or None."""
    retries: int = 0
    """How often a call is made again that took too long or could not reach what it needs, each after a longer pause."""
    cache: float = 0.0
    """Seconds for which what a call came to is taken for the same call, if none with an effect came between."""

    def signature(self) -> str:
        """The tool as one line of a prompt: `name(needed, other: integer, optional?, where: {city, street})`.

        Strings carry no type.
        """
        return f"{self.name}({noted(parameters(self.schema))})"

    def check(self, args: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The arguments as Python values, defaults filled in.

        Raises:
            ToolError: an argument is missing, unknown or of the wrong type; the message says which.
        """
        model = self._read(args)
        return {name: getattr(model, name) for name in type(model).model_fields}

    def whole(self, args: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """The arguments that the function gets, as JSON: of their types, with those that are left out and have a value
        of their own.

        Raises:
            ToolError: as `check`.
        """
        known = self._read(args).model_dump(mode="json")
        return {**args, **{name: value for name, value in known.items() if name in args or value is not None}}

    def _read(self, args: Mapping[str, JsonValue]) -> BaseModel:
        try:
            return self.arguments.model_validate(dict(args))
        except ValidationError as error:
            raise ToolError(describe(error)) from None

    async def call(
        self, args: Mapping[str, JsonValue], services: Mapping[type[Service], Service] | None = None
    ) -> Observation:
        """Run the tool. Whatever it does wrong comes back as an observation with `ok` false, never as an exception."""
        start, unclear, done = time.monotonic(), False, ""
        try:
            known = {Teller: Teller(), **(services or {})}
            values = self.check(args) | _hand_over(self, known)
            result = await run(
                partial(self.function, **values), self.timeout, self.retries, cast("Teller", known[Teller])
            )
            unclear, done = True, "it was done, but what came of it cannot be told: "
            value = speakable(cast("JsonValue", TypeAdapter(object).dump_python(result, mode="json")))
            if self.doubt and (why := self.doubt(result)):
                told = f"{FAILED}{self.name} gave a result that is not believed: {why}"
                return Observation(False, value, told, time.monotonic() - start, open=True)
            return Observation(True, value, render(value), time.monotonic() - start)
        except BridleError as error:
            message = error.message
        except TimeoutError:
            message, unclear = f"{self.name} took longer than {self.timeout:g} s and was stopped", True
        except Exception as error:  # a tool is foreign code: anything it raises is news for the model
            message = done + (f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
        message = spelled_out(message)
        return Observation(False, message, f"{FAILED}{message}", time.monotonic() - start, open=unclear)

    async def take_back(
        self,
        args: Mapping[str, JsonValue],
        result: JsonValue,
        services: Mapping[type[Service], Service] | None = None,
    ) -> Observation:
        """Take back what a call with these arguments did, which came to `result`; the services hold the call's key."""
        if self.undo is None:
            return Observation(False, "", f"{FAILED}nothing takes back what {self.name} did")
        try:
            known = {**self.whole(args), "result": result}
        except ToolError as error:  # it takes other arguments by now
            return Observation(False, error.message, f"{FAILED}{error.message}")
        return await self.undo.call(self.undo.among(known), services)

    def among(self, known: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Those of some values that it has parameters for."""
        return {name: known[name] for name in cast("Schema", self.schema.get("properties", {})) if name in known}


class Options(TypedDict, total=False):
    """How a tool is made; see `tool`."""

    effect: Effect | Literal["pure", "idempotent", "probe", "unsafe"]
    name: str | None
    timeout: float
    undo: Callable[..., object] | None
    doubt: Callable[[Any], str] | None
    probe: Callable[..., object] | None
    retries: int
    cache: float


@overload
def tool(function: Callable[..., object], /) -> Tool: ...
@overload
def tool(**options: Unpack[Options]) -> Callable[[Callable[..., object]], Tool]: ...
def tool(
    function: Callable[..., object] | None = None, /, **options: Unpack[Options]
) -> Tool | Callable[[Callable[..., object]], Tool]:
    """Make a tool of a typed function; a decorator with or without arguments.

    Args:
        function: sync or async. Its docstring's first paragraph is the description; lines `name: text` under
            `Args:` describe parameters.
        options: each of them by name:

    Options:
        effect: what a second run would do; the careful answer, `unsafe`, is the default.
        name: the name the model sees; the function's own if not given.
        timeout: seconds after which a call is stopped; 30 if not given.
        undo: takes back what a call did; of the call's arguments, its `result` and services it takes what it names. It
            is run again where a process was killed before it could say that it was done.
        doubt: says why a result is not to be believed (then the call failed); empty if it is.
        probe: of the call's arguments and services it takes what it names, the call's key above all, and gives what
            came of the call, or None if it was never made; a tool whose effect is `probe` needs one.
        retries: how often a call is made again that timed out or raised `OSError` (a connection that was refused, say),
            after 0.2 s and then twice as long each time; for tools that may be run twice.
        cache: seconds for which, in one run, what a call came to is taken for the same call again, as long as no call
            with an effect came between; for tools that only look.

    Raises:
        UsageError: a parameter has no annotation, or the function takes `*args` or `**kwargs`.
    """
    if function is None:
        return lambda f: tool_from(f, **options)
    return tool_from(function, **options)


def tool_from(
    function: Callable[..., object],
    *,
    effect: Effect | Literal["pure", "idempotent", "probe", "unsafe"] = Effect.UNSAFE,
    name: str | None = None,
    timeout: float = 30.0,
    undo: Callable[..., object] | None = None,
    doubt: Callable[[Any], str] | None = None,
    probe: Callable[..., object] | None = None,
    retries: int = 0,
    cache: float = 0.0,
) -> Tool:
    """The plain form of `tool`."""
    effect = Effect(effect)
    name = name or function.__name__
    if not in_words([name]):
        raise UsageError(f"no tool is called {name!r}: so ends the label of what was read apart")
    if retries and effect not in (Effect.PURE, Effect.IDEMPOTENT):
        raise UsageError(f"the tool '{name}' may not be run twice, so it is not retried", hint="effect='idempotent'")
    if cache and effect is not Effect.PURE:
        raise UsageError(f"the tool '{name}' does something, so what it comes to is not kept", hint="effect='pure'")
    if (effect is Effect.PROBE) != (probe is not None):
        raise UsageError(f"the tool '{name}' and its probe do not go together", hint="effect='probe' with probe=...")
    hints = get_type_hints(function, include_extras=True)
    description, notes = _read_docstring(inspect.getdoc(function) or "")
    fields: dict[str, Any] = {}
    services: dict[str, type[Service]] = {}
    for parameter in inspect.signature(function).parameters.values():
        where = f"parameter '{parameter.name}' of tool '{name}'"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UsageError(f"{where} has no fixed name", hint="a tool takes named, typed parameters only")
        if parameter.name not in hints:
            raise UsageError(f"{where} has no type", hint="annotate it: the annotation becomes its schema")
        hint = hints[parameter.name]
        if isinstance(hint, type) and issubclass(hint, Service):
            services[parameter.name] = hint
            continue
        if note := notes.get(parameter.name):
            hint = Annotated[hint, Field(description=note)]
        fields[parameter.name] = (hint, ... if parameter.default is parameter.empty else parameter.default)
    arguments = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    schema = _without_nulls(cast("dict[str, JsonValue]", arguments.model_json_schema()))
    back = tool_from(undo, effect=Effect.IDEMPOTENT, timeout=timeout) if undo else None
    told = description or name.replace("_", " ")
    ask = tool_from(probe, effect=Effect.PURE, timeout=timeout) if probe else None
    return Tool(name, told, schema, effect, timeout, function, arguments, services, back, doubt, ask, retries, cache)


def render(value: JsonValue) -> str:
    """A result as the model reads it: text as it is, lists of text line by line, the rest as JSON; long ones cut."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = "\n".join(cast("list[str]", value)) or "nothing"
    else:
        text = json.dumps(value, ensure_ascii=False)
    if len(text) > RESULT_LIMIT:
        text = f"{text[:RESULT_LIMIT]}\n[{len(text) - RESULT_LIMIT} more characters not shown]"
    return text


def _without_nulls(schema: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Parameters that default to None lose their null: a model leaves such an argument out."""
    properties = cast("dict[str, dict[str, JsonValue]]", schema.get("properties", {}))
    for name, spec in properties.items():
        options = cast("list[dict[str, JsonValue]]", spec.get("anyOf", []))
        rest = [option for option in options if option.get("type") != "null"]
        if "default" in spec and spec["default"] is None and len(rest) == 1:
            properties[name] = {key: spec[key] for key in spec if key not in ("anyOf", "default")} | rest[0]
    return schema


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph as one line, and the notes under `Args:` by parameter name."""
    head, _, tail = text.partition("\nArgs:\n")
    notes: dict[str, str] = {}
    name = ""
    for line in tail.splitlines():
        if not line.startswith(" "):
            if line.strip():
                break
            continue
        key, colon, note = line.strip().partition(": ")
        if colon and key.isidentifier():
            name = key
            notes[name] = note
        elif name:
            notes[name] += " " + line.strip()
    return " ".join(head.strip().split("\n\n")[0].split()), notes


def _hand_over(tool: Tool, services: Mapping[type[Service], Service]) -> dict[str, Service]:
    missing = [kind.__name__ for kind in tool.services.values() if kind not in services]
    if missing:
        raise ToolError(f"{tool.name} needs {', '.join(missing)}, which this run does not have")
    return {name: services[kind] for name, kind in tool.services.items()}
