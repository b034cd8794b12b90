"""`bridle runs stats`, `why` and `send`: what runs come to, why one went wrong, and where others look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast

import typer

from bridle.cli.again import RunArgument
from bridle.cli.common import JsonOption, print_json, settings, stderr, stdout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from bridle.journal import Event, Journal

SPANS = 500
"""Spans sent at once."""
By: TypeAlias = Literal["skill", "model", "tool", "task"]


def stats(
    by: Annotated[By, typer.Option("--by", help="What to tell apart.")] = "skill",
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10**9, help="How many runs, the newest first.")
    ] = 1000,
    as_json: JsonOption = False,
) -> None:
    """Count runs up: how many were done, how long they took, what they wrote."""
    from rich.markup import escape
    from rich.table import Table

    from bridle.journal import Journal, Status
    from bridle.observe.stats import tally

    with Journal(settings().journal) as journal:
        runs = journal.runs(limit)
        damaged = {it.run for it in runs if it.status is Status.DAMAGED}
        found = tally(_read(journal, [it.run for it in runs if it.run not in damaged], damaged), by)
    if damaged:
        some = ", ".join(sorted(damaged)[:3])
        stderr().print(f"{len(damaged)} runs cannot be read, and do not count, such as {some} (bridle runs verify)")
    figures = {name: it.as_json() for name, it in found.items()}
    if as_json:
        print_json(cast("dict[str, JsonValue]", figures))
        return
    if not figures:
        stderr().print("there are no runs yet" if by != "tool" else "no tool was called yet")
        return
    runs = by != "tool"
    table = Table(by, "runs" if runs else "calls", "done" if runs else "worked", "time", "9 in 10", box=None)
    for column in ("steps", "tokens") if runs else ():
        table.add_column(column)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, it in figures.items():
        good = f"{it['good'] / it['count']:.0%}" if it["count"] else ""
        times = [f"{it[key]:.2f} s" if key in it else "" for key in ("seconds_median", "seconds_p90")]
        rest = [f"{it[key]:g}" if key in it else "" for key in ("steps_median", "tokens_median")] if runs else []
        table.add_row(escape(name[:60]), str(it["count"]), good, *times, *rest)
    stdout().print(table)


def _read(journal: Journal, runs: Sequence[str], damaged: set[str]) -> Iterator[Sequence[Event]]:
    """The events of runs; of those that cannot be read, which are added to the damaged ones, none."""
    from bridle.errors import JournalError

    for run in runs:
        try:
            yield journal.events(run)
        except JournalError:
            damaged.add(run)


def why(
    run: RunArgument = "last",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A model that reads the record and names an event.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a run went wrong: the earliest event that stands out, and what does besides."""
    import asyncio
    from dataclasses import asdict

    from rich.markup import escape
    from rich.table import Table

    from bridle.journal import Journal
    from bridle.observe.why import criticise, suspects

    with Journal(settings().journal) as journal:
        events = journal.events(found := journal.find(run))
    named = suspects(events)
    if model is not None:
        from bridle.cli.common import open_writer

        with open_writer(model, None, quiet=as_json) as chosen:
            named = [asyncio.run(criticise(chosen, events)), *named]
    if as_json:
        print_json({"run": found, "events": [cast("JsonValue", asdict(it)) for it in named]})
        return
    if not named:
        stdout().print("nothing stands out in it")
        return
    table = Table("event", "what", box=None, pad_edge=False, header_style="bold")
    for number, it in enumerate(named):
        table.add_row(str(it.number), escape(it.reason), style="bold" if number == 0 else "" if it.grave else "dim")
    stdout().print(table)
    stdout().print(f"bridle trace {found}", style="dim")


def send(
    run: RunArgument = "last",
    to: Annotated[
        str, typer.Option("--to", help="Where an OpenTelemetry collector listens.")
    ] = "http://localhost:4318",
    content: Annotated[
        bool, typer.Option("--content", help="Also send prompts, replies, arguments and results.")
    ] = False,
) -> None:
    """Send a run to an OpenTelemetry collector, over HTTP. Without --content nothing that was said leaves."""
    from bridle.errors import UsageError
    from bridle.journal import Journal
    from bridle.observe.otel import send as spans

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    except ImportError:
        raise UsageError("this needs OpenTelemetry", hint="pip install 'bridle[otel]'") from None
    with Journal(settings().journal) as journal:
        events = journal.events(found := journal.find(run))
    provider, made = TracerProvider(resource=Resource({"service.name": "bridle"})), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(made))
    count = spans(found, events, provider.get_tracer("bridle"), content=content)
    finished, exporter = made.get_finished_spans(), OTLPSpanExporter(f"{to.rstrip('/')}/v1/traces", timeout=10)
    for start in range(0, len(finished), SPANS):
        if exporter.export(finished[start : start + SPANS]) is not SpanExportResult.SUCCESS:
            raise UsageError(
                f"{to} did not take the run", hint="is a collector listening there? OTLP over HTTP, port 4318"
            )
    exporter.shutdown()
    stdout().print(f"{found}: {count} spans to {to}")
