"""A small model whose memory is not a cache of keys and values alone: recurrent, hybrid, or with a sliding window.

    python benchmarks/hybrid_model.py --vocab ggml-vocab-phi-3.gguf --kind jamba --seed 1 --out random-jamba.gguf

A recurrent layer keeps one state, that of the last token: it cannot be cut back, nor shared in part. Whatever the
weights, an engine must then say the same as one that reads every prompt from its start; random ones tell whether it
does. Needs the extra `bridle[bench]`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from random_model import copy_tokenizer

try:
    import gguf
except ImportError:
    sys.exit("this needs the package gguf: pip install 'bridle[bench]'")

KINDS = {
    "mamba": "recurrent: a state space in every layer",
    "jamba": "hybrid: state spaces, and attention in every second layer",
    "lfm2": "hybrid: short convolutions, and attention in every second layer",
    "gemma2": "attention, over a sliding window in every second layer",
}
WIDTH, LAYERS, HEADS, FEED_FORWARD, CONTEXT = 128, 4, 4, 256, 4096
WINDOW = 48
KERNEL, INNER, STATE, RANK = 4, 2 * WIDTH, 16, 8
"""Of a state space: what its convolution sees, its channels, numbers a channel remembers, rank of its time steps."""
FAINT = 0.02
"""How much of a token comes through the layers unchanged: little, or the past would not show in the scores."""


class Tensors:
    """Adds random tensors to a file."""

    def __init__(self, writer: gguf.GGUFWriter, seed: int) -> None:
        self._writer = writer
        self._random = np.random.default_rng(seed)

    def matrix(self, name: str, rows: int, columns: int, scale: float = 1.0) -> None:
        """Normal values, scaled so that activations neither vanish nor explode."""
        values = self._random.standard_normal((rows, columns), dtype=np.float32)
        self._writer.add_tensor(f"{name}.weight", values * np.float32(scale / columns**0.5))

    def ones(self, name: str, size: int = WIDTH) -> None:
        """A norm that changes nothing."""
        self._writer.add_tensor(f"{name}.weight", np.ones(size, np.float32))

    def attention(self, block: str) -> None:
        """Attention with as many heads for keys and values as for queries."""
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            self.matrix(block + name, WIDTH, WIDTH)

    def feed_forward(self, block: str) -> None:
        """Gate, up and down."""
        self.ones(block + "ffn_norm")
        self.matrix(block + "ffn_gate", FEED_FORWARD, WIDTH)
        self.matrix(block + "ffn_up", FEED_FORWARD, WIDTH)
        self.matrix(block + "ffn_down", WIDTH, FEED_FORWARD)

    def state_space(self, block: str) -> None:
        """Mamba's layer; states fade over some tens of tokens, so that early ones still show."""
        self.matrix(block + "ssm_in", 2 * INNER, WIDTH)
        self.matrix(block + "ssm_conv1d", INNER, KERNEL)
        self.matrix(block + "ssm_x", RANK + 2 * STATE, INNER, 4.0)
        self.matrix(block + "ssm_dt", INNER, RANK)
        self.matrix(block + "ssm_out", WIDTH, INNER)
        steps = self._random.uniform(-5, -2, INNER).astype(np.float32)
        fading = -np.linspace(0.1, 2, STATE, dtype=np.float32)
        self._writer.add_tensor(block + "ssm_dt.bias", steps)
        self._writer.add_tensor(block + "ssm_conv1d.bias", np.zeros(INNER, np.float32))
        self._writer.add_tensor(block + "ssm_a", np.tile(fading, (INNER, 1)))
        self._writer.add_tensor(block + "ssm_d", np.ones(INNER, np.float32))

    def convolution(self, block: str) -> None:
        """LFM2's gated convolution over a few tokens."""
        self.matrix(block + "shortconv.conv", WIDTH, KERNEL)
        self.matrix(block + "shortconv.in_proj", 3 * WIDTH, WIDTH)
        self.matrix(block + "shortconv.out_proj", WIDTH, WIDTH)


def add_layer(tensors: Tensors, kind: str, layer: int) -> None:
    """One layer; in hybrids, those with odd numbers attend."""
    block = f"blk.{layer}."
    tensors.ones(block + "attn_norm")
    if kind == "mamba" or (kind == "jamba" and layer % 2 == 0):
        tensors.state_space(block)
    elif kind == "lfm2" and layer % 2 == 0:
        tensors.convolution(block)
    else:
        tensors.attention(block)
    if kind == "jamba" and layer % 2 == 0:
        for name, size in (("ssm_dt_norm", RANK), ("ssm_b_norm", STATE), ("ssm_c_norm", STATE)):
            tensors.ones(block + name, size)
    if kind == "lfm2" and layer % 2:
        tensors.ones(block + "attn_q_norm", WIDTH // HEADS)
        tensors.ones(block + "attn_k_norm", WIDTH // HEADS)
    if kind == "gemma2":
        tensors.ones(block + "post_attention_norm")
        tensors.ones(block + "post_ffw_norm")
    if kind != "mamba":
        tensors.feed_forward(block)


def add_metadata(writer: gguf.GGUFWriter, kind: str) -> None:
    """The dimensions, as llama.cpp reads them."""
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_feed_forward_length(0 if kind == "mamba" else FEED_FORWARD)
    writer.add_head_count(0 if kind == "mamba" else HEADS)
    if kind in ("jamba", "lfm2"):
        writer.add_head_count_kv([HEADS if layer % 2 else 0 for layer in range(LAYERS)])
    if kind in ("mamba", "jamba"):
        writer.add_ssm_conv_kernel(KERNEL)
        writer.add_ssm_inner_size(INNER)
        writer.add_ssm_state_size(STATE)
        writer.add_ssm_time_step_rank(RANK)
    if kind == "lfm2":
        writer.add_shortconv_l_cache(KERNEL)
    if kind == "gemma2":
        writer.add_key_length(WIDTH // HEADS)
        writer.add_value_length(WIDTH // HEADS)
        writer.add_sliding_window(WINDOW)


def write(vocabulary: Path, kind: str, seed: int, out: Path) -> None:
    """Write the model.

    Raises:
        SystemExit: `vocabulary` is not a GGUF with a tokenizer.
    """
    reader = gguf.GGUFReader(vocabulary)
    tokens = reader.get_field("tokenizer.ggml.tokens")
    if tokens is None:
        sys.exit(f"{vocabulary} has no tokenizer")
    writer = gguf.GGUFWriter(out, kind)
    writer.add_name(f"random {out.stem}")
    writer.add_vocab_size(len(tokens.data))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_metadata(writer, kind)
    copy_tokenizer(reader, writer)
    tensors = Tensors(writer, seed)
    tensors.matrix("token_embd", len(tokens.data), WIDTH, FAINT)
    tensors.ones("token_embd_norm" if kind == "lfm2" else "output_norm")
    for layer in range(LAYERS):
        add_layer(tensors, kind, layer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vocab", type=Path, required=True, help="a GGUF whose tokenizer is taken over")
    parser.add_argument("--kind", choices=KINDS, required=True, help="; ".join(f"{k}: {v}" for k, v in KINDS.items()))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if not options.vocab.is_file():
        sys.exit(f"no file at {options.vocab}")
    write(options.vocab, options.kind, options.seed, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB, {KINDS[options.kind]}")


if __name__ == "__main__":
    main()
