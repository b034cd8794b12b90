"""llama.cpp's own server as a peer: a process beside this one, with the same file, asked over HTTP.

It is started from the path of its binary and ended again. It is given prompts as tokens and the form as a JSON Schema,
whose grammar it makes anew for every request. A slot finds again what it has read itself.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from pydantic import JsonValue

from bridle.errors import EngineError, UsageError

PATIENCE = 600.0
"""Seconds that loading, or one completion, may take."""
GRACE = 10.0
"""Seconds that a server may take to end."""


@dataclass(frozen=True)
class Completion:
    """What a server wrote."""

    text: str
    tokens: int
    prompt: int
    """Tokens of the prompt."""
    reused: int
    """Of these, not read again."""


class Server:
    """A llama-server over one model, from entering the context to leaving it.

    Args:
        binary: the llama-server.
        model: a GGUF file.
        slots: completions at once; more of them wait.
        context: tokens of each slot.
        threads: for all it does; the server's own choice if 0.
    """

    def __init__(self, binary: Path, model: Path, *, slots: int = 1, context: int = 4096, threads: int = 0) -> None:
        self.binary, self.slots = binary, slots
        self._options = ["-m", str(model), "-np", str(slots), "-c", str(slots * context), "--no-webui"]
        self._options += ["-t", str(threads), "-tb", str(threads)] if threads else []
        self._open = build_opener(ProxyHandler({})).open  # a proxy of the environment knows nothing of this machine
        self._address = ""
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        """Start it, and wait until it can be asked.

        Raises:
            UsageError: it does not start; the message has the end of its log.
        """
        port = _free_port()
        self._address = f"127.0.0.1:{port}"
        command = [str(self.binary), *self._options, "--host", "127.0.0.1", "--port", str(port)]
        try:
            self._log = tempfile.TemporaryFile()
            self._process = _start(command, self._log)
            self._wait(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._address}"

    def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._log is not None:
            self._log.close()
        self._process = self._log = None

    def complete(
        self,
        prompt: Sequence[int],
        schema: Mapping[str, JsonValue],
        max_tokens: int,
        *,
        seed: int,
        temperature: float = 1.0,
        slot: int | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """Continue a prompt with a document of a schema, or with the beginning of one that does not fit.

        Args:
            prompt: the prompt's token ids.
            schema: a JSON Schema.
            max_tokens: the most it may write.
            seed: of its sampling.
            temperature: of its sampling; the other rules are the server's own.
            slot: the one to use; the server's choice if None.
            on_text: hears text as it comes. Without, the server sends all of it at the end.

        Raises:
            EngineError: the server refuses, or does not answer.
        """
        body: dict[str, Any] = {"prompt": list(prompt), "json_schema": schema, "n_predict": max_tokens}
        body |= {"temperature": temperature, "seed": seed, "cache_prompt": True, "stream": on_text is not None}
        body |= {} if slot is None else {"id_slot": slot}
        request = Request(
            f"http://{self._address}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._open(request, timeout=PATIENCE) as response:
                return _gather(_events(response) if on_text else [json.load(response)], on_text)
        except HTTPError as error:
            with error:
                raise EngineError(f"llama-server refused: {_complaint(error.read())}") from None
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            raise EngineError(f"llama-server did not answer as it should: {error!r}; {self._last_words()}") from None

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if (code := process.poll()) is not None:
                raise UsageError(f"{self.binary} ended with code {code}: {self._last_words()}")
            try:
                with self._open(f"http://{self._address}/health", timeout=1):
                    return
            except HTTPError as error:  # loading
                error.close()
            except (OSError, HTTPException) as error:  # not listening yet
                if os.strerror(errno.ENETUNREACH) in str(error):
                    raise UsageError(f"{self.binary} cannot be asked: there is no loopback network here") from None
            time.sleep(0.05)
        raise UsageError(f"{self.binary} was not ready in {PATIENCE:g} s: {self._last_words()}")

    def _last_words(self) -> str:
        """The end of its log."""
        if self._log is None:
            return "it is closed"
        file = self._log.fileno()
        text = os.pread(file, 2000, max(0, os.fstat(file).st_size - 2000))  # seeking would move where it writes
        lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
        return " | ".join([line for line in lines if line][-4:]) or "it said nothing"


def writer(
    server: Server, prompt: Sequence[int], schema: Mapping[str, JsonValue], max_tokens: int, temperature: float = 1.0
) -> Callable[[int], str]:
    """What makes one document of a schema, by the seed of its sampling."""
    return lambda seed: server.complete(prompt, schema, max_tokens, seed=seed, temperature=temperature).text


def is_whole(text: str, validator: Any) -> bool:
    """Whether a document is JSON, and valid."""
    try:
        return bool(validator.is_valid(json.loads(text)))
    except ValueError:
        return False


def find_binary(name: str) -> Path:
    """The llama-server of a path, or of that name among the programs.

    Raises:
        UsageError: there is none, or it cannot be started.
    """
    found = Path(shutil.which(name) or name).expanduser().absolute()
    if not found.is_file():
        raise UsageError(f"there is no llama-server at {name}", hint="give the path of llama.cpp's llama-server")
    if not version(found):
        raise UsageError(f"{found} cannot be started, or is no llama-server", hint=f"see what {found} --version says")
    return found


def version(binary: Path) -> str:
    """What a llama-server calls its version; empty if it does not say."""
    try:
        done = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"version: *(\S+)", done.stdout + done.stderr)
    return found[1] if found else ""


def _start(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    except OSError as error:
        raise UsageError(
            f"{command[0]} cannot be started: {error.strerror}", hint="give the path of llama.cpp's llama-server"
        ) from None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _events(lines: Iterable[bytes]) -> Iterator[Any]:
    """The JSON of server-sent events."""
    for line in lines:
        name, _, data = line.partition(b":")
        if name in (b"data", b"error"):
            yield json.loads(data)


def _gather(parts: Iterable[Any], on_text: Callable[[str], None] | None) -> Completion:
    text: list[str] = []
    for part in parts:
        text.append(str(part["content"]))
        if on_text is not None and part["content"]:
            on_text(part["content"])
        if part["stop"]:
            return Completion(
                "".join(text), part["tokens_predicted"], part["tokens_evaluated"], part["timings"]["cache_n"]
            )
    raise EngineError("llama-server stopped in the middle of a document")


def _complaint(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return body.decode("utf-8", "replace")[:200]
