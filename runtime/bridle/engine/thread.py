"""One thread owns the model; any number of callers await it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType

from bridle.engine.archive import Archive
from bridle.engine.base import Backend, Generation, Request, closed
from bridle.engine.scheduler import QUEUE, Scheduler
from bridle.engine.sequence import Sequence
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import EngineError


class EngineThread:
    """An `Engine` over a backend. The thread starts with the first request and ends with `close`.

    May be used from any thread and from several event loops at once. `deterministic` gives the same tokens for the
    same request every time, on one machine, and costs speed: see `Scheduler`. `archive` keeps what prompts begin with.
    `queue` requests may wait; more are turned away.
    """

    def __init__(
        self, backend: Backend, *, archive: Archive | None = None, deterministic: bool = False, queue: int = QUEUE
    ) -> None:
        self._backend = backend
        self._archive = archive
        self._deterministic = deterministic
        self._scheduler = Scheduler(backend, archive=archive, deterministic=deterministic, queue=queue)
        self._inbox: deque[Sequence] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._freed = False

    @property
    def vocabulary(self) -> Vocabulary:
        """See `Engine.vocabulary`."""
        if self._closed:
            raise closed()
        return self._backend.vocabulary

    @property
    def name(self) -> str:
        """See `Engine.name`."""
        return self._backend.name

    @property
    def context(self) -> int:
        """See `Engine.context`."""
        return self._backend.context

    @property
    def metadata(self) -> Mapping[str, str]:
        """See `Engine.metadata`."""
        return self._backend.metadata

    @property
    def deterministic(self) -> bool:
        """See `Engine.deterministic`."""
        return self._deterministic

    @property
    def busy(self) -> int:
        """Requests that are under way or waiting, as far as this thread can tell."""
        return len(self._inbox) + (len(self._scheduler.running) + len(self._scheduler.waiting))

    async def generate(self, request: Request) -> Generation:
        """See `Engine.generate`."""
        sequence = Sequence(request, self._backend.vocabulary)
        sequence.future.set_running_or_notify_cancel()  # only the engine's thread settles it
        self._post(sequence)
        try:
            return await asyncio.wrap_future(sequence.future)
        except asyncio.CancelledError:
            request.cancelled = True
            raise

    def close(self) -> None:
        """See `Engine.close`."""
        if threading.current_thread() is self._thread:
            raise EngineError("an engine cannot be closed by its own callbacks", hint="close it where it was opened")
        with self._wake:
            if self._freed:
                return
            self._closed = self._freed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        if self._archive is not None:
            self._archive.close()
        self._backend.close()

    def __enter__(self) -> EngineThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, sequence: Sequence) -> None:
        with self._wake:
            if self._closed:
                raise closed()
            self._inbox.append(sequence)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bridle-engine", daemon=True)
                self._thread.start()
            self._wake.notify()

    def _run(self) -> None:
        scheduler = self._scheduler
        reason = "the engine was closed"
        try:
            while self._receive(scheduler):
                scheduler.step()
        except Exception as error:  # a bug here must not leave callers waiting for ever
            reason = f"the engine failed: {type(error).__name__}: {error}"
            raise
        finally:
            with self._wake:
                self._closed = True
                for sequence in self._inbox:
                    sequence.future.set_exception(EngineError(reason))
            scheduler.close(reason)

    def _receive(self, scheduler: Scheduler) -> bool:
        """Hand over what has arrived, waiting if there is nothing to do; False once the engine is closed."""
        with self._wake:
            while scheduler.idle and not self._inbox and not self._closed:
                self._wake.wait()
            while self._inbox:
                scheduler.submit(self._inbox.popleft())
            return not self._closed
