"""A run in the terminal while it happens: a line for each call and result, and a sign of life in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping

from pydantic import JsonValue
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from bridle.journal import CallAnswered, CallIntended, Event, Heard, Noted, Ruled, RunEnded, StepTaken, Undone
from bridle.turn import Progress

WIDTH = 100
"""Characters of a value that a line shows."""


class Display:
    """Shows one run on a console (standard error). Give its methods to an agent as listeners."""

    def __init__(self, console: Console, *, show_thinking: bool = False) -> None:
        self._console = console
        self._show_thinking = show_thinking
        self._lock = threading.Lock()
        self._status: Status | None = None
        self._count = 0
        self._noted: set[str] = set()

    def on_event(self, event: Event) -> None:
        """A line for what a person wants to know of an event."""
        with self._lock:
            self._stop()
            match event.body:
                case StepTaken() as step:
                    self._count = 0
                    if self._show_thinking and step.thinking:
                        self._say(f"[dim italic]{escape(step.thinking)}[/]")
                    for note in step.notes:
                        if note not in self._noted:  # the journal has it at every step, a person is told once
                            self._say(f"[yellow]{escape(shorten(note, 400))}[/]")
                        self._noted.add(note)
                    if step.error:
                        self._say(f"[yellow]not usable, asking again:[/] {escape(step.error)}")
                case CallIntended() as call:
                    self._say(f"[bold cyan]{escape(call.tool)}[/]{escape(arguments(call.args))}")
                case CallAnswered(ok=ok, text=text):
                    self._say(f"  [{'green' if ok else 'red'}]{escape(shorten(text))}[/]")
                case Noted(text=text):
                    self._say(f"[italic]{escape(text)}[/]")
                case Ruled(path=path, verdicts=verdicts) if path.startswith("call "):
                    for said in verdicts.values():
                        self._say(f"[yellow]refused:[/] {escape(shorten(said, 400))}")
                case Undone(ok=ok, text=text, tool=tool):
                    self._say(f"[{'yellow' if ok else 'red'}]undone {escape(tool)}: {escape(shorten(text))}[/]")
                case Heard(text=text):
                    self._say(f"[dim]you: {escape(text)}[/]")
                case RunEnded():
                    self.close()
                case _:
                    pass

    def on_progress(self, progress: Progress) -> None:
        """Keep the sign of life going."""
        with self._lock:
            if progress.stage == "reading":
                if progress.done < progress.total:
                    self._show(f"reading {progress.done} of {progress.total} tokens")
                return
            if progress.stage == "calling":
                share = f", {progress.done} of {progress.total}" if progress.total else ""
                self._show(f"{progress.text}{share}")
                return
            if progress.stage == "repairing":
                self._show(progress.text)
                return
            self._count += 1
            self._show(f"{progress.stage}, {self._count} steps")

    def close(self) -> None:
        """Take the sign of life away."""
        self._stop()

    def _show(self, text: str) -> None:
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(Text(text), spinner_style="cyan")
            self._status.start()
        else:
            self._status.update(Text(text))

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)


def arguments(args: Mapping[str, JsonValue]) -> str:
    """Arguments as a call shows them: `(path="a.txt", days=3)`."""
    shown = ", ".join(f"{name}={shorten(json.dumps(value, ensure_ascii=False))}" for name, value in args.items())
    return f"({shown})"


def shorten(text: str, width: int = WIDTH) -> str:
    """The beginning of a text, on one line."""
    line = " ⏎ ".join(text.strip().splitlines())
    return line if len(line) <= width else line[: width - 1] + "…"
