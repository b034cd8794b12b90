"""`bridle extract`: a typed value out of a text."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from bridle.cli.common import (
    DeviceOption,
    FallbackOption,
    JsonOption,
    ModelOption,
    import_named,
    open_writer,
    print_json,
    read_text,
    stderr,
)
from bridle.cli.files import is_file, read_file
from bridle.cli.run import Format, FormatOption
from bridle.errors import GrammarError, UsageError

if TYPE_CHECKING:
    from pydantic import JsonValue

    from bridle.step import Outcome, Step
    from bridle.turn import Writer

INSTRUCTIONS = "Fill in the form from the text that the user gives. Copy what the text says; invent nothing."


def extract(
    text: Annotated[str, typer.Argument(help="The text; - reads standard input, @FILE a file.", show_default=False)],
    schema: Annotated[
        str, typer.Option("--schema", help="A JSON Schema file, or module:Type for a Python type.", show_default=False)
    ],
    model: ModelOption = None,
    device: DeviceOption = None,
    fallback: FallbackOption = None,
    format: FormatOption = Format.JSON,  # the option's name
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens made at most.")] = 1024,
    thinking: Annotated[bool, typer.Option(help="Let the model think first.")] = True,
    constrain: Annotated[bool, typer.Option(help="Hold the value to its form by a grammar.")] = True,
    streamed: Annotated[
        bool, typer.Option("--stream", help="Print the value as it grows: a JSON object a line, the last one done.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read a value of a type out of a text, and print it as JSON.

    Exit code 3 where the tokens were at an end before the value was all it might have been.
    """
    from pydantic import TypeAdapter

    from bridle.brief import brief
    from bridle.grammar import form_of
    from bridle.prompt import Message
    from bridle.step import Step, take

    text = read_file(Path(text[1:])) if text.startswith("@") else read_text(text)
    if not text.strip():
        raise UsageError("the text is empty")
    source = read_type(schema)
    with open_writer(model, device, fallback=fallback, quiet=as_json) as loaded:
        form = form_of(source, format.value, loaded.style)
        thought = loaded.thinking if thinking else None
        system = brief(INSTRUCTIONS, (), form, thought)
        step = Step(
            [Message("system", system), Message("user", text)],
            form,
            thought,
            max_tokens=max_tokens,
            constrain=constrain,
        )
        outcome = asyncio.run(_stream(step, loaded) if streamed else take(step, loaded))
    if not streamed:
        value = TypeAdapter(Any).dump_python(outcome.value, mode="json")
        print_json({"value": value, **_told(outcome)} if as_json else value, lines=None if as_json else True)
    if outcome.cut:
        stderr().print(f"[yellow]cut[/]: {max_tokens} tokens were not enough for all of it (--max-tokens)")
        raise typer.Exit(3)


def _told(outcome: Outcome[Any]) -> dict[str, JsonValue]:
    """How a value came about."""
    usage, last = outcome.usage, outcome.attempts[-1]
    return {
        "cut": outcome.cut,
        "held_by": last.held_by,
        "attempts": len(outcome.attempts),
        "tokens": {
            "prompt": usage.prompt,
            "reused": usage.reused,
            "sampled": usage.sampled,
            "forced": usage.forced,
        },
        "model": last.model,
    }


async def _stream(step: Step[Any], model: Writer) -> Outcome[Any]:
    """Print what is there so far, whenever it grows; the last line also says how it came about."""
    from pydantic import TypeAdapter

    from bridle.streaming import stream

    plain, outcome = TypeAdapter[Any](Any), None
    async for partial in stream(step, model):
        value, outcome = plain.dump_python(partial.value, mode="json", warnings=False), partial.outcome
        line = {"value": value, "final": [*partial.final], "attempt": partial.attempt, "done": partial.done}
        print_json(cast("JsonValue", {**line, **(_told(outcome) if outcome is not None else {})}), lines=False)
        sys.stdout.flush()
    assert outcome is not None, "the last one has it"
    return outcome


def read_type(source: str) -> Any:
    """A JSON Schema file's content, or the object that `module:Type` names.

    Raises:
        UsageError: neither can be found.
        GrammarError: the file is not a JSON Schema.
    """
    if is_file(source):
        try:
            schema = json.loads(read_file(Path(source)))
        except (ValueError, RecursionError) as error:
            raise GrammarError(f"{source} is not JSON: {error}") from None
        if not isinstance(schema, Mapping):
            raise GrammarError(f"{source} is not a JSON Schema: it holds no object")
        return cast("Mapping[str, object]", schema)
    if ":" not in source:
        raise UsageError(f"no schema at {source}", hint="give a JSON Schema file, or module:Type for a Python type")
    return import_named(source)
