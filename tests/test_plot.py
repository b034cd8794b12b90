"""Charts are PNG files; without matplotlib that is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridle.errors import UsageError
from bridle.evals.plot import plot_agents, plot_decode, plot_mask

SPEED = {"ms_per_token": 20.0, "tokens_per_second": 50.0}
PEER = {"version": "1", "seconds_per_step": 2.0, "ms_per_token": 30.0, "whole": 0.5, "ratio": 1.4, "problem": ""}
LOAD = {"steps": 8.0, "tokens_per_second": 40.0, "step_p50": 1.0, "step_p95": 2.0, "first_token_p50": 0.1}
DECODE = {
    "model": "colt",
    "repeat": 3,
    "constrained": SPEED,
    "unconstrained": SPEED,
    "drafts": SPEED,
    "batches": [{"size": 1, "tokens_per_second": 50.0, "seconds": 1.0}],
    "peers": [{"name": "bridle", **PEER}, {"name": "other", **PEER, "problem": "ImportError: it is not there"}],
}
AGENTS = {
    "model": "colt",
    "loads": [
        {"agents": 2.0, "reused_share": 0.0, **LOAD},
        {"agents": 2.0, "reused_share": 0.0, "name": "other", "whole": 0.5, **LOAD},
    ],
}
MASK = {"schemas": 3, "timings": {"mask": {"p50": 0.0, "p99": 2.0, "p999": 3.0, "max": 4.0}, "choose": {}}}
Plot = Callable[[Mapping[str, Any], Path], None]
CASES = [(plot_decode, DECODE), (plot_agents, AGENTS), (plot_mask, MASK)]


@pytest.mark.parametrize(("plot", "result"), CASES)
def test_a_chart_is_drawn(plot: Plot, result: Mapping[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot(result, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("plot", "result"), CASES)
def test_a_missing_matplotlib_is_told(
    plot: Plot, result: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="need matplotlib"):
        plot(result, tmp_path / "chart.png")
    assert not (tmp_path / "chart.png").exists()


def test_a_chart_that_cannot_be_drawn_is_told_before_anything_is_measured(
    bridle: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = [["bench", "decode"], ["bench", "agents"], ["bench", "mask", str(tmp_path / "none")]]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in commands:
        assert "charts need matplotlib" in bridle(*command, "--plot", str(tmp_path / "chart.png")).err
    monkeypatch.setitem(sys.modules, "matplotlib", ModuleType("matplotlib"))
    for command in commands:
        for path in (tmp_path, tmp_path / "none" / "chart.png"):
            assert "no chart can be written to" in bridle(*command, "--plot", str(path)).err
