"""The journal: events by run, appended to one file.

Model steps are committed with `synchronous=NORMAL` (they survive a killed process), what precedes an effect with
`FULL` (it survives a power cut). One `Journal` may be used from several threads, one file by several processes.
"""

# pyright: reportUnknownMemberType=false
# The types of apsw mention one that it does not export.

from __future__ import annotations

import secrets
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

import apsw

from bridle.errors import JournalError, UsageError
from bridle.journal.chain import GENESIS, Event, chain, read_body, write_body
from bridle.journal.event import Body, Kept
from bridle.journal.file import open_file, remedy
from bridle.journal.held import alone
from bridle.journal.rows import RunSummary, events_of, summary, text_of, wrong

KEPT = """
kind = 'kept' AND CASE WHEN json_valid(body) THEN body ->> 'layer' = 'global' AND NOT (body ->> 'read') END
"""
"""What was kept for all runs."""
LATEST = (
    f"SELECT run, CAST(body AS BLOB) FROM event WHERE {KEPT} "  # noqa: S608  # of what stands here alone
    "AND CASE WHEN json_valid(body) THEN body ->> 'name' END = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?"
)
"""What was kept last, or before that, for all runs under the name of a type. Clocks go back, rows do not."""
WHOLE = "SELECT number, at, CAST(body AS BLOB), previous, hash, kind FROM event WHERE run = ? ORDER BY number"
"""All of a run, each event with its kind as the index has it."""


