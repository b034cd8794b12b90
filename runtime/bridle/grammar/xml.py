"""The XML form: the elements of `bridle.grammar.elements`, generated under a grammar.

Text escapes `<`, `>` and `&`, so that a closing tag is never in doubt and text needs no look-ahead.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from bridle.grammar.base import Element, Syntax, Tree
from bridle.grammar.compile import literal
from bridle.grammar.dialect import ATTRIBUTE, TEXT, character
from bridle.grammar.elements import Fixed, head, read
from bridle.grammar.keywords import Schema
from bridle.grammar.outline import legend, names_of, outline
from bridle.grammar.schema import Typed
from bridle.grammar.shape import NAME, Arr, Atom, Choice, Content, Entry, Field, Obj, Place, Rule, Shape, Text
from bridle.grammar.shaping import shape_of
from bridle.grammar.watch import ONCE
from bridle.grammar.written import escape

T = TypeVar("T")


@dataclass(frozen=True)
class Xml(Generic[T]):
    """An XML document of a type."""

    type: Typed[T]
    syntax: Syntax = "xml"

    @cached_property
    def root(self) -> str:
        """The name of the outermost element."""
        return self.type.name if NAME.fullmatch(self.type.name) else "value"

    @cached_property
    def shape(self) -> Shape:
        """What the document may hold; `Shape.loose` names what of the type only its validator holds."""
        return shape_of(self.type.schema)

    @property
    def roots(self) -> Sequence[str]:
        """See `Form.roots`."""
        return (self.root,)

    @property
    def names(self) -> Collection[str]:
        """See `Form.names`."""
        return names_of(self.shape.root)

    @property
    def schema(self) -> Schema:
        """See `Form.schema`."""
        return self.type.tight

    def grammar(self) -> str:
        """See `Form.grammar`."""
        rules = Rules()
        return rules.text(f"start: {rules.element(self.root, self.shape.root)}")

    def instructions(self) -> str:
        """See `Form.instructions`."""
        shown = outline(self.shape.root, self.root)
        return f"Reply with one XML document and nothing else, of this form{legend(shown)}:\n{shown}"

    def load(self, tree: Tree) -> T:
        """See `Form.load`."""
        if not isinstance(tree, Element):
            return self.type.load(tree)
        value = read(self.shape.root, tree)
        if self.shape.loose:
            self.type.check(value)
        return self.type.load(value)


class Rules:
    """The Lark rules of one grammar; `prefix` keeps several documents in one grammar apart."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._rules: dict[str, str] = {}
        self._known: dict[object, str] = {}
        self._has_entries = False

    def text(self, *heads: str) -> str:
        """The grammar: the given rules and all that they need."""
        once = [ONCE] if self._has_entries else []
        return "\n".join([*heads, *once, *(f"{name}: {body}" for name, body in self._rules.items())])

    def element(self, name: str, place: Place, fixed: Fixed = ()) -> str:
        """An element holding a value of a place."""
        return self._element([], head(name, fixed, place), name, place)

    def string(self) -> str:
        """The name of a rule for any text."""
        return self._terminal(_lark(Rule(), TEXT))

    def _element(self, before: list[str], opening: str, name: str, place: Place) -> str:
        """An element whose opening tag has been written in part: some Lark, then text that is to follow it."""
        nil = " ".join([*before, literal(f'{opening} nil="true"/>')])
        if place.content is None:
            return nil
        parts = before.copy()
        for it in place.content.attributes if isinstance(place.content, Obj) else ():
            said = " ".join([literal(f' {it.key}="'), self._attribute(it), literal('"')])
            if opening:
                parts.append(literal(opening))
                opening = ""
            parts.append(said if it.required else f"({said})?")
        parts += [literal(f"{opening}>"), self.content(place.content), literal(f"</{name}>")]
        whole = " ".join(parts)
        return f"({whole} | {nil})" if place.nullable else whole

    def _attribute(self, it: Field) -> str:
        match it.place.content:
            case Text(rules):
                return self._rule(" | ".join(self._terminal(_lark(rule, ATTRIBUTE)) for rule in rules))
            case Atom() as content:
                return self._rule(_atom(content, attribute=True))
            case _:
                raise AssertionError(it)

    def _rule(self, body: str, *, terminal: bool = False) -> str:
        """The name of a rule; one that says the same is the same."""
        if body not in self._known:
            stem = f"{self._prefix}x{len(self._rules)}"
            self._known[body] = stem.upper() if terminal else stem
            self._rules[self._known[body]] = body
        return self._known[body]

    def _terminal(self, body: str) -> str:
        return self._rule(body, terminal=True)

    def content(self, content: Content) -> str:
        """The name of a rule for the content of an element."""
        key = ("content", id(content))
        if key not in self._known:
            name = self._known[key] = f"{self._prefix}x{len(self._rules)}"
            self._rules[name] = ""
            self._rules[name] = self._body(content)
        return self._known[key]

    def _body(self, content: Content) -> str:
        match content:
            case Text(rules):
                return " | ".join(self._terminal(_lark(rule, TEXT)) for rule in rules)
            case Atom():
                return _atom(content, attribute=False)
            case Choice(options):
                return " | ".join(self.element(it.label, Place(content=it.content)) for it in options)
            case Obj():
                return self._object(content)
            case Arr():
                return self._array(content)

    def _object(self, content: Obj) -> str:
        parts = list[str]()
        for it in content.fields:
            if not it.attribute:
                name, fixed = content.tag(it.key)
                parts.append(self._rule(self.element(name, it.place, fixed)) + ("" if it.required else "?"))
        if content.entries:
            self._has_entries = True
            entries = " | ".join(self._entry(it) for it in content.entries)
            parts.append(f"{self._rule(entries)}{_times(content.least, content.most)}")
        return " ".join(parts) or '""'

    def _entry(self, entry: Entry) -> str:
        key = [_lark(entry.key, ATTRIBUTE)]
        if entry.taken:
            key.append(f"~/{'|'.join(_exactly(escape(it, ATTRIBUTE)) for it in entry.taken)}/")
        before = [literal('<entry key="'), self._terminal(" & ".join(key))]
        return self._rule(self._element(before, '"', "entry", entry.place))

    def _array(self, content: Arr) -> str:
        length = len(content.first)
        inner = ""
        if content.rest is not None:
            most = None if content.most is None else content.most - length
            inner = f"{self._rule(self.element('item', content.rest))}{_times(max(content.least - length, 0), most)}"
        for number in reversed(range(length)):
            whole = f"{self._rule(self.element('item', content.first[number]))} {inner}".strip()
            inner = whole if number < content.least else f"({whole})?"
        return inner or '""'


def _times(least: int, most: int | None) -> str:
    return "*" if (least, most) == (0, None) else f"{{{least},{'' if most is None else most}}}"


def _exactly(text: str) -> str:
    """A regular expression for one text."""
    return "".join(it if it.isalnum() and it.isascii() else f"\\x{{{ord(it):x}}}" for it in text)


def _lark(rule: Rule, written: Mapping[str, str]) -> str:
    """A terminal for the strings of a rule as XML writes them."""
    parts = [it.lark(written) for it in rule.patterns]
    parts += [f"~({it.lark(written)})" for it in rule.never]
    if (rule.least, rule.most) != (0, None) or not rule.patterns:
        parts.insert(0, f"/{character(written)}{_times(rule.least, rule.most)}/")
    return " & ".join(parts)


def _atom(content: Atom, *, attribute: bool) -> str:
    texts = [literal(escape(text, ATTRIBUTE if attribute else TEXT)) for text in content.values]
    booleans = ['"true"', '"false"'] if content.boolean else []
    return " | ".join([*texts, *(f"%json {json.dumps(dict(number))}" for number in content.numbers), *booleans])
