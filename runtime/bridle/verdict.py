"""What a policy says of one tool: what of it can be said, and whether what was said may be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from pydantic import JsonValue

from bridle.errors import BridleError, FormatError, GrammarError
from bridle.grammar.check import checker
from bridle.grammar.hold import hold
from bridle.grammar.keywords import Schema, without
from bridle.grammar.observed import NOTHING, Results, values_at
from bridle.grammar.said import Call
from bridle.grammar.span import apart
from bridle.narrowing import spelled
from bridle.trust import are_said, held_to_words

Word: TypeAlias = Literal["allow", "ask", "deny"]
STRICTNESS: tuple[Word, ...] = ("allow", "ask", "deny")
"""Words, the strictest last."""
LATER = "what no grammar holds of that is refused only after it was said"


class PolicyError(BridleError):
    """A call that the policy does not allow."""


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
    apart: bool = False
    """What comes of it is kept in quarantine."""
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
        told += ["what comes of it is read apart"] if self.apart else []
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
