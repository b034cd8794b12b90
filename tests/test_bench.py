"""The benchmarks, run small: what they tell, and that it is right where that can be known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridle.evals.agents import Load, in_turn
from bridle.evals.tasks import read_tasks
from bridle.shelf import shelf


def test_decoding_is_measured(bridle: Any) -> None:
    told = bridle("bench", "decode", "--repeat", "2", "--json").json
    for way in ("constrained", "unconstrained"):
        assert set(told[way]) >= {"tokens_per_second", "ms_per_sampled_token", "forced_share", "outside_decode_share"}
    assert told["constrained"]["forced_share"] > 0.3
    assert told["unconstrained"]["forced_share"] == 0
    assert "tokens/s" in bridle("bench", "decode", "-n", "1").out


def test_many_calls_at_once_are_measured(bridle: Any) -> None:
    told = bridle("bench", "decode", "-n", "1", "--batch", "1,3", "--json").json["batches"]
    assert [it["size"] for it in told] == [1, 3]
    assert all(0 < it["outside_decode_share"] < 1 and it["tokens_per_second"] > 0 for it in told)


def test_calls_of_a_file_are_measured(bridle: Any, tmp_path: Path) -> None:
    """Python's names for types, as BFCL has them; a choice between two functions; what is no task."""
    number: Any = {"type": "dict", "properties": {"x": {"type": "float", "optional": True}}, "required": ["x"]}
    words: Any = {"type": "dict", "properties": {"text": {"type": "string", "enum": ["a", "b"]}}, "required": []}
    functions: list[Any] = [
        {"name": "math.root", "description": "A root.", "parameters": number},
        {"name": "say", "description": "Say it.", "parameters": words},
    ]
    task: Any = {"id": "t1", "question": [[{"role": "user", "content": "The root of 4?"}]], "function": functions}
    file = tmp_path / "tasks.jsonl"
    file.write_text(f"{json.dumps(task)}\n\n{json.dumps(task | {'id': 't2'})}\n", encoding="utf-8")
    told = bridle("bench", "decode", "-n", "1", "-t", "0", "--calls", str(file), "--json").json
    assert (told["calls"], told["temperature"]) == (2, 0)
    assert told["constrained"]["tokens"] > 5
    first, _ = read_tasks(file)
    calls: Any = Draft202012Validator(dict(first.schema))
    assert calls.is_valid({"tool": "math.root", "args": {"x": 2.5}})
    assert not calls.is_valid({"tool": "say", "args": {"text": "c"}})
    assert not calls.is_valid({"tool": "say", "args": {"more": 1}})
    assert len(read_tasks(tmp_path, limit=1)) == 1
    file.write_text('{"id": 1}', encoding="utf-8")
    assert "line 1, is no task" in bridle("bench", "decode", "--calls", str(file)).err
    assert "cannot be read" in bridle("bench", "decode", "--calls", str(tmp_path / "none")).err


def test_other_engines_are_measured(bridle: Any) -> None:
    told = bridle("bench", "decode", "-n", "1", "--peers", "--json").json["peers"]
    measured = {peer["name"]: peer for peer in told if not peer["problem"]}
    assert set(measured) >= {"bridle", "llama-cpp-python, GBNF", "outlines, llguidance"}
    assert all(peer["seconds_per_step"] > 0 and peer["version"] for peer in measured.values())
    assert measured["bridle"]["whole"] == 1.0


def test_agents_at_once_are_measured(bridle: Any) -> None:
    told = bridle("bench", "agents", "--agents", "3", "--steps", "2", "--rounds", "2", "--json").json
    (load,) = told["loads"]
    assert (told["rounds"], load["agents"], load["steps"], load["ratio"]) == (2, 3, 6, 1)
    assert load["reused_share"] > 0.3
    assert bridle("bench", "agents", "--agents", "many").code == 2
    assert "no number of agents" in bridle("bench", "agents", "-a", "").err


