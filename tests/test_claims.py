"""What an answer may say: on the strength of calls that were made, worked, and are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest

from bridle.agent import Agent
from bridle.catalogue import catalogue
from bridle.errors import FormatError
from bridle.evals.scripted import scripted_model
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.said import Answer
from bridle.how import StepSettings
from bridle.journal import Journal, Ruled, Status, StepTaken
from bridle.parse import parse
from bridle.policy import Policy
from bridle.replay import replay
from bridle.run import Run
from bridle.tool import tool


@tool(effect="pure")
def run_tests(suite: str) -> str:
    """Run tests."""
    if suite == "none":
        raise ValueError("there is no such suite")
    return "3 failed" if suite == "all" else "ok: 12 passed"


TOOLS = [run_tests]
CLAIM: dict[str, Any] = {"claim": [{"says": "(?i)tests? pass", "needs": ["run_*"], "result": "^ok"}]}
CITE: dict[str, Any] = {"cite": True}


def run(
    replies: list[Any], folder: Path, journal: Journal, policy: dict[str, Any], skill: str = "react", **settings: Any
) -> Run:
    with scripted_model([json.dumps(it) if not isinstance(it, str) else it for it in replies]) as model:
        chosen = StepSettings(thinking=None, policy=Policy.model_validate(policy), **settings)
        agent = Agent(model, workspace=folder, journal=journal, tools=TOOLS, settings=chosen, skill=skill)
        result = agent.run("test it")
    assert replay(journal, result.id, tools=TOOLS, catalogue=catalogue()) == ""
    return result


def tried(suite: str) -> dict[str, Any]:
    return {"tool": "run_tests", "args": {"suite": suite}}


PASS: dict[str, Any] = {"answer": "All tests pass."}
FAIL: dict[str, Any] = {"answer": "Three of them fail."}


@pytest.mark.parametrize(("suite", "stands"), [("unit", True), ("all", False), ("none", False)])
def test_a_claim_needs_a_call_that_shows_it(tmp_path: Path, journal: Journal, suite: str, stands: bool) -> None:
    result = run([tried(suite), PASS, FAIL], tmp_path, journal, CLAIM)
    assert result.answer == (PASS if stands else FAIL)["answer"]
    told = [it.body.verdicts for it in journal.events(result.id) if isinstance(it.body, Ruled)]
    assert bool(told) != stands
    if told:
        assert "that needs a call of run_* that came to '^ok'" in told[-1]["answer"]


def test_no_other_way_to_answer_claims_more(tmp_path: Path, journal: Journal) -> None:
    """Free words are held to it as well, and what a skill puts together."""
    claimed = run(["All tests pass."], tmp_path, journal, CLAIM, skill="chat")
    assert (claimed.status, claimed.answer) == (Status.FAILED, None)
    assert claimed.reason == "the answer says 'tests pass': that needs a call of run_* that came to '^ok'"
    assert run(["I do not know."], tmp_path, journal, CLAIM, skill="chat").answer == "I do not know."


def test_who_goes_on_claiming_is_stopped(tmp_path: Path, journal: Journal) -> None:
    result = run([PASS] * 9, tmp_path, journal, CLAIM)
    assert (result.status, result.answer) == (Status.FAILED, None)


@pytest.mark.parametrize("syntax", ["json", "xml"])
def test_an_answer_names_its_calls(tmp_path: Path, journal: Journal, syntax: Literal["json", "xml"]) -> None:
    """Those that worked; another number cannot be said."""
    form = Actions({}, syntax, cites=(1, 2))
    said = [form.spell(Answer("Three of them fail.", (2,)))]
    calls: list[Any] = [tried("none"), tried("all")]
    if syntax == "xml":
        calls = [f'<call tool="run_tests"><suite>{it}</suite></call>' for it in ("none", "all")]
    result = run([*calls, *said], tmp_path, journal, CITE, format=syntax)
    assert result.answer == "Three of them fail."
    assert "[2] 3 failed" in [it.content for it in result.messages if it.role == "tool"]
    last = [it.body for it in journal.events(result.id) if isinstance(it.body, StepTaken)][-1]
    assert last.value == {"answer": "Three of them fail.", "cites": [2]}


def test_a_claim_stands_on_what_is_named(tmp_path: Path, journal: Journal) -> None:
    """A test that passed is no proof of another that did not."""
    replies = [tried("unit"), tried("all"), {**PASS, "cites": [2]}, {**PASS, "cites": [1]}]
    result = run(replies, tmp_path, journal, {**CLAIM, **CITE})
    assert result.answer == "All tests pass."
    assert sum(isinstance(it.body, Ruled) for it in journal.events(result.id)) == 1


@pytest.mark.parametrize("syntax", ["json", "xml"])
def test_only_calls_that_there_were_can_be_named(syntax: Literal["json", "xml"], compiler: Compiler) -> None:
    form = Actions({}, syntax, cites=(3, 12))
    grammar = compiler.compile(form.grammar())
    for cites, fine in [((3,), True), ((12, 3), True), ((3, 12), True), ((1,), False), ((), False), ((312,), False)]:
        text = form.spell(Answer("x", cites))
        matcher = grammar.start.deep_copy()
        assert (
            matcher.consume_tokens(compiler.vocabulary.tokenize(text, False).tolist()) and matcher.is_accepting()
        ) == fine
        tree = parse(text, syntax)
        if fine:
            assert form.load(tree) == Answer("x", cites)
        else:
            with pytest.raises(FormatError, match="cites the calls that it stands on: one or more of 3, 12"):
                form.load(tree)


@pytest.mark.parametrize("told", [{"says": "(", "needs": ["a"]}, {"says": "a", "needs": []}, {"needs": ["a"]}])
def test_what_is_no_claim(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="claim"):
        Policy.model_validate({"claim": [told]})
