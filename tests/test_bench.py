"""The benchmarks, run small: what they tell, and that it is right where that can be known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_decoding_is_measured(bridle: Any) -> None:
    told = bridle("bench", "decode", "--repeat", "2", "--json").json
    for way in ("constrained", "unconstrained"):
        assert set(told[way]) >= {"tokens_per_second", "ms_per_sampled_token", "forced_share", "outside_decode_share"}
    assert told["constrained"]["forced_share"] > 0.3
    assert told["unconstrained"]["forced_share"] == 0
    assert "tokens/s" in bridle("bench", "decode", "-n", "1").out


def test_other_engines_are_measured(bridle: Any) -> None:
    told = bridle("bench", "decode", "-n", "1", "--peers", "--json").json["peers"]
    measured = {peer["name"]: peer for peer in told if not peer["problem"]}
    assert set(measured) >= {"bridle", "llama-cpp-python, GBNF", "outlines, llguidance"}
    assert all(peer["seconds_per_step"] > 0 and peer["version"] for peer in measured.values())
    assert measured["bridle"]["whole"] == 1.0


def test_agents_at_once_are_measured(bridle: Any) -> None:
    (load,) = bridle("bench", "agents", "--agents", "3", "--steps", "2", "--json").json["loads"]
    assert (load["agents"], load["steps"]) == (3, 6)
    assert load["reused_share"] > 0.3
    assert bridle("bench", "agents", "--agents", "many").code == 2


def test_masks_are_measured(bridle: Any, tmp_path: Path) -> None:
    """One schema that compiles and judges right, one that does not compile, one whose label is wrong."""
    folder = tmp_path / "schemas"
    folder.mkdir()
    count = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}
    tests: list[Any] = [
        {"valid": True, "data": {"n": 12}},
        {"valid": True, "data": {"n": 1, "undeclared": [True]}},
        {"valid": False, "data": {"n": -1}},
        {"valid": False, "data": {"n": "x"}},
        {"valid": False, "data": {}},
    ]
    cases: dict[str, Any] = {
        "right": {"schema": count, "tests": tests},
        "refused": {"schema": {"not": {"type": "string"}}, "tests": tests[:1]},
        "mislabelled": {"schema": count, "tests": [{"valid": False, "data": {"n": 3}}]},
    }
    for name, case in cases.items():
        (folder / f"{name}.json").write_text(json.dumps(case), encoding="utf-8")
    told = bridle("bench", "mask", str(folder), "--failures", "--json").json
    assert (told["schemas"], told["usable"], told["exact"], told["checked_after"], told["passing"]) == (3, 2, 2, 0, 1)
    assert (told["invalid_accepted"], told["valid_rejected"], told["wrong"]) == (1, 0, ["mislabelled"])
    assert told["refused"][0].startswith("refused: ")
    assert told["allowed_then_rejected"] == told["forced_otherwise"] == 0
    assert 0 < told["mask_us"]["p50"] <= told["mask_us"]["p99"] <= told["mask_us"]["p999"] <= told["mask_us"]["max"]
    assert told["first_mask_us"]["p50"] > 0
    assert "choose" in bridle("bench", "mask", str(folder), "--limit", "1").out
    assert bridle("bench", "mask", str(tmp_path / "none")).code == 2
    (folder / "right.json").write_text("[]", encoding="utf-8")
    assert "has no schema" in bridle("bench", "mask", str(folder)).err
