"""A skill looked at before it is used: its front matter, its code, its tools, the files that it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bridle.errors import SkillError
from bridle.finding import Finding
from bridle.skill import Skill, read_skill

LONG = 500
"""Lines of SKILL.md above which some of it belongs into references (as the Agent Skills format advises)."""
_LINK = re.compile(r"\[[^\]]*\]\((?!\w+:|#)([^)\s]+)\)")
_FILE = re.compile(r"`((?:references|scripts|assets|examples)/[^`\s]+)`")


def inspect_skill(folder: Path, tools: Sequence[str]) -> list[Finding]:
    """What there is to say of the skill in a folder; `tools` are those that there are."""
    try:
        skill = read_skill(folder)
    except SkillError as error:
        return [Finding("SKILL.md", "bad", error.message)]
    return list(_findings(skill, tools))


def _findings(skill: Skill, tools: Sequence[str]) -> Iterator[Finding]:
    folder = skill.folder.resolve()
    if folder.name == skill.name:
        yield Finding("name", "ok", skill.name)
    else:
        yield Finding("name", "bad", f"it is '{skill.name}', and its folder '{folder.name}'; they have to be the same")
    words = len(skill.description.split())
    told = skill.description if words >= 4 else f"'{skill.description}' hardly says when to use it"
    yield Finding("description", "ok" if words >= 4 else "note", told)
    if skill.allowed_tools is not None:
        tools = [*tools, *_brought(skill)]
        unknown = [name for name in skill.allowed_tools if name not in tools]
        known = ", ".join(name for name in skill.allowed_tools if name in tools) or "none"
        verdict = "note" if unknown else "ok"
        yield Finding("tools", verdict, known + (f"; not here: {', '.join(unknown)}" if unknown else ""))
    lines = len(skill.instructions.splitlines())
    if lines > LONG:
        yield Finding("instructions", "note", f"{lines} lines; put what is seldom needed into references/")
    else:
        yield Finding("instructions", "ok" if lines else "note", f"{lines} lines" if lines else "nothing is told")
    yield _way(skill)
    text = (folder / "SKILL.md").read_text(encoding="utf-8")
    for name in dict.fromkeys([*_LINK.findall(text), *_FILE.findall(text)]):
        if not (folder / name).exists():
            yield Finding("file", "bad", f"SKILL.md speaks of {name}, which is not there")


def _brought(skill: Skill) -> list[str]:
    try:
        return [tool.name for tool in skill.tools()]
    except SkillError:  # `_way` tells of it
        return []


def _way(skill: Skill) -> Finding:
    """How it is done, tried as far as that goes without doing it."""
    way = next((name for name in ("skill.py", "steps.yaml") if (skill.folder / name).is_file()), "")
    try:
        skill.load()
        skill.tools()
        skill.requests()
    except SkillError as error:
        return Finding(way, "bad", error.message)
    return Finding("way", "ok", way or "the plain loop, with its instructions")
