"""Suites of cases for `bridle eval`, of worlds that training never shows: a family each, in YAML.

    python models/colt/recipe/suite.py build/colt-suite --cases 300
    bridle eval build/colt-suite -m models/colt/colt.gguf

Tools answer what the case says they do, so that a case is judged by its calls and its answer and by nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml
from sessions import Maker, Task, World

from bridle.grammar.said import Ask, Call, Show
from bridle.tool import FAILED, Tool

FAMILIES = {
    "seen tools, unseen values": World(values="unseen"),
    "unseen sentences": World(phrasings="unseen"),
    "unseen tools": World(values="unseen", tools="unseen"),
    "a value is missing": World(values="unseen", phrasings="unseen", only="missing"),
    "no tool fits": World(values="unseen", phrasings="unseen", only="refusal"),
    "several steps": World(values="unseen", only="chain"),
    "orders in results": World(values="unseen", only="injection"),
}
ENDINGS = ".!?: "


def cases(world: World, count: int, seed: int) -> list[dict[str, Any]]:
    """Cases of one world."""
    maker, made = Maker(seed, world), list[dict[str, Any]]()
    while len(made) < count:
        tools, inventions = maker.tools()
        task = maker.task(tools, inventions)
        if world.only == "missing" and not isinstance(task.steps[0][0], Ask):
            continue
        if world.only is None and (task.refusal or not any(isinstance(action, Call) for action, _, _ in task.steps)):
            continue
        made.append(case(task, tools))
    return made


def case(task: Task, tools: list[Tool]) -> dict[str, Any]:
    """A task as a case: offered are the same tools, which answer what the task says."""
    results: dict[str, list[Any]] = {}
    calls, replies = list[dict[str, Any]](), list[str]()
    for action, _, following in task.steps:
        if isinstance(action, Call):
            calls.append({"tool": action.tool, "args": dict(action.args)})
            failed = following.removeprefix(FAILED)
            results.setdefault(action.tool, []).append({"error": failed} if failed != following else following)
        elif isinstance(action, Ask):
            replies.append(following)
    end, told = task.steps[-1][0], list[str]()
    if not isinstance(end, Call):
        told = [end.text.strip(ENDINGS)]
    if isinstance(end, Show):
        told += task.steps[-2][2].splitlines()
    return {
        "request": task.request,
        "offers": [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.schema),
                "results": results.get(tool.name, ["ok"]),
            }
            for tool in tools
        ],
        "replies": replies,
        "expect": {
            "calls": calls,
            "answer": {"contains": [it for it in told if it]},
        },
    }


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=300, help="of each family")
    parser.add_argument("--seed", type=int, default=999)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for number, (family, world) in enumerate(FAMILIES.items()):
        told = [{**it, "tags": [family]} for it in cases(world, options.cases, options.seed + number)]
        path = options.folder / f"{family.replace(', ', '-').replace(' ', '-')}.yaml"
        path.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False, width=1_000), encoding="utf-8")


if __name__ == "__main__":
    main()
