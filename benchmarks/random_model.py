"""A model of real shape and real vocabulary with random weights: what size costs, without anybody's weights.

    python benchmarks/random_model.py --vocab ggml-vocab-qwen2.gguf --shape 0.5b --seed 0 --out random-0.5b.gguf

Whatever such a model says, constrained decoding must make a valid document of it; and it takes as long to say it as a
trained model of its shape. Matrices are quantized to Q4_0, as most local models are; needs the extra `bridle[bench]`.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

try:
    import gguf
except ImportError:
    sys.exit("this needs the package gguf: pip install 'bridle[bench]'")


@dataclass(frozen=True)
class Shape:
    """The dimensions of a Llama-architecture model with tied embeddings."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    feed_forward: int
    context: int = 32_768


SHAPES = {
    "tiny": Shape(width=256, layers=4, heads=4, kv_heads=4, feed_forward=768),
    "0.5b": Shape(width=896, layers=24, heads=14, kv_heads=2, feed_forward=4864),  # Qwen2.5-0.5B
    "1.5b": Shape(width=1536, layers=28, heads=12, kv_heads=2, feed_forward=8960),  # Qwen2.5-1.5B
}


def write(vocabulary: Path, shape: Shape, seed: int, out: Path) -> None:
    """Write the model.

    Raises:
        SystemExit: `vocabulary` is not a GGUF with a tokenizer.
    """
    reader = gguf.GGUFReader(vocabulary)
    tokens = reader.get_field("tokenizer.ggml.tokens")
    if tokens is None:
        sys.exit(f"{vocabulary} has no tokenizer")
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(f"random {out.stem}")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(len(tokens.data))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    copy_tokenizer(reader, writer)
    random = np.random.default_rng(seed)
    add_tensors(writer, shape, len(tokens.data), random)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file(progress=True)
    writer.close()


def copy_tokenizer(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    """Take over every `tokenizer.*` field."""
    for field in reader.fields.values():
        if field.name.startswith("tokenizer."):
            value: Any = field.contents()
            writer.add_key_value(field.name, value, field.types[0], sub_type=field.types[-1])


def add_tensors(writer: gguf.GGUFWriter, shape: Shape, vocabulary: int, random: np.random.Generator) -> None:
    """Random matrices, scaled so that activations neither vanish nor explode; norms of one."""
    kv_width = shape.width // shape.heads * shape.kv_heads

    def matrix(name: str, rows: int, columns: int) -> None:
        values = random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        quantized = gguf.quants.quantize(values, gguf.GGMLQuantizationType.Q4_0)
        writer.add_tensor(name, quantized, raw_dtype=gguf.GGMLQuantizationType.Q4_0)

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(shape.width, np.float32))

    matrix("token_embd.weight", vocabulary, shape.width)
    ones("output_norm.weight")
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        ones(block + "attn_norm.weight")
        ones(block + "ffn_norm.weight")
        matrix(block + "attn_q.weight", shape.width, shape.width)
        matrix(block + "attn_k.weight", kv_width, shape.width)
        matrix(block + "attn_v.weight", kv_width, shape.width)
        matrix(block + "attn_output.weight", shape.width, shape.width)
        matrix(block + "ffn_gate.weight", shape.feed_forward, shape.width)
        matrix(block + "ffn_up.weight", shape.feed_forward, shape.width)
        matrix(block + "ffn_down.weight", shape.width, shape.feed_forward)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--vocab", type=Path, required=True, help="a GGUF whose tokenizer is taken over")
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if not options.vocab.is_file():
        sys.exit(f"no file at {options.vocab}")
    write(options.vocab, SHAPES[options.shape], options.seed, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
