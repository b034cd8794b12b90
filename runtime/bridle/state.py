"""What a skill keeps: typed values in three layers, each change in the journal.

`global` is of whoever owns the journal and lasts from run to run (preferences, say); `workflow` is of one run, for all
of its branches and delegates; `task` is of the work at hand alone. A value goes with the sources of what changed it: to
read what was written by somebody who had read a web page is like reading the page.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError

from bridle.errors import UsageError, describe
from bridle.journal import Kept, Layer, Past
from bridle.record import Recorder

if TYPE_CHECKING:
    from bridle.conversation import Conversation

M = TypeVar("M", bound=BaseModel)
Key: TypeAlias = tuple[Layer, str, str]
"""Which layer, whose (a task's place, else empty), and the name of the type."""


@dataclass
class Store:
    """All that a run keeps. Where branches change the same at once, the last word stands."""

    recorder: Recorder
    past: Past
    latest: dict[Key, Kept] = field(default_factory=dict[Key, Kept])

    def open(self, path: str, key: Key) -> None:
        """Look at what earlier runs kept, once; the run's record says what it was, and so if it was nothing."""
        if self.past.kept(path) is not None or key not in self.latest:
            self.latest[key] = self.look(path, key)

    def look(self, path: str, key: Key) -> Kept:
        """What is kept as it is seen there, which the record says: when the run is taken up, earlier runs have kept
        something else, or branches come in another order."""
        found, (layer, place, name) = self.past.kept(path), key
        if found is None:
            now = self.latest.get(key) or (self.recorder.kept(name) if layer == "global" else None)
            now = now or Kept(path=path, layer=layer, place=place, name=name, value={})
            found = now.model_copy(update={"path": path, "read": True})
            self.recorder.event(found)
        return found

    def keep(self, kept: Kept) -> None:
        """Keep a value; what the record has at that place instead, if it has something."""
        found = self.past.kept(kept.path)
        if found is None:
            self.recorder.event(kept)
        self.latest[kept.layer, kept.place, kept.name] = found or kept


class State(Generic[M]):
    """One value that is kept; see `Context.state`."""

    def __init__(self, context: Conversation, kind: type[M], layer: Layer) -> None:
        """Look at it.

        Raises:
            UsageError: nothing was kept yet, and the type has no value without being told some.
        """
        self._context, self._kind = context, kind
        self._key: Key = (layer, context.place if layer == "task" else "", kind.__name__)
        path = context.path("state")
        if layer == "global":
            self._store.open(path, self._key)
        self._now()  # what does not fit is told here

    @property
    def _store(self) -> Store:
        return self._context.course.store

    @property
    def value(self) -> M:
        """As it is now.

        Raises:
            UsageError: what was kept does not fit the type any more.
        """
        if self._key[0] != "task" and self._context.beside_others:
            return self._of(self._store.look(self._context.path("look"), self._key))
        return self._now()

    def change(self, **changes: JsonValue) -> M:
        """Change some fields.

        Raises:
            UsageError: they do not fit the type; nothing was changed.
        """
        layer, place, name = self._key
        path, store = self._context.path("state"), self._store
        if layer == "global" and store.past.kept(path) is None and (newest := store.recorder.kept(name)) is not None:
            store.latest[self._key] = newest  # another run may have changed it since this one looked
        known = {it: field.alias or it for it, field in self._kind.model_fields.items()}
        value = self._read({**_told(self._now()), **{known.get(it, it): new for it, new in changes.items()}})
        if self._read(_told(value)) != value:
            raise UsageError(f"a {name} cannot be kept: as JSON it is another one", hint="no secrets, nothing excluded")
        store.keep(
            Kept(
                path=path,
                layer=layer,
                place=place,
                name=name,
                value=_told(value),
                sources=sorted(self._context.sources),
            )
        )
        return self._now()

    def _now(self) -> M:
        return self._of(self._store.latest.get(self._key))

    def _of(self, kept: Kept | None) -> M:
        if kept is not None:
            self._context.learned |= set(kept.sources)
        return self._read(kept.value if kept is not None else {})

    def _read(self, value: dict[str, JsonValue]) -> M:
        try:
            return self._kind.model_validate(value)
        except ValidationError as error:
            raise UsageError(f"this is no {self._kind.__name__}: {describe(error)}") from None


def _told(value: BaseModel) -> dict[str, JsonValue]:
    """A value as JSON that it can be read from again."""
    return value.model_dump(mode="json", by_alias=True)