def test_no_figure_of_agents_is_cut(bridle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = bridle("bench", "agents", "--agents", "1", "--steps", "1").out.splitlines()
    figures = lines[-1].split()
    assert len(figures) == 12
    assert figures[:2] == ["bridle", "1"]
    assert figures[10] == "–", "one step has nothing before it"
    assert "…" not in "".join(lines)


def test_engines_take_their_turn_in_each_round() -> None:
    turns: list[tuple[str, int]] = []

    def way(name: str, *seconds: float) -> Callable[[int], Load]:
        def take(seed: int) -> Load:
            turns.append((name, seed))
            return Load(2, 8, seconds[seed], 10 * seconds[seed], 1, 1, 1, 1, 0.5, None)

        return take

    loads = in_turn({"bridle": way("bridle", 1, 2, 9), "other": way("other", 4, 5, 6)}, range(3))
    assert turns == [(name, seed) for seed in range(3) for name in ("bridle", "other")]
    assert (loads["bridle"].seconds, loads["bridle"].ratio) == (2, 1)
    assert (loads["other"].seconds, loads["other"].ratio, loads["other"].tokens_per_second) == (5, 2.5, 50)
    assert (loads["other"].agents, loads["other"].read_per_new) == (2, None)


def test_masks_are_measured(bridle: Any, tmp_path: Path) -> None:
    """Schemas judged right (by grammar, in another order, by a check); one that nothing fits; one wrongly labelled."""
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
        "refused": {"schema": {"type": "string", "not": {"type": "string"}}, "tests": tests[:1]},
        "in another order": {
            "schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
            "tests": [{"valid": True, "data": {"b": 1, "a": 2}}],
        },
        "checked after": {
            "schema": {"type": "array", "uniqueItems": True},
            "tests": [{"valid": True, "data": [1, 2]}, {"valid": False, "data": [1, 1]}],
        },
        "mislabelled": {"schema": count, "tests": [{"valid": False, "data": {"n": 3}}]},
    }
    for name, case in cases.items():
        (folder / f"{name}.json").write_text(json.dumps(case), encoding="utf-8")
    told = bridle("bench", "mask", str(folder), "--failures", "--json").json
    assert (told["schemas"], told["usable"], told["exact"], told["checked_after"], told["passing"]) == (5, 4, 3, 1, 3)
    assert (told["invalid_accepted"], told["valid_rejected"], told["wrong"]) == (1, 0, ["mislabelled"])
    assert (told["reordered"], told["wrong_of_exact"]) == (1, 1)
    assert told["refused"][0].startswith("refused: ")
    assert told["allowed_then_rejected"] == told["forced_otherwise"] == 0
    assert 0 < told["mask_us"]["p50"] <= told["mask_us"]["p99"] <= told["mask_us"]["p999"] <= told["mask_us"]["max"]
    assert told["first_mask_us"]["p50"] > 0
    assert "choose" in bridle("bench", "mask", str(folder), "--limit", "1").out
    assert bridle("bench", "mask", str(tmp_path / "none")).code == 2
    deep = '{"properties": {"a": ' * 400 + "{}" + "}}" * 400
    (folder / "right.json").write_text(f'{{"schema": {deep}}}', encoding="utf-8")
    assert "right: maximum recursion" in bridle("bench", "mask", str(folder), "--failures").out
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(
        (whole := (shelf("models") / "colt" / "colt.gguf").read_bytes())[:8] + b"\xff" * 600 + whole[608:]
    )
    for name in (str(tmp_path), "todo.txt", str(damaged)):
        told = [bridle("bench", *way, "-m", name).err for way in (("decode",), ("mask", str(folder)))]
        assert told[0] == told[1] != ""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "has no schema that is an object"),
        ('{"schema": true}', "has no schema that is an object"),
        ('{"schema": {}, "tests": [{"valid": true}]}', "has tests without 'data'"),
        ('{"schema": {}, "tests": [{"data": 1}]}', "without true or false as 'valid'"),
        ('{"schema": {}, "tests": {"data": 1}}', "has tests without 'data'"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_case_is_named(bridle: Any, tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "case.json").write_text(text, encoding="utf-8")
    failed = bridle("bench", "mask", str(tmp_path))
    assert failed.code == 2
    assert "case.json" in failed.err
    assert complaint in failed.err
