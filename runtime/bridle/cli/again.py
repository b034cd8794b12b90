"""`bridle runs resume`, `replay`, `fork` and `diff`: runs that are come back to."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridle.cli.common import (
    PLAIN,
    DeviceOption,
    JsonOption,
    ModelOption,
    PlannerOption,
    open_writer,
    print_text,
    read_text,
    settings,
    stdout,
)
from bridle.errors import UsageError

if TYPE_CHECKING:
    from bridle.agent import Agent
    from bridle.anew import Retaken
    from bridle.journal import Journal, RunStarted

RunArgument = Annotated[str, typer.Argument(help="A run's id, the beginning of it, or last.")]
StepsOption = Annotated[
    int | None, typer.Option(min=1, help="Times that the model is asked in all; as before if not given.")
]


def resume(
    run: RunArgument = "last",
    answer: Annotated[
        str | None, typer.Option("--answer", "-a", help="What you say to its question; - reads it.")
    ] = None,
    model: ModelOption = None,
    planner: PlannerOption = None,
    device: DeviceOption = None,
    max_steps: StepsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run that was cut off, or waits for you. What it did before is not done again."""
    from bridle.cli.run import end
    from bridle.journal import Journal, beginning

    said = read_text(answer) if answer is not None else None
    if said is not None and not said.strip():
        raise UsageError("the answer is empty", hint="leave out --answer to be asked again")
    with Journal(settings().journal) as journal:
        found = journal.find(run)
        started = beginning(found, journal.events(found, 1))
        with _agent(journal, started, model, planner, device, max_steps, as_json=as_json) as agent:
            result = agent.resume(found, said)
    end(result, as_json=as_json)


def replay(
    run: Annotated[str, typer.Argument(help="A run's id, the beginning of it, last, or all.")] = "last",
) -> None:
    """Do a run over from its record, without its model and its tools. Exits with 1 if it comes to something else."""
    from bridle.bounds import Astray
    from bridle.cli.skills import known_skills
    from bridle.errors import JournalError
    from bridle.journal import Journal
    from bridle.replay import replay as over
    from bridle.toolbox import TOOLBOX

    with Journal(settings().journal) as journal:
        names = journal.names() if run == "all" else [journal.find(run)]
        wrong = dict[str, str]()
        for name in names:
            try:
                wrong[name] = over(journal, name, tools=TOOLBOX, catalogue=known_skills())
            except (Astray, JournalError, UsageError) as error:
                wrong[name] = error.message
    if told := "; ".join(f"{name}: {why}" for name, why in wrong.items() if why):
        raise JournalError(f"not as it was: {told}")
    stdout().print(f"{len(names)} {'run comes' if len(names) == 1 else 'runs come'} to the same")


class Change(StrEnum):
    """What a copy of a run can have otherwise."""

    RESULT = "tool-result"
    ANSWER = "answer"
    PROMPT = "prompt"
    MODEL = "model"


