"""Where skills come from, what is trusted, and the commands that list, show, check and make them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bridle.agent import Agent
from bridle.catalogue import PLACE, Trust, catalogue
from bridle.errors import SkillError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.inspection import inspect_skill
from bridle.journal import Journal, StepTaken
from bridle.skill import read_skill


def put(top: Path, name: str, about: str = "It greets who comes in.", **files: str) -> Path:
    folder = top / PLACE / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: {about}\n---\nBe kind.\n", encoding="utf-8")
    for file, text in files.items():
        (folder / file.replace("_", ".")).write_text(text, encoding="utf-8")
    return folder


def test_skills_come_from_three_shelves(tmp_path: Path) -> None:
    user, project, trust = tmp_path / "user", tmp_path / "project", Trust(tmp_path / "trusted.json")
    put(user, "greet")
    put(user, "chat", "A chat of my own that replaces the other.")
    put(project, "local", skill_py="async def run(context):\n    return 'x'\n")
    found = catalogue(user, project, trust)
    assert {"react", "chat", "greet"} <= set(found.skills)
    assert (found.homes["greet"], found.homes["react"], found.homes["chat"]) == ("yours", "shipped", "yours")
    with pytest.raises(UsageError, match="have not trusted") as caught:
        found.find("local")
    assert f"bridle skills trust {project / PLACE}" in caught.value.hint
    trust.give(project / PLACE)
    assert catalogue(user, project, trust).find("local").name == "local"
    (project / PLACE / "local" / "skill.py").write_text("async def run(context):\n    return 'y'\n", encoding="utf-8")
    assert catalogue(user, project, trust).untrusted == [project / PLACE], "what changed is trusted anew"


def test_what_a_skill_leaves_behind_is_no_change(tmp_path: Path) -> None:
    trust = Trust(tmp_path / "trusted.json")
    put(tmp_path, "local", skill_py="async def run(context):\n    return 'x'\n")
    trust.give(tmp_path / PLACE)
    assert catalogue(None, tmp_path, trust).find("local").load()
    assert not (tmp_path / PLACE / "local" / "__pycache__").exists()
    assert not catalogue(None, tmp_path, trust).untrusted


def test_a_broken_skill_spoils_no_other(tmp_path: Path) -> None:
    put(tmp_path, "good")
    put(tmp_path, "bad", "")
    found = catalogue(tmp_path)
    assert "good" in found.skills
    assert list(found.broken) == [tmp_path / PLACE / "bad"]
    with pytest.raises(SkillError, match="description"):
        found.find("bad")
    with pytest.raises(UsageError, match="did you mean 'good'"):
        found.find("goods")


SICK = {
    "name": {"SKILL.md": "---\nname: other\ndescription: It greets who comes in.\n---\nx"},
    "file": {"SKILL.md": "---\nname: it\ndescription: It greets who comes in.\n---\nSee `references/a.md`."},
    "steps.yaml": {"steps.yaml": "- repli: x"},
    "skill.py": {"skill.py": "def run(context): ..."},
    "SKILL.md": {"SKILL.md": "no front matter"},
}


@pytest.mark.parametrize("what", SICK)
def test_what_is_wrong_with_a_skill_is_found(what: str, tmp_path: Path) -> None:
    folder = put(tmp_path, "it")
    assert {it.verdict for it in inspect_skill(folder, [])} == {"ok"}
    for file, text in SICK[what].items():
        (folder / file).write_text(text, encoding="utf-8")
    assert [it.what for it in inspect_skill(folder, []) if it.verdict == "bad"] == [what]


def test_a_skill_made_for_other_agents_is_read(tmp_path: Path) -> None:
    folder = put(tmp_path, "review-pr")
    front = "name: review-pr\ndescription: Review a pull request carefully.\nlicense: MIT\n"
    front += "allowed-tools: Bash(git:*) Read\n"
    front += "metadata:\n  author: somebody\n  version: '1.0'\nunknown: 3\n"
    (folder / "SKILL.md").write_text(f"---\n{front}---\n# Steps\n1. Look.\n", encoding="utf-8")
    skill = catalogue(tmp_path).find("review-pr")
    assert (skill.allowed_tools, skill.allows("read_file")) == (("Bash(git:*)", "Read"), False)
    notes = [it for it in inspect_skill(folder, ["read_file"]) if it.verdict == "note"]
    assert [(it.what, it.detail) for it in notes] == [("tools", "none; not here: Bash(git:*), Read")]


def test_a_skill_is_made_checked_shown_and_run(bridle: Any) -> None:
    assert bridle("skills", "new", "greet", "--about", "Greets who comes in, by name.", "--steps").code == 0
    homes = {it["name"]: it["home"] for it in bridle("skills", "list", "--json").json}
    assert (homes["greet"], homes["react"]) == ("the project's", "shipped")
    assert bridle("skills", "check").code == 0
    assert "Greets who comes in" in bridle("skills", "show", "greet").out
    assert bridle("run", "--skill", "greet", "hello").code == 0
    again = bridle("skills", "new", "greet")
    assert (again.code, "is there already" in again.err) == (2, True)
    wrong = bridle("skills", "new", "Greet_All")
    assert (wrong.code, Path(PLACE, "Greet_All").exists()) == (2, False)


def test_a_skill_of_a_project_that_is_not_trusted_is_left_alone(bridle: Any) -> None:
    put(Path.cwd(), "local", skill_py="raise SystemExit(7)\n")
    result = bridle("run", "--skill", "local", "hello")
    assert (result.code, "have not trusted" in result.err) == (2, True)
    assert "not trusted" in bridle("skills", "list").err
    assert bridle("skills", "trust").code == 0
    checked = bridle("skills", "check", f"{PLACE / 'local'}", "--json")
    assert checked.code == 1
    assert bridle("skills", "trust", "nowhere").code == 2


SHOTS = """
- request: Remember to call Anna
  tool: add_note
  args: {text: call Anna}
