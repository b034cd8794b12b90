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
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from bridle.errors import BridleError, FormatError, GrammarError, UsageError, describe
from bridle.grammar.action import Call
from bridle.grammar.check import checker
from bridle.grammar.hold import hold
from bridle.grammar.keywords import Schema, without
from bridle.grammar.observed import NOTHING, Results, read_path, values_at
from bridle.grammar.span import apart
from bridle.narrowing import see_meant, spelled
from bridle.tool import Effect, Tool
from bridle.trust import are_said, held_to_words

Word: TypeAlias = Literal["allow", "ask", "deny"]
STRICTNESS: tuple[Word, ...] = ("allow", "ask", "deny")
"""Words, the strictest last."""
LATER = "what no grammar holds of that is refused only after it was said"
PUBLIC = "public"
"""The level of what no level names."""


class PolicyError(BridleError):
    """A call that the policy does not allow."""


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
        if self.after and not any(_like(it, self.after) for it in sources):
            return False
        return _like(tool, self.tools) and (not self.skills or _like(skill, self.skills))


class Level(_Told):
    """How confidential what some tools tell is."""

    name: Annotated[str, Field(min_length=1)]
    tools: Annotated[list[str], Field(min_length=1)]


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
        numbers = (number for number, it in enumerate(self.level, 1) if any(_like(tool, it.tools) for tool in sources))
        return max(numbers, default=0)

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
            rules=(*(f"rule {number}" for number, _ in rules), *(["default"] if by_default else [])),
        )


OPEN = Policy(unsafe="allow")
"""Nothing is forbidden."""


@dataclass(frozen=True)
class Verdict:
    """What a policy says of one tool."""

    tool: str
    word: Word
    narrowings: Sequence[Mapping[str, JsonValue]] = ()
    trusted: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Arguments that only people's words may fill, or what stands at some places in results."""
    calls: int | None = None
    later: Sequence[Mapping[str, JsonValue]] = ()
    """Those of the narrowings that may be said and refused then, where no grammar holds them."""
    rules: Sequence[str] = field(default=())
    """Which rules say so, for people."""

    @property
    def plain(self) -> bool:
        """It takes nothing away."""
        return self.word == "allow" and not self.narrowings and not self.trusted and self.calls is None

    def __str__(self) -> str:
        """For people: `ask; narrowed; to must be said by a person; 3 calls (rule 1, rule 4)`."""
        told = [self.word, *(["narrowed"] if self.narrowings else []), *([LATER] if self.later else [])]
        for name, places in self.trusted.items():
            told.append(f"{name} must be said by a person" + (f", or stand in {', '.join(places)}" if places else ""))
        told += [f"{self.calls} calls"] if self.calls is not None else []
        return f"{'; '.join(told)} ({', '.join(self.rules)})"

    def narrowed(self, schema: Schema, said: Sequence[str], results: Results = NOTHING) -> Schema | None:
        """The arguments that can be spelled, after what people said and calls came to; None where there are none.

        >>> sends = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
        >>> mails = Verdict("send", "allow", trusted={"to": ("find[*].mail",)})
        >>> mails.narrowed(sends, ["Mail Ana"])["properties"]["to"]["pattern"]
        '^(?:Mail(?: Ana)?|Ana)$'
        >>> mails.narrowed(sends, [], {"find": [[{"mail": "Bo"}]]})["properties"]["to"]["pattern"]
        '^(?:Bo)$'
        >>> mails.narrowed(sends, []) is None
        True
        >>> pays = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
        >>> Verdict("pay", "allow", trusted={"amount": ()}).narrowed(pays, ["Pay 12"])["properties"]["amount"]["enum"]
        [12]
        """
        if self.word == "deny":
            return None
        properties = cast("Mapping[str, dict[str, JsonValue]]", schema.get("properties", {}))
        told = {
            name: held_to_words(properties[name], self._texts(name, said, results), name)
            for name in properties
            if name in self.trusted
        }
        parts: dict[str, JsonValue] = {**properties, **told}
        held = without({**schema, "properties": parts}, {name for name, it in told.items() if it is False})
        if held is False:
            return None
        if self.narrowings:
            needed: JsonValue = [name for name, spec in properties.items() if not self._allows_default(name, spec)]
            firm = [it for it in self.narrowings if it not in self.later]
            held = {"allOf": cast("JsonValue", [held, *self.later, *map(spelled, firm), {"required": needed}])}
        try:
            hold(apart(held)[0])  # as `Actions` does, so that it is found out once
        except GrammarError:  # nothing fits: no number was said, or the rules leave none
            return None
        return held

    def _allows_default(self, name: str, spec: Mapping[str, JsonValue]) -> bool:
        """Whether an argument may be left out: the tool would get a value of its own for it."""
        if spec.get("default") is None:
            return True
        parts = [cast("Mapping[str, Schema]", it.get("properties", {})).get(name) for it in self.narrowings]
        try:
            for part in filter(None, parts):
                checker(part)(spec["default"])
        except FormatError:
            return False
        return True

    def _texts(self, name: str, said: Sequence[str], results: Results) -> list[str]:
        """What an argument may be taken from."""
        return [*said, *(str(it) for path in self.trusted[name] for it in values_at(path, results))]

    def check(self, call: Call, used: int, said: Sequence[str], results: Results = NOTHING) -> None:
        """See that a call keeps to it; `used` are the calls of the tool before.

        Raises:
            PolicyError: it does not; which rule it breaks.
        """
        where = f"the policy ({', '.join(self.rules)}) does not allow {call.tool}"
        if self.word == "deny":
            raise PolicyError(where)
        if self.calls is not None and used >= self.calls:
            raise PolicyError(f"{where} more than {self.calls} times")
        for narrowing in self.narrowings:
            try:
                checker(narrowing)(dict(call.args))
            except FormatError as error:
                raise PolicyError(f"{where} with these arguments: {error.message}") from None
        for name in self.trusted.keys() & call.args.keys():
            texts = self._texts(name, said, results)
            if not are_said(call.args[name], texts):
                raise PolicyError(f"{where} with a {name} that nobody said: {str(call.args[name])[:80]!r}")


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
