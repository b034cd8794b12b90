"""JSON Schema becomes a shape: the branches of every place are sorted by the kind of value that they admit.

What a shape cannot hold (`not`, `if`, `contains`, `uniqueItems`, a pattern with look-behind, ...) is left to the
validator that reads, and named in `Shape.loose`. Objects that do not say whether they are open are closed, numbers
without bounds get some, keys that match several of `patternProperties` are not offered: there a shape is narrower than
its schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import combinations
from typing import cast

from pydantic import JsonValue

from bridle.errors import GrammarError
from bridle.grammar.check import Parts, check_of, dated
from bridle.grammar.flat import DEPTH, Branch, Part, branches, here
from bridle.grammar.keyed import keyed
from bridle.grammar.keywords import References, Schema
from bridle.grammar.leaves import LONG, number_of, rule_of
from bridle.grammar.shape import (
    MARK,
    NAME,
    Arr,
    Atom,
    Choice,
    Content,
    Option,
    Place,
    Shape,
    Text,
    check_attributes,
    prune,
)
from bridle.grammar.written import spell_values
from bridle.values import same

PLACES = 20_000
"""Places of one shape at most."""

_UNHELD = {
    "object": ("dependentRequired", "dependentSchemas", "dependencies"),
    "array": ("contains", "uniqueItems", "unevaluatedItems"),
}


def shape_of(schema: Schema) -> Shape:
    """The shape of a JSON Schema.

    Raises:
        GrammarError: it is not valid, no finite value fits it, or XML cannot say it; the message says where.
    """
    try:
        return _shape(json.dumps(schema))
    except RecursionError:
        raise GrammarError("the schema nests too deeply") from None
    except TypeError as error:
        raise GrammarError(f"not a valid JSON Schema: {error}") from None


@lru_cache(256)
def _shape(text: str) -> Shape:
    """By the schema's text: an agent's tools are asked for at every step."""
    schema: Schema = json.loads(text)
    try:
        readable = cast("Schema", dated(schema))
        check_of(readable)
        references = References(readable)
        shaper = Shaper(references.root)
        root = shaper.place([Part(references.root, references)])
    except RecursionError:
        raise GrammarError("the schema nests too deeply") from None
    if not prune(root):
        raise GrammarError("no finite value fits the schema", hint="see which of its parts contradict each other")
    check_attributes(root)
    return Shape(root, tuple(shaper.loose))


class Shaper:
    """Makes the places of one schema, each once."""

    def __init__(self, schema: Schema) -> None:
        self._checks = Parts(schema)
        self._places: dict[str, Place] = {}
        self._depth = 0
        self.loose: dict[str, None] = {}

    def place(self, parts: Sequence[Part]) -> Place:
        """The place at which all parts hold."""
        distinct = {part.identity: part for part in parts if part.says_something}
        key = "\n".join(sorted(distinct))
        if key in self._places:
            return self._places[key]
        place = self._places[key] = Place()
        self._depth += 1
        if self._depth > DEPTH or len(self._places) > PLACES:
            raise GrammarError(f"{here(parts[0]) if parts else 'the schema'}: the schema is too deep or too large")
        marks = [mark for part in distinct.values() if isinstance(mark := part.words.get(MARK), dict)]
        place.preserve = any(mark.get("space") == "preserve" for mark in marks)
        found = branches(list(distinct.values()))
        self._note_one_of(found)
        made = list[tuple[str, Content, Branch]]()
        for branch in found:
            nullable, some = self._of_branch(branch)
            place.nullable |= nullable
            made += [((branch.title if len(some) == 1 else "") or kind, it, branch) for kind, it in some]
        place.content = self._choice(made)
        self._depth -= 1
        return place

    def fits(self, parts: Iterable[Part], value: JsonValue) -> bool:
        """Whether a value is valid by the schemas themselves."""
        return all(self._checks.accept(part.schema, value) for part in parts)

    def note(self, part: Part, what: str) -> None:
        """Take down what is only checked after."""
        self.loose[f"{here(part)}: {what}"] = None

    def _note_one_of(self, found: Sequence[Branch]) -> None:
        parts = {id(part): part for branch in found for part in branch.parts if "oneOf" in part.words}
        if parts and not all(_apart(one, other) for one, other in combinations(found, 2)):
            for part in parts.values():
                self.note(part, "oneOf")

    def _of_branch(self, branch: Branch) -> tuple[bool, list[tuple[str, Content]]]:
        """Whether null is of a branch, and the contents of other values by their kinds."""
        parts, made = branch.parts, list[tuple[str, Content]]()
        if (values := branch.values) is not None:
            values = [value for value in values if self.fits(parts, value)]
            rest = [value for value in values if value is not None]
            if rest:
                made.append((_kind_of(rest), Atom(spell_values(rest, beside=False))))
            return len(rest) < len(values), made
        if any(part.words.get("not") in ({}, True) for part in parts):
            return False, []
        kinds, makers = branch.kinds, self._makers()
        for part in parts:
            self._note_unheld(part, kinds)
        for kind in (it for it in makers if it in kinds):
            if (content := makers[kind](parts)) is not None:
                made.append((kind, content))
        return "null" in kinds, made

    def _makers(self) -> dict[str, Callable[[tuple[Part, ...]], Content | None]]:
        return {
            "object": lambda parts: keyed(parts, self),
            "array": self._array,
            "string": self._text,
            "integer": lambda parts: self._number(parts, "integer"),
            "number": lambda parts: self._number(parts, "number"),
            "boolean": lambda _: Atom({}, boolean=True),
        }

    def _note_unheld(self, part: Part, kinds: set[str]) -> None:
        words = part.words
        for word in ("not", *(("if",) if {"then", "else"} & words.keys() else ())):
            if word in words and words[word] is not False:
                self.note(part, word)
        for kind in kinds & _UNHELD.keys():
            for word in _UNHELD[kind]:
                if word in words and (word, words[word]) != ("uniqueItems", False):
                    self.note(part, word)

    def _number(self, parts: Sequence[Part], kind: str) -> Content | None:
        schema = number_of(parts, kind, self.note)
        return Atom({}, (schema,)) if schema else None

    def _text(self, parts: Sequence[Part]) -> Content | None:
        rule = rule_of(parts, self.note)
        return Text((rule,)) if rule else None

    def _array(self, parts: Sequence[Part]) -> Content | None:
        lists = [_items(part) for part in parts]
        length = max((len(first) for first, _ in lists), default=0)
        first = list[Place]()
        for n in range(length):
            here = [given[n] if n < len(given) else rest for given, rest in lists]
            first.append(self.place([part for part in here if part is not None]))
        rests = [rest for _, rest in lists if rest]
        rest = self.place(rests) if rests or not length else None
        least = int(max([part.number("minItems", 0) for part in parts], default=0))
        most = int(min([part.number("maxItems", LONG) for part in parts], default=LONG))
        if rest is None:
            most = min(most, length)
        if most < least or least >= LONG:
            return None
        return Arr(first[:most], rest if most > length else None, least, None if most >= LONG else most)

    def _choice(self, made: Sequence[tuple[str, Content, Branch]]) -> Content | None:
        """One content for all: texts become one, and so do values that their spelling tells apart, where all are such;
        else numbers, true and false have names of their own."""
        plain = all(isinstance(content, Atom) for _, content, _ in made)
        groups: dict[object, list[tuple[str, Content, Branch]]] = {}
        for label, content, branch in made:
            together = isinstance(content, Text) or (isinstance(content, Atom) and (plain or bool(content.values)))
            key = type(content) if together else id(content)
            groups.setdefault(key, []).append((label, content, branch))
        options, labels = list[Option](), set[str]()
        for group in groups.values():
            label = _distinct(group[0][0], labels)
            options.append(Option(label, _joined([it for _, it, _ in group]), self._fits_any([it[2] for it in group])))
        return None if not options else options[0].content if len(options) == 1 else Choice(options)

    def _fits_any(self, found: Sequence[Branch]) -> Callable[[JsonValue], bool]:
        return lambda value: any(self.fits(branch.parts, value) for branch in found)


def _items(part: Part) -> tuple[list[Part], Part | None]:
    """The items that have places of their own, and the others (None if nothing is said of them)."""
    words = part.words
    first, others = words.get("prefixItems"), "items"
    if isinstance(words.get("items"), list):  # before 2020-12
        first, others = words["items"], "additionalItems"
    given = [part.inner(it, "items", n) for n, it in enumerate(first)] if isinstance(first, list) else []
    return given, part.inner(words[others], others) if others in words else None


def _kind_of(values: Sequence[JsonValue]) -> str:
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}
    found = {kinds.get(type(value), "option") for value in values}
    return found.pop() if len(found) == 1 else "option"


def _distinct(label: str, labels: set[str]) -> str:
    """A name of an element that is not taken yet; it is taken then."""
    stem = label if NAME.fullmatch(label) else "option"
    name = next(it for it in (stem, *(f"{stem}{n}" for n in range(2, len(labels) + 3))) if it not in labels)
    labels.add(name)
    return name


def _joined(group: Sequence[Content]) -> Content:
    if len(group) == 1:
        return group[0]
    texts = [it for it in group if isinstance(it, Text)]
    if texts:
        return Text(tuple(dict.fromkeys(rule for text in texts for rule in text.rules)))
    atoms = [it for it in group if isinstance(it, Atom)]
    numbers = [number for atom in atoms for number in atom.numbers]
    boolean = any(atom.boolean for atom in atoms)
    values = list[JsonValue]()
    for value in (it for atom in atoms for it in atom.values.values()):
        if not any(same(value, other) for other in values):
            values.append(value)
    distinct = [number for n, number in enumerate(numbers) if number not in numbers[:n]]
    return Atom(spell_values(values, beside=bool(numbers) or boolean), tuple(distinct), boolean)


def _apart(one: Branch, other: Branch) -> bool:
    """Whether no value is of both branches, as far as kinds and constants tell."""
    if any("discriminator" in part.words for part in (*one.parts, *other.parts)):
        return True
    if one.values is not None and other.values is not None:
        return not any(same(value, another) for value in one.values for another in other.values)
    kinds = [{"number" if it == "integer" else it for it in branch.kinds} for branch in (one, other)]
    if not kinds[0] & kinds[1]:
        return True
    marks, others = _constants(one), _constants(other)
    return any(not same(value, others[key]) for key, value in marks.items() if key in others)


def _constants(branch: Branch) -> dict[str, JsonValue]:
    """The properties that a branch requires to have one value."""
    required = {str(key) for part in branch.parts for key in part.listed("required")}
    found: dict[str, JsonValue] = {}
    for part in branch.parts:
        for key, inner in part.mapped("properties").items():
            if key in required and isinstance(inner, dict) and "const" in inner:
                found[key] = inner["const"]
    return found
