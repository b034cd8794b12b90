"""A costed copy of a small model: its weights, its choices and its vocabulary, at the price of a large one.

    python benchmarks/costed_model.py models/colt/colt.gguf --bytes 4e8 --seed 1 --out costed-colt.gguf

Every layer's feed-forward is widened: the new rows of gate and up are random, the new columns of down are zero. All of
them are read and multiplied at every decode, and add nothing. A model that takes as long as a large one and answers as
well as a small one shows what speed is worth where answers matter: drafts that come true, arguments that are copied.
Matrices become Q8_0, which rounds otherwise than the original's bits and may turn a near tie. Needs the extra
`bridle[bench]`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

try:
    import gguf
except ImportError:
    sys.exit("this needs the package gguf: pip install 'bridle[bench]'")

Q8_0, F32 = gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32
BLOCK, BLOCK_BYTES = gguf.GGML_QUANT_SIZES[Q8_0]
SPREAD = 0.02
"""Standard deviation of the new rows: small, so that no product of them overflows."""
WIDE = ("ffn_gate.weight", "ffn_up.weight", "ffn_down.weight")
FEED_FORWARD = "llama.feed_forward_length"


def value_of(reader: gguf.GGUFReader, key: str) -> Any:
    """A field of the file's metadata, or None."""
    field = reader.get_field(key)
    return None if field is None else field.contents()


def quantized(columns: int) -> bool:
    """Whether rows of that length can be Q8_0."""
    return columns % BLOCK == 0


def shape_in(tensor: gguf.ReaderTensor, feed_forward: int) -> tuple[int, ...]:
    """A tensor's shape, rows first, once the feed-forward has that width."""
    shape = tuple(int(size) for size in reversed(tensor.shape))
    if not tensor.name.endswith(WIDE):
        return shape
    rows, columns = shape
    return (rows, feed_forward) if tensor.name.endswith("ffn_down.weight") else (feed_forward, columns)


def kind_in(shape: tuple[int, ...]) -> gguf.GGMLQuantizationType:
    """How a tensor of that shape is written."""
    return Q8_0 if len(shape) > 1 and quantized(shape[-1]) else F32


def bytes_in(shape: tuple[int, ...]) -> int:
    """What a tensor of that shape takes in the file."""
    count = int(np.prod(shape))
    return count // BLOCK * BLOCK_BYTES if kind_in(shape) is Q8_0 else count * 4


def read_by_decode(tensors: list[gguf.ReaderTensor], feed_forward: int) -> int:
    """Bytes of weights that one decode reads: all but the embeddings, unless they are the output as well."""
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    return sum(
        bytes_in(shape_in(tensor, feed_forward)) for tensor in tensors if tied or tensor.name != "token_embd.weight"
    )


def width_for(tensors: list[gguf.ReaderTensor], target: float) -> int:
    """The width of feed-forward at which a decode reads about that many bytes."""
    none, one = read_by_decode(tensors, 0), read_by_decode(tensors, BLOCK)
    return max(round((target - none) / (one - none)), 0) * BLOCK


def widened(tensor: gguf.ReaderTensor, shape: tuple[int, ...], random: np.random.Generator) -> NDArray[np.float32]:
    """A tensor's values, with more rows or columns if its shape has grown."""
    values = np.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
    if values.shape == shape:
        return values
    whole = np.zeros(shape, np.float32)
    rows, columns = values.shape
    whole[:rows, :columns] = values
    if shape[0] > rows:
        random.standard_normal(dtype=np.float32, out=whole[rows:])
        whole[rows:] *= SPREAD
    return whole


def copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, feed_forward: int) -> None:
    """Take over all fields, the name included, so that the model keeps its card; with another width and file type."""
    changed = {FEED_FORWARD: feed_forward, "general.file_type": int(gguf.LlamaFileType.MOSTLY_Q8_0)}
    ours = ("GGUF.", "general.architecture", "general.alignment")
    for field in reader.fields.values():
        if not field.name.startswith(ours):
            value: Any = changed.get(field.name, field.contents())
            writer.add_key_value(field.name, value, field.types[0], sub_type=field.types[-1])


def write(reader: gguf.GGUFReader, feed_forward: int, seed: int, out: Path) -> None:
    """Write the costed model, one tensor in memory at a time."""
    writer = gguf.GGUFWriter(out, "llama")
    copy_metadata(reader, writer, feed_forward)
    for tensor in reader.tensors:
        shape = shape_in(tensor, feed_forward)
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), bytes_in(shape), kind_in(shape))
    writer.write_header_to_file(out)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(seed)
    for tensor in track(reader.tensors, console=Console(stderr=True), description="tensors"):
        shape = shape_in(tensor, feed_forward)
        values = widened(tensor, shape, random)
        writer.write_tensor_data(gguf.quants.quantize(values, Q8_0) if kind_in(shape) is Q8_0 else values)
    writer.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    models = Path(__file__).resolve().parents[1] / "models"
    parser.add_argument("model", type=Path, nargs="?", default=models / "colt" / "colt.gguf")
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--feed-forward", type=int, help="the width of every layer's feed-forward")
    size.add_argument("--bytes", type=float, help="weights that one decode reads")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if not options.model.is_file():
        sys.exit(f"no file at {options.model}")
    if options.out.resolve() == options.model.resolve():
        sys.exit("the copy cannot take the place of the original")
    reader = gguf.GGUFReader(options.model)
    width = value_of(reader, FEED_FORWARD)
    layers = value_of(reader, "llama.block_count")
    if not isinstance(width, int) or sum(tensor.name.endswith(WIDE) for tensor in reader.tensors) != 3 * layers:
        sys.exit(f"{options.model} is not a dense model of the architecture llama")
    feed_forward = options.feed_forward or width_for(reader.tensors, options.bytes or 0)
    if feed_forward < width or not quantized(feed_forward):
        sys.exit(f"a feed-forward of {feed_forward}: it must be a multiple of {BLOCK}, and {width} at least")
    write(reader, feed_forward, options.seed, options.out)
    read = read_by_decode(reader.tensors, feed_forward)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.0f} MB, feed-forward {width} -> {feed_forward}, ")
    print(f"{read / 1e6:.0f} MB of weights read by a decode")


if __name__ == "__main__":
    main()
