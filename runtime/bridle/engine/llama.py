"""llama.cpp as a backend, through the low-level bindings of llama-cpp-python.

Batches are written into arrays that live as long as the context, scores are read where llama.cpp leaves them; the
high-level `Llama` class costs milliseconds a token more.

Where memory allows, each sequence has cells of its own (a stream): attention then reads no others. Else all share one
cache: a prefix is shared by marking cells, but each token steps over those of everybody, which costs 32 sequences as
much again as all the rest.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridle.engine.base import Logits, Part, closed
from bridle.engine.ggml import devices, find_exponentials, pick
from bridle.engine.gguf import LLAMA, identify, last_log, load_model, read_metadata, read_vocabulary
from bridle.engine.thread import EngineThread
from bridle.errors import EngineError, ModelError, UsageError
from bridle.settings import FlashAttention, KvType


@dataclass(frozen=True)
class LlamaSettings:
    """How a model is loaded. Zeros leave the choice to the machine or the model."""

    context: int = 8192
    """Tokens that one sequence can have; never more than the model was trained for, if it says so."""
    cells: int = 0
    """Tokens that all sequences can have together. If not said: the context of each, where they take no more than an
    eighth of the machine's memory and are not on a GPU; else twice the context of one."""
    slots: int = 16
    """Sequences kept in memory at once."""
    batch: int = 512
    """Tokens that one decode takes at most."""
    threads: int = 0
    gpu_layers: int = -1
    """Layers on GPUs, -1 for all."""
    device: str = "auto"
    """Where: `auto` for every GPU, `cpu` for none, or names such as `CUDA0`; see `ggml.pick`."""
    flash_attention: FlashAttention = "auto"
    kv_type: KvType = "f16"
    """How keys and values are kept in memory; the quantized ones need flash attention."""


