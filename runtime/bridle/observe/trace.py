"""A run as a tree in the terminal, read from its events: steps, thinking, calls, tokens, timings, why it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from bridle.journal import (
    CallAnswered,
    CallIntended,
    Counted,
    Decided,
    Delegated,
    Event,
    Heard,
    Kept,
    Noted,
    Prompted,
    Returned,
    Ruled,
    RunAborted,
    RunEnded,
    RunJudged,
    RunStarted,
    RunSummary,
    Status,
    StepFailed,
    StepTaken,
    UndoIntended,
    Undone,
)
from bridle.observe.progress import arguments, shorten

STYLES = {
    Status.DONE: "green",
    Status.FAILED: "red",
    Status.REFUSED: "red",
    Status.BUDGET: "yellow",
    Status.PAUSED: "cyan",
    Status.CANCELLED: "magenta",
    Status.IN_DOUBT: "bold yellow",
    Status.RUNNING: "blue",
    Status.DAMAGED: "bold red",
}

UNSURE = 0.5
"""Probability of a value below which a trace points it out."""


def trace(events: Sequence[Event], *, prompts: bool = False) -> RenderableType:
    """The tree of a run; with `prompts`, also what the model saw."""
    tree = Tree("", hide_root=True)
    given: dict[str, Tree] = {}
    for event in events:
        body = event.body
        match body:
            case RunStarted():
                tree.label = Text(event.run, style="bold")
                tree.hide_root = False
                tree.add(f"[bold]{escape(body.task)}[/]")
                tree.add(
                    f"[dim]{escape(body.model)}, skill {escape(body.skill)}, {body.format}, "
                    f"{'deterministic, ' if body.deterministic else ''}{escape(body.workspace)}[/]"
                )
            case StepTaken():
                _add_step(_home(given, body.path, tree), event.number, body, prompts=prompts)
            case Noted():
                _home(given, body.path, tree).add(f"[dim]{event.number}[/] [italic]{escape(body.text)}[/]")
            case Delegated():
                told = f"[dim]{event.number}[/] [bold]{body.path}[/] to {escape(body.to)}: {escape(body.task)}"
                given[body.path] = _home(given, body.path, tree).add(told)
            case Returned():
                value = shorten(json.dumps(body.value, ensure_ascii=False), 400)
                _home(given, f"{body.path}/", tree).add(f"[dim]{event.number}[/]   [green]{escape(value)}[/]")
            case Counted() | UndoIntended():
                pass
            case Kept():
                value = shorten(json.dumps(body.value, ensure_ascii=False), 400)
                what = "keeps" if not body.read else "as it is kept" if body.value else "nothing is kept yet"
                told = f"{what}, {body.layer}: {body.name}{f' {value}' if body.value else ''}"
                _home(given, body.path, tree).add(f"[dim]{event.number}[/] {escape(told)}")
            case StepFailed():
                told = f"[red]came to nothing:[/] {escape(body.reason)}"
                _home(given, body.path, tree).add(f"[dim]{event.number}[/] {body.path} {told}")
            case Ruled():
                told = "; ".join(f"{tool}: {verdict}" for tool, verdict in body.verdicts.items())
                _home(given, body.path, tree).add(f"[dim]{event.number}[/] policy for {body.path}: {escape(told)}")
            case Decided():
                likely = sorted(zip(body.probabilities, body.options, strict=True), reverse=True)[:4]
                shares = ", ".join(f"{escape(option)} {share:.0%}" for share, option in likely)
                told = f"[bold]{escape(body.option)}[/]" + ("" if body.sure else " [yellow]not sure enough[/]")
                _home(given, body.path, tree).add(
                    f"[dim]{event.number}[/] {escape(body.question)} {told} [dim]{shares}[/]"
                )
            case CallIntended():
                call = f"[bold cyan]{body.tool}[/]{escape(arguments(body.args))}"
                tree.add(f"[dim]{event.number}[/] {call} [dim]{body.effect}[/]")
            case CallAnswered(ok=ok, text=text, seconds=seconds):
                style, took = "green" if ok else "red", "as before" if body.cached else _time(seconds)
                tree.add(f"[dim]{event.number}[/]   [{style}]{escape(shorten(text, 400))}[/] [dim]{took}[/]")
            case Undone(ok=ok, text=text):
                tree.add(f"[dim]{event.number}[/] undone: [{'green' if ok else 'red'}]{escape(shorten(text, 400))}[/]")
            case Prompted():
                _home(given, body.path, tree).add(f"[dim]{event.number}[/] told at {body.path}: {escape(body.text)}")
            case Heard():
                tree.add(f"[dim]{event.number}[/] asked: {escape(body.question)}\n  [cyan]{escape(body.text)}[/]")
            case RunAborted():
                tree.add(f"[dim]{event.number}[/] [red]given up:[/] {escape(body.reason)}; what it did is taken back")
            case RunEnded():
                tree.add(_ending(body))
            case RunJudged():
                wrong = "; ".join(f"{what}: {why}" for what, why in body.checks.items() if why)
                verdict = "[green]passed[/]" if body.passed else "[red]failed[/]"
                told = f"{escape(body.case)} [dim]{escape(body.suite)}, {escape(body.variant)}[/] {escape(wrong)}"
                tree.add(f"[dim]{event.number}[/] {verdict} {told}")
    return tree


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """Runs as a table, newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    table.add_column("run", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("steps", justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("task", ratio=2, overflow="ellipsis", no_wrap=True)
    table.add_column("came of it", ratio=3, overflow="ellipsis", no_wrap=True)
    for run in runs:
        status = Text(run.status, style=STYLES[run.status])
        table.add_row(
            run.run, status, str(run.steps), _time(run.seconds), Text(shorten(run.task)), Text(shorten(run.answer))
        )
    return table


def _home(given: Mapping[str, Tree], path: str, tree: Tree) -> Tree:
    """The branch of the task that was given away and that a path is part of; the whole tree if there is none."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in given:
            return given[path]
    return tree


def _add_step(tree: Tree, number: int, step: StepTaken, *, prompts: bool) -> None:
    tokens = step.tokens
    counts = (
        f"{tokens.prompt} read ({tokens.reused} known), {tokens.sampled + tokens.forced} written "
        f"({tokens.forced} forced), {_time(step.seconds)}"
    )
    branch = tree.add(f"[dim]{number}[/] [bold]{step.path}[/] [dim]{counts}[/]")
    for note in step.notes:
        branch.add(f"[yellow]{escape(note)}[/]")
    if prompts and step.request:
        branch.add(Text(f"asked {step.model}: {json.dumps(step.request, ensure_ascii=False)}", style="dim"))
    if prompts:
        branch.add(Group(Text(f"prompt, from character {step.shared_text} on:", style="dim"), Text(step.prompt_text)))
    if step.thinking:
        branch.add(f"[italic dim]{escape(shorten(step.thinking, 400))}[/]")
    branch.add(escape(shorten(step.text, 400)))
    if step.certainty.masked >= 0.01:
        branch.add(f"[dim]the grammar took away {step.certainty.masked:.0%} of what the model would have said[/]")
    for path, sure in step.fields.items():
        if sure.probability < UNSURE:
            branch.add(f"[dim]unsure of[/] [yellow]{escape(path)}[/] [dim]({sure.probability:.0%} probable)[/]")
    if step.mends:
        branch.add(f"[yellow]mended: {escape('; '.join(step.mends))}[/]")
    if step.error:
        branch.add(f"[red]not usable: {escape(step.error)}[/]")
    if step.cut:
        branch.add("[yellow]brought to its end because the budget ran out[/]")


def _ending(end: RunEnded) -> str:
    text = end.answer or end.question or ""
    parts = [f"[{STYLES[end.status]}]{end.status}[/]"]
    if end.reason:
        parts.append(escape(end.reason))
    head = ": ".join(parts)
    tokens = end.tokens
    counts = f"{end.steps} steps, {tokens.sampled + tokens.forced} tokens written, {_time(end.seconds)}"
    return f"{head} [dim]({counts})[/]" + (f"\n{escape(text)}" if text else "")


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
