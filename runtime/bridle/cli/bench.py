"""`bridle bench`: how fast this machine is with a model."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bridle.cli.common import (
    PLAIN,
    DeviceOption,
    JsonOption,
    ModelOption,
    open_model,
    print_json,
    print_table,
    print_text,
    settings,
    stderr,
    stdout,
)
from bridle.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pydantic import JsonValue
    from rich.status import Status
    from rich.table import Table

    from bridle.evals import peers as peers_module
    from bridle.evals.tasks import Task
    from bridle.model import Model

ServerOption = Annotated[
    str | None, typer.Option("--server", help="Also a llama-server, by the path of its binary.", show_default=False)
]
CallsOption = Annotated[
    Path | None,
    typer.Option("--calls", help="Ask these calls: JSON lines, or a folder of such, laid out like BFCL's."),
]
PeersOption = Annotated[
    bool, typer.Option("--peers", help="Also other engines that are installed: pip install 'bridle\\[bench]'.")
]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Draw a chart into this PNG.", show_default=False)]

app = typer.Typer(help="Benchmarks, on this machine.", no_args_is_help=True)


@app.command("decode")
def decode(
    model: ModelOption = None,
    device: DeviceOption = None,
    repeat: Annotated[int, typer.Option("--repeat", "-n", min=1, help="Rounds of each.")] = 10,
    batch: Annotated[
        str, typer.Option(help="Also so many calls at once, such as 1,8,32.", show_default=False, metavar="SIZES")
    ] = "",
    calls: CallsOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Calls, spread over all of them; 0 for all.")] = 20,
    temperature: Annotated[float, typer.Option("--temperature", "-t", min=0, help="Of sampling; 0 is greedy.")] = 1.0,
    peers: PeersOption = False,
    server: ServerOption = None,
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Time tool calls decoded under their grammar, with and without drafts, against free text of the same length."""
    from rich.table import Table

    from bridle.evals import decode as benchmark
    from bridle.evals.tasks import FLIGHT, read_tasks

    sizes, binary = numbers(batch), ready(plot, server)
    tasks = read_tasks(calls, limit) if calls is not None else [FLIGHT]
    with measured(model, device, sizes, quiet=as_json) as (loaded, status):

        def on_round(number: int, of: int) -> None:
            status.update(f"measuring, round {number + 1} of {of}")

        told: Any = {"temperature": temperature, "on_round": on_round}
        speeds = asyncio.run(benchmark.measure(loaded, repeat, tasks, **told))
        batches = asyncio.run(benchmark.measure_batches(loaded, sizes, repeat, tasks, **told)) if sizes else []
        others = measure_peers(loaded, model, repeat, tasks, binary, told) if peers or binary else []
        name = loaded.name
    result: dict[str, JsonValue] = {"model": name, "repeat": repeat, "calls": len(tasks), "temperature": temperature}
    result |= {way: speed.as_json() for way, speed in speeds.items()}
    result |= {"batches": cast("list[JsonValue]", [vars(it) for it in batches])} if batches else {}
    result |= {"peers": cast("list[JsonValue]", [it.as_json() for it in others])} if others else {}
    if plot is not None:
        from bridle.evals.plot import plot_decode

        plot_decode(result, plot)
    if as_json:
        print_json(result)
        return
    asked = f"{len(tasks)} calls" if len(tasks) > 1 else "one call"
    table = Table(title=f"{name}, {asked}, medians of {repeat}", **PLAIN)
    table.add_column("", no_wrap=True)
    for column in ("tokens/s", "ms/token", "ms/sampled", "forced", "outside decode", "tokens", "decodes"):
        table.add_column(column, justify="right")
    for way, speed in speeds.items():
        table.add_row(
            way,
            f"{speed.tokens_per_second:.1f}",
            f"{speed.ms_per_token:.2f}",
            f"{speed.ms_per_sampled_token:.2f}",
            f"{speed.forced_share:.0%}",
            f"{speed.outside_decode_share:.1%}",
            f"{speed.tokens:.0f}",
            f"{speed.decodes:.0f}",
        )
    print_table(table)
    if batches:
        table = Table(title="calls at once", **PLAIN)
        for column in ("calls", "tokens/s", "seconds for all", "outside decode"):
            table.add_column(column, justify="right")
        for it in batches:
            figures = (f"{it.tokens_per_second:.1f}", f"{it.seconds:.2f}", f"{it.outside_decode_share:.1%}")
            table.add_row(str(it.size), *figures)
        print_table(table)
    if others:
        print_table(peers_table(others))
        for it in others:
            if it.problem:
                told = f"{it.name}, {it.tasks} done: {' '.join(it.problem.split())}"
                stdout().print(told, style="dim", markup=False, soft_wrap=True)


