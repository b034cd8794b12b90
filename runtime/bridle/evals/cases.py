"""A suite is a folder of YAML files, each a case or a list of cases: what is asked, and what must come of it.

request: "Make a note that the boiler is loud."
files: {todo.txt: "call Ana\n"}
expect:
  calls: [{tool: add_note, args: {text: the boiler is loud}}]
  database: [{file: notes.db, query: "select text from note", rows: [["the boiler is loud"]]}]
  answer: saved
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, TypeAlias, cast

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from bridle.catalogue import Catalogue, catalogue
from bridle.errors import BridleError, FormatError, GrammarError, ToolError, UsageError, describe
from bridle.evals.tasks import declared
from bridle.grammar.check import checker
from bridle.tool import Tool
from bridle.toolbox import TOOLBOX

NOW = datetime(2026, 3, 2, 9, 0)
"""What time it is in a case that does not say: a Monday."""


_KNOWN = {tool.name: tool for tool in TOOLBOX}
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where it is: it takes an eighth of the time."""
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(_SAFE):
    """YAML in which dates are texts, as arguments have them, and a key cannot come twice."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [(tag, pattern) for tag, pattern in known if tag != _TIMESTAMP]
        for first, known in _SAFE.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        if twice := [key for key, count in Counter(keys).items() if count > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"found '{twice[0]}' twice", node.start_mark)
        known: Any = super()
        return known.construct_mapping(node, deep)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Said(_Told):
    """What a text must be. A bare text stands for one that it must contain; case and white space do not count, but for
    `equals` and `matches`."""

    equals: str | None = None
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    matches: str | None = None
    """A regular expression that is found in it (Python's)."""
    number: float | None = None
    """One of the numbers in it, to within `within`."""
    within: float = 1e-9

    @field_validator("matches")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"'{pattern}' is no regular expression: {error}") from None
        return pattern


def _said(value: object) -> object:
    return {"contains": (value,)} if isinstance(value, str) else value


Text: TypeAlias = Annotated[Said, BeforeValidator(_said)]


class ExpectedCall(_Told):
    """A call to be made. An argument may be `{any_of: [...]}`, of which one must be given."""

    tool: str
    args: dict[str, JsonValue] = {}


class Rows(_Told):
    """What an SQLite file of the workspace must hold; bytes are told as hexadecimal digits."""

    file: str
    query: str
    rows: list[list[JsonValue]]


class Expect(_Told):
    """What must come of a case; what is not said is not looked at."""

    calls: list[ExpectedCall] | None = None
    """Exactly these, in this order."""
    never: tuple[str, ...] = ()
    """Tools that must not be called: a rule that is broken, not a slip."""
    answer: Text | None = None
    asks: Text | bool = False
    """It must end with a question; which one, if a text is given."""
    refuses: bool = False
    """It must end with a refusal."""
    files: dict[str, Text | None] = {}
    """By path; null for none there."""
    database: list[Rows] = []
    steps: int | None = None
    """At most."""
    tokens: int | None = None
    """At most, made."""


class Offer(_Told):
    """A tool that is not of the toolbox: what a model reads of it, and what it answers to any call."""

    name: str
    description: str = ""
    parameters: dict[str, JsonValue] = {"type": "object", "properties": {}}
    results: tuple[JsonValue, ...] = ("done",)
    """By call; the last one for all further calls. `{error: TEXT}` for a call that fails."""

    def check(self) -> Callable[[JsonValue], None]:
        """Raises `FormatError` for arguments that do not fit.

        Raises:
            UsageError: its parameters are no JSON Schema.
        """
        try:
            return checker(self.parameters)
        except GrammarError as error:
            raise UsageError(f"the parameters of {self.name} are {error.message}") from None

    def tool(self) -> Tool:
        """The tool, which takes only what fits its schema, with its results from the first on.

        Raises:
            UsageError: its parameters are no JSON Schema.
        """
        check = self.check()

        def fits(args: JsonValue) -> JsonValue:
            try:
                check(args)
            except FormatError as error:
                raise ValueError(error.message) from None
            return args

        arguments = create_model(
            "Arguments", __validators__={"fits": cast("Any", model_validator(mode="before")(fits))}
        )
        made = declared(self.name, self.description, self.parameters)
        return replace(made, function=self._answering(), arguments=arguments)

    def _answering(self) -> Callable[[], JsonValue]:
        due = list(self.results) or [None]

        def answer() -> JsonValue:
            result = due.pop(0) if len(due) > 1 else due[0]
            match result:
                case {"error": str(text), **rest} if not rest:
                    raise ToolError(text)
                case _:
                    return result

        return answer