FLASH = {"auto": -1, "off": 0, "on": 1}
"""By the number of `llama_flash_attn_type`."""
BYTES: Mapping[KvType, float] = {"f32": 4, "f16": 2, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Of one value of a key, on average."""
ROOM = 1 / 8
"""Share of the machine's memory that cells take if nobody says how many there are to be."""


def open_engine(
    path: Path, settings: LlamaSettings | None = None, *, on_progress: Callable[[float], None] | None = None
) -> EngineThread:
    """Load a model and return an engine over it.

    Args:
        path: a GGUF file.
        settings: how to load it.
        on_progress: hears the share loaded, from 0 to 1.

    Raises:
        ModelError: the file is not a model that can generate.
    """
    return EngineThread(LlamaBackend(path, settings or LlamaSettings(), on_progress))


class LlamaBackend:
    """A `Backend` over one llama.cpp model and context."""

    def __init__(self, path: Path, settings: LlamaSettings, on_progress: Callable[[float], None] | None = None) -> None:
        self._context = self._model = None
        if settings.flash_attention == "off" and settings.kv_type not in ("f32", "f16"):
            raise UsageError(
                f"keys and values of type {settings.kv_type} need flash attention, and it is off",
                hint="set flash_attention to auto or on, or kv_type to f16",
            )
        LLAMA.llama_backend_init()
        self.devices = pick(settings.device, devices()) if settings.gpu_layers else []
        """GPUs in use."""
        self._model = load_model(path, on_progress, gpus=self.devices, gpu_layers=settings.gpu_layers)
        self.metadata: Mapping[str, str] = read_metadata(self._model)
        self.name = self.metadata.get("general.name", path.stem)
        self.vocabulary = read_vocabulary(self._model, self._check)
        self.rewinds = not (LLAMA.llama_model_is_recurrent(self._model) or LLAMA.llama_model_is_hybrid(self._model))
        trained = LLAMA.llama_model_n_ctx_train(self._model)
        self.context = min(settings.context, trained) if trained > 0 else settings.context
        self.slots, self.batch = settings.slots, min(settings.batch, self.context)
        whole = self.slots * self.context
        self.cells = max(settings.cells or (whole if self._fits(whole, settings) else 2 * self.context), self.context)
        self._apart = self.cells >= whole
        self._context = self._new_context(settings)
        self.cells = LLAMA.llama_n_ctx(self._context)
        self._memory = LLAMA.llama_get_memory(self._context)
        self._batch = _Batch(self.batch)
        self.exponentials = find_exponentials()
        layout = ("own" if self._apart else "shared", settings.kv_type, f"flash-{self._attention(settings)}")
        self.identity = "-".join((identify(path), *layout))
        """Names this file and layout of memory under this version of llama.cpp, for what is only good for them."""

    def decode(self, parts: Sequence[Part]) -> list[Logits]:
        """See `Backend.decode`."""
        places = self._batch.fill(parts)
        code = LLAMA.llama_decode(self._context, self._batch.native)
        if code != 0:
            hint = "allow more cells, or fewer requests at once" if code == 1 else ""
            raise EngineError(_decode_error(code), hint=hint)
        return [self._row(place) for place in places]

    def share(self, source: int, target: int, length: int) -> None:
        """See `Backend.share`."""
        if self._apart:
            if not self.restore(target, self.save(source)):
                raise EngineError(f"llama.cpp could not copy a sequence of {length} tokens")
            LLAMA.llama_memory_seq_rm(self._memory, target, length, -1)
        else:
            LLAMA.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def trim(self, slot: int, length: int) -> bool:
        """See `Backend.trim`."""
        if LLAMA.llama_memory_seq_rm(self._memory, slot, length, -1):
            return True
        LLAMA.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return False

    def save(self, slot: int) -> bytearray:
        """See `Backend.save`."""
        state = bytearray(LLAMA.llama_state_seq_get_size(self._context, slot))
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)
        LLAMA.llama_state_seq_get_data(self._context, buffer, len(state), slot)
        return state

    def restore(self, slot: int, state: bytearray) -> bool:
        """See `Backend.restore`."""
        buffer = (ctypes.c_uint8 * len(state)).from_buffer(state)
        if state and LLAMA.llama_state_seq_set_data(self._context, buffer, len(state), slot) == len(state):
            return True
        LLAMA.llama_memory_seq_rm(self._memory, slot, -1, -1)
        return False

    def close(self) -> None:
        """See `Backend.close`."""
        if self._context is not None:
            LLAMA.llama_free(self._context)
        if self._model is not None:
            LLAMA.llama_model_free(self._model)
        self._context = self._model = None

    def _check(self) -> None:
        """Stop whoever would tokenize with a model that is freed."""
        if self._model is None:
            raise closed()

    def _fits(self, cells: int, settings: LlamaSettings) -> bool:
        """Whether so many cells, and the scores of attention over one sequence's, are little beside what there is."""
        if self.devices:
            return False
        model, kind = self._model, self.metadata.get("general.architecture", "")
        heads, width = LLAMA.llama_model_n_head(model), LLAMA.llama_model_n_embd(model)
        size = int(self.metadata.get(f"{kind}.attention.key_length", width // max(1, heads)))
        values = 2 * LLAMA.llama_model_n_layer(model) * LLAMA.llama_model_n_head_kv(model) * size
        scores = 4 * heads * self.context * self.batch
        memory = max((it.total for it in devices() if it.kind == "CPU"), default=0)
        return cells * values * BYTES[settings.kv_type] + scores <= memory * ROOM

    def _attention(self, settings: LlamaSettings) -> FlashAttention:
        """On a CPU plain attention is the faster one, unless it has to step over others' cells or to unpack its own."""
        plain = self._apart and not self.devices and settings.kv_type in ("f32", "f16")
        return "off" if plain and settings.flash_attention == "auto" else settings.flash_attention

    def _row(self, place: int) -> Logits:
        pointer = LLAMA.llama_get_logits_ith(self._context, place)
        if not pointer:
            raise EngineError("llama.cpp kept no scores for a token that wants them")
        address = ctypes.addressof(pointer.contents)
        return np.ctypeslib.as_array((ctypes.c_float * self.vocabulary.size).from_address(address))

    def _new_context(self, settings: LlamaSettings) -> Any:
        params = LLAMA.llama_context_default_params()
        params.n_ctx = self.cells
        params.n_batch = params.n_ubatch = self.batch
        params.n_seq_max = self.slots
        params.kv_unified = not self._apart
        params.no_perf = True
        params.flash_attn_type = FLASH[self._attention(settings)]
        params.type_k = params.type_v = getattr(LLAMA, f"GGML_TYPE_{settings.kv_type.upper()}")
        params.n_threads = params.n_threads_batch = settings.threads or threads_for(self._model)
        context = LLAMA.llama_init_from_model(self._model, params)
        if not context:
            raise ModelError(f"no context for this model: {last_log()}", hint="try a smaller context")
        return context


class _Batch:
    """llama.cpp's batch over numpy arrays, so that whole prompts are written at once."""

    def __init__(self, size: int) -> None:
        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._counts = np.ones(size, np.int32)
        self._slots = np.zeros(size, np.int32)
        self._wanted = np.zeros(size, np.int8)
        addresses = self._slots.ctypes.data + np.arange(size, dtype=np.uint64) * self._slots.itemsize
        self._pointers = addresses.astype(np.uint64)
        self.native = LLAMA.llama_batch(
            0,
            self._tokens.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            None,
            self._positions.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            self._counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32)),
            ctypes.cast(self._pointers.ctypes.data, ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
            self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def fill(self, parts: Sequence[Part]) -> list[int]:
        """Write the parts; returns the places of the wanted tokens."""
        at, places = 0, list[int]()
        for part in parts:
            end = at + len(part.tokens)
            self._tokens[at:end] = part.tokens
            self._positions[at:end] = np.arange(part.start, part.start + end - at)
            self._slots[at:end] = part.slot
            self._wanted[at:end] = 0
            if part.wanted:
                self._wanted[end - part.wanted : end] = 1
                places += range(end - part.wanted, end)
            at = end
        self.native.n_tokens = at
        return places


def threads_for(model: Any) -> int:
    """Threads that decode a model fastest: one for a tiny model, which waits longer than it works; else one a core."""
    small = LLAMA.llama_model_size(model) < 64 * 1024 * 1024
    return 1 if small else max(1, len(os.sched_getaffinity(0)))


def _decode_error(code: int) -> str:
    reasons = {1: "the context has no room for the batch", 2: "decoding was aborted", -1: "the batch is not valid"}
    return f"llama.cpp could not decode: {reasons.get(code, f'error {code}')} {last_log()}".strip()
