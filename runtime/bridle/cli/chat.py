"""`bridle chat`: one request after another, in one conversation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridle.cli.common import DeviceOption, FallbackOption, ModelOption, open_writer, settings, stderr, stdout
from bridle.cli.run import Format, FormatOption, PolicyOption, WorkspaceOption, ask_person


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
    """Talk to an agent. Each request is a run of its own; /new forgets the conversation, /quit (or Ctrl-D) ends it."""
    from rich.markup import escape

    from bridle.agent import Agent
    from bridle.cli.skills import known_skills
    from bridle.how import StepSettings
    from bridle.journal import Journal
    from bridle.observe.progress import Display
    from bridle.policy import OPEN, read_policy
    from bridle.prompt import Message

    console = stderr()
    display = Display(console, show_thinking=show_thinking)
    with Journal(settings().journal) as journal, open_writer(model, device, fallback=fallback) as loaded:
        agent = Agent(
            loaded,
            workspace=workspace,
            journal=journal,
            skill=skill,
            catalogue=known_skills(),
            settings=StepSettings(
                format=format.value,
                thinking=loaded.thinking,
                policy=read_policy(policy) if policy else OPEN,
            ),
            answer=ask_person,
            on_event=display.on_event,
            on_progress=display.on_progress,
        )
        console.print(
            f"[dim]{loaded.name}, skill {agent.skill.name}. /new begins anew, /quit ends.[/]", highlight=False
        )
        history: list[Message] = []
        parent: str | None = None
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
                stdout().print(text, markup=False, highlight=False, soft_wrap=True)
            if result.reason:
                console.print(f"[yellow]{result.status}[/]: {escape(result.reason)}", highlight=False, soft_wrap=True)
            history, parent = list(result.messages), result.id


def read_line(*, interactive: bool) -> str | None:
    """The next request; None at the end of the input."""
    try:
        return input("\n> " if interactive else "").strip()
    except (EOFError, KeyboardInterrupt):
        if interactive:
            stderr().print()  # the shell's prompt begins a line of its own
        return None