@contextmanager
def measured(
    model: str | None, device: str | None, sizes: Sequence[int], *, quiet: bool
) -> Generator[tuple[Model, Status]]:
    """A model that serves so many at once, and the line that says what is being measured."""
    from bridle.evals.drive import CONTEXT

    with (
        open_model(model, device, quiet=quiet, slots=max([4, *sizes]), context=CONTEXT) as loaded,
        stderr().status("measuring") as status,
    ):
        yield loaded, status


def measure_peers(
    loaded: Model,
    model: str | None,
    repeat: int,
    tasks: Sequence[Task],
    server: Path | None,
    options: Mapping[str, Any],
) -> list[peers_module.Result]:
    """The same calls by other engines."""
    from bridle.evals import peers
    from bridle.local import find_model

    return peers.measure(loaded, find_model(model or settings().model), repeat, tasks, server=server, **options)


def peers_table(results: Sequence[peers_module.Result]) -> Table:
    """Engines, the fastest first."""
    from rich.table import Table

    calls = "calls" if max(it.tasks for it in results) > 1 else "call"
    table = Table(title=f"the same {calls} by other engines", **PLAIN)
    for column in ("engine", "version"):
        table.add_column(column, no_wrap=True)
    for column in ("s/step", "ms/token", "tokens", "whole", "of Bridle's time"):
        table.add_column(column, justify="right")
    for it in sorted(results, key=lambda it: (not it.tasks, it.ratio)):
        if not it.tasks:
            table.add_row(it.name, it.version, *"–––––", style="dim")
            continue
        figures = (f"{it.seconds_per_step:.3f}", f"{it.ms_per_token:.2f}", f"{it.tokens:.0f}", f"{it.whole:.0%}")
        table.add_row(it.name, it.version, *figures, f"{it.ratio:.2f} x")
    return table


@app.command("mask")
def mask(
    folder: Annotated[Path, typer.Argument(help="Schemas with instances, in the layout of MaskBench.")],
    model: ModelOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Schemas, spread over the folder; 0 for all.")] = 0,
    plot: PlotOption = None,
    failures: Annotated[bool, typer.Option("--failures", help="Also name what was judged wrong or refused.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Time masks over the vocabulary of a model (one without weights will do), and see whether they are right."""
    from rich.progress import track
    from rich.table import Table

    from bridle.evals import mask as benchmark
    from bridle.local import open_vocabulary

    ready(plot)
    cases = benchmark.read_cases(folder, limit)
    vocabulary = open_vocabulary(model or settings().model)
    rounds = track(cases, "measuring", console=stderr(), transient=True, disable=as_json)
    found = benchmark.measure(rounds, vocabulary)
    result = found.as_json()
    if plot is not None:
        from bridle.evals.plot import plot_mask

        plot_mask(result, plot)
    if as_json:
        named = {"refused": found.refused, "wrong": [*found.valid_rejected, *found.invalid_accepted]}
        print_json({**result, **(cast("dict[str, JsonValue]", named) if failures else {})})
        return
    counts = Table(title=f"{len(cases)} schemas, {vocabulary.size} tokens in the vocabulary", **PLAIN)
    counts.add_column("")
    counts.add_column("", justify="right")
    for name, value in result.items():
        if isinstance(value, int):
            counts.add_row(name.replace("_", " "), f"{value:,}")
    times = Table(title="microseconds", **PLAIN)
    times.add_column("")
    for column in ("p50", "p99", "p99.9", "max"):
        times.add_column(column, justify="right")
    for name, seconds in found.times.items():
        times.add_row(name, *(f"{value:,.1f}" for value in benchmark.summary(seconds).values()))
    stdout().print(counts, times)
    if failures:
        for kind, names in (
            ("refused", found.refused),
            ("valid, rejected", found.valid_rejected),
            ("invalid, accepted", found.invalid_accepted),
        ):
            for name in names:
                print_text(f"{kind}: {name}")


def ready(plot: Path | None, server: str | None = None) -> Path | None:
    """The server's binary, if one is named, once it is known that what is asked for can be had.

    Raises:
        UsageError: the chart cannot be drawn, or the server not be started.
    """
    if plot is not None:
        from bridle.evals.plot import check

        check(plot)
    if server is None:
        return None
    from bridle.evals.server import find_binary

    return find_binary(server)


def numbers(text: str) -> list[int]:
    """Whole numbers in a list, such as 1,8,32.

    Raises:
        UsageError: it is not one.
    """
    try:
        found = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        found = [0]
    if any(not 1 <= number <= 256 for number in found):
        raise UsageError(f"{text!r} is not a list of numbers from 1 to 256", hint="such as 1,8,32")
    return found
