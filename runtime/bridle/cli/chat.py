"""`bridle chat`: one request after another, in one conversation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.common import (
    DeviceOption,
    FallbackOption,
    ModelOption,
    checked,
    open_writer,
    print_text,
    settings,
    stderr,
)
from bridle.cli.run import Format, FormatOption, PolicyOption, WorkspaceOption, ask_person, exit_code, skill_for


def chat(
    model: ModelOption = None,
    device: DeviceOption = None,
    fallback: FallbackOption = None,
    skill: Annotated[str, typer.Option("--skill", "-s", help="How to go about each request.")] = "react",
    workspace: WorkspaceOption = Path(),
    format: FormatOption = Format.JSON,  # the option's name
    show_thinking: Annotated[bool, typer.Option("--show-thinking", help="Show what it thinks.")] = False,
    policy: PolicyOption = None,
) -> None:
    """Talk to an agent. Each request is a run of its own; /new forgets the conversation, /quit (or Ctrl-D) ends it.

    Where nobody sits at the terminal the exit code is that of the last run (see `bridle run`).
    """
    from rich.markup import escape

    from bridle.agent import Agent
    from bridle.how import StepSettings
    from bridle.journal import Journal
    from bridle.observe.progress import Display
    from bridle.policy import OPEN, read_policy
    from bridle.prompt import Message

    console = stderr()
    display = Display(console, show_thinking=show_thinking)
    rules = read_policy(policy) if policy else OPEN
    chosen, known = skill_for(workspace, skill)
    with Journal(settings().journal) as journal, open_writer(model, device, fallback=fallback) as loaded:
        agent = Agent(
            loaded,
            workspace=workspace,
            journal=journal,
            skill=chosen,
            catalogue=known,
            settings=StepSettings(
                format=format.value,
                thinking=loaded.thinking,
                policy=rules,
            ),
            answer=ask_person,
            on_event=display.on_event,
            on_progress=display.on_progress,
        )
        console.print(f"[dim]{loaded.name}, skill {agent.skill.name}. /new begins anew, /quit ends.[/]")
        history: list[Message] = []
        parent: str | None = None
        code = 0
        while (request := read_line(interactive=console.is_terminal)) is not None:
            if request in ("/quit", "/exit"):
                break
            if request == "/new":
                history, parent = [], None
                console.print("[dim]a new conversation[/]")
                continue
            if not request:
                continue
            try:
                result = agent.run(request, history=history, parent=parent)
            except KeyboardInterrupt:
                console.print("[yellow]stopped[/]")
                continue
            finally:
                display.close()
            text = result.answer or result.question
            if text:
                print_text(text)
            if result.reason:
                console.print(f"[yellow]{result.status}[/]: {escape(result.reason)}", soft_wrap=True)
            history, parent, code = list(result.messages), result.id, exit_code(result)
    if code and not console.is_terminal:
        raise typer.Exit(code)


def read_line(*, interactive: bool) -> str | None:
    """The next request; None at the end of the input.

    Raises:
        UsageError: it is not UTF-8.
    """
    sign = "\n> " if interactive else ""
    if sign and not sys.stdout.isatty():  # where `input` would write it among the answers
        stderr().print(sign, end="")
        sign = ""
    try:
        return checked(input(sign).strip())
    except (EOFError, KeyboardInterrupt):
        if interactive:
            stderr().print()  # the shell's prompt begins a line of its own
        return None
