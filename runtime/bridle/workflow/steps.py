"""Steps as they are written in steps.yaml: read with their places, so that a mistake is told with line and column.

A step is a mapping whose first key is its verb; other keys are its options and the blocks of steps inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import yaml

from bridle.errors import SkillError

HOW = frozenset({"instructions", "examples", "thinking", "tokens"})
"""What any step of the model may say of how it is taken."""
ANY = frozenset({"as", "on error"})
"""What any step may have."""


@dataclass(frozen=True)
class Verb:
    """What a verb takes. `needed` are those of its options and blocks that must be there."""

    options: frozenset[str] = frozenset()
    blocks: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    branches: str = ""
    """The key under which there are named blocks."""
    bare: bool = False
    """It may stand alone."""


@dataclass(frozen=True)
class Step:
    """One step. `what` is what stands behind its verb, not yet filled in."""

    verb: str
    what: Any
    options: Mapping[str, Any]
    blocks: Mapping[str, Sequence[Step]]
    place: str
    """The file, the line and the column, for people."""


@dataclass
class Reader:
    """Reads the steps of one file.

    Raises:
        SkillError: what is written is not YAML, or no steps; the message says where and why.
    """

    path: Path
    verbs: Mapping[str, Verb]
    _loader: yaml.SafeLoader = field(init=False, repr=False)
    _inside: list[yaml.Node] = field(init=False, repr=False, default_factory=list[yaml.Node])

    def read(self) -> tuple[Mapping[str, Any], Sequence[Step]]:
        """The variables that it begins with, and the steps."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SkillError(f"{self.path} cannot be read: {error}") from None
        self._loader = yaml.SafeLoader(text)
        self._loader.name = str(self.path)
        try:
            top = self._loader.get_single_node()
        except yaml.YAMLError as error:
            raise SkillError(f"{self.path} is not YAML: {error}") from None
        if isinstance(top, yaml.SequenceNode):
            return {}, self._block(top)
        if top is None:
            raise SkillError(f"{self.path} is empty; a list of steps is due")
        pairs = self._pairs(top, "a list of steps is due, or a mapping with steps")
        self._check_names((key for key in pairs), {"steps", "variables"}, "is nothing that a workflow has")
        if "steps" not in pairs:
            raise self._error(top, "'steps' is missing")
        variables = dict[str, Any]()
        if "variables" in pairs:
            named = self._pairs(pairs["variables"][1], "a mapping of names to values is due")
            variables = {name: self._value(value) for name, (_, value) in named.items()}
        return variables, self._block(pairs["steps"][1])

    def _block(self, node: yaml.Node) -> Sequence[Step]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._error(node, "a list of steps is due")
        if any(node is it for it in self._inside):
            raise self._error(node, "these steps contain themselves")
        self._inside.append(node)
        steps = [self._step(it) for it in cast("list[yaml.Node]", node.value)]
        self._inside.pop()
        if not steps:
            raise self._error(node, "the list of steps is empty")
        return steps

    def _step(self, node: yaml.Node) -> Step:
        if isinstance(node, yaml.ScalarNode):
            verb = self._verb(node)
            if not self.verbs[verb].bare:
                raise self._error(node, f"'{verb}' needs something behind it, as in '{verb}: ...'")
            return Step(verb, None, {}, {}, self._place(node))
        pairs = self._pairs(node, "a step is due, as in 'reply: ...'")
        if not pairs:
            raise self._error(node, "a step is due, as in 'reply: ...'")
        (_, (key, what)), *others = pairs.items()
        verb = self._verb(key)
        spec, place = self.verbs[verb], self._place(key)
        options: dict[str, Any] = {}
        blocks: dict[str, Sequence[Step]] = {}
        for name, (at, value) in others:
            if name in spec.blocks or name == "on error":
                blocks[name] = self._block(value)
            elif spec.branches and name == spec.branches:
                branches = self._pairs(value, "a mapping of options to lists of steps is due")
                blocks |= {option: self._block(block) for option, (_, block) in branches.items()}
                options["from"] = list(branches)
            elif name in spec.options | ANY:
                options[name] = self._value(value)
            else:
                known = {*spec.options, *spec.blocks, *ANY, *([spec.branches] if spec.branches else [])}
                self._check_names([name], known, f"is nothing that '{verb}' has", at)
        for name in sorted(spec.needed - options.keys() - blocks.keys()):
            raise self._error(key, f"'{verb}' needs '{name}'")
        if verb == "do":
            blocks["do"] = self._block(what)
        elif verb == "parallel":
            if not isinstance(what, yaml.SequenceNode):
                raise self._error(what, "a list of branches is due, each a list of steps")
            for number, it in enumerate(cast("list[yaml.Node]", what.value), 1):
                blocks[f"{number}"] = self._block(it)
        elif verb == "choose" and "from" not in options:
            raise self._error(key, "'choose' needs 'from' (a list) or 'when' (steps for each option)")
        inner = verb in ("do", "parallel")
        return Step(verb, None if inner else self._value(what), options, blocks, place)

    def _verb(self, node: yaml.Node) -> str:
        name = str(cast("object", node.value))
        self._check_names([name], self.verbs, "is no verb", node)
        return name

    def _check_names(self, names: Iterable[str], known: Iterable[str], why: str, node: yaml.Node | None = None) -> None:
        known = sorted(known)
        for name in names:
            if name not in known:
                like = get_close_matches(name, known, 1)
                hint = f"; did you mean '{like[0]}'?" if like else f"; there are: {', '.join(known)}"
                raise self._error(node, f"'{name}' {why}{hint}") if node else SkillError(f"{self.path}: '{name}' {why}")

    def _pairs(self, node: yaml.Node, due: str) -> dict[str, tuple[yaml.ScalarNode, yaml.Node]]:
        """The keys as they are written (`yes` is a word here) with their nodes and values."""
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, due)
        found: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key is a word")
            if key.value in found:
                raise self._error(key, f"'{key.value}' stands here twice")
            found[str(key.value)] = (key, value)
        return found

    def _value(self, node: yaml.Node) -> Any:
        try:
            return cast("Any", self._loader.construct_object(node, deep=True))  # type: ignore[no-untyped-call]
        except yaml.YAMLError as error:
            raise self._error(node, f"this cannot be read: {error}") from None

    def _place(self, node: yaml.Node) -> str:
        return f"{self.path.name}, line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"

    def _error(self, node: yaml.Node, why: str) -> SkillError:
        return SkillError(f"{self.path.parent}/{self._place(node)}: {why}")