def fork(
    run: RunArgument = "last",
    at: Annotated[
        str, typer.Option("--at", help="Where: a step (act#2), a question (ask#1), a call ('call 3'), or an event.")
    ] = "2",
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="tool-result=, answer=, prompt= TEXT there; model=NAME from there.", show_default=False
        ),
    ] = None,
    model: ModelOption = None,
    planner: PlannerOption = None,
    device: DeviceOption = None,
    max_steps: StepsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a run up to a place, and go on from there: with another model (-m), skill or result than then."""
    from bridle.cli.run import end
    from bridle.fork import fork as copied
    from bridle.journal import Journal, beginning

    changes = dict[str, str]()
    for told in change or []:
        name, equals, value = told.partition("=")
        if not equals or name not in list(Change):
            raise UsageError(f"--set {told} is none of {', '.join(f'{it}=' for it in Change)}")
        if name in changes:
            raise UsageError(f"--set {name}= is given twice")
        changes[name] = value
    with Journal(settings().journal) as journal:
        found = journal.find(run)
        started = beginning(found, journal.events(found, 1))
        with _agent(
            journal, started, changes.get(Change.MODEL, model), planner, device, max_steps, as_json=as_json
        ) as agent:
            result = agent.resume(
                copied(
                    journal,
                    found,
                    at,
                    skill=agent.skill.digest,
                    model=agent.model.name,
                    result=changes.get(Change.RESULT),
                    said=changes.get(Change.ANSWER),
                    prompt=changes.get(Change.PROMPT),
                )
            )
    end(result, as_json=as_json)


def diff(one: RunArgument, other: Annotated[str, typer.Argument(help="Another run.")] = "last") -> None:
    """Tell where two runs part: the first event that differs, and the first token of it. Exits with 1 if they do."""
    from bridle.fork import difference
    from bridle.journal import Journal

    with Journal(settings().journal) as journal:
        parts = difference(journal, journal.find(one), journal.find(other))
    print_text(parts or "no difference")
    raise typer.Exit(1 if parts else 0)


def again_taken(names: Sequence[str], model: str | None, device: str | None) -> None:
    """Have the steps of runs taken once more, and say where they part from what was said then."""
    from bridle.anew import take_anew
    from bridle.bounds import Astray
    from bridle.cli.skills import known_skills
    from bridle.errors import JournalError
    from bridle.journal import Journal, beginning
    from bridle.toolbox import TOOLBOX

    parted, others = list[str](), list[str]()
    with Journal(settings().journal) as journal:
        runs = {name: beginning(name, journal.events(name, 1)) for name in names}
        for deterministic in (True, False):
            mine = {name: it for name, it in runs.items() if it.deterministic is deterministic}
            if not mine:
                continue
            with open_writer(model, device, deterministic=deterministic) as loaded:
                for name, started in mine.items():
                    if started.model != loaded.name:
                        others.append(f"{name} is of the model {started.model}")
                        continue
                    try:
                        found = take_anew(journal, name, loaded, tools=TOOLBOX, catalogue=known_skills())
                    except (Astray, UsageError) as error:  # its skill is gone, or not what it was
                        parted.append(f"{name}: {error.message}")
                        continue
                    _tell_retaken(name, found, deterministic=deterministic)
                    parted += [f"{name} at {it.path}" for it in found if it.parts]
    if others:
        told = f"left out, being of other models: {'; '.join(others)}"
        if len(others) == len(names):
            raise UsageError(told, hint="-m names the model")
        print_text(told)
    if parted:
        raise JournalError(f"not said again: {'; '.join(parted)}")


def _tell_retaken(name: str, found: Sequence[Retaken], *, deterministic: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("step", "tokens", "comes to", "drift", **PLAIN, title=name)
    for it in found:
        same = "left to chance, without a seed" if it.chance else it.parts or "the same"
        table.add_row(it.path, str(it.tokens), escape(same), "" if it.chance else f"{it.drift:.3f}")
    stdout().print(table)
    if not deterministic:
        stdout().print("[dim]it was not deterministic: other batches may round otherwise (--deterministic)[/]")


@contextmanager
def _agent(
    journal: Journal,
    started: RunStarted,
    model: str | None,
    planner: str | None,
    device: str | None,
    max_steps: int | None,
    *,
    as_json: bool,
) -> Generator[Agent]:
    """An agent that goes about things as a run was gone about."""
    from dataclasses import replace as with_

    from bridle.agent import Agent
    from bridle.cli.run import skill_for, watching
    from bridle.resume import settings_of

    chosen, limits, _ = settings_of(started)
    skill, known = skill_for(Path(started.workspace), started.skill)
    deterministic = started.deterministic
    with (
        open_writer(model, device, quiet=as_json, deterministic=deterministic) as loaded,
        open_writer(planner, device, quiet=as_json, deterministic=deterministic) if planner else nullcontext() as plans,
        watching(as_json=as_json) as watch,
    ):
        yield Agent(
            loaded,
            workspace=Path(started.workspace),
            journal=journal,
            skill=skill,
            catalogue=known,
            limits=limits if max_steps is None else with_(limits, steps=max_steps),
            settings=with_(chosen, planner=plans),
            **watch,
        )
