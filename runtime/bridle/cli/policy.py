"""`bridle policy`: what is allowed, and what was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bridle.cli.common import PLAIN, JsonOption, print_json, settings, stdout

if TYPE_CHECKING:
    from pydantic import JsonValue

app = typer.Typer(help="What agents are allowed.", no_args_is_help=True)


@app.command("check")
def check_policy(
    path: Annotated[Path, typer.Argument(help="A policy.toml.")] = Path("policy.toml"),
    skill: Annotated[str, typer.Option("--skill", "-s", help="As this skill has it.")] = "react",
    as_json: JsonOption = False,
) -> None:
    """Read a policy, and tell what it says of every tool of the toolbox and of the skill."""
    from bridle.cli.skills import known_skills
    from bridle.policy import read_policy
    from bridle.toolbox import TOOLBOX

    policy = read_policy(path)
    tools = {it.name: it for it in (*TOOLBOX, *known_skills().named(skill).tools())}
    verdicts = {name: policy.verdict(tool, skill) for name, tool in tools.items()}
    later = {name: policy.verdict(tool, skill, tools) for name, tool in tools.items()}
    told = {name: str(it) for name, it in verdicts.items()}
    told |= {name: f"{told[name]}; once others were read: {it}" for name, it in later.items() if it != verdicts[name]}
    if as_json:
        print_json(told)
        return
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


@app.command("explain")
def explain(
    run: Annotated[str, typer.Argument(help="A run's id, the beginning of it, or last.")] = "last",
    step: Annotated[str, typer.Argument(help="A step (act#2) or a call ('call 3'); all if not given.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Tell what the policy allowed and took away before each step of a run, by which rule, and what became of it."""
    from bridle.errors import UsageError
    from bridle.journal import CallIntended, Journal, Ruled, StepTaken, place_of

    with Journal(settings().journal) as journal:
        events = journal.events(journal.find(run))
    told = list[dict[str, Any]]()
    for event in events:
        match event.body:
            case Ruled(path=path, verdicts=verdicts):
                told.append({"step": path, "policy": dict(verdicts), "came": ""})
            case StepTaken(path=path, came=True, text=text):
                for it in told:
                    if it["step"] == path:
                        it["came"] = text
                        it["masked"] = round(event.body.certainty.masked, 4)
            case CallIntended(key=key, tool=tool):
                for it in told:
                    if it["step"] == f"call {place_of(key)}":
                        it["came"] = f"{tool} was called"
            case _:
                pass
    told = [it for it in told if step in ("", it["step"])]
    if step and not told:
        raise UsageError(f"the policy took nothing from {step}", hint="bridle policy explain shows where it did")
    if as_json:
        print_json(cast("list[JsonValue]", told))
        return
    console = stdout()
    if not told:
        console.print("the policy took nothing from this run")
    for it in told:
        console.print(f"[bold]{it['step']}[/]", highlight=False)
        for tool, verdict in it["policy"].items():
            console.print(f"  {tool}: {verdict}", markup=False, highlight=False)
        if it["came"]:
            share = f" ({it['masked']:.0%} of what the model would have said was taken away)" if "masked" in it else ""
            console.print(f"  -> {it['came']}{share}", markup=False, highlight=False, soft_wrap=True)
