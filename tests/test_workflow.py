"""Workflows that are written down: every verb, every way to steer, and what is said of mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import laws
from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.errors import SkillError
from bridle.evals.scripted import scripted_model
from bridle.journal import Journal, Noted, Status, StepTaken
from bridle.run import Run
from bridle.shelf import shelf
from bridle.skill import read_skill
from bridle.tool import tool
from bridle.workflow import read_flow


@tool(effect="pure")
def weather(city: str) -> dict[str, Any]:
    """Tell the weather."""
    if city == "Nowhere":
        raise ValueError("no such city")
    return {"city": city, "days": [3, 5, 8]}


def skill_of(folder: Path, steps: str) -> Path:
    path = folder / "skill"
    path.mkdir(exist_ok=True)
    (path / "SKILL.md").write_text("---\nname: written\ndescription: A test.\n---\nBe brief.", encoding="utf-8")
    (path / "steps.yaml").write_text(steps, encoding="utf-8")
    return path


def run(steps: str, replies: list[str], folder: Path, journal: Journal, **options: Any) -> Run:
    skill = read_skill(skill_of(folder, steps))
    with scripted_model(replies) as model:
        agent = Agent(model, workspace=folder, journal=journal, tools=[weather], skill=skill, **options)
        result = agent.run("go to Oslo")
    laws.law_of_history(journal, result.id)
    return result


def test_steps_are_verbs(journal: Journal, tmp_path: Path) -> None:
    steps = """
    - note: "Looking at {{ task }}"
    - extract: {city: string, "how?": [car, train]}
      question: Where to?
      as: trip
    - call: weather
      with: {city: "{{ trip.city }}"}
      as: report
    - choose: Which one?
      from: "{{ report.days }}"
      as: day
    - reply: Say it in one sentence.
      instructions: Be kind.
    """
    result = run(steps, ['{"city": "Oslo", "how": "car"}', "5", "It will be fine."], tmp_path, journal)
    assert (result.status, result.answer, result.steps) == (Status.DONE, "It will be fine.", 3)
    assert [dict(it.args) for it in result.calls] == [{"city": "Oslo"}]
    bodies = [it.body for it in journal.events(result.id)]
    assert [it.text for it in bodies if isinstance(it, Noted)] == ["Looking at go to Oslo"]
    last = [it.prompt_text for it in bodies if isinstance(it, StepTaken)][-1]
    assert "Be kind." in last
    assert "Say it in one sentence." in last


def test_bruno_is_not_talked_about(journal: Journal, tmp_path: Path) -> None:
    """Branches on a question, as ARGO's example of that name has them."""
    steps = """
    - choose: Is the request about Bruno?
      when:
        yes:
          - reply: Politely refuse to answer.
        no:
          - reply
    """
    assert run(steps, ["yes", "I cannot say."], tmp_path, journal).answer == "I cannot say."
    assert run(steps, ["no", "Surely!"], tmp_path, journal).answer == "Surely!"


def test_a_question_is_decided(journal: Journal, tmp_path: Path) -> None:
    steps = """
    - decide: Is it far?
      yes: [{return: far}]
      no: [{return: near}]
    """
    assert run(steps, ["yes"], tmp_path, journal).answer in ("far", "near")


def test_loops_and_conditions(journal: Journal, tmp_path: Path) -> None:
    steps = """
    variables: {n: 0, seen: []}
    steps:
      - while: "{{ n < 3 }}"
        do:
          - set: {n: "{{ n + 1 }}"}
      - until: "{{ n == 10 }}"
        most: 4
        do:
          - set: {n: "{{ n + 1 }}"}
      - for each: [a, b, c]
        as: letter
        do:
          - if: "{{ letter == 'b' }}"
            then: [{set: {seen: "{{ seen + [n] }}"}}]
            else: [{set: {seen: "{{ seen + [letter] }}"}}]
      - return: "{{ seen }}"
    """
    assert json.loads(run(steps, [], tmp_path, journal).answer or "") == ["a", 7, "c"]


