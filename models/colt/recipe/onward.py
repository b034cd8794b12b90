"""Training that goes on from a finished file: its tokenizer and its weights, read back from the GGUF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from export import NAMES
from gguf import GGUFReader
from gguf.quants import dequantize
from model import Colt
from tokenizer import CONTROL, USER_DEFINED, at_run_time
from tokenizers import AddedToken, Tokenizer, decoders, models


def tokenizer_of(path: Path) -> Tokenizer:
    """The tokenizer that a file holds."""
    fields = GGUFReader(path).fields
    names: Any = fields["tokenizer.ggml.tokens"].contents()
    merges: Any = fields["tokenizer.ggml.merges"].contents()
    words = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(words, [tuple(merge.split(" ")) for merge in merges]))
    tokenizer.pre_tokenizer = at_run_time()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in (*CONTROL, *USER_DEFINED)])
    return tokenizer


@torch.no_grad()
def mix(model: Colt, path: Path, share: float) -> None:
    """Mix the weights of a model with those of the file that it began with, of which `share` are its own: what the
    training between did not show is kept better so (Wortsman et al., 2022)."""
    before = Colt(model.shape)
    fill(before, path)
    for ours, theirs in zip(model.parameters(), before.parameters(), strict=True):
        ours.lerp_(theirs.to(ours.device), 1 - share)


@torch.no_grad()
def fill(model: Colt, path: Path) -> None:
    """Give a model the weights of a file, as exactly as its bits tell them.

    Raises:
        KeyError: the file is of a model with other parts.
        RuntimeError: or of another size.
    """
    tensors = {it.name: torch.tensor(dequantize(it.data, it.tensor_type)) for it in GGUFReader(path).tensors}
    model.embedding.weight.copy_(tensors["token_embd.weight"])
    model.norm.weight.copy_(tensors["output_norm.weight"])
    for number, block in enumerate(model.blocks):
        for ours, theirs in NAMES.items():
            block.get_submodule(ours).get_parameter("weight").copy_(tensors[f"blk.{number}.{theirs}.weight"])
