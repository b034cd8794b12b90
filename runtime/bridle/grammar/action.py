"""The action form: one tool call, an answer, a result shown as it is, a question for the user, or a refusal; nothing
else can be said.

In JSON `{"tool": "find_files", "args": {"name": "plan"}}`, `{"answer": "..."}`, `{"show": "..."}`, `{"ask": "..."}`,
`{"refuse": "..."}`; in XML `<call tool="find_files"><name>plan</name></call>`, `<answer>...</answer>` and so on. A
refusal can always be said, whatever else is taken away. What is shown is not spelled again, so that it costs no tokens
and cannot be misquoted.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, cast

from pydantic import JsonValue

from bridle.errors import FormatError, ToolError
from bridle.grammar.base import NATURAL, Element, Style, Tree
from bridle.grammar.check import checker
from bridle.grammar.compile import literal
from bridle.grammar.elements import read, render
from bridle.grammar.hold import Held, hold
from bridle.grammar.keywords import Schema, rebased
from bridle.grammar.outline import names_of
from bridle.grammar.said import REPLIES, Answer, Ask, Call, Refuse, Reply, Said, Show
from bridle.grammar.schema import json_rule
from bridle.grammar.shape import Place, Shape, check_attributes
from bridle.grammar.shaping import shape_of
from bridle.grammar.span import apart, astray, terminals, together
from bridle.grammar.written import escape
from bridle.grammar.xml import Rules


@dataclass(frozen=True)
class Actions:
    """A choice among tools (by name, with the schema of their arguments) and replies."""

    tools: Mapping[str, Schema]
    syntax: Literal["json", "xml"] = "json"
    style: Style = NATURAL
    checks: Mapping[str, Callable[[Mapping[str, JsonValue]], object]] = field(
        default_factory=dict[str, Callable[[Mapping[str, JsonValue]], object]]
    )
    """By tool: raises `ToolError` for arguments that the schema admits and the tool does not."""
    replies: Sequence[Reply] = REPLIES
    """What can be said instead of a call,"""
    unsaid: Collection[Reply] = ()
    """and what of it not yet: where nothing is there to be shown."""
    cites: Sequence[int] = ()
    """Numbers of calls, of which an answer has to name some; it names none if there are none."""

    @property
    def roots(self) -> Sequence[str]:
        """See `Form.roots`."""
        return ("call", *self.sayable) if self.syntax == "xml" else ()

    @cached_property
    def sayable(self) -> Sequence[Reply]:
        """What can be said now instead of a call."""
        return [it for it in self.replies if it not in self.unsaid]

    @property
    def names(self) -> Collection[str]:
        """See `Form.names`."""
        return {name for tool in self.tools for name in names_of(self._place(tool))} if self.syntax == "xml" else ()

    @property
    def schema(self) -> Schema:
        """See `Form.schema`."""
        return actions_schema({tool: held.schema for tool, held in self._held.items()}, self.sayable, self.cites)

    def grammar(self) -> str:
        """See `Form.grammar`."""
        rules = [
            self._json_call(n, tool) if self.syntax == "json" else self._xml_call(n, tool)
            for n, tool in enumerate(self.tools)
        ]
        calls = [f"c{n}" for n in range(len(self.tools))]
        if self.syntax == "json":
            text = f"text: {json_rule({'type': 'string'}, self.style)}"
            ends = [f'{name}: {literal("{" + self._key(name))} text{self._cited(name)} "}}"' for name in self.sayable]
        else:
            rules_of_text = Rules("t")
            text = rules_of_text.text(f"text: {rules_of_text.string()}")
            ends = [f'{name}: "<{name}"{self._cited(name)} ">" text "</{name}>"' for name in self.sayable]
        if self.cites and self.syntax == "json":
            ends.append(f"cites: {json_rule(citing(self.cites), self.style)}")
        lines = "\n".join([f"start: {' | '.join([*calls, *self.sayable])}", *ends, text, *rules])
        return lines if self.syntax == "json" else terminals(lines, self._short[1])

    def instructions(self) -> str:
        """See `Form.instructions`."""
        if self.syntax == "json":
            cites = ', "cites": [NUMBER, ...]' if self.cites else ""
            shapes = [
                '{"tool": NAME, "args": {...}}',
                f'{{"answer": TEXT{cites}}}',
                '{"show": TEXT}',
                '{"ask": QUESTION}',
                '{"refuse": WHY}',
            ]
            one = "one JSON object"
        else:
            shapes = [
                '<call tool="NAME"><argument>value</argument></call>',
                '<answer cites="NUMBER ...">TEXT</answer>' if self.cites else "<answer>TEXT</answer>",
                "<show>TEXT</show>",
                "<ask>QUESTION</ask>",
                "<refuse>WHY</refuse>",
            ]
            one = "one XML element"
        uses = {
            "call": "to use a tool",
            "answer": "when the request is done, or needs no tool"
            + (", with the numbers of the results that show it" if self.cites else ""),
            "show": "when the last result is the answer: it follows the text, word for word",
            "ask": "when something that is needed is missing or unclear",
            "refuse": "when it cannot or must not be done",
        }
        ways = zip(shapes, uses.items(), strict=True)
        lines = [f"{shape}  {use}" for shape, (name, use) in ways if name in ("call", *self.replies)]
        return f"Reply with exactly {one} and nothing else:\n" + "\n".join(lines)

    def load(self, tree: Tree) -> Said:
        """See `Form.load`."""
        action = self._from_xml(tree) if isinstance(tree, Element) else self._from_json(tree)
        said = type(action).__name__.lower()
        if said in self.unsaid:
            raise FormatError("there is no result to show: call a tool first, or answer")
        if not isinstance(action, Call) and said not in self.replies:
            raise FormatError(f"a call is due, of: {', '.join(self.tools) or 'none'}")
        if isinstance(action, Call) and any(self._loose(action.tool)):
            checker(self.tools[action.tool])(dict(action.args))
        if isinstance(action, Call) and (why := astray(cast("JsonValue", self.tools[action.tool]), dict(action.args))):
            raise FormatError(f"the arguments of {action.tool} are not right: {why}")
        if isinstance(action, Call) and action.tool in self.checks:
            try:
                self.checks[action.tool](action.args)
            except ToolError as error:
                raise FormatError(f"the arguments of {action.tool} are not right: {error.message}") from None
        return action

    def spell(self, action: Said) -> str:
        """An action as the model writes it."""
        match action:
            case Call(tool, args):
                if self.syntax == "json":
                    return self._dumps({"tool": tool, "args": dict(args)})
                return render(self._place(tool), dict(args), "call", (("tool", tool),))
            case Answer(text, cites):
                if self.syntax == "json":
                    return self._dumps({"answer": text, **({"cites": list(cites)} if cites else {})})
                named = f' cites="{" ".join(map(str, cites))}"' if cites else ""
                return f"<answer{named}>{escape(text)}</answer>"
            case Ask(text) | Refuse(text) | Show(text):
                name = type(action).__name__.lower()
                return self._dumps({name: text}) if self.syntax == "json" else f"<{name}>{escape(text)}</{name}>"

    def _cited(self, reply: str) -> str:
        """What follows the text of an answer that has to name calls, or stands in its tag, as grammar."""
        if reply != "answer" or not self.cites:
            return ""
        if self.syntax == "xml":
            number = "(" + " | ".join(f'"{it}"' for it in self.cites) + ")"
            more = f' (" " {number}){{0,{len(self.cites) - 1}}}' if len(self.cites) > 1 else ""
            return f' " cites=\\"" {number}{more} "\\""'
        return f" {literal(self.style.item_separator + self._key('cites'))} cites"

    def _answer(self, text: str, cites: Sequence[JsonValue]) -> Answer:
        known = [it for it in cites if isinstance(it, int) and it in self.cites]
        if bool(self.cites) != bool(cites) or len(known) != len(cites):
            numbers = ", ".join(map(str, self.cites))
            raise FormatError(f"an answer cites the calls that it stands on: one or more of {numbers or 'none'}")
        return Answer(text, tuple(dict.fromkeys(known)))

    def _dumps(self, value: JsonValue) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(self.style.item_separator, self.style.key_separator))

    def _key(self, name: str) -> str:
        return f'"{name}"{self.style.key_separator}'

    @property
    def loose(self) -> tuple[str, ...]:
        """Places, by tool, of what no grammar holds: arguments are checked for it."""
        return tuple(f"{tool}{place}" for tool in self.tools for place in self._loose(tool))

    def _loose(self, tool: str) -> tuple[str, ...]:
        return self._held[tool].loose if self.syntax == "json" else self._shapes[tool].loose

    @cached_property
    def _held(self) -> dict[str, Held]:
        """The arguments as a grammar of JSON holds them, by tool."""
        tools, patterns = self._short
        found = {name: hold(schema) for name, schema in tools.items()}
        return {name: replace(held, schema=together(held.schema, patterns)) for name, held in found.items()}

    @cached_property
    def _short(self) -> tuple[dict[str, Schema], dict[str, str]]:
        """The schemas of the tools with short patterns for those of their spans, and these: see `apart`."""
        patterns: dict[str, str] = {}
        tools: dict[str, Schema] = {}
        for name, schema in self.tools.items():
            tools[name], known = apart(schema)
            patterns |= known
        return tools, patterns

    def _json_call(self, number: int, name: str) -> str:
        head = f"{{{self._key('tool')}{json.dumps(name)}{self.style.item_separator}{self._key('args')}"
        return f'c{number}: {literal(head)} a{number} "}}"\na{number}: {json_rule(self._held[name].schema, self.style)}'

    def _xml_call(self, number: int, name: str) -> str:
        rules = Rules(f"a{number}")
        return rules.text(f"c{number}: {rules.element('call', self._place(name), (('tool', name),))}")

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        """What the element of a call may hold, by tool."""
        shapes = {name: shape_of(schema) for name, schema in self._short[0].items()}
        for shape in shapes.values():
            check_attributes(shape.root, ("tool",))
        return shapes

    def _place(self, tool: str) -> Place:
        """What the element of a call may hold; any arguments for a tool that is not there."""
        return self._shapes[tool].root if tool in self.tools else shape_of({"type": "object"}).root

    def _from_json(self, tree: JsonValue) -> Said:
        match tree:
            case {"tool": str(tool), "args": dict(args), **rest} if not rest:
                return self._known(tool, args)
            case {"answer": str(text), **rest} if not rest.keys() - {"cites"}:
                return self._answer(text, cast("list[JsonValue]", rest.get("cites") or []))
            case {"show": str(text), **rest} if not rest:
                return Show(text)
            case {"ask": str(text), **rest} if not rest:
                return Ask(text)
            case {"refuse": str(text), **rest} if not rest:
                return Refuse(text)
            case _:
                raise FormatError(
                    'neither {"tool": NAME, "args": {...}} nor {"answer": TEXT} nor {"show": TEXT} '
                    'nor {"ask": QUESTION} nor {"refuse": WHY}'
                )

    def _from_xml(self, tree: Element) -> Said:
        text = "".join(cast("Sequence[str]", list(tree.itertext())))
        match tree.tag:
            case "answer":
                named = str(tree.get("cites") or "").split()
                return self._answer(text, [int(it) if it.isdigit() else it for it in named])
            case "show":
                return Show(text)
            case "ask":
                return Ask(text)
            case "refuse":
                return Refuse(text)
            case "call" if (tool := tree.get("tool")) is not None:
                if tool not in self.tools:
                    return self._known(tool, {})
                return Call(tool, cast("dict[str, JsonValue]", read(self._place(tool), tree, ("tool",))))
            case _:
                raise FormatError('neither <call tool="NAME"> nor <answer> nor <show> nor <ask> nor <refuse>')

    def _known(self, tool: str, args: Mapping[str, JsonValue]) -> Call:
        if tool not in self.tools:
            raise FormatError(f"there is no tool '{tool}'; there are: {', '.join(self.tools)}")
        return Call(tool, args)


def actions_schema(
    tools: Mapping[str, Schema], replies: Sequence[str] = REPLIES, cites: Sequence[int] = ()
) -> dict[str, JsonValue]:
    """The choice among tools and replies as one JSON Schema; references lead to where each tool's schema is."""
    kinds: list[JsonValue] = []
    shared: dict[str, JsonValue] = {}
    for number, (name, schema) in enumerate(tools.items()):
        args: dict[str, JsonValue] = copy.deepcopy(dict(schema))
        if '"$ref"' in json.dumps(args):
            home = f"args{number}"
            shared[home] = rebased(args, f"#/$defs/{home}")
            args = dict[str, JsonValue]({"$ref": f"#/$defs/{home}"})
        said: dict[str, JsonValue] = {"const": name}
        kinds.append(closed_object({"tool": said, "args": args}))
    for name in replies:
        said = dict[str, JsonValue]({name: dict[str, JsonValue](type="string")})
        if name == "answer" and cites:
            said["cites"] = citing(cites)
        kinds.append(closed_object(said))
    return {"anyOf": kinds, "$defs": shared} if shared else {"anyOf": kinds}


def citing(numbers: Sequence[int]) -> dict[str, JsonValue]:
    """One or more of some numbers."""
    return {"type": "array", "items": {"enum": list(numbers)}, "minItems": 1, "maxItems": len(numbers)}


def closed_object(properties: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """An object of some properties, all of them there."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
