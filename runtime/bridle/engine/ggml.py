"""What Bridle asks of ggml, the library below llama.cpp: which devices there are, and a quick softmax.

llama-cpp-python binds llama.cpp alone, but carries ggml's libraries; these functions are called through ctypes.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from llama_cpp import __version__
from llama_cpp._ggml import libggml

from bridle.engine.base import Exponentials, Logits
from bridle.engine.sample import exponentials
from bridle.errors import UsageError

GGML: Any = libggml
KINDS = ("CPU", "GPU", "integrated GPU", "accelerator", "group")
"""By the number of `ggml_backend_dev_type`."""
BUILD = f'CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall --no-cache-dir llama-cpp-python=={__version__}'
"""How to have a build for CUDA."""


@dataclass(frozen=True)
class Device:
    """Something that computes."""

    name: str
    """Such as `CUDA0`."""
    description: str
    kind: str
    """One of `KINDS`."""
    free: int
    """Bytes of its memory that are free; 0 if it does not say."""
    total: int
    handle: int
    """A `ggml_backend_dev_t`, valid for as long as the process lives."""

    @property
    def is_gpu(self) -> bool:
        """Whether layers of a model can be put there."""
        return "GPU" in self.kind


def devices() -> list[Device]:
    """All that this build of llama.cpp can use, on this machine."""
    _declare()
    found: list[Device] = []
    for number in range(GGML.ggml_backend_dev_count()):
        handle = GGML.ggml_backend_dev_get(number)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        GGML.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
        kind: int = GGML.ggml_backend_dev_type(handle)
        name, description = GGML.ggml_backend_dev_name(handle), GGML.ggml_backend_dev_description(handle)
        told = (name.decode(), description.decode("utf-8", "replace"), KINDS[kind] if kind < len(KINDS) else "other")
        found.append(Device(*told, free.value, total.value, handle))
    return found


def pick(wanted: str, among: list[Device]) -> list[Device]:
    """The GPUs that a user means.

    Args:
        wanted: `auto` for all of them, `cpu` for none, or names with commas; `cuda` stands for `CUDA0`, `CUDA1`, ....
        among: what there is.

    Raises:
        UsageError: there is none of that name.

    >>> gpu = Device("CUDA0", "a card", "GPU", 0, 0, 1)
    >>> [device.name for device in pick("cuda", [gpu])], pick("cpu", [gpu])
    (['CUDA0'], [])
    """
    gpus = [device for device in among if device.is_gpu]
    if wanted.strip().lower() in ("", "auto", "cpu"):
        return [] if wanted.strip().lower() == "cpu" else gpus
    found: list[Device] = []
    for part in wanted.split(","):
        name = part.strip().lower()
        named = [it for it in gpus if name in (it.name.lower(), it.name.lower().rstrip("0123456789"))]
        if not named:
            known = ", ".join(["cpu", *(it.name for it in gpus)])
            hint = "" if gpus else f"this build is for the CPU; for CUDA: {BUILD}"
            raise UsageError(f"no device '{part.strip()}' here; there are: {known}", hint=hint)
        found += [it for it in named if it not in found]
    return found


def find_exponentials() -> Exponentials:
    """ggml's own softmax loop, which does in one pass what takes numpy three, where the build lets it be called."""
    try:
        native: Any = GGML.ggml_vec_soft_max_f32
    except AttributeError:
        return exponentials
    native.restype = ctypes.c_double
    native.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_float]

    def one_pass(scores: Logits, top: float, out: Logits) -> float:
        return float(native(len(scores), out.ctypes.data, scores.ctypes.data, top))

    return one_pass


def _declare() -> None:
    """Types of the functions used here, from ggml-backend.h."""
    GGML.ggml_backend_dev_count.restype = ctypes.c_size_t
    GGML.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    GGML.ggml_backend_dev_get.restype = ctypes.c_void_p
    sizes = ctypes.POINTER(ctypes.c_size_t)
    for function, result, others in (
        (GGML.ggml_backend_dev_name, ctypes.c_char_p, []),
        (GGML.ggml_backend_dev_description, ctypes.c_char_p, []),
        (GGML.ggml_backend_dev_type, ctypes.c_int, []),
        (GGML.ggml_backend_dev_memory, None, [sizes, sizes]),
    ):
        function.argtypes, function.restype = [ctypes.c_void_p, *others], result
