"""Tool calls in the shapes in which model families write them, read as one: `{"tool": NAME, "args": {...}}`.

Known are the keys of OpenAI, Hermes, Llama, Mistral, smolagents and their nestings; names that stand before the JSON
(`<function=f>{...}`, `[TOOL_CALLS]f[ARGS]{...}`, `to=functions.f`, `Action: f`); parameters as elements (Qwen coder,
MiniMax, GLM); and calls as Python writes them. Only a known tool makes a call of any of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from bridle.parse.given import Budget, Unreadable, clip
from bridle.parse.members import Misfit
from bridle.parse.reader import read_arguments
from bridle.parse.schema import Part, Schema, like, resolve
from bridle.values import canonical

Tools = Mapping[str, Part]

LEFT_OUT = "is not expected and was left out"
"""How it is told that a member was left out."""
_NAMES = ("tool", "name", "function", "tool_name", "function_name", "action", "recipient_name", "toolName", "tool_code")
_ARGS = ("args", "arguments", "parameters", "params", "input", "tool_input", "action_input", "kwargs", "argument")
_AROUND = ("tool_calls", "tool_call", "function_call", "toolcalls", "tool_uses", "calls", "call", "action", "actions")
_META = ("id", "type", "index", "call_id", "tool_call_id", "role", "content", "status")
_REPLIES = ("answer", "show", "ask", "refuse")
_ENDS = {"final_answer": "answer", "finalanswer": "answer", **{it: it for it in _REPLIES}}
_SPACES = ("functions.", "function.", "tools.", "default_api.", "multi_tool_use.")
_NAME = r"([A-Za-z_][\w.\-]{0,100})"
_BEFORE = re.compile(
    "|".join(
        (
            rf"<function=[\"']?{_NAME}[\"']?>\s*",
            rf"<(?:function|invoke|tool)\s+name=[\"']?{_NAME}[\"']?>\s*",
            rf"\[TOOL_CALLS\]\s*{_NAME}(?:\[CALL_ID\]\w{{1,40}})?(?:\[ARGS\])?\s*",
            rf"{_NAME}\[ARGS\]\s*",
            rf"\bcall:{_NAME}\s*",
            rf"{_NAME}(?::\d{{1,4}})?\s*<\|tool_call_argument_begin\|>\s*",
            rf"<｜tool▁sep｜>{_NAME}\s*(?:```(?:json)?\s*)?",
            rf"Action:\s*[`\"']?{_NAME}[`\"']?\s*\n\s*Action[ _]Input:\s*(?:```(?:json)?\s*)?",
            rf"<tool_call>\s*{_NAME}\s*(?:<arguments>)?\s*",
            rf"\bto=(?:functions\.)?{_NAME}[^\n{{]{{0,60}}(?:<\|message\|>)?\s*",
            rf"(?:\A|[\n\[>]|: ){_NAME}\(\s*",
            rf"<{_NAME}>\s*",
        )
    )
    + r"\Z"
)
_BLOCK = re.compile(rf"<(?:function=[\"']?|(?:function|invoke)\s+name=[\"']){_NAME}[\"']?\s*>")
_PARAMETER = re.compile(rf"<parameter(?:=[\"']?|\s+name=[\"']){_NAME}[\"']?\s*>")
_CLOSE_PARAMETER, _CLOSE_BLOCK = "</parameter>", re.compile(r"</(?:function|invoke)>")
_GLM = re.compile(rf"<tool_call>\s*{_NAME}\s*(?=<arg_key>)")
_MARKS = re.compile(r"```\w*|<\|[\w]{1,40}\|>|</?tool_calls?>|\[/?TOOL_CALLS?\]|\[Calling tool:|(?:\A\s*)functools")
_PYTHON = re.compile(r"(?:print\()?(?:default_api\.|tools\.|functions\.)?([A-Za-z_]\w{0,100})\(")


@dataclass(frozen=True)
class Shaped:
    """A call as `{"tool": ..., "args": ...}`, where it stood, and what was made of it."""

    value: JsonValue
    start: int
    end: int
    mends: tuple[str, ...] = ()
    text: bool = False
    """The arguments are text, whatever their types."""
    cut: bool = False
    lost: bool = False
    doubt: bool = False


def tools_of(schema: Schema) -> Tools:
    """The arguments of each tool, if the schema is a choice among tools; else nothing."""
    tools: dict[str, Part] = {}
    for option in resolve(schema, schema).alternatives():
        properties = option.properties()
        if "tool" in properties and "args" in properties:
            for name in properties["tool"].constants() or []:
                tools[str(name)] = properties["args"]
    return tools


def named_before(text: str, start: int, tools: Tools) -> str | None:
    """The known tool whose name a family writes right before the JSON of its arguments."""
    match = _BEFORE.search(text[max(start - 240, 0) : start])
    return _known(next(group for group in match.groups() if group), tools) if match else None


def as_call(value: JsonValue, tools: Tools) -> tuple[JsonValue, tuple[str, ...]]:
    """A value with the keys of any family as `{"tool": ..., "args": ...}`; other values as they are.

    Raises:
        Misfit: it holds several calls, or calls a tool that there is not.
    """
    mends: list[str] = []
    while (inner := _inner(value)) is not None:
        key, value, rest = inner
        mends += [f"'{key}' around the call was left out", *_left_out(rest)]
    if not isinstance(value, dict) or (set(value) == {"tool", "args"} and value["tool"] in tools):
        return value, tuple(mends)
    if len(value) == 1 and (tool := _known(next(iter(value)), tools)) and isinstance(next(iter(value.values())), dict):
        return {"tool": tool, "args": next(iter(value.values()))}, (*mends, f"the key {tool!r} was read as the tool")
    said = [(key, name) for key in _NAMES if isinstance(name := value.get(key), str)]
    named = [(key, tool) for key, name in said if (tool := _known(name, tools))]
    keys = [key for key in _ARGS if key in value]
    if len(named) == 1 and len(keys) == 1 and keys[0] in tools[named[0][1]].properties():
        keys = keys if isinstance(value[keys[0]], dict) else []  # a parameter of that name, beside the tool
    if not named:
        ends = [(key, _ENDS[name.casefold()]) for key, name in said if name.casefold() in _ENDS]
        if ends and keys:
            return {ends[0][1]: _only_text(value[keys[0]])}, (*mends, f"a call of {ends[0][1]!r} was read as one")
        if said and (keys or "tool" in value):
            raise Misfit("tool", f"there is no tool {clip(said[0][1])}; there are: {', '.join(tools)}")
        if len(value) == 1 and (end := _ENDS.get(next(iter(value)).casefold())) and end not in value:
            return {end: next(iter(value.values()))}, (*mends, f"the key {next(iter(value))!r} was read as {end!r}")
        return value, tuple(mends)
    if len(named) > 1 and len(keys) == 1:
        raise Misfit("tool", f"{clip(named[0][1])} or {clip(named[1][1])}: which tool is meant?")
    key, tool = named[0]
    rest = {name: item for name, item in value.items() if name != key}
    if any(rest.get(end) for end in _REPLIES if end not in tools[tool].properties()):
        raise Misfit("", "a call and an answer at once; one is due")
    if key != "tool" or value[key] != tool:
        mends.append(f"{key} {clip(value[key])} was read as the tool {tool!r}")
    if len(keys) > 1:
        raise Misfit("args", f"given twice, as {keys[0]!r} and {keys[1]!r}")
    if keys:
        args = rest.pop(keys[0])
        if keys[0] != "args":
            mends.append(f"{keys[0]!r} was read as 'args'")
        return {"tool": tool, "args": {} if args is None else args}, (*mends, *_left_out(rest))
    properties = tools[tool].properties()
    args = {name: item for name, item in rest.items() if name not in _META or like(name, properties)}
    if args:
        mends.append("arguments beside the tool were read as 'args'")
    dropped = {name: item for name, item in rest.items() if name not in args}
    if not args and tools[tool].required():
        return {"tool": tool, "args": {}}, tuple(mends)
    return {"tool": tool, "args": args}, (*mends, *_left_out(dropped))


def blocks(text: str, tools: Tools, budget: Budget) -> Iterator[Shaped]:
    """Calls whose parameters are elements, with text between their tags.

    Raises:
        Misfit: a parameter could end in more than one place.
    """
    for match in _BLOCK.finditer(text):
        budget.spend(100)
        tool = _known(match[1], tools)
        close = _CLOSE_BLOCK.search(text, match.end())
        following = _BLOCK.search(text, match.end())
        end = min(close.start() if close else len(text), following.start() if following else len(text))
        inner = text[match.end() : end]
        if not inner.lstrip().startswith("{"):
            if tool is None:
                raise Misfit("tool", f"there is no tool {clip(match[1])}; there are: {', '.join(tools)}")
            args, lost = _parameters(inner, ended=end < len(text))
            yield Shaped(
                {"tool": tool, "args": args},
                match.start(),
                close.end() if close and close.start() == end else end,
                ("parameters as elements were read as 'args'",),
                text=True,
                cut=end == len(text),
                lost=lost,
            )
    for match in _GLM.finditer(text):
        budget.spend(100)
        if (tool := _known(match[1], tools)) is not None:
            end = text.find("</tool_call>", match.end())
            args, lost = _pairs(text[match.end() : end if end >= 0 else len(text)])
            yield Shaped(
                {"tool": tool, "args": args},
                match.start(),
                end if end >= 0 else len(text),
                ("parameters as elements were read as 'args'",),
                text=True,
                cut=end < 0,
                lost=lost,
            )


def python_call(text: str, tools: Tools, budget: Budget) -> Shaped | None:
    """The one call that the text is, as Python writes it, but for marks around it."""
    body = _MARKS.sub(" ", text).strip().rstrip(";")
    if body.startswith("[") and body.endswith("]"):
        body = body[1:-1].strip()
    match = _PYTHON.match(body)
    tool = _known(match[1], tools) if match else None
    if match is None or tool is None:
        return None
    try:
        found = read_arguments(body, match.end(), budget)
    except Unreadable:
        return None
    rest = body[found.end :].strip()
    if rest and not (rest == ")" and body.startswith("print(")):
        return None
    mends = ("a call as Python writes it was read", *found.mends)
    return Shaped(
        {"tool": tool, "args": found.value}, 0, len(text), mends, cut=found.cut, lost=found.lost, doubt=found.doubt
    )


def _known(name: str, tools: Tools) -> str | None:
    for space in ("", *_SPACES):
        if name.startswith(space) and (tool := like(name.removeprefix(space), tools)):
            return tool
    return None


def _inner(value: JsonValue) -> tuple[str, JsonValue, dict[str, JsonValue]] | None:
    """What stands inside one level of wrapping."""
    if isinstance(value, list):
        if len({canonical(item) for item in value}) > 1:
            if all(isinstance(item, dict) for item in value):
                raise Misfit("", f"{len(value)} calls at once; one is due")
            return None
        return ("a list", value[0], {}) if value and isinstance(value[0], dict) else None
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict) and not any(key in value for key in _ARGS):
        return "function", value["function"], {key: it for key, it in value.items() if key != "function"}
    for key in _AROUND:
        if isinstance(value.get(key), dict | list) and not any(
            isinstance(value.get(it), str) for it in ("tool", "name")
        ):
            rest = {name: item for name, item in value.items() if name != key}
            if any(rest.get(end) for end in _REPLIES):
                raise Misfit("", "a call and an answer at once; one is due")
            return key, value[key], rest
    return None


def _left_out(rest: Mapping[str, JsonValue]) -> list[str]:
    return [f"{key}: {LEFT_OUT}: {clip(item)}" for key, item in rest.items()]


def _only_text(args: JsonValue) -> JsonValue:
    if isinstance(args, dict) and len(args) == 1:
        return next(iter(args.values()))
    return args


def _parameters(text: str, *, ended: bool) -> tuple[dict[str, JsonValue], bool]:
    opens = list(_PARAMETER.finditer(text))
    if text.count(_CLOSE_PARAMETER) > len(opens):
        raise Misfit("args", f"{_CLOSE_PARAMETER} comes more often than parameters do: one could end in two places")
    found: dict[str, JsonValue] = {}
    lost = False
    for number, match in enumerate(opens):
        limit = opens[number + 1].start() if number + 1 < len(opens) else len(text)
        end = text.find(_CLOSE_PARAMETER, match.end(), limit)
        if end < 0 and limit == len(text) and not ended:
            lost = True
        elif match[1] in found:
            raise Misfit(f"args.{match[1]}", "comes twice")
        else:
            value = text[match.end() : end if end >= 0 else limit]
            found[match[1]] = value.removeprefix("\n").removesuffix("\n") if end >= 0 else value.strip()
    return found, lost


def _pairs(text: str) -> tuple[dict[str, JsonValue], bool]:
    found: dict[str, JsonValue] = {}
    for pair in text.split("<arg_key>")[1:]:
        key, _, rest = pair.partition("</arg_key>")
        value, closed, after = rest.partition("<arg_value>")[2].partition("</arg_value>")
        if "</arg_value>" in after or key.strip() in found:
            raise Misfit(f"args.{key.strip()[:40]}", "could end in more than one place")
        if not closed:
            return found, True
        found[key.strip()] = value
    return found, False
