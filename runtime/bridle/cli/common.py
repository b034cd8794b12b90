"""What commands share: consoles, loading a model with a progress display, telling an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bridle.errors import BridleError

if TYPE_CHECKING:
    from pydantic import JsonValue
    from rich.console import Console

    from bridle.model import Model
    from bridle.settings import Settings

ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A bundled model by name, or the path of a GGUF file.", show_default="colt"),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="Where: auto, cpu, cuda, or names of GPUs (see doctor).", show_default="auto"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def stderr() -> Console:
    """The console for everything that is not the answer."""
    from rich.console import Console

    return Console(stderr=True)


def stdout() -> Console:
    """The console for answers."""
    from rich.console import Console

    return Console()


def print_json(value: Mapping[str, JsonValue] | list[JsonValue]) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def complain(error: BridleError) -> None:
    """Tell an error and its remedy on standard error."""
    from rich.markup import escape

    console = stderr()
    console.print(f"[bold red]error:[/] {escape(error.message)}", highlight=False, soft_wrap=True)
    if error.hint:
        console.print(f"[dim]hint: {escape(error.hint)}[/]", highlight=False, soft_wrap=True)


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
    cells: int = 0,
    quiet: bool = False,
    deterministic: bool = False,
) -> Generator[Model]:
    """Load a model, showing that it takes its time.

    Raises:
        ModelError: the file is not a model that can generate.
        UsageError: there is no such model, or no such device.
    """
    from bridle import local

    chosen = settings()
    console = stderr()
    wanted = name or chosen.model
    with console.status(f"loading {wanted}") if not quiet and console.is_terminal else _nothing():
        model = local.open_model(
            wanted,
            context=chosen.context,
            slots=slots,
            cells=cells,
            threads=chosen.threads,
            device=device or chosen.device,
            gpu_layers=chosen.gpu_layers,
            flash_attention=chosen.flash_attention,
            kv_type=chosen.kv_type,
            deterministic=deterministic or chosen.deterministic,
            cache=chosen.cache,
            keep_prompts=True,
        )
        _ = model.compiler
    with model:
        yield model


@contextmanager
def _nothing() -> Generator[None]:
    yield


def read_text(argument: str) -> str:
    """An argument, or all of standard input for `-`."""
    return sys.stdin.read() if argument == "-" else argument
