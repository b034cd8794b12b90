"""A step whose value can be seen while it grows.

    async for partial in stream(step, model):
        print(partial.value, partial.final)

Each partial value holds what is written so far; `final` names what will not change any more. The last one is `done` and
holds the validated value. An attempt that could not be used begins again from nothing, with a higher `attempt`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from bridle.grammar.base import Form
from bridle.grammar.growing import grow
from bridle.grammar.schema import Json
from bridle.grammar.unfinished import unfinished
from bridle.grammar.xml import Xml
from bridle.overhear import overhear
from bridle.parse.growing import Growing, growing
from bridle.step import Outcome, Step, take
from bridle.turn import Progress, Writer

T = TypeVar("T")


@dataclass(frozen=True)
class Partial(Generic[T]):
    """A value so far."""

    value: Any
    """An instance of the form's type that no validator has seen, fields to come as None; text for forms that have no
    type. When `outcome` is there, the value itself."""
    final: tuple[str, ...] = ()
    """The paths (`tags.0`) of single values that will not change any more."""
    attempt: int = 0
    outcome: Outcome[T] | None = None

    @property
    def done(self) -> bool:
        """Whether this is the last one: the value is whole and valid."""
        return self.outcome is not None


async def stream(step: Step[T], model: Writer) -> AsyncIterator[Partial[T]]:
    """Take a step and yield its value as it grows. Leaving the loop early cancels the step.

    Raises:
        BridleError: whatever `bridle.step.take` raises.
    """

    def begin(hear: Callable[[Progress], None]) -> Coroutine[Any, Any, Outcome[T]]:
        def tell(progress: Progress) -> None:
            hear(progress)
            if step.on_progress is not None:
                step.on_progress(progress)

        return take(replace(step, on_progress=tell), model)

    text, attempt, shown = "", 0, None
    async with aclosing(overhear(begin)) as heard:
        async for it in heard:
            if not isinstance(it, Progress):
                yield Partial(it.value, outcome=it, attempt=attempt)
                continue
            if it.attempt != attempt:
                text, attempt = "", it.attempt
            if it.stage != "writing" or not it.text:
                continue
            text = it.text if it.anew else text + it.text
            partial = _partial(step.form, text, attempt)
            if partial is not None and partial != shown:
                yield partial
                shown = partial


def _partial(form: Form[T], text: str, attempt: int) -> Partial[T] | None:
    """What a text is so far; None before there is anything."""
    match form:
        case Json():
            found = growing(text)
        case Xml():
            begun = unfinished(form.shape.root, text)
            found = Growing(*begun) if begun else None
        case _:
            return Partial(text, attempt=attempt)
    return Partial(grow(form.type.source, found.tree), found.final, attempt) if found else None