def test_errors_are_met(journal: Journal, tmp_path: Path) -> None:
    steps = """
    - call: weather
      with: {city: Nowhere}
      on error:
        - set: {answer: "It said: {{ error }}"}
    """
    answer = run(steps, [], tmp_path, journal).answer or ""
    assert answer.startswith("It said: steps.yaml, line 2, column 7: weather: error:")
    assert "no such city" in answer
    failed = run("- call: weather\n  with: {city: Nowhere}", [], tmp_path, journal)
    assert (failed.status, "no such city" in failed.reason) == (Status.FAILED, True)
    ended = run("- do: [{reply: a}, {reply: b}]\n  on error: [{return: caught}]", ["x", "y"], tmp_path, journal,
                limits=Limits(steps=1))  # fmt: skip
    assert ended.status is Status.BUDGET, "a bound of the run is no error to be met"
    assert run("- fail: no way", [], tmp_path, journal).reason == "no way"


def test_an_action_that_failed_is_met_where_somebody_wants_to(journal: Journal, tmp_path: Path) -> None:
    lost = '{"tool": "weather", "args": {"city": "Nowhere"}}'
    met = run("- act: weather\n  on error: [{return: 'met: {{ error }}'}]", [lost], tmp_path, journal)
    assert (met.answer or "").startswith("met: steps.yaml, line 1, column 3: weather: error:")
    told = run("- act: weather\n- act", [lost, '{"answer": "there is none"}'], tmp_path, journal)
    assert told.answer == "there is none"


@pytest.mark.parametrize("loop", ["while: '{{ True }}'", "for each: '{{ range(99999) }}'\n  as: n"])
def test_a_loop_that_does_nothing_ends_with_the_time_of_its_run(journal: Journal, tmp_path: Path, loop: str) -> None:
    steps = f"- {loop}\n  do: [{{set: {{a: 1}}}}]" + ("\n  most: 1000000000" if "while" in loop else "")
    ended = run(steps, [], tmp_path, journal, limits=Limits(seconds=0.3))
    assert (ended.status, ended.reason) == (Status.BUDGET, "it took longer than 0.3 s")


def test_branches_and_tasks_given_away(journal: Journal, tmp_path: Path) -> None:
    steps = """
    - parallel:
        - - call: weather
            with: {city: Oslo}
            as: seen
          - return: "{{ seen.city }}"
        - [{return: two}]
      as: both
    - delegate: chat
      task: "Join {{ both | join(' and ') }}"
      as: joined
    - return: "{{ joined }}!"
    """
    assert run(steps, ["Oslo and two"], tmp_path, journal).answer == "Oslo and two!"


def test_a_person_is_asked(journal: Journal, tmp_path: Path) -> None:
    steps = '- ask: "How many nights, {{ task }}?"\n  type: integer\n  as: nights\n- return: "{{ nights + 1 }}"'
    asked: list[str] = []

    def person(question: str) -> str:
        asked.append(question)
        return "3"

    assert run(steps, [], tmp_path, journal, answer=person).answer == "4"
    assert asked == ["How many nights, go to Oslo?"]
    assert run(steps, [], tmp_path, journal).status is Status.PAUSED


def test_the_model_acts(journal: Journal, tmp_path: Path) -> None:
    steps = "- act: weather\n  as: seen\n- act\n- return: '{{ answer }} {{ seen.days[0] }}'"
    replies = ['{"tool": "weather", "args": {"city": "Rome"}}', '{"answer": "in"}']
    assert run(steps, replies, tmp_path, journal).answer == "in 3"


def test_a_draft_is_verified(journal: Journal, tmp_path: Path) -> None:
    steps = """
    - reply: Draft it.
      as: draft
    - verify: "{{ draft }}"
      criteria: Is it kind?
      instructions: Be strict.
      as: review
    - until: "{{ review.passes }}"
      most: 3
      do:
        - reply: "Mend this: {{ review }}"
          as: draft
        - verify: "{{ draft }}"
          as: review
    """
    fault = {"findings": [{"severity": "wrong", "quote": "you fool", "problem": "it is unkind"}]}
    result = run(steps, ["you fool", json.dumps(fault), "dear", '{"findings": []}'], tmp_path, journal)
    assert (result.answer, result.steps) == ("dear", 4)


