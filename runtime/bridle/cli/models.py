"""`bridle models`: what there is to think with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from bridle.cli.common import (
    JsonOption,
    finding_rows,
    finding_table,
    open_model,
    print_json,
    print_text,
    stderr,
    stdout,
)
from bridle.cli.files import check_place
from bridle.errors import UsageError
from bridle.writing import write_whole

if TYPE_CHECKING:
    from pydantic import JsonValue

app = typer.Typer(help="Models and their cards.", no_args_is_help=True)


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the bundled models and the model families that have a card."""
    from rich.markup import escape
    from rich.table import Table

    from bridle.card import cards
    from bridle.shelf import shelf

    rows = [(card, shelf("models") / card.name / card.file if card.file else None) for card in cards().values()]
    if as_json:
        print_json(
            [{"name": card.name, "about": card.about, "file": str(path) if path else None} for card, path in rows]
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("model", "size", "about"):
        table.add_column(column, no_wrap=column != "about")
    for card, path in rows:
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path and path.is_file() else "your own file"
        table.add_row(escape(card.name), size, escape(card.about))
    stdout().print(table)


@app.command("show")
def show_model(
    model: Annotated[str, typer.Argument(help="A bundled model by name, or the path of a GGUF file.")] = "colt",
    as_json: JsonOption = False,
) -> None:
    """Show what is known about a model: its file, its vocabulary, its card."""
    from rich.markup import escape
    from rich.table import Table

    with open_model(model, None, quiet=as_json) as loaded:
        vocabulary = loaded.engine.vocabulary
        facts: dict[str, JsonValue] = {
            "name": loaded.name,
            "architecture": loaded.engine.metadata.get("general.architecture", ""),
            "vocabulary": vocabulary.size,
            "context": loaded.engine.context,
            "ends": [vocabulary.pieces[token].decode("utf-8", "replace") for token in sorted(vocabulary.eog)],
            "template": bool(loaded.engine.metadata.get("tokenizer.chat_template")),
            "card": cast("JsonValue", loaded.card.model_dump(mode="json")),
        }
    if as_json:
        print_json(facts)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for key, value in facts.items():
        if key != "card":
            table.add_row(key, escape(", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    thinking = loaded.card.thinking
    marks = f"{thinking.open.strip()}...{thinking.close.strip()}, at most {thinking.budget} tokens"
    table.add_row("thinking", marks if thinking.budget else "none")
    table.add_row("spelling", f"{loaded.card.spelling.item_separator!r} {loaded.card.spelling.key_separator!r}")
    stdout().print(table, markup=False)


@app.command("doctor")
def examine_model(
    model: Annotated[str, typer.Argument(help="A bundled model by name, or the path of a GGUF file.")] = "colt",
    write: Annotated[bool, typer.Option("--write", help="Write the card beside the model.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Examine a model by asking it, and print its card: tokens, template, ends, spelling, forms, accuracy, speed."""
    import asyncio

    from bridle.card import spell_card
    from bridle.evals.doctor import examine
    from bridle.local import find_model

    path = find_model(model).parent / "card.toml"
    if write and path.exists():
        raise UsageError(f"{path} is there already", hint="remove it, or leave out --write and compare")
    if write:
        check_place(path)
    with open_model(model, None, quiet=as_json) as loaded, stderr().status("looking") as status:
        report = asyncio.run(examine(loaded, lambda what: status.update(f"looking at {what}")))
    card = spell_card(report.card)
    if write:
        write_whole(path, card)
    if as_json:
        print_json(
            {
                "findings": finding_rows(report.findings),
                "constrained": report.constrained,
                "free": report.free,
                "card": cast("JsonValue", report.card.model_dump(mode="json")),
                "written": str(path) if write else None,
            }
        )
    else:
        stderr().print(finding_table(report.findings))
        print_text(card)
    if any(it.verdict == "bad" for it in report.findings):
        raise typer.Exit(1)
