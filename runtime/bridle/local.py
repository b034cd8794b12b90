"""A model ready for steps: from a file on this machine, or, if that is asked for, behind a server.

    from bridle import Agent, Journal, open_model

    with open_model("colt") as model, Journal(path) as journal:
        run = Agent(model, workspace=folder, journal=journal).run("What is 15% of 240?")

The one place that chooses llama.cpp or a server; whoever embeds Bridle can put another engine behind a `Model`, or any
other `Writer`, instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bridle.card import Card, card_for, cards
from bridle.engine.archive import Archive
from bridle.engine.gguf import load_model, read_vocabulary
from bridle.engine.llama import LlamaBackend, LlamaSettings
from bridle.engine.probe import probe
from bridle.engine.scheduler import QUEUE
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import UsageError
from bridle.model import Model
from bridle.settings import FlashAttention, KvType
from bridle.shelf import shelf
from bridle.turn import Writer

if TYPE_CHECKING:
    from bridle.remote.model import RemoteModel


def open_model(
    model: str | Path = "colt",
    *,
    context: int | None = None,
    slots: int = 4,
    cells: int = 0,
    threads: int = 0,
    device: str = "auto",
    gpu_layers: int = -1,
    flash_attention: FlashAttention = "auto",
    kv_type: KvType = "f16",
    deterministic: bool = False,
    queue: int = QUEUE,
    cache: Path | None = None,
    keep_prompts: bool = False,
    fallback: Callable[[], Writer] | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Model:
    """Load a model. Use it as a context manager, or close it.

    Args:
        model: a bundled model by name, or the path of a GGUF file.
        context: tokens of a prompt and its output; what the model's card says if not given.
        slots: conversations kept in memory at once.
        cells: tokens of all of them together. If 0, the context of each, where there is room for that, else twice the
            context of one.
        threads: for decoding; chosen by the model's size if 0.
        device: `auto` for every GPU that the build of llama.cpp can use, `cpu`, or names such as `CUDA0`.
        gpu_layers: layers on GPUs, -1 for all.
        flash_attention: whether attention is computed in one pass; `auto` takes what is quicker.
        kv_type: how evaluated tokens are kept in memory; quantized ones take less and need flash attention.
        deterministic: the same tokens for the same request every time on this machine, at the price of speed; else
            batches, drafts and reused prompts change the rounding of scores, and seldom a token.
        queue: requests that may wait for a place; more are turned away with `BusyError`.
        cache: where verdicts on files, and prompts, are kept.
        keep_prompts: keep what prompts begin with (instructions, tools) on disk, evaluated, for the next start.
        fallback: opens the model that takes a step where this one fails, at its first need; the one that the model's
            card names if not given.
        on_progress: hears the share loaded, from 0 to 1.

    Raises:
        UsageError: there is no such model, or no such device.
        ModelError: the file is not a model that can generate.
    """
    if is_remote(model):
        raise UsageError(f"{model} is behind a server", hint="open it with bridle.open_remote")
    cache = cache or platformdirs.user_cache_path("bridle")
    path = _sound(model, cache)
    card = card_for(path, {})
    wanted = LlamaSettings(
        context=context or card.context,
        slots=slots,
        cells=cells,
        threads=threads,
        device=device,
        gpu_layers=gpu_layers,
        flash_attention=flash_attention,
        kv_type=kv_type,
    )
    backend = LlamaBackend(path, wanted, on_progress)
    card = card_for(path, backend.metadata)
    backend.vocabulary = backend.vocabulary.ending_with(card.prompt.ends)
    archive = Archive(cache / "prompts", backend.identity) if keep_prompts else None
    engine = EngineThread(backend, archive=archive, deterministic=deterministic, queue=queue)
    if fallback is None and card.fallback:
        fallback = partial(_open_fallback, card, path, cache, device, threads)
    return Model(engine, card, fallback)


def open_vocabulary(model: str | Path = "colt") -> Vocabulary:
    """The vocabulary of a model, of which no weights are loaded, and none need be there.

    Raises:
        UsageError: there is no such model.
        ModelError: the file is no GGUF, is damaged, or has no vocabulary to generate with.
    """
    path = _sound(model, platformdirs.user_cache_path("bridle"), vocabulary_only=True)
    return read_vocabulary(load_model(path, vocabulary_only=True))


def _sound(model: str | Path, cache: Path, *, vocabulary_only: bool = False) -> Path:
    """The file of a model, of which another process has seen that it can be loaded; those that come with Bridle can."""
    path = find_model(model)
    if shelf("models") not in path.resolve().parents:
        probe(path, cache, vocabulary_only=vocabulary_only)
    return path


def _open_fallback(card: Card, path: Path, cache: Path, device: str, threads: int) -> Model:
    """The model that a card names: a bundled one, or a file, from the card's folder if it is there."""
    name = card.fallback or ""
    if is_remote(name):
        raise UsageError(
            f"the card of {card.name} names a fallback behind a server, and only you may open a connection",
            hint=f"name it yourself: --fallback {name}",
        )
    beside = path.parent / name
    return open_model(beside if beside.is_file() else name, cache=cache, device=device, threads=threads)


def open_remote(
    model: str, *, key: str = "", patience: float = 600.0, fallback: Callable[[], Writer] | None = None
) -> RemoteModel:
    """Reach a model behind a server. Use it as a context manager, or close it.

    Args:
        model: its address, `KIND:URL#NAME`: see `bridle.remote.address`.
        key: the server's key. It is never read from the environment here.
        patience: seconds that the server may be silent.
        fallback: opens the model that takes over where this one fails.

    Raises:
        UsageError: that is no address; the client library is missing; the server wants a key or has no such model.
        EngineError: the server cannot be reached.
    """
    from bridle.remote.address import Address
    from bridle.remote.model import RemoteModel

    return RemoteModel(Address.parse(model), key=key, patience=patience, fallback=fallback)


def is_remote(model: str | Path) -> bool:
    """Whether a model's name is the address of one behind a server, and no file is called that."""
    from bridle.remote.address import is_address

    return isinstance(model, str) and is_address(model) and not Path(model).exists()


def find_model(model: str | Path) -> Path:
    """The file of a model by its name on the shelf, or by its path.

    Raises:
        UsageError: there is no such model.
    """
    card = cards().get(str(model))
    if card is not None and card.file:
        return shelf("models") / card.name / card.file
    path = Path(model).expanduser()
    if not path.exists():
        known = ", ".join(card.name for card in cards().values() if card.file)
        raise UsageError(f"no model at {model}", hint=f"give the path of a GGUF file, or one of the bundled: {known}")
    return path