- request: Book a table
  tool: book_table
- request: Write it down
  ask: What should I write down?
- request: Fly me to the moon
  refuse: There is no tool for that.
"""


def test_examples_of_a_skill_are_shown_where_they_fit(journal: Journal, tmp_path: Path) -> None:
    folder = put(tmp_path, "greet", examples_yaml=SHOTS)
    with scripted_model(['{"answer": "done"}']) as model:
        result = Agent(model, workspace=tmp_path, journal=journal, skill=str(folder)).run("Remember the milk")
    [prompt] = [it.body.prompt_text for it in journal.events(result.id) if isinstance(it.body, StepTaken)]
    shown = [
        "Remember to call Anna", '{"tool": "add_note", "args": {"text": "call Anna"}}',
        "Write it down", '{"ask": "What should I write down?"}', '{"refuse": "There is no tool for that."}',
        "Remember the milk",
    ]  # fmt: skip
    assert sorted(shown, key=prompt.index) == shown
    assert "Book a table" not in prompt, "that tool is not there"
    assert {it.verdict for it in inspect_skill(folder, [])} == {"ok"}


@pytest.mark.parametrize("wrong", ["- request: x", "- tool: y", "3", "- request: x\n  tool: a\n  refuse: b", "- a: ["])
def test_examples_that_are_none_are_told(wrong: str, tmp_path: Path) -> None:
    folder = put(tmp_path, "greet", examples_yaml=wrong)
    [found] = [it for it in inspect_skill(folder, []) if it.verdict == "bad"]
    assert "examples.yaml" in found.detail


def _skill(folder: Path, name: str, code: str = "async def run(context):\n    return 'x'\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: It is a skill.\n---\n", encoding="utf-8")
    (folder / "skill.py").write_text(code, encoding="utf-8")
    return folder


def test_what_a_link_leads_to_is_not_trusted_unseen(tmp_path: Path) -> None:
    elsewhere = _skill(tmp_path / "elsewhere", "linked")
    (tmp_path / PLACE).mkdir(parents=True)
    os.symlink(elsewhere, tmp_path / PLACE / "linked")
    trust = Trust(tmp_path / "trusted.json")
    trust.give(tmp_path / PLACE)
    assert catalogue(None, tmp_path, trust).find("linked").name == "linked"
    (elsewhere / "skill.py").write_text("async def run(context):\n    return 'y'\n", encoding="utf-8")
    assert catalogue(None, tmp_path, trust).untrusted


def test_a_skill_that_changed_since_it_was_read_is_not_carried_out(tmp_path: Path) -> None:
    skill = read_skill(_skill(tmp_path / "it", "it"))
    (tmp_path / "it" / "skill.py").write_text("async def run(context):\n    return 'y'\n", encoding="utf-8")
    with pytest.raises(SkillError, match="is not what it was"):
        skill.load()


@pytest.mark.parametrize("front", ["name: x\ndescription: 2026-13-45", "name: " + "[" * 5000])
def test_front_matter_that_no_reader_takes_spoils_one_skill_alone(tmp_path: Path, front: str) -> None:
    folder = tmp_path / PLACE / "bad"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(f"---\n{front}\n---\n", encoding="utf-8")
    assert list(catalogue(tmp_path).broken) == [folder]


def test_a_new_skill_makes_nothing_else_trusted(bridle: Any) -> None:
    _skill(Path(".agents") / "skills" / "evil", "evil")
    assert "not trusted" in bridle("skills", "new", "mine").err
    assert "not trusted" in bridle("skills", "list").err


def test_words_of_tools_are_no_markup(bridle: Any, tmp_path: Path) -> None:
    folder = _skill(tmp_path / "sick", "sick", "async def run(context):\n    raise ValueError('[/etc] [red]')\n")
    failed = bridle("run", "--skill", str(folder), "go")
    assert (failed.code, "ValueError: [/etc] [red]" in failed.err) == (1, True)
