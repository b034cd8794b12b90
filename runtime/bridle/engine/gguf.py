"""A GGUF file, read by llama.cpp: its weights, its metadata, its vocabulary."""

from __future__ import annotations

import ctypes
import hashlib
import os
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import llama_cpp as bindings

from bridle.engine.ggml import Device
from bridle.engine.vocabulary import NativeTokenizer, Vocabulary
from bridle.errors import ModelError

LLAMA: Any = bindings
"""The bindings are ctypes: their functions and structures carry no types that a checker can follow."""
_log: list[str] = []
_WARNING, _ERROR = 3, 4
"""Levels of `ggml_log_level`, which the bindings do not name."""


@LLAMA.llama_log_callback
def _keep_log(level: int, text: bytes, _: object) -> None:
    if level in (_WARNING, _ERROR):
        _log.append(text.decode("utf-8", "replace").strip())
        del _log[:-20]


def last_log() -> str:
    """What llama.cpp warned of last."""
    lines = [line for line in _log if line.strip(" .")]
    return lines[-1] if lines else "llama.cpp gave no reason"


def load_model(
    path: Path,
    on_progress: Callable[[float], None] | None = None,
    *,
    gpus: Sequence[Device] = (),
    gpu_layers: int = -1,
    vocabulary_only: bool = False,
) -> Any:
    """A llama.cpp model handle; with `vocabulary_only`, one without weights, which can tokenize and nothing else.

    Args:
        path: a GGUF file.
        on_progress: hears the share loaded, from 0 to 1.
        gpus: where layers go; without any, all stay on the CPU.
        gpu_layers: how many go there, -1 for all.
        vocabulary_only: leave the weights out.

    Raises:
        ModelError: llama.cpp refuses the file; the message has its reason.
    """
    LLAMA.llama_log_set(_keep_log, ctypes.c_void_p(0))
    params = LLAMA.llama_model_default_params()
    chosen = (ctypes.c_void_p * (len(gpus) + 1))(*(device.handle for device in gpus), None)
    params.devices = ctypes.cast(chosen, ctypes.c_void_p)
    params.n_gpu_layers = (gpu_layers if gpu_layers >= 0 else 999) if gpus else 0
    params.vocab_only = vocabulary_only

    @LLAMA.llama_progress_callback
    def report(share: float, _: object) -> bool:
        if on_progress is not None:
            on_progress(share)
        return True

    params.progress_callback = report
    model = LLAMA.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise ModelError(
            f"{path} cannot be loaded: {last_log()}", hint="check that the file is complete, or pull it again"
        )
    if not LLAMA.llama_model_has_decoder(model):
        LLAMA.llama_model_free(model)
        raise ModelError(f"{path} is not a model that generates text")
    return model


def identify(path: Path) -> str:
    """A name that another file, a changed one, or another version of the bindings does not have."""
    status = path.stat()
    state = hashlib.sha256(f"{bindings.__version__} {status.st_size} {status.st_mtime_ns} ".encode())
    with path.open("rb") as file:
        state.update(file.read(1 << 20))
        file.seek(-min(1 << 20, status.st_size), os.SEEK_END)
        state.update(file.read())
    return state.hexdigest()[:24]


def read_metadata(model: Any) -> dict[str, str]:
    """The model's GGUF metadata as text, without arrays."""
    key, value = ctypes.create_string_buffer(256), ctypes.create_string_buffer(1 << 17)
    found: dict[str, str] = {}
    for number in range(LLAMA.llama_model_meta_count(model)):
        LLAMA.llama_model_meta_key_by_index(model, number, key, len(key))
        LLAMA.llama_model_meta_val_str_by_index(model, number, value, len(value))
        found[key.value.decode("utf-8", "replace")] = value.value.decode("utf-8", "replace")
    return found


def read_vocabulary(model: Any, check: Callable[[], None] = lambda: None) -> Vocabulary:
    """The model's vocabulary. `check` is called before each use of the model, and raises if it is freed.

    Raises:
        ModelError: it has none, or no end-of-generation token.
    """
    native = LLAMA.llama_model_get_vocab(model)
    size = LLAMA.llama_vocab_n_tokens(native)
    buffer = ctypes.create_string_buffer(1 << 14)
    pieces: list[bytes] = []
    control: set[int] = set()
    eog: set[int] = set()
    hidden = LLAMA.LLAMA_TOKEN_ATTR_CONTROL | LLAMA.LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA.LLAMA_TOKEN_ATTR_UNUSED
    for token in range(size):
        length = LLAMA.llama_token_to_piece(native, token, buffer, len(buffer), 0, True)
        pieces.append(buffer.raw[: max(length, 0)])
        if LLAMA.llama_vocab_is_eog(native, token):
            eog.add(token)
            control.add(token)
        elif LLAMA.llama_vocab_get_attr(native, token) & hidden:
            control.add(token)
    if not eog:
        raise ModelError("the model's vocabulary has no end-of-generation token")

    def tokenize(text: str, markers: bool) -> array[int]:
        check()
        data = text.encode("utf-8", "replace")
        room = (ctypes.c_int32 * (len(data) + 2))()
        found = LLAMA.llama_tokenize(native, data, len(data), room, len(room), False, markers)
        ids = array("i")
        ids.frombytes(memoryview(room)[:found].cast("B"))
        return ids

    bos = LLAMA.llama_vocab_bos(native)
    return Vocabulary(
        pieces=tuple(pieces),
        control=frozenset(control),
        eog=frozenset(eog),
        tokenize=tokenize,
        bos=bos if bos >= 0 else None,
        add_bos=LLAMA.llama_vocab_get_add_bos(native),
        native=NativeTokenizer(
            vocabulary=native,
            tokenize=ctypes.cast(LLAMA.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value or 0,
        ),
    )