MISTAKES = {
    "- repli: hello": "line 1, column 3: 'repli' is no verb; did you mean 'reply'?",
    "- reply: x\n  instruction: y": "line 2, column 3: 'instruction' is nothing that 'reply' has; did you mean 'instru",
    "- if: '{{ n }}'": "line 1, column 3: 'if' needs 'then'",
    "- for each: [1]\n  do: [{note: x}]": "line 1, column 3: 'for each' needs 'as'",
    "- choose: Which?": "line 1, column 3: 'choose' needs 'from'",
    "- note": "line 1, column 3: 'note' needs something behind it",
    "- if: x\n  then:\n    - note: a\n    - whale: b": "line 4, column 7: 'whale' is no verb; did you mean 'while'?",
    "- reply: a\n  reply: b": "line 2, column 3: 'reply' stands here twice",
    "- parallel: x": "line 1, column 13: a list of branches is due",
    "steps: x": "line 1, column 8: a list of steps is due",
    "step: []": "'step' is nothing that a workflow has",
    "[]": "line 1, column 1: the list of steps is empty",
    "": "is empty",
    "- a: [": "is not YAML",
    "- 3": "line 1, column 3: '3' is no verb",
    "- [a]": "line 1, column 3: a step is due",
    "- {}": "line 1, column 3: a step is due",
    "- ? [a]\n  : b": "a key is a word",
    "- &a\n  do: [*a]": "these steps contain themselves",
    "- set: !!python/object:os.system {}": "cannot be read",
}


@pytest.mark.parametrize("steps", MISTAKES)
def test_mistakes_are_told_with_their_place(steps: str, tmp_path: Path) -> None:
    with pytest.raises(SkillError) as caught:
        read_flow(skill_of(tmp_path, steps) / "steps.yaml")
    assert MISTAKES[steps] in caught.value.message


LATE = {
    "- return: '{{ nothing }}'": "steps.yaml, line 1, column 3: '{{ nothing }}' cannot be filled in: 'nothing' is",
    "- return: '{{ 1 / 0 }}'": "division by zero",
    "- return: '{{ task.__class__.__mro__ }}'": "cannot be filled in",
    "- for each: word\n  as: x\n  do: [{note: x}]": "'for each' needs a list",
    "- while: '{{ true }}'\n  do: [{note: x}]": "'while' went round 100 times",
    "- extract: {a: strin}": "is no type",
    "- ask: a\n  type: colour": "'colour' is no type to ask for",
    "- call: nothing": "there is no tool 'nothing'",
    "- delegate: nobody\n  task: x": "there is no skill 'nobody'",
    "- set: 3": "'set' needs a mapping",
    "- call: weather\n  with: 3": "line 1, column 3: 'call' cannot be done",
    "- while: '{{ true }}'\n  most: many\n  do: [{note: x}]": "line 1, column 3: 'while' cannot be done",
    "- reply: x\n  examples: [3]": "line 1, column 3: 'reply' cannot be done",
}


@pytest.mark.parametrize("steps", LATE)
def test_mistakes_met_on_the_way_fail_the_run(steps: str, journal: Journal, tmp_path: Path) -> None:
    result = run(steps, [], tmp_path, journal)
    assert result.status is Status.FAILED
    assert LATE[steps] in result.reason


def test_a_skill_is_done_in_one_way(tmp_path: Path) -> None:
    folder = skill_of(tmp_path, "- reply")
    (folder / "skill.py").write_text("async def run(context): return ''", encoding="utf-8")
    with pytest.raises(SkillError, match="both"):
        read_skill(folder)


def test_the_example_of_the_shelf_works(journal: Journal, tmp_path: Path) -> None:
    text = (shelf("skills") / "README.md").read_text(encoding="utf-8")
    steps = text.partition("```yaml\n")[2].partition("```")[0]
    replies = ['{"city": "Oslo", "how": "car"}', "good", "Go!"]

    def person(_: str) -> str:
        return "2"

    result = run(steps, replies, tmp_path, journal, answer=person)
    assert (result.status, result.answer) == (Status.DONE, "Go!")
