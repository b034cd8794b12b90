"""How fast and how right masks are, over a folder of schemas with instances that are valid and ones that are not.

The folder has the layout of MaskBench (Moskal, 2025): JSON files with `schema` and `tests`, each test with `data` and
`valid`. An instance is spelled as a model would, and walked token by token the way the engine does: mask, choose,
commit. A schema is taken at its word: objects that do not say they are closed are open.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from pydantic import JsonValue

from bridle.engine.base import Sampling
from bridle.engine.mask import allows
from bridle.engine.sample import Sampler
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BridleError, EngineError, FormatError, UsageError
from bridle.evals.order import can_write
from bridle.grammar.base import NATURAL
from bridle.grammar.check import checker
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.grammar.hold import hold
from bridle.grammar.keywords import Schema
from bridle.grammar.schema import json_rule

ROOM = 256
"""Tokens of budget beyond twice an instance, so that it is the grammar that decides."""
LIKELY = 30.0
"""Score of the token that is to be chosen; the others' are normal with this standard deviation:"""
SPREAD = 2.5
GREEDY = Sampling()

Timings = dict[str, list[float]]
Choose: TypeAlias = "Callable[[Document, int, Found], bool]"
"""Chooses a token of an instance and commits it; False if the mask does not have it."""


@dataclass
class Found:
    """What came of the schemas so far. Lists of reasons name the schema."""

    schemas: int = 0
    usable: int = 0
    """Schemas that compile."""
    exact: int = 0
    """Of these, the ones whose grammar alone decides what is valid; the rest but for those checked after leave out
    rare spellings of a format."""
    checked_after: int = 0
    """Of these, the ones whose documents are checked once they are whole."""
    passing: int = 0
    """Usable schemas with every instance judged right."""
    reordered: int = 0
    """Valid instances that the grammar writes in another order of their keys only."""
    wrong_of_exact: int = 0
    """Instances of the exact schemas that were judged wrong."""
    at: str = ""
    """The schema under way."""
    valid: int = 0
    invalid: int = 0
    valid_rejected: list[str] = field(default_factory=list[str])
    invalid_accepted: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    allowed_then_rejected: list[str] = field(default_factory=list[str])
    """Instances of which a mask allowed a token that the matcher then did not take, or that two ways to walk them end
    otherwise."""
    forced_otherwise: int = 0
    """Times that what is forced spells a valid instance in other tokens than the tokenizer does."""
    walks: int = 0
    """Instances walked, each in two ways."""
    tokens: int = 0
    forced: int = 0
    times: Timings = field(default_factory=dict[str, list[float]])
    """Seconds, by what was done."""

    def as_json(self) -> dict[str, JsonValue]:
        """Counts, and times in microseconds."""
        timings = {name: summary(times) for name, times in self.times.items()}
        return {
            "schemas": self.schemas,
            "usable": self.usable,
            "exact": self.exact,
            "checked_after": self.checked_after,
            "passing": self.passing,
            "reordered": self.reordered,
            "wrong_of_exact": self.wrong_of_exact,
            "valid": self.valid,
            "invalid": self.invalid,
            "valid_rejected": len(self.valid_rejected),
            "invalid_accepted": len(self.invalid_accepted),
            "allowed_then_rejected": len(self.allowed_then_rejected),
            "walked_apart": cast("JsonValue", self.allowed_then_rejected),
            "forced_otherwise": self.forced_otherwise,
            "tokens": self.tokens,
            "forced": self.forced,
            "mask_us": cast("JsonValue", timings.get("mask", {})),
            "first_mask_us": cast("JsonValue", timings.pop("first mask", {})),
            "timings": cast("JsonValue", timings),
        }


def summary(times: Sequence[float]) -> dict[str, float]:
    """Percentiles in microseconds."""
    if not times:
        return {}
    micro = np.array(times) * 1e6
    shares = {"p50": 50, "p99": 99, "p999": 99.9, "max": 100}
    return {name: round(float(np.percentile(micro, share)), 1) for name, share in shares.items()}