class Journal:
    """Events by run. Opens (and makes) its file at once; close it, or use it as a context manager.

    Where nothing can be written (a full disk, a folder that is only read), what is there can be read all the same.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal.

        Raises:
            JournalError: the file cannot be made or is not a journal.
        """
        self.path = path
        self._lock = threading.RLock()
        self._heads: dict[str, tuple[int, str]] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = open_file(path)
        except (apsw.Error, OSError) as error:
            raise JournalError(f"the journal {path} cannot be opened: {error}", hint=remedy(error, path)) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, run: str, body: Body, *, durable: bool = False, after: tuple[int, str] | None = None) -> Event:
        """Add an event to a run and commit it; `durable` commits survive a power cut.

        `after` is the number and the hash of the event that it is to follow: whoever goes on with a run tells how far
        they know it, so that two who do cannot both. The last one, if not given.

        Raises:
            JournalError: the disk is full or the file cannot be written, or somebody else went on with the run; nothing
                was added, all before is kept.
        """
        text = write_body(body)
        with self._writing(f"the journal {self.path} cannot be written"):
            if durable:
                self._db.execute("PRAGMA synchronous=FULL")
            try:
                return self._append(run, body, text, datetime.now(UTC), after)
            finally:
                if durable:
                    self._db.execute("PRAGMA synchronous=NORMAL")

    def append_all(self, run: str, bodies: Sequence[tuple[Body, str | None]]) -> None:
        """Add events to a run, all of them or none, each with its moment, or now.

        Raises:
            JournalError: as `append`.
        """
        told = [(body, write_body(body), at) for body, at in bodies]
        with self._writing(f"the journal {self.path} cannot be written"):
            try:
                with self._db:
                    for body, text, at in told:
                        self._append(run, body, text, datetime.fromisoformat(at) if at else datetime.now(UTC))
            except BaseException:
                self._heads.pop(run, None)
                raise

    def _append(self, run: str, body: Body, text: str, moment: datetime, after: tuple[int, str] | None = None) -> Event:
        at = moment.isoformat(timespec="milliseconds")
        number, previous = after or self._head(run)
        event = Event(run, number + 1, at, body, previous, chain(run, number + 1, at, text, previous), text)
        row = (run, event.number, at, body.kind, text, previous, event.hash)
        try:
            self._db.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except apsw.ConstraintError:
            self._heads.pop(run, None)
            raise JournalError(
                f"somebody else went on with the run {run} meanwhile", hint=f"bridle runs show {run}"
            ) from None
        self._heads[run] = (event.number, event.hash)
        return event

    @contextmanager
    def hold(self, run: str) -> Generator[None]:
        """Be the only one at work on a run, in all processes of this machine; a lock that ends with the process.

        Raises:
            UsageError: somebody else is.
            JournalError: nothing can be written beside the journal.
        """
        with ExitStack() as stack:
            try:
                mine = stack.enter_context(alone(self._lock_of(run)))
            except OSError as error:
                raise JournalError(
                    f"nothing can be written beside the journal {self.path}: {error}", hint=remedy(error, self.path)
                ) from None
            if not mine:
                raise UsageError(f"somebody is at work on the run {run}", hint="wait until it ends, or stop it")
            yield

    def held(self, run: str) -> bool:
        """Whether somebody is at work on a run."""
        with suppress(OSError), alone(self._lock_of(run)) as mine:
            return not mine
        return False

    def _lock_of(self, run: str) -> Path:
        path = self.path.resolve()  # as SQLite follows links
        return path.with_name(f"{path.name}-runs") / f"{Path(run).name}.lock"

    def sound(self, run: str) -> list[Event]:
        """All events of a run, which are as they were written.

        Raises:
            JournalError: they are not; what is wrong.
        """
        rows = self._whole(run)
        if why := wrong(run, rows):
            raise JournalError(f"the run {run} is not as it was written: {why}", hint="nothing is done upon its word")
        return events_of(run, (row[:5] for row in rows))

    def events(self, run: str, most: int = -1) -> list[Event]:
        """All events of a run, in order, or the first of them.

        Raises:
            JournalError: an event cannot be read.
        """
        query = "SELECT number, at, CAST(body AS BLOB), previous, hash FROM event WHERE run = ? ORDER BY number LIMIT ?"
        with self._writing(f"the journal {self.path} cannot be read"):
            rows = list(self._db.execute(query, (run, most)))
        return events_of(run, rows)

    def runs(self, limit: int = 50) -> list[RunSummary]:
        """The latest runs, newest first."""
        query = """
            SELECT started.run, started.at, CAST(started.body AS BLOB), CAST(ended.body AS BLOB)
            FROM event AS started LEFT JOIN event AS ended
              ON ended.run = started.run AND ended.kind = 'run.ended' AND ended.number = (
                SELECT number FROM event
                WHERE run = started.run AND kind <> 'run.judged' ORDER BY number DESC LIMIT 1)
            WHERE started.kind = 'run.started' ORDER BY started.at DESC, started.run DESC LIMIT ?
        """
        with self._writing(f"the journal {self.path} cannot be read"):
            rows = list(self._db.execute(query, (limit,)))
        return [summary(str(run), str(at), started, ended) for run, at, started, ended in rows]

    def everything(self) -> list[str]:
        """The ids of all runs of which anything is left, also without their beginning."""
        with self._writing(f"the journal {self.path} cannot be read"):
            return [str(row[0]) for row in self._db.execute("SELECT DISTINCT run FROM event")]

    def names(self) -> list[str]:
        """The ids of all runs, newest first."""
        query = "SELECT run FROM event WHERE kind = 'run.started' ORDER BY at DESC, run DESC"
        with self._writing(f"the journal {self.path} cannot be read"):
            return [str(row[0]) for row in self._db.execute(query)]

    def count(self) -> int:
        """How many runs there are."""
        with self._writing(f"the journal {self.path} cannot be read"):
            return cast("int", self._db.execute("SELECT count(*) FROM event WHERE kind = 'run.started'").get)

    def kept(self, name: str) -> Kept | None:
        """What a run kept last for all runs under the name of a type; None if none did.

        Of a run that is not as it was written nothing is believed: then it is what was kept before that.
        """
        return next((kept for _, kept in self._kept(name)), None)

    def keepers(self) -> set[str]:
        """The runs that kept something for all runs which none has changed since."""
        query = f"SELECT DISTINCT CAST(body ->> 'name' AS BLOB) FROM event WHERE {KEPT}"  # noqa: S608  # the same
        with self._writing(f"the journal {self.path} cannot be read"):
            names = [text_of(row[0]) for row in self._db.execute(query)]
        return {run for name in names for run, _ in islice(self._kept(name), 1)}

    def _kept(self, name: str) -> Iterator[tuple[str, Kept]]:
        """What was kept for all runs under the name of a type, the last first, with the run that did."""
        for number in count():
            with self._writing(f"the journal {self.path} cannot be read"):
                row = next(self._db.execute(LATEST, (name, number)), None)
            if row is None:
                return
            if not self.verify(run := str(row[0])):
                yield run, cast("Kept", read_body(text_of(row[1])))

    def find(self, name: str) -> str:
        """The run that a person means: its id, the beginning of it, or `last`.

        Raises:
            UsageError: there is no such run, or more than one.
        """
        with self._writing(f"the journal {self.path} cannot be read"):
            if name == "last":
                found = self._db.execute(
                    "SELECT run FROM event WHERE kind = 'run.started' ORDER BY at DESC, run DESC LIMIT 1"
                )
            else:
                like = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
                found = self._db.execute("SELECT DISTINCT run FROM event WHERE run LIKE ? ESCAPE '\\' LIMIT 5", (like,))
            runs = [str(row[0]) for row in found]
        if name in runs:
            return name
        if len(runs) == 1:
            return runs[0]
        if not runs:
            raise UsageError(
                "there are no runs yet" if name == "last" else f"no run is called {name}", hint="bridle runs list"
            )
        raise UsageError(f"several runs begin with {name}: {', '.join(runs)}")

    def remove(self, runs: Sequence[str]) -> None:
        """Take runs out, whole.

        Raises:
            JournalError: the file cannot be written; none was taken out.
        """
        with self._writing(f"the journal {self.path} cannot be written"), self._db:
            for run in runs:
                self._db.execute("DELETE FROM event WHERE run = ?", (run,))
                self._heads.pop(run, None)

    def verify(self, run: str) -> str:
        """What is wrong with a run's chain, naming the event; the empty string if nothing is."""
        return wrong(run, self._whole(run))

    def _whole(self, run: str) -> list[tuple[Any, ...]]:
        with self._writing(f"the journal {self.path} cannot be read"):
            return list(self._db.execute(WHOLE, (run,)))

    def _head(self, run: str) -> tuple[int, str]:
        if run not in self._heads:
            row = next(
                self._db.execute("SELECT number, hash FROM event WHERE run = ? ORDER BY number DESC LIMIT 1", (run,)),
                None,
            )
            self._heads[run] = (cast("int", row[0]), str(row[1])) if row else (0, GENESIS)
        return self._heads[run]

    @contextmanager
    def _writing(self, failure: str) -> Generator[None]:
        with self._lock:
            try:
                yield
            except apsw.Error as error:
                raise JournalError(f"{failure}: {error}", hint=remedy(error, self.path)) from None


def new_run() -> str:
    """A fresh id for a run: the moment, and enough chance to be unique."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