class Case(_Told):
    """One thing to ask of an agent."""

    name: str = ""
    """The file's, if it is not given, with a number where it holds several."""
    family: str = ""
    """Cases made alike; data sets are split by it. The file's name if it is not given."""
    request: str = Field(min_length=1)
    files: dict[str, str] = {}
    """The workspace, by path."""
    tools: tuple[str, ...] | None = None
    """Of the toolbox; all of it if neither these nor offers are given."""
    offers: tuple[Offer, ...] = ()
    skill: str = "react"
    replies: tuple[str, ...] = ()
    """What the person answers, question by question; after the last nobody is there."""
    script: tuple[JsonValue, ...] = ()
    """What a scripted model replies, turn by turn (`bridle eval -m scripted`): the case is then one of control flow."""
    now: datetime = NOW
    tags: tuple[str, ...] = ()
    expect: Expect

    def toolbox(self) -> list[Tool]:
        """The tools that it offers.

        Raises:
            UsageError: one is not in the toolbox.
        """
        return [*(_KNOWN[name] for name in self._named()), *(offer.tool() for offer in self.offers)]

    def check(self, skills: Catalogue) -> None:
        """See that it can be done as it is told.

        Raises:
            UsageError: it cannot.
        """
        try:
            self._check(skills)
        except BridleError as error:
            raise UsageError(f"{self.name}: {error.message}", hint=error.hint) from None

    def _check(self, skills: Catalogue) -> None:
        if not self.request.strip():
            raise UsageError("its request is blank")
        for name in self.files:
            _check_path(name, self.files)
        for offer in self.offers:
            offer.check()
        offered = [*self._named(), *(offer.name for offer in self.offers)]
        name, count = Counter(offered).most_common(1)[0] if offered else ("", 0)
        if count > 1:
            raise UsageError(f"{count} of its tools are called {name}")
        skills.named(self.skill)
        called = [call.tool for call in self.expect.calls or ()]
        if {*called, *self.expect.never} - {*offered}:  # a skill may give its task to any other, and that has its own
            known = {*offered, *(tool.name for skill in skills.skills.values() for tool in skill.tools())}
            if unknown := [it for it in called if it not in known]:
                raise UsageError(f"it expects a call of {unknown[0]}, which it does not offer")
            if unknown := [it for it in self.expect.never if it not in known | _KNOWN.keys()]:
                raise UsageError(f"it forbids {unknown[0]}, and no tool is called so", hint="bridle tools list")

    def _named(self) -> Sequence[str]:
        wanted = self.tools if self.tools is not None else () if self.offers else tuple(_KNOWN)
        if missing := [name for name in wanted if name not in _KNOWN]:
            raise UsageError(f"no tool is called {missing[0]}", hint="bridle tools list")
        return wanted


class Suite(_Told):
    """Cases with different names, and the SHA-256 of the files they were read from."""

    name: str
    digest: str
    cases: tuple[Case, ...]


def read_suite(path: Path) -> Suite:
    """The cases of a folder (and of those in it), or of one file.

    Raises:
        UsageError: there are none, one is not well formed, or two have one name; where, and what is wrong.
    """
    files = sorted(path.rglob("*.y*ml")) if path.is_dir() else [path]
    digest, found = hashlib.sha256(), list[Case]()
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
            told: Any = yaml.load(text, _Loader)  # noqa: S506  # it is the safe one
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read: {error}") from None
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise UsageError(f"{file} is not YAML: {error}") from None  # some tags fail in ways of their own
        digest.update(text.encode())
        found += _cases(file, told)
    if not found:
        raise UsageError(f"there are no cases in {path}", hint="a case is a YAML file with 'request' and 'expect'")
    name, count = Counter(case.name for case in found).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{count} cases of {path} are called {name}", hint="give each a name of its own")
    skills = catalogue()
    for case in found:
        case.check(skills)
    whole = path.resolve()
    name = whole.parent.name if whole.name == "evals" else whole.stem  # a skill's own stands in its folder
    return Suite(name=name, digest=digest.hexdigest(), cases=tuple(found))


def _check_path(name: str, others: Collection[str]) -> None:
    """See that a file of a workspace can be written.

    Raises:
        UsageError: it leads outside, is no name, or is a folder of another one.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or "\0" in name:
        raise UsageError(f"its file '{name}' is not in the workspace")
    if inside := [it for it in others if path in PurePosixPath(it).parents]:
        raise UsageError(f"its file '{name}' cannot hold '{inside[0]}'")


def _cases(file: Path, told: object) -> Sequence[Case]:
    several = isinstance(told, list)
    found = list[Case]()
    for number, one in enumerate(cast("list[object]", told) if several else [told], 1):
        try:
            case = Case.model_validate(one)
        except ValidationError as error:
            where = f"{file}, case {number}," if several else str(file)
            raise UsageError(f"{where} is no case: {describe(error)}") from None
        name = case.name or (f"{file.stem}-{number}" if several else file.stem)
        found.append(case.model_copy(update={"name": name, "family": case.family or file.stem}))
    return found
