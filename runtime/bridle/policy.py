"""What is allowed: rules over tools and skills, compiled into what can be said, and checked again on what was.

    unsafe = "ask"                    # tools that declare no effect, unless a rule names them
    scope = "task"                    # the tools that a run may use are chosen from the task, before anything is read

    [[rule]]
    tools = ["draft_mail", "send_*"]  # by name; * stands for anything
    skills = ["mail"]                 # only for these, if any are named
    then = "ask"                      # allow, ask, deny
    after = ["read_*"]                # only once something of these tools was read; a result is data, and may lie
    trusted = ["to"]                  # arguments that only a person's own words may fill,
    trusted_from = ["find_people[*].mail"]    # or what stands there in results
    calls = 3                         # of each of these tools, in a run
    up_to = "internal"                # only while nothing more confidential was read
    held = "after"                    # what no grammar holds of args may be said, and is refused then: else an error
    [rule.args]                       # a JSON Schema that the arguments have to fit beside their own
    properties.to.pattern = "@example\\\\.com$"

    [[level]]                         # how confidential results are, the least first; others are public
    name = "internal"
    tools = ["read_*"]

    [[quarantine]]                    # what comes of these is read by the model apart, without tools and before the
    tools = ["read_page"]             # conversation sees it, and only what it fills in here is shown
    question = "What is it about?"
    [quarantine.into]                 # a JSON Schema that has no room for words
    enum = ["an invoice", "an offer", "something else"]

All rules that name a tool hold at once: the strictest word, every narrowing, the least number. A tool that is denied is
not offered and cannot be spelled; an argument that is narrowed or has to be trusted is held by the grammar. What was
spelled is checked once more before it is done, with the values that the tool gets: by jsonschema-rs, which reads the
rules and not the grammar (`bridle.grammar.check`), and by a look into the texts (`bridle.trust`). Both sides share how
odd patterns are respelled, what a number in a text is and where a name in it ends.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from bridle.errors import GrammarError, UsageError, describe
from bridle.grammar.finite import bounded, infinite
from bridle.grammar.hold import hold
from bridle.grammar.keywords import Schema
from bridle.grammar.observed import read_path
from bridle.labels import at_all, in_words, read_apart
from bridle.narrowing import see_meant, see_schema
from bridle.tool import Effect, Tool
from bridle.verdict import STRICTNESS, Verdict, Word

PUBLIC = "public"
"""The level of what no level names."""


def _like(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, it) for it in patterns)


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    return text


def _is_path(text: str) -> str:
    try:
        read_path(text)
    except UsageError as error:
        raise ValueError(error.message) from None
    return text


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(_Told):
    """One rule; what it does not say, it does not touch."""

    tools: Annotated[list[str], Field(min_length=1)]
    skills: list[str] = []
    after: list[str] = []
    then: Word = "allow"
    args: dict[str, JsonValue] = {}
    up_to: str = ""
    trusted: list[str] = []
    trusted_from: list[Annotated[str, AfterValidator(_is_path)]] = []
    calls: Annotated[int, Field(ge=0)] | None = None
    held: Literal["grammar", "after"] = "grammar"
    """Whether what its `args` forbid cannot be said, or may be said and is refused then, where no grammar holds it."""

    def names(self, tool: str, skill: str, sources: Collection[str] = ()) -> bool:
        """Whether it is about a tool, used by a skill that has read what came of others, its sources."""
        if self.after and not any(_like(it, self.after) for it in in_words(sources)):
            return False
        return _like(tool, self.tools) and (not self.skills or _like(skill, self.skills))


class Level(_Told):
    """How confidential what some tools tell is."""

    name: Annotated[str, Field(min_length=1)]
    tools: Annotated[list[str], Field(min_length=1)]


class Quarantine(_Told):
    """What is left of the results of some tools: what a model that reads them alone, without tools, fills in."""

    tools: Annotated[list[str], Field(min_length=1)]
    into: dict[str, JsonValue]
    question: str = "Fill this in from the text."

    @model_validator(mode="after")
    def _has_no_room_for_words(self) -> Quarantine:
        try:
            see_schema(self.into)
        except GrammarError as error:
            raise ValueError(f"into is no JSON Schema: {error.message}") from None
        if where := infinite(self.into):
            raise ValueError(
                f"{where} has room for words, and a result may have put them there; choices, truth values, numbers, "
                "days, lists with maxItems, and objects with additionalProperties = false have none"
            )
        try:
            if loose := hold(self.held).loose:
                raise ValueError(f"no grammar holds all of into: {', '.join(loose)}")
        except GrammarError as error:
            raise ValueError(f"into: {error.message}") from None
        return self

    @property
    def held(self) -> Schema:
        """What is filled in, its numbers and times no longer than a grammar writes them."""
        return cast("Schema", bounded(cast("JsonValue", self.into)))


class Claim(_Told):
    """What an answer may only say on the strength of a call."""

    says: Annotated[str, AfterValidator(_is_pattern)]
    """A regular expression that is searched for in the answer."""
    needs: Annotated[list[str], Field(min_length=1)]
    """Tools, by name or pattern, of one of which there has to be a call that worked."""
    result: Annotated[str, AfterValidator(_is_pattern)] = ""
    """A regular expression that has to be found in what came of it."""


class Policy(_Told):
    """All rules. Where there is no policy, everything is as tools have it (`OPEN`)."""

    default: Word = "allow"
    """For tools that no rule names, or only such as hold after something was read."""
    unsafe: Word = "deny"
    """For those of them whose every call counts: whoever writes a policy names them, or says otherwise."""
    steps: Annotated[int, Field(ge=1)] | None = None
    """The most of each run, whatever else it may spend: times that the model is asked,"""
    tokens: Annotated[int, Field(ge=1)] | None = None
    """tokens made,"""
    seconds: Annotated[float, Field(gt=0)] | None = None
    """and time."""
    approval_seconds: Annotated[float, Field(gt=0)] | None = None
    """How long after it was asked for an approval is taken; for ever if not given."""
    scope: Literal["open", "task"] = "open"
    """Whether the tools that a run may use are chosen before it reads anything but the task."""
    trusted_from: list[Annotated[str, AfterValidator(_is_path)]] = []
    """Places in results that may fill any trusted argument (`bridle.grammar.observed`)."""
    level: list[Level] = []
    """Of results, the least confidential first; those of other tools are public."""
    quarantine: list[Quarantine] = []
    """Of several that name a tool the first holds."""
    cite: bool = False
    """Whether an answer has to name the calls that it stands on, once there are any."""
    claim: list[Claim] = []
    rule: list[Rule] = []

    def unfounded(self, answer: str, calls: Mapping[str, Sequence[JsonValue]]) -> str:
        """Why an answer may not be given on the strength of some calls (what they came to, by tool); empty if it may.

        >>> told = Policy.model_validate({"claim": [{"says": "tests pass", "needs": ["run_tests"], "result": "^ok"}]})
        >>> told.unfounded("All tests pass.", {"run_tests": ["ok, 12 tests"]})
        ''
        >>> told.unfounded("All tests pass.", {"run_tests": ["3 failed"]})
        "the answer says 'tests pass': that needs a call of run_tests that came to '^ok'"
        """
        for claim in self.claim:
            if (said := re.search(claim.says, answer)) is None:
                continue
            results = [str(it) for tool, found in calls.items() if _like(tool, claim.needs) for it in found]
            if not any(re.search(claim.result, it) for it in results):
                shown = f" that came to {claim.result!r}" if claim.result else " that worked"
                return f"the answer says {said[0]!r}: that needs a call of {' or '.join(claim.needs)}{shown}"
        return ""

    @model_validator(mode="after")
    def _knows_its_levels(self) -> Policy:
        known = [it.name for it in self.level]
        if unknown := {it.up_to for it in self.rule if it.up_to} - {PUBLIC, *known}:
            raise ValueError(
                f"there is no level {', '.join(sorted(unknown))}; there are: {', '.join((PUBLIC, *known))}"
            )
        return self

    @model_validator(mode="after")
    def _means_its_narrowings(self) -> Policy:
        for number, rule in enumerate(self.rule, 1):
            try:
                see_meant(rule.args)
            except GrammarError as error:
                raise ValueError(f"rule {number}: args are no JSON Schema: {error.message}") from None
        return self

    def confidential(self, sources: Collection[str]) -> int:
        """How confidential what came of some tools is: the number of the highest level, 0 for public."""
        read = at_all(sources)
        numbers = (number for number, it in enumerate(self.level, 1) if any(_like(tool, it.tools) for tool in read))
        return max(numbers, default=0)

    def kept_apart(self, tool: str) -> Quarantine | None:
        """What is left of a tool's results; None if they are shown as they are."""
        return next((it for it in self.quarantine if _like(tool, it.tools)), None)

    def label(self, tool: str) -> str:
        """What is on everything that depends on a tool's results as they are shown."""
        return tool if self.kept_apart(tool) is None else read_apart(tool)

    def _over(self, rule: Rule, sources: Collection[str]) -> bool:
        """Whether more was read than a rule lets its tools know."""
        names = [PUBLIC, *(it.name for it in self.level)]
        return bool(rule.up_to) and self.confidential(sources) > names.index(rule.up_to)

    def _trusted_from(self, name: str, rules: Sequence[Rule]) -> tuple[str, ...]:
        """The places that all rules which hold an argument agree on."""
        first, *others = [it.trusted_from for it in rules if name in it.trusted]
        return (*self.trusted_from, *(it for it in first if all(it in other for other in others)))

    def verdict(self, tool: Tool, skill: str = "", sources: Collection[str] = ()) -> Verdict:
        """What holds for a tool, used by a skill, once it has read what came of others, its sources."""
        rules = [(number, it) for number, it in enumerate(self.rule, 1) if it.names(tool.name, skill, sources)]
        words: list[Word] = ["deny" if self._over(it, sources) else it.then for _, it in rules]
        by_default = all(it.after for _, it in rules)  # what holds later takes nothing back of what held before
        if by_default:
            words += (self.default, self.unsafe) if tool.effect is Effect.UNSAFE else (self.default,)
        calls = [it.calls for _, it in rules if it.calls is not None]
        firm = [it.args for _, it in rules if it.held != "after" or not it.args]
        return Verdict(
            tool=tool.name,
            word=max(words, key=STRICTNESS.index),
            narrowings=tuple(it.args for _, it in rules if it.args),
            later=tuple(it.args for _, it in rules if it.held == "after" and it.args not in firm),
            trusted={name: self._trusted_from(name, [it for _, it in rules]) for _, it in rules for name in it.trusted},
            calls=min(calls, default=None),
            apart=self.kept_apart(tool.name) is not None,
            rules=(*(f"rule {number}" for number, _ in rules), *(["default"] if by_default else [])),
        )


OPEN = Policy(unsafe="allow")
"""Nothing is forbidden."""


def read_policy(path: Path) -> Policy:
    """The policy in a file.

    Raises:
        UsageError: it cannot be read, or is none; what is wrong.
    """
    try:
        return Policy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the policy {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{path} is no policy: {describe(error)}") from None
