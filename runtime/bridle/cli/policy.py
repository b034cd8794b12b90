"""`bridle policy`: what is allowed, and what was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bridle.cli.common import PLAIN, JsonOption, print_json, print_text, settings, stdout

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bridle.catalogue import Catalogue
    from bridle.tool import Tool

app = typer.Typer(help="What agents are allowed.", no_args_is_help=True)


@app.command("check")
def check_policy(
    path: Annotated[Path, typer.Argument(help="A policy.toml.")] = Path("policy.toml"),
    skill: Annotated[str, typer.Option("--skill", "-s", help="As this skill has it.")] = "react",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where it speaks of what is not here.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a policy, and tell what it says of every tool of the toolbox and of the skill, and what of it fits none."""
    from bridle.cli.skills import known_skills
    from bridle.fitting import see_fits, slips
    from bridle.policy import read_policy
    from bridle.toolbox import TOOLBOX

    policy, known = read_policy(path), known_skills()
    tools = {it.name: it for it in (*TOOLBOX, *known.named(skill).tools())}
    see_fits(policy, [*tools.values()])
    wrong = slips(policy, [*tools.values(), *_tools_of(known)], known.skills)
    verdicts = {name: policy.verdict(tool, skill) for name, tool in tools.items()}
    later = {name: policy.verdict(tool, skill, tools) for name, tool in tools.items()}
    told = {name: str(it) for name, it in verdicts.items()}
    told |= {name: f"{told[name]}; once others were read: {it}" for name, it in later.items() if it != verdicts[name]}
    if as_json:
        print_json({**told, **({"slips": cast("JsonValue", wrong)} if wrong else {})})
        raise typer.Exit(int(strict and bool(wrong)))
    from rich.table import Table
    from rich.text import Text

    colors = {"allow": "green", "ask": "yellow", "deny": "red"}
    table = Table(**PLAIN)
    for column in ("tool", "effect", "", ""):
        table.add_column(column)
    for name, it in verdicts.items():
        rest = told[name].removeprefix(it.word).lstrip("; ")
        table.add_row(name, str(tools[name].effect), Text(it.word, colors[it.word]), rest)
    stdout().print(table)
    for it in wrong:
        print_text(it)
    raise typer.Exit(int(strict and bool(wrong)))


def _tools_of(known: Catalogue) -> list[Tool]:
    """The tools that skills bring, of those that can be loaded."""
    from bridle.errors import BridleError
    from bridle.tool import Tool

    found = list[Tool]()
    for it in known.skills.values():
        with suppress(BridleError):
            found += it.tools()
    return found


@app.command("explain")
def explain(
    run: Annotated[str, typer.Argument(help="A run's id, the beginning of it, or last.")] = "last",
    step: Annotated[str, typer.Argument(help="A step (act#2) or a call ('call 3'); all if not given.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell what the policy allowed and took away before each step of a run, by which rule, and what became of it."""
    from bridle.errors import UsageError
    from bridle.journal import Journal
    from bridle.observe.ruled import rulings

    with Journal(settings().journal) as journal:
        run = journal.find(run)
        told = rulings(journal.events(run))
    if step and step not in told:
        raise UsageError(f"the run {run} has no step {step}; it has: {', '.join(told) or 'none'}")
    chosen = [it for it in told.values() if it["step"] == step or (not step and (it["policy"] or it["asked"]))]
    if as_json:
        print_json(cast("list[JsonValue]", chosen))
        return
    console = stdout()
    if not chosen:
        console.print("the policy took nothing from this run")
    for it in chosen:
        console.print(f"[bold]{it['step']}[/]")
        for line in _lines(it):
            console.print(f"  {line}", markup=False, soft_wrap=True)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    """What is told of a step or a call."""
    yield from (f"{tool}: {verdict}" for tool, verdict in told["policy"].items())
    if not told["policy"]:
        yield "the policy took nothing from it"
    if told["free"]:
        yield f"free: {', '.join(told['free'])}"
    for asked in told["asked"]:
        yield f"asked: {asked['question']}"
        yield f"the person said: {asked['answer']}"
    if told["came"]:
        share = f" ({told['masked']:.0%} of what the model would have said was taken away)" if "masked" in told else ""
        yield f"-> {told['came']}{share}"
