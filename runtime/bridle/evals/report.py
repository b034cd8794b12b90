"""What an evaluation found, as a file that another can be held against.

Two reports are compared case by case: the same case in the same variant makes a pair, and the pairs are drawn again and
again (the paired bootstrap; Efron 1979, Koehn 2004 for systems on one test set), so that how much a difference could be
chance is a number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from bridle.errors import UsageError, describe

DRAWS = 10_000
"""Samples of the bootstrap."""
LEVEL = 0.95
"""Share of them that an interval holds."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(_Told):
    """One case, once."""

    case: str
    family: str
    tags: list[str]
    variant: str
    repeat: int
    passed: bool
    valid: bool
    """Every step of it was of its form at the first attempt."""
    checks: dict[str, str]
    """What was looked at, each with what is wrong with it (nothing, where it is as expected)."""
    steps: int
    tokens: int
    seconds: float
    run: str


class Report(_Told):
    """One evaluation."""

    suite: str
    digest: str
    model: str
    version: str
    at: str
    variants: list[str]
    results: list[Result]

    def of(self, variant: str) -> list[Result]:
        """The results of one variant."""
        return [result for result in self.results if result.variant == variant]


@dataclass(frozen=True)
class Row:
    """Some results together; shares from 0 to 1, means of the rest."""

    name: str
    cases: int
    passed: float
    low: float
    """Of the share passed, the lower end of its interval."""
    high: float
    spread: float | None
    """The standard deviation of the share passed between repeats, where there are several."""
    valid: float
    calls: float | None
    """Share of exact calls, of the results that expect any."""
    steps: float
    tokens: float
    seconds: float


def row(name: str, results: Sequence[Result]) -> Row:
    """Results as one line of a table.

    Raises:
        UsageError: there are none.
    """
    if not results:
        raise UsageError("there are no results")
    called = [not result.checks["calls"] for result in results if "calls" in result.checks]
    shares = _shares(results)  # repeats of a case say little that is new: it counts once
    low, high = wilson(sum(shares.values()), len(shares))
    return Row(
        name,
        len(shares),
        _mean(shares.values()),
        low,
        high,
        _spread(results),
        _mean(result.valid for result in results),
        _mean(called) if called else None,
        _mean(result.steps for result in results),
        _mean(result.tokens for result in results),
        _mean(result.seconds for result in results),
    )


def by_tag(results: Sequence[Result]) -> list[Row]:
    """A line for each tag, and for each family where cases have no tags."""
    names = dict.fromkeys(name for result in results for name in (result.tags or [result.family]))
    return [row(name, [it for it in results if name in (it.tags or [it.family])]) for name in names]


def wilson(passed: float, of: int) -> tuple[float, float]:
    """The interval in which a share lies 95 times of 100 (Wilson 1927), also where all or none passed.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    z, share = 1.96, passed / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


@dataclass(frozen=True)
class Difference:
    """How the share passed changed from a baseline, and where 95 of 100 samples lie."""

    variant: str
    tag: str
    """Empty for all cases of the variant."""
    cases: int
    before: float
    now: float
    low: float
    high: float

    @property
    def is_regression(self) -> bool:
        """Whether it is worse beyond chance."""
        return self.high < 0

    @property
    def is_gain(self) -> bool:
        """Whether it is better beyond chance."""
        return self.low > 0


def compare(report: Report, baseline: Report, *, seed: int = 0) -> list[Difference]:
    """The difference in each variant that both have, and in each tag of it."""
    found = list[Difference]()
    for variant in (it for it in report.variants if it in baseline.variants):
        now, before = report.of(variant), baseline.of(variant)
        found += _difference(variant, "", now, before, seed)
        for name in dict.fromkeys(name for result in now for name in result.tags):
            mine, theirs = ([it for it in results if name in it.tags] for results in (now, before))
            found += _difference(variant, name, mine, theirs, seed)
    return found


def check_comparable(baseline: Report, variants: Collection[str], cases: Collection[str]) -> None:
    """See that a baseline has some case in some variant, before anything is run.

    Raises:
        UsageError: it has none.
    """
    if not any(it.variant in variants and it.case in cases for it in baseline.results):
        raise UsageError(
            f"the baseline has no case in common with this run: it is of {baseline.suite}, {baseline.variants}",
            hint="compare reports of the same suite and variants",
        )


def unlike(report: Report, baseline: Report) -> list[str]:
    """What is not compared, or not with the same, in words."""
    pairs = [{(it.variant, it.case) for it in told.results} for told in (report, baseline)]
    found = ["the suite was another one then: cases of one name may differ"] * (report.digest != baseline.digest)
    for number, where in ((len(pairs[0] - pairs[1]), "the baseline"), (len(pairs[1] - pairs[0]), "this run")):
        if number:
            found.append(f"{number} {'case is' if number == 1 else 'cases are'} not in {where}, and not compared")
    return found


def _difference(variant: str, tag: str, now: Sequence[Result], before: Sequence[Result], seed: int) -> list[Difference]:
    shares = [_shares(results) for results in (before, now)]
    common = [case for case in shares[1] if case in shares[0]]
    if not common:
        return []
    pairs = np.array([[share[case] for case in common] for share in shares])
    changes = pairs[1] - pairs[0]
    drawn = np.random.default_rng(seed).integers(len(common), size=(DRAWS, len(common)))
    low, high = np.quantile(changes[drawn].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    means = pairs.mean(axis=1)
    return [Difference(variant, tag, len(common), float(means[0]), float(means[1]), float(low), float(high))]


def _shares(results: Sequence[Result]) -> dict[str, float]:
    """Of every case, the share of its repeats that passed."""
    cases: dict[str, list[bool]] = {}
    for result in results:
        cases.setdefault(result.case, []).append(result.passed)
    return {case: _mean(passed) for case, passed in cases.items()}


def read_report(path: Path) -> Report:
    """A report from its file.

    Raises:
        UsageError: there is none, or it is none.
    """
    try:
        return Report.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{path} is no report of an evaluation: {describe(error)[:300]}") from None


def _spread(results: Sequence[Result]) -> float | None:
    repeats: dict[int, list[bool]] = {}
    for result in results:
        repeats.setdefault(result.repeat, []).append(result.passed)
    return float(np.std([_mean(passed) for passed in repeats.values()], ddof=1)) if len(repeats) > 1 else None


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)
