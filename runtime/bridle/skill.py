"""A skill is a folder: SKILL.md says what it is for, skill.py or steps.yaml how it is done.

SKILL.md follows the Agent Skills format: YAML front matter with `name`, `description` and, if it wants, the tools it
may use; below it, instructions for the model. skill.py holds one async function, `run(context)`, which returns the
answer; steps.yaml the same verbs without code (`bridle.workflow`). A folder with neither lends its instructions to the
plain loop.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridle.context import Context
from bridle.errors import SkillError, describe
from bridle.likeness import read_requests
from bridle.shelf import shelf
from bridle.shots import FILE as SHOTS
from bridle.shots import Shot, read_shots
from bridle.tool import Tool
from bridle.workflow import read_flow

Run = Callable[[Context], Awaitable[str]]

REQUIRES = "bridle_requires"
"""The attribute of a function that says where it can be used."""
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)(.*)", re.DOTALL)


class FrontMatter(BaseModel):
    """The front matter of SKILL.md; fields that others add are kept out of the way."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    name: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=64)
    description: str = Field(min_length=1, max_length=1024)
    license: str | None = None
    compatibility: str | None = Field(default=None, max_length=500)
    metadata: dict[str, object] | None = None
    allowed_tools: str | tuple[str, ...] | None = Field(default=None, alias="allowed-tools")


@dataclass(frozen=True)
class Skill:
    """One skill, read but not yet run."""

    name: str
    description: str
    instructions: str
    folder: Path
    allowed_tools: tuple[str, ...] | None
    """None for all."""
    digest: str
    """SHA-256 over its files, for the record."""
    work: Run | None = field(default=None, repr=False)
    """Its function, if it was made of one."""

    def allows(self, tool: str) -> bool:
        """Whether a tool may be used."""
        return self.allowed_tools is None or tool in self.allowed_tools

    def unfit(self, context: Context) -> str:
        """Why it cannot be used as things stand; empty if it can. See `require`.

        Raises:
            SkillError: as `load`.
        """
        found = (why for holds, why in getattr(self.load(), REQUIRES, ()) if not holds(context))
        return next(found, "")

    def load(self) -> Run:
        """Its function.

        Raises:
            SkillError: skill.py cannot be loaded, or has no `async def run(context)`; or it is another one by now.
        """
        if self.work is not None:
            return self.work
        if (steps := self.folder / "steps.yaml").is_file():
            self._see_same(steps)
            return read_flow(steps)
        if self._module is None:
            return plain_loop().load()
        run = getattr(self._module, "run", None)
        if not inspect.iscoroutinefunction(run):
            raise SkillError(f"{self.folder / 'skill.py'} has no 'async def run(context)'")
        return run

    def tools(self) -> Sequence[Tool]:
        """The tools that it brings along: `TOOLS` in its skill.py.

        Raises:
            SkillError: as `load`; or they are no tools.
        """
        brought = getattr(self._module, "TOOLS", ())
        if not all(isinstance(it, Tool) for it in brought):
            raise SkillError(f"TOOLS in {self.folder / 'skill.py'} are no tools; see bridle.tool.tool")
        return tuple(brought)

    def shots(self) -> Sequence[Shot]:
        """Examples of what is to be done about requests: its examples.yaml.

        Raises:
            SkillError: they cannot be read.
        """
        return () if self.work is not None else read_shots(self.folder)

    def requests(self) -> Sequence[str]:
        """What people say who want it: its requests.txt, and the requests of its examples.

        Raises:
            SkillError: they cannot be read.
        """
        if self.work is not None:
            return ()
        return [*read_requests(self.folder), *(it.request for it in self.shots())]

    def _see_same(self, path: Path) -> None:
        """See that its files are what they were when it was read: it was trusted so, and only that is carried out."""
        if digest_of(self.folder) != self.digest:
            raise SkillError(f"{path} is not what it was when the skill was read")

    @cached_property
    def _module(self) -> ModuleType | None:
        """Its skill.py, carried out once; None if it has none.

        Raises:
            SkillError: it cannot be loaded.
        """
        path = self.folder / "skill.py"
        if self.work is not None or not path.is_file():
            return None
        self._see_same(path)
        module = ModuleType(f"bridle_skill_{self.name.replace('-', '_')}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        try:  # from its source alone: compiled files beside it are neither trusted nor written
            exec(compile(path.read_bytes(), path, "exec"), vars(module))  # noqa: S102  # a skill is code
        except (Exception, SystemExit) as error:  # a skill is foreign code: whatever it raises while loading is news
            raise SkillError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
        return module


def require(condition: Callable[[Context], bool], why: str) -> Callable[[Run], Run]:
    """A decorator of a skill's function: it is offered and used only where a condition holds.

    Args:
        condition: over the context, before anything is done.
        why: what is said where it does not hold.
    """

    def mark(work: Run) -> Run:
        setattr(work, REQUIRES, ((condition, why), *getattr(work, REQUIRES, ())))
        return work

    return mark


def skill_from(
    work: Run, *, name: str = "", instructions: str = "", allowed_tools: Sequence[str] | None = None
) -> Skill:
    """A skill that is an async function over a context; its docstring says what it is for.

    Raises:
        SkillError: it is no async function.
    """
    if not inspect.iscoroutinefunction(work):
        raise SkillError(f"{work!r} is not an 'async def run(context)'")
    try:
        source = inspect.getsource(work)
    except OSError:  # typed into an interpreter, say
        source = work.__qualname__
    return Skill(
        name or work.__name__.replace("_", "-"),
        " ".join((inspect.getdoc(work) or "").split()),
        instructions,
        Path(inspect.getfile(work)).parent,
        None if allowed_tools is None else tuple(allowed_tools),
        hashlib.sha256(source.encode()).hexdigest(),
        work,
    )


def read_skill(folder: Path) -> Skill:
    """The skill in a folder.

    Raises:
        SkillError: SKILL.md is missing or not well formed; the message says what is wrong.
    """
    path = folder / "SKILL.md"
    try:
        text = path.read_text(encoding="utf-8")
        digest = digest_of(folder)
    except (OSError, UnicodeDecodeError) as error:
        raise SkillError(f"{path} cannot be read: {error}") from None
    match = _FRONT.match(text)
    if match is None:
        raise SkillError(f"{path} does not begin with front matter between two lines of ---")
    try:
        front = FrontMatter.model_validate(yaml.safe_load(match[1]))
    except ValidationError as error:
        raise SkillError(f"the front matter of {path} is not right: {describe(error)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a day that there is not, brackets without end
        raise SkillError(f"the front matter of {path} is not YAML: {str(error) or 'it is too deep'}") from None
    tools = front.allowed_tools
    allowed = tuple(tools.replace(",", " ").split()) if isinstance(tools, str) else tools
    ways = [path for path in (folder / "skill.py", folder / "steps.yaml") if path.is_file()]
    if len(ways) > 1:
        raise SkillError(f"{folder} has both skill.py and steps.yaml; one of them says how it is done")
    return Skill(front.name, front.description, match[2].strip(), folder, allowed, digest)


def digest_of(folder: Path) -> str:
    """SHA-256 of what a skill in a folder is made of.

    Raises:
        OSError: it cannot be read.
    """
    made_of = [path for name in ("SKILL.md", "skill.py", "steps.yaml", SHOTS) if (path := folder / name).is_file()]
    return hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()


def plain_loop() -> Skill:
    """The skill that others fall back on."""
    return read_skill(shelf("skills") / "react")
