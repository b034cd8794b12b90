"""Records at length: a short go of the benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_records_hold_what_they_promise() -> None:
    """Replays and copies come to the same; no altered file is taken for whole."""
    script = Path(__file__).resolve().parents[1] / "benchmarks" / "records.py"
    if not script.is_file():
        pytest.skip("an installed Bridle has no benchmarks")
    only = [
        "--only",
        "replays",
        "copies",
        "same",
        "altered",
        "--times",
        "2",
        "--runs",
        "8",
        "--copied",
        "2",
        "--events",
        "40",
        "--json",
    ]
    done = subprocess.run([sys.executable, str(script), *only], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["replays"]["otherwise"], told["copies"]["otherwise"], told["altered"]["missed"]) == (0, 0, 0)
    assert told["copies"]["copies"] > 10
    assert told["same"].pop("times") == 2
    assert set(told["same"].values()) == {0}
    assert len(told["same"]) == 8
    assert told["altered"]["altered"] > 10_000
