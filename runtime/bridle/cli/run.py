"""`bridle run`: do one task."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypedDict

import typer

from bridle.cli.common import (
    DeviceOption,
    FallbackOption,
    JsonOption,
    ModelOption,
    PlannerOption,
    open_writer,
    print_json,
    print_text,
    read_text,
    settings,
    stderr,
)

if TYPE_CHECKING:
    from bridle.catalogue import Catalogue
    from bridle.journal import Event
    from bridle.run import Run
    from bridle.skill import Skill
    from bridle.turn import Progress


class Listeners(TypedDict, total=False):
    """Of an agent."""

    answer: Callable[[str], str | None]
    on_event: Callable[[Event], None]
    on_progress: Callable[[Progress], None]


WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="The folder that tools work in.")]


class Format(StrEnum):
    """How the model writes its actions."""

    JSON = "json"
    XML = "xml"


class Reviewer(StrEnum):
    """Who looks at a plan before it is carried out."""

    NOBODY = "nobody"
    CRITIC = "critic"
    PERSON = "person"


PolicyOption = Annotated[
    Path | None, typer.Option("--policy", help="What is allowed: a policy.toml.", show_default=False)
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the model writes its actions.")]


def run(
    task: Annotated[str, typer.Argument(help="What to do; - reads it from standard input.", show_default=False)],
    model: ModelOption = None,
    device: DeviceOption = None,
    fallback: FallbackOption = None,
    policy: PolicyOption = None,
    planner: PlannerOption = None,
    review: Annotated[Reviewer, typer.Option("--review", help="Who looks at a plan first.")] = Reviewer.NOBODY,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what it did where it fails or is stopped.")] = False,
    hand_over: Annotated[bool, typer.Option("--hand-over", help="Ask you how to go on where it would fail.")] = False,
    skill: Annotated[str, typer.Option("--skill", "-s", help="How to go about it.")] = "react",
    workspace: WorkspaceOption = Path(),
    format: FormatOption = Format.JSON,  # the option's name
    max_steps: Annotated[int, typer.Option(min=1, help="Times that the model is asked.")] = 20,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens made in all.")] = 20_000,
    timeout: Annotated[float, typer.Option(min=0.1, max=1e9, help="Seconds in all.")] = 600.0,
    seed: Annotated[int | None, typer.Option(help="Fixes the chance in sampling.", show_default=False)] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="The same tokens every time on this machine; slower.")
    ] = False,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="Instead of the model's own.", show_default=False)
    ] = None,
    thinking: Annotated[bool, typer.Option(help="Let the model think before it acts.")] = True,
    show_thinking: Annotated[bool, typer.Option("--show-thinking", help="Show what it thinks.")] = False,
    constrain: Annotated[bool, typer.Option(help="Hold every step to its form by a grammar.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Do a task with the tools of the toolbox, in a folder.

    Exit codes: 0 done, 1 failed, 2 the call is wrong, 3 stopped by a limit, 4 waits for a person.
    """
    from bridle.agent import Agent
    from bridle.bounds import Limits
    from bridle.errors import UsageError
    from bridle.how import StepSettings
    from bridle.journal import Journal
    from bridle.policy import OPEN, read_policy

    task = read_text(task)
    if not task.strip():
        raise UsageError("the task is empty", hint='say what to do: bridle run "..."')
    rules = read_policy(policy) if policy else OPEN
    chosen, known = skill_for(workspace, skill)
    with (
        Journal(settings().journal) as journal,
        open_writer(model, device, fallback=fallback, quiet=as_json, deterministic=deterministic) as loaded,
        open_writer(planner, device, quiet=as_json, deterministic=deterministic) if planner else nullcontext() as plans,
        watching(as_json=as_json, show_thinking=show_thinking) as watch,
    ):
        agent = Agent(
            loaded,
            workspace=workspace,
            journal=journal,
            skill=chosen,
            catalogue=known,
            limits=Limits(steps=max_steps, tokens=max_tokens, seconds=timeout),
            settings=StepSettings(
                format=format.value,
                thinking=loaded.thinking if thinking else None,
                constrain=constrain,
                temperature=temperature,
                seed=seed,
                planner=plans,
                policy=rules,
                review=review.value,
                hand_over=hand_over,
                undo=undo,
            ),
            **watch,
        )
        result = agent.run(task)
    end(result, as_json=as_json)


def skill_for(workspace: Path, name: str) -> tuple[Skill, Catalogue]:
    """The skill of that name, and all others, once work can be done in the folder: known before a model is loaded.

    Raises:
        UsageError: there is none, or no work can be done there.
        SkillError: it is broken.
    """
    from bridle.cli.skills import known_skills
    from bridle.toolbox.workspace import Workspace

    Workspace(workspace)
    known = known_skills()
    return known.named(name), known


@contextmanager
def watching(*, as_json: bool, show_thinking: bool = False) -> Generator[Listeners]:
    """What an agent tells whoever sits at the terminal, and how it asks; nothing where a program reads."""
    from bridle.observe.progress import Display

    if as_json:
        yield {}
        return
    display = Display(stderr(), show_thinking=show_thinking)
    try:
        yield {"answer": ask_person, "on_event": display.on_event, "on_progress": display.on_progress}
    finally:
        display.close()


def end(result: Run, *, as_json: bool) -> NoReturn:
    """Show what came of a run, and leave with its exit code."""
    if as_json:
        print_json(result.as_json())
    else:
        show(result)
    raise typer.Exit(exit_code(result))


def ask_person(question: str) -> str | None:
    """Ask whoever sits at the terminal; None if nobody does."""
    import sys

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from rich.text import Text

    console = stderr()
    console.print(Text(question, "bold"))
    try:
        return console.input("[cyan]> [/]").strip() or None
    except EOFError:
        return None


def show(result: Run) -> None:
    """The answer on standard output, what else is to say on standard error."""
    from rich.markup import escape

    console = stderr()
    for text in (result.answer, result.question):
        if text is not None:
            print_text(text)
    if result.status != "done":
        console.print(f"[yellow]{result.status}[/]: {escape(result.reason)}", soft_wrap=True)
    if result.question is not None:
        console.print(f"[dim]bridle runs resume {result.id} --answer ...[/]", soft_wrap=True)
    made, seconds = result.tokens.sampled + result.tokens.forced, max(result.seconds, 1e-9)
    console.print(
        f"[dim]{result.steps} steps, {made} tokens ({result.tokens.forced} forced), {seconds:.1f} s, "
        f"{made / seconds:.0f} tokens/s. bridle trace {result.id}[/]",
        soft_wrap=True,
    )


def exit_code(result: Run) -> int:
    """0 done, 1 failed, refused or cancelled, 3 stopped by a limit, 4 waits for a person."""
    from bridle.journal import Status

    return {Status.DONE: 0, Status.BUDGET: 3, Status.PAUSED: 4, Status.IN_DOUBT: 4}.get(result.status, 1)
