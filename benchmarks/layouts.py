"""What a token costs by how sequences keep their cells and how attention is computed.

    python benchmarks/layouts.py MODEL

For some sequences with a history each, the next tokens of all of them are evaluated in one decode: with cells of their
own or with one cache for all, with plain or flash attention. Ways are taken in turn; figures are medians, in
milliseconds a token.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from bridle.engine.base import Part
from bridle.engine.llama import LlamaBackend, LlamaSettings
from bridle.settings import FlashAttention

LOADS = {(1, 250): (1, 3), (1, 1000): (1, 3, 24), (4, 500): (1, 3), (8, 500): (1, 3), (32, 500): (1, 3)}
"""Sequences and the tokens that each has; and how many come to each."""
STEP = 96
"""Tokens of a history that are read at once, of all sequences together: they lie as they do after a while of turns."""
WAYS: dict[str, tuple[bool, FlashAttention]] = {
    f"{'own' if own else 'shared'}, {'plain' if attention == 'off' else 'flash'}": (own, attention)
    for own, attention in product((True, False), ("off", "on"))
}


def open_backend(path: Path, sequences: int, history: int, *, own: bool, attention: FlashAttention) -> LlamaBackend:
    """A model with sequences that have their history."""
    context = -(-(history + 64) // 256) * 256
    cells = context * sequences
    slots = sequences if own else sequences + 1  # one more than there is room for: they share
    wanted = LlamaSettings(context=context, cells=cells, slots=slots, flash_attention=attention, device="cpu")
    backend = LlamaBackend(path, wanted)
    step = max(1, STEP // sequences)
    for start in range(0, history, step):
        tokens = np.arange(1000 + start, 1000 + min(start + step, history), dtype=np.int32)
        backend.decode([Part(slot, start, tokens, 0) for slot in range(sequences)])
    return backend


def measure(
    path: Path, sequences: int, history: int, counts: Sequence[int], rounds: int
) -> dict[int, dict[str, float]]:
    """Milliseconds a token of each way, by how many come to each sequence."""
    backends = {
        way: open_backend(path, sequences, history, own=own, attention=attention)
        for way, (own, attention) in WAYS.items()
    }
    found = {(count, way): list[float]() for count in counts for way in WAYS}
    for _, count, (way, backend) in product(range(rounds + 1), counts, backends.items()):
        tokens = np.arange(500, 500 + count, dtype=np.int32)
        start = time.perf_counter()
        backend.decode([Part(slot, history, tokens, 1) for slot in range(sequences)])
        found[count, way].append(1e3 * (time.perf_counter() - start) / count / sequences)
        for slot in range(sequences):
            backend.trim(slot, history)
    for backend in backends.values():
        backend.close()
    return {count: {way: round(median(found[count, way][1:]), 2) for way in WAYS} for count in counts}


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--most", type=int, default=32, help="sequences")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = Table("sequences", "history", "tokens each", *WAYS, title="ms a token")
    rows = list[dict[str, float]]()
    console = Console(stderr=True)
    for (sequences, history), counts in LOADS.items():
        if sequences > options.most:
            continue
        with console.status(f"{sequences} sequences of {history} tokens"):
            found = measure(options.model, sequences, history, counts, options.rounds)
        for count, ways in found.items():
            rows.append({"sequences": sequences, "history": history, "tokens": count, **ways})
            table.add_row(str(sequences), str(history), str(count), *(f"{it:.2f}" for it in ways.values()))
    if options.json:
        print(json.dumps(rows))
    else:
        Console().print(table)


if __name__ == "__main__":
    main()