def read_cases(folder: Path, limit: int = 0) -> list[Path]:
    """The schemas of a folder, or `limit` of them spread over it.

    Raises:
        UsageError: there are none.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError(f"there are no schemas in {folder}", hint="name a folder of MaskBench's JSON files")
    return paths[:: max(1, len(paths) // limit)][:limit] if limit else paths


def measure(paths: Iterable[Path], vocabulary: Vocabulary) -> Found:
    """Walk all instances of all schemas.

    Raises:
        UsageError: a file cannot be read.
    """
    bench, found = _Bench(vocabulary), Found()
    for path in paths:
        case = _read(path)
        bench.schema(path.stem, case["schema"], case.get("tests", []), found)
    return found


def _read(path: Path) -> Any:
    try:
        case: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    hint = "files look like MaskBench's, with 'schema' and 'tests', each test with 'data' and 'valid'"
    if not isinstance(case, dict) or not isinstance(cast("Any", case).get("schema"), dict):
        raise UsageError(f"{path} has no schema that is an object", hint=hint)
    tests = cast("Any", case).get("tests", [])
    if not isinstance(tests, list) or not all(map(_is_test, cast("list[object]", tests))):
        raise UsageError(f"{path} has tests without 'data', or without true or false as 'valid'", hint=hint)
    return cast("Any", case)


def _is_test(told: Any) -> bool:
    return isinstance(told, dict) and "data" in told and isinstance(cast("Any", told).get("valid"), bool)


class _Bench:
    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.compiler = Compiler(vocabulary)
        self._sampler = Sampler(vocabulary.size)
        noise = np.random.default_rng(0).standard_normal(vocabulary.size) * SPREAD
        self._logits = noise.astype(np.float32)
        self._end = min(vocabulary.eog)
        self._warm()

    def schema(self, name: str, schema: Any, tests: Sequence[Mapping[str, Any]], found: Found) -> None:
        """One schema with its instances."""
        found.schemas += 1
        found.at = name
        start = time.perf_counter()
        try:
            held = hold(schema, close=False)
            rule = f"start: {json_rule(held.schema, NATURAL)}"
            document = self._document(rule, ROOM)
            document.fill(self._sampler.row)
            check = checker(schema) if held.loose else None
        except (BridleError, RecursionError) as error:
            found.refused.append(f"{name}: {error}")
            return
        _note(found.times, "first mask", time.perf_counter() - start)
        found.usable += 1
        right = True
        found.exact += held.exact
        found.checked_after += bool(held.loose)
        for test in tests:
            accepted = self.accepts(rule, test["data"], found, valid=test["valid"])
            if not accepted and test["valid"] and can_write(held.schema, test["data"]):
                accepted = True
                found.reordered += 1
            accepted = accepted and (check is None or _passes(check, test["data"]))
            found.valid += bool(test["valid"])
            found.invalid += not test["valid"]
            right &= accepted == test["valid"]
            if accepted != test["valid"]:
                found.wrong_of_exact += held.exact
                (found.invalid_accepted if accepted else found.valid_rejected).append(name)
        found.passing += right

    def accepts(self, rule: str, instance: JsonValue, found: Found, *, valid: bool = True) -> bool:
        """Walk an instance to its end, or to where no mask allows it: once with every mask filled, once as the engine
        decodes. Which comes first changes, since the second finds states that the first has left."""
        tokens = [*self.vocabulary.tokenize(json.dumps(instance, ensure_ascii=False), False), self._end]
        walks: dict[Choose, bool] = {}
        ways: list[Choose] = [self._fill_and_choose, self._decode]
        for choose in ways if found.walks % 2 else reversed(ways):
            walks[choose] = self._walk(rule, tokens, choose, found, valid=valid)
        found.walks += 1
        if len(set(walks.values())) > 1:
            found.allowed_then_rejected.append(found.at)
        return walks[self._fill_and_choose]

    def _walk(self, rule: str, tokens: list[int], choose: Choose, found: Found, *, valid: bool) -> bool:
        counting = choose == self._fill_and_choose
        document = self._document(rule, 2 * len(tokens) + ROOM)
        at = 0
        while at < len(tokens) and not document.finished:
            start = time.perf_counter()
            forced = document.forced()
            _note(found.times, "forced", time.perf_counter() - start)
            if forced:
                due = tokens[at : at + len(forced)]
                if forced != due:
                    found.forced_otherwise += counting and valid and self._same_text(forced, tokens[at:])
                    return False
                document.advance(forced)
                found.forced += counting * len(forced)
            elif not self._chosen(document, tokens[at], choose, found):
                return False
            at += len(forced) or 1
        found.tokens += counting * at
        return at >= len(tokens) - 1 and document.finished

    def _chosen(self, document: Document, token: int, choose: Choose, found: Found) -> bool:
        """One token, chosen and taken; False if the mask has none of it."""
        logits = self._logits
        logits[token], usual = LIKELY, logits[token]
        try:
            return choose(document, token, found)
        except EngineError:
            found.allowed_then_rejected.append(found.at)
            return False
        finally:
            logits[token] = usual

    def _fill_and_choose(self, document: Document, token: int, found: Found) -> bool:
        sampler, clock = self._sampler, time.perf_counter
        start = clock()
        document.fill(sampler.row)
        masked = clock()
        if not allows(sampler.row, token):
            return False
        asked = clock()
        sampler.choose(self._logits, GREEDY, row=sampler.row, signal=False)
        chosen = clock()
        document.advance([token])
        done = clock()
        _note(found.times, "mask", masked - start)
        _note(found.times, "choose", chosen - asked)
        _note(found.times, "commit", done - chosen)
        _note(found.times, "all three", masked - start + done - asked)
        return True

    def _decode(self, document: Document, token: int, found: Found) -> bool:
        """The way of `engine.sequence`."""
        clock, signals = time.perf_counter, bool(found.walks % 4 < 2)
        start = clock()
        choice = self._sampler.choose(self._logits, GREEDY, mask=document, signal=signals)
        if choice.token != token:
            return False
        document.advance([token])
        name = "as decoded" if signals else "as decoded, without signals"
        _note(found.times, name, clock() - start)
        return True

    def _same_text(self, forced: list[int], due: list[int]) -> bool:
        """Whether forced tokens spell what comes, in other tokens."""
        said, wanted = self.vocabulary.spell(forced), self.vocabulary.spell(due[:-1])
        return wanted.startswith(said)

    def _document(self, rule: str, budget: int) -> Document:
        compiled = self.compiler.compile(rule)
        least = len(compiled.minimum or ())
        return Document(self.compiler, [Phase("document", rule)], max(budget, 2 * least))

    def _warm(self) -> None:
        schema: Schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
        for _ in range(20):
            self.accepts(f"start: {json_rule(hold(schema).schema, NATURAL)}", {"a": "some words"}, Found())


def _passes(check: Callable[[JsonValue], object], instance: JsonValue) -> bool:
    try:
        check(instance)
    except FormatError:
        return False
    return True


def _note(times: Timings, name: str, seconds: float) -> None:
    times.setdefault(name, []).append(seconds)
