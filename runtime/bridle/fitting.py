"""Whether a policy fits the tools that there are: a rule that names what a tool has not would hold nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal, cast

from pydantic import JsonValue

from bridle.errors import UsageError
from bridle.grammar.keywords import Schema
from bridle.grammar.observed import read_path
from bridle.narrowing import spelled, unheld
from bridle.policy import Policy, Rule
from bridle.tool import Tool

_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_INSTEAD = "say it as an enum, as a bound, or as a pattern without look-around; or deny the tool"


def see_fits(policy: Policy, tools: Sequence[Tool], syntax: Literal["json", "xml"] = "json", skill: str = "") -> None:
    """See that rules name arguments that their tools have, and forbid nothing that a grammar cannot; where a tool is
    denied to the skill, or a rule is for others, that does not matter.

    Raises:
        UsageError: one does not; which, and what to say instead.
    """
    for number, rule in enumerate(policy.rule, 1):
        named = [it for it in tools if it.name in rule.tools]
        if len(named) == len(rule.tools) and (why := next(_unknown(rule, named), "")):
            raise UsageError(f"rule {number} of the policy does not fit {', '.join(rule.tools)}: {why}")
        for tool in tools:
            if _holds(policy, rule, tool, skill) and (where := _unheld(rule, tool, syntax)):
                raise UsageError(
                    f"rule {number} of the policy cannot hold {tool.name}: no {syntax.upper()} grammar has {where}",
                    hint=f'{_INSTEAD}; or add held = "after": then it may be said, and is refused',
                )


def slips(policy: Policy, tools: Sequence[Tool], skills: Collection[str]) -> list[str]:
    """What in a policy speaks of nothing here: names that nothing is called like, and rules that fit none of the tools
    that they name."""
    known = [it.name for it in tools]
    named = [*_named(policy, known, "tool"), *_named(policy, skills, "skill")]
    for number, rule in enumerate(policy.rule, 1):
        about = [it for it in tools if _about(rule, it)]
        named += [f"rule {number} fits none of its tools: {why}" for why in _unknown(rule, about)]
    return named


def _named(policy: Policy, known: Collection[str], kind: Literal["tool", "skill"]) -> Iterator[str]:
    for name in dict.fromkeys(_tools(policy) if kind == "tool" else (it for rule in policy.rule for it in rule.skills)):
        if not any(fnmatchcase(it, name) for it in known):
            like = get_close_matches(name, known, 1, 0.5)
            yield f"nothing here is called {name}" + (f"; the nearest {kind} is {like[0]}" if like else "")


def _holds(policy: Policy, rule: Rule, tool: Tool, skill: str) -> bool:
    """Whether a rule may come to hold a call of a tool by a skill, which nothing else denies."""
    verdict = policy.verdict(tool, skill)
    open_to = not (skill and rule.skills) or any(fnmatchcase(skill, it) for it in rule.skills)
    return open_to and _about(rule, tool) and verdict.word != "deny" and verdict.calls != 0


def _about(rule: Rule, tool: Tool) -> bool:
    return any(fnmatchcase(tool.name, it) for it in rule.tools)


def _tools(policy: Policy) -> Iterator[str]:
    """The tools that a policy speaks of."""
    for rule in policy.rule:
        yield from (*rule.tools, *rule.after, *(read_path(it)[0] for it in rule.trusted_from))
    yield from (read_path(it)[0] for it in policy.trusted_from)
    yield from (name for part in (*policy.level, *policy.quarantine) for name in part.tools)
    yield from (name for claim in policy.claim for name in claim.needs)


def _unknown(rule: Rule, tools: Sequence[Tool]) -> Iterator[str]:
    """What a rule says of arguments that none of some tools has."""
    known = {name: None for it in tools for name in cast("Schema", it.schema.get("properties") or {})}
    for name in (it for it in rule.trusted if tools and it not in known):
        whole = name.partition(".")[0]
        if whole in known:
            yield f"only whole arguments can be trusted: {whole}, not {name}"
        else:
            yield f"trusted: {_no_argument(name, known)}"
    yield from (f"args: {_no_argument(it, known)}" for it in _narrowed(rule.args) if tools and it not in known)


def _no_argument(name: str, known: Iterable[str]) -> str:
    return f"there is no argument {name}; there are: {', '.join(known) or 'none'}"


def _narrowed(schema: JsonValue) -> Iterator[str]:
    """The arguments that a narrowing speaks of."""
    if isinstance(schema, dict):
        yield from cast("Schema", schema.get("properties") or {})
        for key in _IN_PLACE:
            inner = schema.get(key)
            for part in inner if isinstance(inner, list) else [inner]:
                yield from _narrowed(part)


def _unheld(rule: Rule, tool: Tool, syntax: Literal["json", "xml"]) -> str:
    """What of a narrowing no grammar holds beside a tool's own schema."""
    if not rule.args or rule.then == "deny" or rule.held == "after":
        return ""
    return ", ".join(unheld({"allOf": [dict(tool.schema)]}, {"allOf": [dict(tool.schema), spelled(rule.args)]}, syntax))
