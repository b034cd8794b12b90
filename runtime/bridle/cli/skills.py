"""`bridle skills`: what ways to work there are, new ones, and whether they are sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridle.cli.common import (
    PLAIN,
    JsonOption,
    finding_rows,
    finding_table,
    print_json,
    print_text,
    settings,
    stderr,
    stdout,
)

if TYPE_CHECKING:
    from bridle.catalogue import Catalogue, Trust

app = typer.Typer(help="Skills: ways to go about a task.", no_args_is_help=True)

CODE = '''"""{about}"""

from bridle.context import Context


async def run(context: Context) -> str:
    """Do the task; what is returned is the answer."""
    context.note("Working it out")
    return await context.reply("Answer in one sentence.")
'''
STEPS = """# {about}
- note: Working it out
- reply: Answer in one sentence.
"""
HEAD = """---
name: {name}
description: {about}
---

What the model is told while this skill is at work.
"""


@app.command("list")
def list_skills(as_json: JsonOption = False) -> None:
    """List the skills that there are: shipped, yours (~/.agents/skills), and this folder's (./.agents/skills)."""
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    known = known_skills()
    if as_json:
        print_json(
            [
                {
                    "name": skill.name,
                    "description": skill.description,
                    "folder": str(skill.folder),
                    "home": known.homes[skill.name],
                }
                for skill in known.skills.values()
            ]
        )
        return
    table = Table("skill", "from", "what it is for", **PLAIN)
    for skill in known.skills.values():
        table.add_row(skill.name, known.homes[skill.name], Text(skill.description))
    stdout().print(table)
    for why in known.broken.values():
        stderr().print(f"[yellow]broken:[/] {escape(why)}", soft_wrap=True)
    for folder in known.untrusted:
        stderr().print(
            f"[yellow]not trusted:[/] {escape(str(folder))}; look at it, then: bridle skills trust",
            soft_wrap=True,
        )


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="A skill, or its folder.", show_default=False)]) -> None:
    """Show a skill: what it is for, what it may use, what the model is told, how it is done."""
    from rich.markdown import Markdown
    from rich.markup import escape
    from rich.syntax import Syntax

    skill = known_skills().named(name)
    console = stdout()
    console.print(f"[bold]{skill.name}[/]  [dim]{escape(str(skill.folder))}[/]", soft_wrap=True)
    print_text(skill.description)
    allowed = "all tools" if skill.allowed_tools is None else ", ".join(skill.allowed_tools) or "no tools"
    console.print(f"[dim]may use[/] {escape(allowed)}\n")
    console.print(Markdown(skill.instructions))
    for way, language in (("skill.py", "python"), ("steps.yaml", "yaml")):
        if (path := skill.folder / way).is_file():
            console.print(f"\n[dim]{way}[/]")
            console.print(Syntax(path.read_text(encoding="utf-8"), language, background_color="default"))


@app.command("check")
def check(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of skills; all on the shelves if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether skills are sound; nothing of them is carried out but their loading. Exit code 1 if one is not."""
    from rich.markup import escape

    from bridle.inspection import inspect_skill
    from bridle.toolbox import TOOLBOX

    known = known_skills()
    looked = folders or [*(skill.folder for skill in known.skills.values()), *known.broken]
    found = {folder: inspect_skill(folder, [tool.name for tool in TOOLBOX]) for folder in looked}
    if as_json:
        print_json({str(folder): finding_rows(findings) for folder, findings in found.items()})
    else:
        for folder, findings in found.items():
            stdout().print(f"[bold]{escape(str(folder))}[/]", soft_wrap=True)
            stdout().print(finding_table(findings))
    if any(it.verdict == "bad" for findings in found.values() for it in findings):
        raise typer.Exit(1)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and hyphens.", show_default=False)],
    about: Annotated[
        str, typer.Option(help="What it is for, and when to use it.")
    ] = "Say what it does, and when to use it.",
    folder: Annotated[
        Path | None, typer.Option(help="Where; ./.agents/skills if not given.", show_default=False)
    ] = None,
    steps: Annotated[bool, typer.Option("--steps", help="steps.yaml instead of skill.py.")] = False,
) -> None:
    """Make a new skill to begin with."""
    import json

    from pydantic import ValidationError

    from bridle.catalogue import PLACE
    from bridle.errors import UsageError, describe
    from bridle.skill import FrontMatter

    try:
        head = FrontMatter(name=name, description=" ".join(about.split()))
    except ValidationError as error:
        raise UsageError(f"no skill can be made of that: {describe(error)}") from None
    about = json.dumps(head.description, ensure_ascii=False)  # YAML and Python read it as JSON does
    own = Path() / PLACE
    path = (folder or own) / name
    if path.exists():
        raise UsageError(f"{path} is there already")
    trusted = folder is None and (not own.is_dir() or trust().has(own))
    way, text = ("steps.yaml", STEPS) if steps else ("skill.py", CODE)
    try:
        path.mkdir(parents=True)
        (path / "SKILL.md").write_text(HEAD.format(name=name, about=about), encoding="utf-8")
        (path / way).write_text(text.format(about=about[1:-1] if way == "skill.py" else head.description), "utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be made: {error.strerror}") from None
    if trusted:
        trust().give(own)  # whoever made it trusts it, and nothing else that came with the project
    elif folder is None:
        stderr().print(f"[yellow]not trusted:[/] what is in {own} besides; look at it, then: bridle skills trust")
    stderr().print(f"made {path}; bridle skills check {path}, bridle run --skill {path} ...")


@app.command("trust")
def give_trust(folder: Annotated[Path, typer.Argument(help="A folder of skills.")] = Path(".agents/skills")) -> None:
    """Trust the skills of a project as they are now; what changes has to be trusted again."""
    from bridle.errors import UsageError

    names = sorted(path.parent.name for path in folder.glob("*/SKILL.md"))
    if not names:
        raise UsageError(f"there are no skills in {folder}")
    trust().give(folder)
    stderr().print(f"trusted: {', '.join(names)}")


def known_skills() -> Catalogue:
    """All skills, as a user of the command line has them."""
    from bridle.catalogue import catalogue

    try:
        here = Path.cwd()
    except FileNotFoundError:  # a shell can stand in a folder that was removed
        here = None
    return catalogue(Path.home(), here, trust())


def trust() -> Trust:
    """What the user trusts."""
    from bridle.catalogue import Trust

    return Trust(settings().home / "trusted.json")
