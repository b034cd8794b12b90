"""The skills that there are: shipped ones, the user's (`~/.agents/skills`), and a project's (`./.agents/skills`).

A skill is code. A project's own come with whatever was cloned, so they are used only once the user trusted them, as
they are: what changes has to be trusted again. Later shelves replace skills of earlier ones by name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeAlias, cast

from bridle.errors import SkillError, UsageError
from bridle.shelf import shelf
from bridle.skill import Skill, read_skill
from bridle.writing import write_whole

Home: TypeAlias = Literal["shipped", "yours", "the project's"]
PLACE = Path(".agents") / "skills"


@dataclass(frozen=True)
class Trust:
    """Which folders of skills a user trusts, by path and by what is in them; kept in one JSON file."""

    path: Path

    def has(self, folder: Path) -> bool:
        """Whether a folder is trusted as it is; one that cannot be read is not."""
        try:
            return self._read().get(str(folder.resolve())) == digest(folder)
        except OSError:
            return False

    def give(self, folder: Path) -> None:
        """Trust a folder as it is now.

        Raises:
            UsageError: it cannot be read, or what is trusted cannot be written down.
        """
        try:
            known = {**self._read(), str(folder.resolve()): digest(folder)}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps(known, indent=2))
        except OSError as error:
            raise UsageError(f"{folder} cannot be trusted: {error.strerror}: {error.filename}") from None

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return cast("dict[str, object]", known) if isinstance(known, dict) else {}


@dataclass(frozen=True)
class Catalogue:
    """All skills by name. `broken`: folders of what cannot be read, with why; `untrusted`: shelves left alone."""

    skills: Mapping[str, Skill]
    homes: Mapping[str, Home]
    broken: Mapping[Path, str] = field(default_factory=dict[Path, str])
    untrusted: Sequence[Path] = ()

    def find(self, name: str) -> Skill:
        """A skill by name.

        Raises:
            UsageError: there is none, or the user has to trust it first.
            SkillError: it is broken.
        """
        if name in self.skills:
            return self.skills[name]
        for folder, why in self.broken.items():
            if folder.name == name:
                raise SkillError(why)
        for top in self.untrusted:
            if (top / name / "SKILL.md").is_file():
                raise UsageError(
                    f"the skill '{name}' is in {top}, which you have not trusted as it is now",
                    hint=f"look at it, then: bridle skills trust {top}",
                )
        like = get_close_matches(name, self.skills, 1)
        told = f"did you mean '{like[0]}'?" if like else f"there are: {', '.join(self.skills)}"
        raise UsageError(f"there is no skill '{name}'; {told}", hint="bridle skills list")

    def named(self, name: str) -> Skill:
        """A skill by name, or by the path of its folder: what a person says, who trusts it by saying so.

        Raises:
            UsageError: as `find`.
            SkillError: it is broken.
        """
        return read_skill(Path(name)) if "/" in name and (Path(name) / "SKILL.md").is_file() else self.find(name)


def catalogue(user: Path | None = None, project: Path | None = None, trust: Trust | None = None) -> Catalogue:
    """The skills that ship, and those in `.agents/skills` of a user's home and of a project, where they are given."""
    homes: list[tuple[Home, Path]] = [("shipped", shelf("skills"))]
    untrusted: list[Path] = []
    if user is not None:
        homes.append(("yours", user / PLACE))
    if project is not None and (folder := project / PLACE).is_dir() and (user is None or folder != user / PLACE):
        if trust is not None and trust.has(folder):
            homes.append(("the project's", folder))
        else:
            untrusted.append(folder)
    skills, places, broken = dict[str, Skill](), dict[str, Home](), dict[Path, str]()
    for home, top in homes:
        for path in sorted(top.glob("*/SKILL.md")):
            try:
                skill = read_skill(path.parent)
            except SkillError as error:
                broken[path.parent] = error.message
                continue
            skills[skill.name], places[skill.name] = skill, home
    return Catalogue(skills, places, broken, untrusted)


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, also those behind links to other folders, which are read from it all the same."""
    seen = {folder.resolve()}
    for top, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [it for it in folders if (here := (Path(top) / it).resolve()) not in seen and not seen.add(here)]
        yield from (path for name in names if (path := Path(top) / name).is_file())


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of all files below a folder, but for compiled ones, which nothing reads."""
    state = hashlib.sha256()
    for path in sorted(it for it in files_below(folder) if "__pycache__" not in it.parts):
        state.update(os.fsencode(f"{path.relative_to(folder)}\0{path.stat().st_size}\0"))
        state.update(path.read_bytes())
    return state.hexdigest()
