"""`bridle bench agents`: how one model serves many agents at once, here and on other engines."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridle.cli.bench import PeersOption, PlotOption, ServerOption, measured, numbers, ready
from bridle.cli.common import (
    PLAIN,
    DeviceOption,
    JsonOption,
    ModelOption,
    print_json,
    print_table,
    settings,
)
from bridle.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import JsonValue

    from bridle.evals.agents import Load
    from bridle.model import Model


def agents(
    model: ModelOption = None,
    device: DeviceOption = None,
    count: Annotated[str, typer.Option("--agents", "-a", help="How many at once.", metavar="SIZES")] = "1,8",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Tool calls of each, after each other.")] = 4,
    rounds: Annotated[int, typer.Option("--rounds", "-n", min=1, help="Rounds, all engines in turn in each.")] = 1,
    peers: PeersOption = False,
    server: ServerOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time agents that work at once on one model, each with a history of its own."""
    from bridle.evals import agents as benchmark

    sizes, binary = numbers(count), ready(plot, server)
    if not sizes:
        raise UsageError("no number of agents is given", hint="such as --agents 1,8,32")
    if peers and find_spec("guidance") is None:
        raise UsageError("the peer of many agents is guidance, which is not installed", hint="pip install guidance")
    loads: list[tuple[str, Load]] = []
    with measured(model, device, sizes, quiet=as_json) as (loaded, status):
        asyncio.run(benchmark.measure(loaded, max(sizes), 1))  # to warm up
        for number, size in enumerate(sizes, 1):
            status.update(f"measuring {size} agents")
            ways = _ways(loaded, model, size, steps, binary, peers=peers)
            seeds = range(number, number + rounds * len(sizes), len(sizes))
            loads += benchmark.in_turn(ways, seeds).items()
        name = loaded.name
    told = [{"name": engine, **load.as_json()} for engine, load in loads]
    result: dict[str, JsonValue] = {"model": name, "rounds": rounds, "loads": cast("list[JsonValue]", told)}
    if plot is not None:
        from bridle.evals.plot import plot_agents

        plot_agents(result, plot)
    if as_json:
        print_json(result)
        return
    _show(f"{name}, {steps} steps each, medians of {rounds}", loads)


def _show(title: str, loads: list[tuple[str, Load]]) -> None:
    from rich.table import Table

    table = Table(title=title, **PLAIN)
    table.add_column("engine")
    for column in (
        "agents",
        "seconds",
        "of Bridle's",
        "tokens/s",
        "steps/s",
        "step p50, s",
        "p95, s",
        "first token, s",
        "reused",
        "read/new",
        "whole",
    ):
        table.add_column(column, justify="right")
    for engine, load in loads:
        table.add_row(
            engine,
            str(load.agents),
            f"{load.seconds:.2f}",
            f"{load.ratio:.2f}",
            f"{load.tokens_per_second:.1f}",
            f"{load.steps_per_second:.2f}",
            f"{load.step_p50:.2f}",
            f"{load.step_p95:.2f}",
            f"{load.first_token_p50:.2f}",
            f"{load.reused_share:.1%}",
            "–" if load.read_per_new is None else f"{load.read_per_new:.2f}",
            f"{load.whole:.0%}",
        )
    print_table(table)


def _ways(
    loaded: Model, model: str | None, agents: int, steps: int, server: Path | None, *, peers: bool
) -> dict[str, Callable[[int], Load]]:
    """What serves the agents, by name, each with the seed of a round."""
    from bridle.evals.agents import measure
    from bridle.local import find_model

    path = find_model(model or settings().model)
    ways: dict[str, Callable[[int], Load]] = {
        "bridle": lambda seed: asyncio.run(measure(loaded, agents, steps, seed=seed))
    }
    if server is not None:
        ways["llama-server"] = partial(_served, server, path, loaded, agents, steps)
    if peers:
        ways["guidance, interleaved"] = partial(_guided, path, loaded, agents, steps, True)
    if peers and agents > 1:
        ways["guidance, one by one"] = partial(_guided, path, loaded, agents, steps, False)
    return ways


def _served(server: Path, path: Path, loaded: Model, agents: int, steps: int, seed: int) -> Load:
    """The same agents on a llama-server, which is started for them and warmed up like Bridle."""
    from bridle.evals import peer_agents
    from bridle.evals.drive import CONTEXT
    from bridle.evals.server import Server

    with Server(server, path, slots=agents, context=CONTEXT) as running:
        asyncio.run(peer_agents.measure_server(running, loaded, agents, 1))
        return asyncio.run(peer_agents.measure_server(running, loaded, agents, steps, seed=seed))


def _guided(path: Path, loaded: Model, agents: int, steps: int, together: bool, seed: int) -> Load:
    """The same agents on guidance, which serves one at a time."""
    from bridle.evals.peer_agents import measure_guidance

    return asyncio.run(measure_guidance(path, loaded, agents, steps, together=together, seed=seed))
