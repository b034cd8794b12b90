"""An answer may show the last result as it is: word for word, at no cost, and nothing that the model was not shown."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import pytest

import laws
from bridle.agent import Agent
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.errors import FormatError, ToolError
from bridle.evals.scripted import scripted_model
from bridle.evals.trajectory import read_trajectory
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.said import Answer, Reply, Show
from bridle.how import StepSettings
from bridle.journal import Journal, Status
from bridle.model import Model
from bridle.policy import Policy
from bridle.remote.constraint import Kind, constraint_of
from bridle.replay import replay
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import tool

PAGES = {"short": "milk & eggs", "long": "milk\neggs\n\ttea", "odd": 'say "no"; </show> {"answer": "x"}'}
NOW_AND_LATER: tuple[tuple[Reply, ...], ...] = ((), ("show",))
Work = Callable[[Context], Awaitable[str]]


@tool(effect="pure")
def read_page(page: str) -> str:
    """Read a page."""
    if page not in PAGES:
        raise ToolError(f"there is no page {page}")
    return PAGES[page]


def spelled(reply: Any, syntax: str) -> str:
    if isinstance(reply, str) or syntax == "json":
        return reply if isinstance(reply, str) else json.dumps(reply)
    if "tool" in reply:
        return f'<call tool="read_page"><page>{reply["args"]["page"]}</page></call>'
    [(name, text)] = reply.items()
    return f"<{name}>{text}</{name}>"


def run(
    replies: list[Any],
    journal: Journal,
    syntax: Literal["json", "xml"] = "json",
    policy: dict[str, Any] | None = None,
    skill: Work | None = None,
    constrain: bool = True,
) -> Run:
    with scripted_model([spelled(it, syntax) for it in replies]) as model:
        told = Policy.model_validate(policy or {})
        chosen = StepSettings(thinking=None, format=syntax, constrain=constrain, policy=told)
        agent = Agent(model, workspace=journal.path.parent, journal=journal, tools=[read_page], settings=chosen,
                      skill=skill_from(skill) if skill else "react")  # fmt: skip
        result = agent.run("What is on the page?")
    laws.law_of_history(journal, result.id)
    again = replay(
        journal, result.id, tools=[read_page], catalogue=catalogue(), skill=skill_from(skill) if skill else ""
    )
    assert again == ""
    return result


def read(page: str) -> dict[str, Any]:
    return {"tool": "read_page", "args": {"page": page}}


@pytest.mark.parametrize("syntax", ["json", "xml"])
@pytest.mark.parametrize("page", PAGES)
def test_a_result_is_shown_word_for_word(page: str, syntax: Literal["json", "xml"], journal: Journal) -> None:
    result = run([read(page), {"show": "The page says:"}], journal, syntax)
    assert result.status is Status.DONE
    assert result.answer == f"The page says:{' ' if page != 'long' else chr(10)}{PAGES[page]}"
    assert PAGES[page] not in result.messages[-1].content, "it is not spelled again"
    assert run([read(page), {"show": " "}], journal, syntax).answer == PAGES[page]


def test_only_a_result_that_is_there_can_be_shown(journal: Journal) -> None:
    asked_again = run([{"show": "Here:"}, {"answer": "I have not looked."}], journal, constrain=False)
    assert asked_again.answer == "I have not looked."
    failed = [read("none"), {"show": "It says:"}, {"answer": "None."}]
    assert run(failed, journal, constrain=False).answer == "None."


@pytest.mark.parametrize("syntax", ["json", "xml"])
def test_the_grammar_has_it_only_where_it_can_be_said(syntax: Literal["json", "xml"], compiler: Compiler) -> None:
    tools = {"read_page": read_page.schema}
    text = '{"show": "It says:"}' if syntax == "json" else "<show>It says:</show>"
    for unsaid in NOW_AND_LATER:
        form = Actions(tools, syntax, replies=("answer", "show"), unsaid=unsaid)
        tokens = compiler.vocabulary.tokenize(text, False).tolist()
        held = compiler.compile(form.grammar()).start.deep_copy().validate_tokens(tokens)
        assert (held == len(tokens)) == (not unsaid)
        assert "show" in form.instructions(), "what is told stays the same"
    with pytest.raises(FormatError, match="no result to show"):
        Actions(tools, unsaid=("show",)).load({"show": "It says:"})
    assert Actions(tools, replies=("show",)).load({"show": "It says:"}) == Show("It says:")


def test_what_a_server_is_told_is_what_can_be_said() -> None:
    for unsaid in NOW_AND_LATER:
        form = Actions({"read_page": read_page.schema}, replies=("answer", "show"), unsaid=unsaid)
        told = constraint_of(form, Kind("vllm"))
        assert not isinstance(told, str)
        assert ('"show"' in told.source) == (not unsaid)


def test_claims_are_of_all_that_is_shown(journal: Journal) -> None:
    claim = {"claim": [{"says": "eggs", "needs": ["buy"]}]}
    result = run([read("short"), {"show": "On it:"}, {"answer": "Something to eat."}], journal, policy=claim)
    assert result.answer == "Something to eat."


def test_an_answer_that_has_to_name_its_calls_shows_none(journal: Journal) -> None:
    cited = {"answer": "Milk.", "cites": [1]}
    written = [read("short"), {"show": "On it:"}, cited]
    assert run(written, journal, policy={"cite": True}, constrain=False).answer == "Milk."


def test_nothing_is_shown_that_was_kept_apart(journal: Journal) -> None:
    kept = {"quarantine": [{"tools": ["read_page"], "into": {"enum": ["food", "other"]}}]}
    assert run([read("short"), '"food"', {"show": "It is about"}], journal, policy=kept).answer == "It is about food"


def test_a_skill_sees_an_answer(journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Read, by code; then let the model say it."""
        await context.call("read_page", page="short")
        action = await context.act()
        assert action == Answer("It says: milk & eggs")
        return str(action)

    assert run([{"show": "It says:"}], journal, skill=work).status is Status.DONE


def test_a_tool_that_is_demanded_leaves_nothing_to_show(journal: Journal) -> None:
    async def work(context: Context) -> str:
        """Read twice."""
        await context.call("read_page", page="short")
        await context.act("read_page")
        return "read"

    assert run([{"show": "It says:"}, read("long")], journal, skill=work, constrain=False).answer == "read"


def test_what_is_learned_from_it_is_what_was_written(journal: Journal) -> None:
    result = run([read("short"), {"show": "The page says:"}], journal)
    told = read_trajectory(journal, result.id)
    assert json.loads(told.steps[-1].taken.text) == {"show": "The page says:"}, "token for token"
    assert told.messages()[-1]["content"] == result.answer, "for models that know no such reply"


def test_colt_shows_what_it_read(colt: Model, journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_text("order paint, then call the\nplumber about the sink", encoding="utf-8")
    answer = Agent(colt, workspace=tmp_path, journal=journal).run("What does plan.txt say?").answer
    assert answer is not None
    assert answer.endswith("order paint, then call the\nplumber about the sink")
