"""What commands share: consoles, loading a model with a progress display, telling an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridle.errors import BridleError, UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.console import Console
    from rich.table import Table

    from bridle.finding import Finding
    from bridle.model import Model
    from bridle.settings import Settings
    from bridle.turn import Writer

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A bundled model by name, the path of a GGUF file, or KIND:URL#NAME for one behind a server.",
        show_default="colt",
    ),
]
FallbackOption = Annotated[
    str | None,
    typer.Option("--fallback", help="The model that takes a step where the first fails.", show_default=False),
]
PlannerOption = Annotated[
    str | None, typer.Option("--planner", help="The model that makes plans, if another one.", show_default=False)
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="Where: auto, cpu, cuda, or names of GPUs (see doctor).", show_default="auto"),
]
PLAIN: Any = {"box": None, "pad_edge": False, "header_style": "bold", "title_justify": "left"}
"""How tables look."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def stderr() -> Console:
    """The console for everything that is not the answer."""
    from bridle.cli.screen import Screen

    return Screen(stderr=True)


def stdout() -> Console:
    """The console for answers."""
    from bridle.cli.screen import Screen

    return Screen()


def print_text(text: str) -> None:
    """A text on standard output: letter for letter into a file, and nothing that drives a terminal onto one."""
    from bridle.cli.screen import harmless

    print(harmless(text) if sys.stdout.isatty() else text)


def print_json(value: Mapping[str, JsonValue] | JsonValue, *, lines: bool | None = None) -> None:
    """One JSON document on standard output; in several lines where somebody looks, if it is not said whether."""
    print_text(
        json.dumps(value, ensure_ascii=False, indent=2 if lines or (lines is None and sys.stdout.isatty()) else None)
    )


def print_table(table: Table) -> None:
    """A table of figures on standard output: words of headers below each other, and wider than the terminal rather than
    cut."""
    console = stdout()
    for column in table.columns:
        column.header, column.no_wrap = str(column.header).replace(" ", "\n"), True
    table.width = console.measure(table, options=console.options.update(width=1_000)).maximum
    console.print(table, crop=False)


def finding_table(findings: Sequence[Finding]) -> Table:
    """What a doctor found, for people."""
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": Text("ok", "green"), "note": Text("note", "yellow"), "bad": Text("bad", "bold red")}
    table = Table(box=None, pad_edge=False, show_header=False)
    for it in findings:
        table.add_row(marks[it.verdict], Text(it.what, "bold"), Text(it.detail))
    return table


def finding_rows(findings: Sequence[Finding]) -> list[JsonValue]:
    """What a doctor found, for programs."""
    return [{"what": it.what, "verdict": it.verdict, "detail": it.detail} for it in findings]


def complain(error: BridleError) -> None:
    """Tell an error and its remedy on standard error."""
    from rich.markup import escape

    console = stderr()
    console.print(f"[bold red]error:[/] {escape(error.message)}", soft_wrap=True)
    if error.hint:
        console.print(f"[dim]hint: {escape(error.hint)}[/]", soft_wrap=True)


def settings() -> Settings:
    """The user's settings."""
    from bridle.settings import load

    return load()


@contextmanager
def open_model(
    name: str | None,
    device: str | None,
    *,
    slots: int = 4,
    context: int | None = None,
    quiet: bool = False,
    deterministic: bool = False,
) -> Generator[Model]:
    """Load a model of this machine, showing that it takes its time.

    Raises:
        ModelError: the file is not a model that can generate.
        UsageError: there is no such model, or no such device.
    """
    with _loading(name or settings().model, quiet=quiet):
        model = _load(name, device, slots=slots, context=context, deterministic=deterministic)
    with model:
        yield model


@contextmanager
def open_writer(
    name: str | None,
    device: str | None,
    *,
    fallback: str | None = None,
    slots: int = 4,
    quiet: bool = False,
    deterministic: bool = False,
) -> Generator[Writer]:
    """Load a model, or reach the server that it is behind, showing that it takes its time.

    Raises:
        ModelError: the file is not a model that can generate.
        UsageError: there is no such model, or no such device; its server wants a key.
        EngineError: its server cannot be reached.
    """
    from bridle import local

    def opened(name: str | None, fallback: Callable[[], Writer] | None = None) -> Writer:
        if local.is_remote(wanted := name or chosen.model):
            return local.open_remote(wanted, key=chosen.api_key.get_secret_value(), fallback=fallback)
        return _load(name, device, slots=slots, deterministic=deterministic, fallback=fallback)

    chosen = settings()
    other = fallback or chosen.fallback
    with _loading(name or chosen.model, quiet=quiet):
        model = opened(name, (lambda: opened(other)) if other else None)
    try:
        yield model
    finally:
        model.close()


def _load(
    name: str | None,
    device: str | None,
    *,
    slots: int = 4,
    context: int | None = None,
    deterministic: bool = False,
    fallback: Callable[[], Writer] | None = None,
) -> Model:
    from bridle import local

    chosen = settings()
    model = local.open_model(
        name or chosen.model,
        context=context or chosen.context,
        slots=slots,
        threads=chosen.threads,
        device=device or chosen.device,
        gpu_layers=chosen.gpu_layers,
        flash_attention=chosen.flash_attention,
        kv_type=chosen.kv_type,
        deterministic=deterministic or chosen.deterministic,
        cache=chosen.cache,
        keep_prompts=True,
        fallback=fallback,
    )
    _ = model.compiler
    return model


@contextmanager
def _loading(name: str, *, quiet: bool) -> Generator[None]:
    """A sign of life while a model loads."""
    console = stderr()
    if quiet or not console.is_terminal:
        yield
        return
    from rich.text import Text

    with console.status(Text(f"loading {name}")):
        yield


def import_named(name: str) -> Any:
    """What `module:name` means, looked for in the current folder first.

    Raises:
        UsageError: there is no such module, or no such name in it.
    """
    import importlib

    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{name} cannot be found: {error}", hint="name it as module:name") from None
    except Exception as error:  # a module can raise anything while it is loaded
        raise UsageError(f"{module} cannot be loaded: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove("")


def read_text(argument: str) -> str:
    """An argument, or all of standard input for `-`.

    Raises:
        UsageError: it is not UTF-8.
    """
    try:
        return checked(sys.stdin.read() if argument == "-" else argument)
    except UnicodeDecodeError:
        return checked("\udcff")


def checked(text: str) -> str:
    """What was given, if it was UTF-8: else it came with surrogates.

    Raises:
        UsageError: it was not.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("what was given is not UTF-8", hint="convert it: iconv -f latin1 -t utf8") from None
    return text
