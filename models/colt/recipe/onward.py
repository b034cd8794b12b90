"""Training that goes on from a finished file: its tokenizer and its weights, read back from the GGUF."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from export import NAMES
from gguf import GGUFReader
from gguf.quants import dequantize
from model import Colt
from tokenizer import CONTROL, USER_DEFINED, at_run_time
from tokenizers import AddedToken, Tokenizer, decoders, models
from torch import nn


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


def layers(path: Path) -> int:
    """How many a file has."""
    return int(GGUFReader(path).fields["llama.block_count"].contents())


@torch.no_grad()
def mix(model: Colt, path: Path, share: float) -> None:
    """Mix the weights of a model with those of the file that it began with, of which `share` are its own: what the
    training between did not show is kept better so (Wortsman et al., 2022)."""
    before = deepcopy(model)
    fill(before, path)
    for ours, theirs in zip(model.parameters(), before.parameters(), strict=True):
        ours.lerp_(theirs.to(ours.device), 1 - share)


@torch.no_grad()
def fill(model: Colt, path: Path) -> None:
    """Give a model the weights of a file, as exactly as its bits tell them.

    A model of more layers than the file is grown: the file's stand spread out among new ones that add nothing yet, so
    that it says what the file says (stacking: Gong et al., 2019; blocks that begin as nothing: Wu et al., 2024).

    Raises:
        KeyError: the file is of a model with other parts.
        RuntimeError: or of another size.
    """
    tensors = {it.name: torch.tensor(dequantize(it.data, it.tensor_type)) for it in GGUFReader(path).tensors}
    model.embedding.weight.copy_(tensors["token_embd.weight"])
    model.norm.weight.copy_(tensors["output_norm.weight"])
    held = layers(path)
    if held > len(model.blocks):
        raise RuntimeError(f"{path} has {held} layers, and the model that it is to fill {len(model.blocks)}")
    numbers = {number * len(model.blocks) // held: number for number in range(held)}
    for place, block in enumerate(model.blocks):
        number = numbers.get(place)
        if number is None:
            nn.init.zeros_(block.output.weight)
            nn.init.zeros_(block.down.weight)
            continue
        for ours, theirs in NAMES.items():
            block.get_submodule(ours).get_parameter("weight").copy_(tensors[f"blk.{number}.{theirs}.weight"])
