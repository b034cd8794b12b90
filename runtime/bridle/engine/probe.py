"""Whether a model file can be loaded, found out in a process of its own.

llama.cpp can abort on a damaged file, which would take the caller with it. A child loads the file first; its verdict
is kept by path, size and time of change, so that each file is probed once.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import cast

from bridle.errors import ModelError

MAGIC = b"GGUF"
PATIENCE = 600.0
"""Seconds a child may take."""


def probe(path: Path, cache: Path, *, vocabulary_only: bool = False) -> None:
    """Make sure that a file is a model that can be loaded.

    Args:
        path: the file.
        cache: a folder for verdicts; made if it is missing.
        vocabulary_only: one without weights will do.

    Raises:
        ModelError: it is missing, not a GGUF, damaged, or holds no weights.
    """
    _check_format(path)
    status = path.stat()
    part = "\nvocabulary" if vocabulary_only else ""
    sign = f"{path.resolve()}\n{status.st_size}\n{status.st_mtime_ns}{part}"
    verdict = cache / "probes" / hashlib.sha256(sign.encode()).hexdigest()[:24]
    if verdict.is_file():
        return
    reason = _ask_child(path, vocabulary_only)
    if reason:
        raise ModelError(f"{path} cannot be loaded: {reason}", hint="check that the file is complete, or pull it again")
    try:
        verdict.parent.mkdir(parents=True, exist_ok=True)
        verdict.write_text(sign, encoding="utf-8")
    except OSError:  # a cache that cannot be written costs a second next time, nothing else
        pass


def _check_format(path: Path) -> None:
    """Make sure that there is a file, and that it says it is a GGUF.

    Raises:
        ModelError: there is none, or it says something else.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(
            f"no model at {path}: {error.strerror}", hint="bridle models list shows what there is"
        ) from None
    if magic != MAGIC:
        raise ModelError(f"{path} is not a GGUF file", hint="Bridle runs models in GGUF format")


def _ask_child(path: Path, vocabulary_only: bool) -> str:
    """Why a file cannot be loaded; empty if it can."""
    part = ["vocabulary"] if vocabulary_only else []
    command = [sys.executable, "-m", "bridle.engine.probe", str(path), *part]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return f"loading took longer than {PATIENCE:g} s"
    if child.returncode < 0:
        return f"llama.cpp crashed on it (signal {-child.returncode})"
    try:
        return str(cast("dict[str, str]", json.loads(child.stdout.splitlines()[-1]))["reason"])
    except (IndexError, ValueError, KeyError):
        lines = child.stderr.strip().splitlines()
        return lines[-1] if lines else f"the probe ended with code {child.returncode}"


def _main() -> None:
    """The child: load, and print a verdict."""
    from bridle.engine.gguf import load_model, read_vocabulary
    from bridle.engine.llama import LlamaBackend, LlamaSettings

    path, *part = sys.argv[1:]
    try:
        if part:
            read_vocabulary(load_model(Path(path), vocabulary_only=True))
        else:
            LlamaBackend(Path(path), LlamaSettings(context=64, slots=1, device="cpu")).close()
        reason = ""
    except ModelError as error:
        reason = error.message.partition("cannot be loaded: ")[2] or error.message
    print(json.dumps({"reason": reason}))


if __name__ == "__main__":
    _main()
