"""Where a request goes: by rule, by probability, by asking; and the skills that stand on that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import laws
from bridle.agent import Agent
from bridle.card import Card
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.engine.base import Logits
from bridle.engine.scripted import ScriptedBackend
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import SkillError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.grammar.said import Call
from bridle.inspection import inspect_skill
from bridle.journal import Delegated, Journal, Status
from bridle.likeness import alternatives
from bridle.model import Model
from bridle.obvious import obvious
from bridle.route import MARGIN, NONE, Route, route, said_of, weighed
from bridle.run import Run
from bridle.skill import require, skill_from
from bridle.toolbox import TOOLBOX


def run(skill: Any, replies: list[str], folder: Path, journal: Journal, task: str, **options: Any) -> Run:
    with scripted_model(replies) as model:
        result = Agent(model, workspace=folder, journal=journal, skill=skill, **options).run(task)
    laws.law_of_history(journal, result.id)
    return result


@pytest.mark.parametrize("name", list(catalogue().skills))
def test_shipped_skills_are_sound(name: str) -> None:
    folder = catalogue().skills[name].folder
    found = inspect_skill(folder, [tool.name for tool in TOOLBOX])
    assert {it.verdict for it in found} == {"ok"}, found
    assert f"`{name}`" in (folder.parent / "README.md").read_text(encoding="utf-8")


SUMS = {
    "12 + 3": "12 + 3",
    "What is (1 + 2) * 3?": "(1 + 2) * 3",
    "how much is 2**10": "2**10",
    "-4 * -5 =": "-4 * -5",
    "compute 7 % 3.": "7 % 3",
}
NOT_OBVIOUS = (
    "12", "What is 12?", "2026-01-05", "from 2 - 5 people", "12 + x", "What is 12 + 3 apples?", "1 + 2 and 3 + 4",
    "call 555-0199-22", "what day is Easter?", "what time is the train?", "", "+", "1 +", "what is the sum of 3 and 4",
)  # fmt: skip


def test_what_is_obvious_needs_no_model() -> None:
    for request, expression in SUMS.items():
        assert obvious(request) == Call("calculate", {"expression": expression}), request
    for request in ("What day is it today?", "what time is it", "What date is it?"):
        assert obvious(request) == Call("current_time", {}), request
    for request in NOT_OBVIOUS:
        assert obvious(request) is None, request


def test_the_obvious_is_done_at_once(journal: Journal, tmp_path: Path) -> None:
    result = run("intent-router", [], tmp_path, journal, "What is 12 * 12?")
    assert (result.status, result.answer, result.steps) == (Status.DONE, "144", 0)


def routed(margin: float, answers: list[str], folder: Path, journal: Journal, replies: list[str]) -> tuple[Run, Route]:
    found: list[Route] = []

    async def work(context: Context) -> str:
        """Route."""
        skills = [context.catalogue.find(name) for name in ("chat", "react")]
        found.append(await route(context, skills, margin))
        return found[0].skill

    def person(_: str) -> str | None:
        return answers.pop(0) if answers else None

    result = run(skill_from(work), replies, folder, journal, "go", answer=person)
    return result, found[0] if found else Route("", 0, 0)


def test_the_likeliest_skill_is_taken(journal: Journal, tmp_path: Path) -> None:
    result, found = routed(0.0, [], tmp_path, journal, ["react"])
    assert (result.status, found.question) == (Status.DONE, "")
    assert found.probability is not None
    assert found.margin is not None
    assert found.probability >= found.margin >= 0


def test_two_that_are_close_are_asked_about(journal: Journal, tmp_path: Path) -> None:
    result, found = routed(1.1, ["chat, please"], tmp_path, journal, [])
    assert (result.answer, found.skill) == ("chat", "chat")
    assert found.question.startswith("Do you mean ")
    assert routed(1.1, ["the first one"], tmp_path, journal, ["chat", "react"])[1].skill == "react"
    assert routed(1.1, [], tmp_path, journal, [])[0].status is Status.PAUSED


def test_a_skill_that_does_not_fit_is_not_offered(journal: Journal, tmp_path: Path) -> None:
    @require(lambda context: len(context.task) > 10, "the task is too short")
    async def work(context: Context) -> str:
        """Only for long tasks."""
        return "done"

    skill = skill_from(work)
    assert run(skill, [], tmp_path, journal, "a long enough task").answer == "done"
    with pytest.raises(UsageError, match="the task is too short"):
        run(skill, [], tmp_path, journal, "short")

    async def outer(context: Context) -> str:
        """Give it away."""
        return await context.delegate(skill, "short")

    refused = run(skill_from(outer), [], tmp_path, journal, "a long enough task")
    assert (refused.status, "too short" in refused.reason) == (Status.FAILED, True)


def test_unclear_requests_are_asked_about_before_anything_is_done(journal: Journal, tmp_path: Path) -> None:
    unclear = {"problem": "incomplete", "question": "Which file?"}
    replies = [json.dumps(unclear), json.dumps({"problem": "none"}), '{"answer": "read"}']
    asked: list[str] = []

    def person(question: str) -> str:
        asked.append(question)
        return "a.txt"

    result = run("clarify", replies, tmp_path, journal, "Read it.", answer=person)
    assert (result.answer, asked, result.calls) == ("read", ["Which file?"], ())
    [given] = [it.body for it in journal.events(result.id) if isinstance(it.body, Delegated)]
    assert (given.to, given.task) == ("react", "Read it.\nWhich file? a.txt")
    alone = run("clarify", [json.dumps(unclear)], tmp_path, journal, "Read it.")
    assert (alone.status, alone.question) == (Status.PAUSED, "Which file?")


def test_a_draft_is_mended_until_the_review_passes(journal: Journal, tmp_path: Path) -> None:
    fault = {"findings": [{"severity": "missing", "quote": "", "problem": "no date"}]}
    replies = ["Come.", json.dumps(fault), "Come on Friday.", '{"findings": []}']
    assert run("verify", replies, tmp_path, journal, "Invite Bo.").answer == "Come on Friday."
    drafts = [text for number in range(3) for text in (f"Come {number}!", json.dumps(fault))]
    stubborn = run("verify", ["Come.", json.dumps(fault), *drafts], tmp_path, journal, "Invite Bo.")
    assert "The review still finds:\n- missing: no date" in (stubborn.answer or "")


def test_most_ways_win(journal: Journal, tmp_path: Path) -> None:
    result = run("self-consistency", [json.dumps({"answer": "36"})], tmp_path, journal, "15% of 240?")
    assert (result.status, result.answer, result.steps) == (Status.DONE, "36", 5)


def test_ways_that_differ_are_told(journal: Journal, tmp_path: Path, words: Vocabulary) -> None:
    digits = [words.pieces.index(f"{digit}".encode()) for digit in range(10)]

    def script(_: Sequence[int]) -> Logits:
        row = np.full(words.size, -30.0, np.float32)
        row[digits], row[words.pieces.index(b'"')] = 0.0, -1.0
        return row

    with Model(EngineThread(ScriptedBackend(script, words)), Card(name="guessing")) as model:
        result = Agent(model, workspace=tmp_path, journal=journal, skill="self-consistency").run("?")
    assert "not sure: 20% of 5 ways" in (result.answer or "")


def test_a_broken_skill_is_met_where_it_is_needed(journal: Journal, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "SKILL.md").write_text("---\nname: broken\ndescription: A broken one.\n---\n", encoding="utf-8")
    (folder / "skill.py").write_text("TOOLS = (3,)\nasync def run(context): return ''", encoding="utf-8")
    with pytest.raises(SkillError, match="are no tools"):
        run(str(folder), [], tmp_path, journal, "go")


def test_a_misread_intent_is_found_early(journal: Journal, tmp_path: Path) -> None:
    """What was done by then is taken back, and another skill takes over."""
    replies = ["travel", "something else", "react", '{"answer": "It rains."}']
    with scripted_model(replies) as model:
        result = Agent(model, workspace=tmp_path, journal=journal, skill="intent-router").run("Rain in Rome?")
    assert (result.status, result.answer) == (Status.DONE, "It rains.")
    delegated = [it.body.to for it in journal.events(result.id) if isinstance(it.body, Delegated)]
    assert delegated == ["travel", "react"]
    alone = run("travel", ["something else"], tmp_path, journal, "Rain in Rome?")
    assert (alone.status, "I can look for flights" in (alone.answer or "")) == (Status.DONE, True)


def test_where_no_skill_is_for_it_the_last_word_is_the_answer(journal: Journal, tmp_path: Path) -> None:
    with scripted_model(["travel", "something else", "none"]) as model:
        result = Agent(model, workspace=tmp_path, journal=journal, skill="intent-router").run("Rain in Rome?")
    assert "I can look for flights" in (result.answer or "")


SAID = said_of(list(catalogue().skills.values()))
EVEN = {name: 1 / (len(SAID) + 1) for name in (*SAID, NONE)}


@pytest.mark.parametrize(
    ("request_", "skill"),
    [
        ("Is there a plane from Rome to Bern on Sunday?", "travel"),
        ("hi, how do you do", "chat"),
        ("Which orders are overdue in the plant?", "shop-floor"),
        ("how much is the average amount in bills.csv", "react"),
        ("First find the list, then sum it up, and write the sum to a file", "plan-and-execute"),
    ],
)
def test_what_people_say_is_evidence(request_: str, skill: str) -> None:
    """Where the model has no idea; one that has one is not overruled by little."""
    found = weighed(request_, EVEN, SAID)
    first, second = sorted(found.values(), reverse=True)[:2]
    assert found[skill] == first
    assert first - second > MARGIN
    assert sum(found.values()) == pytest.approx(1.0)
    sure = {name: 0.999 if name == "verify" else 0.001 / len(SAID) for name in EVEN}
    assert weighed(request_, sure, SAID)["verify"] > 0.99


def test_a_request_with_two_ends_is_asked_about() -> None:
    found = weighed("Book a flight to Rome, or rather tell me which orders are late", EVEN, SAID)
    (first, one), (second, other) = sorted(((it, name) for name, it in found.items()), reverse=True)[:2]
    assert {one, other} == {"travel", "shop-floor"}
    assert first - second < MARGIN


@given(st.text(max_size=60), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_evidence_leaves_probabilities(text: str, told: list[float]) -> None:
    found = weighed(text, dict(zip(("travel", "chat", NONE), told, strict=True)), SAID)
    assert sum(found.values()) == pytest.approx(1.0)
    assert alternatives(text)


def test_without_what_people_say_the_model_decides_alone() -> None:
    assert weighed("Fly me to Rome", {"a": 0.7, "b": 0.2, NONE: 0.1}, {}) == pytest.approx(
        {"a": 0.7, "b": 0.2, NONE: 0.1}
    )


def test_requests_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "SKILL.md").write_text("---\nname: odd\ndescription: Odd.\n---\n", encoding="utf-8")
    (folder / "requests.txt").write_bytes(b"\xff\xfe")
    assert "requests.txt cannot be read" in "".join(it.detail for it in inspect_skill(folder, []))
