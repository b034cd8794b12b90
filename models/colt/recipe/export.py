"""From a checkpoint to a GGUF that llama.cpp runs, and to fewer bits."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Sequence
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from data import LONGEST, Example
from model import Colt, Shape, frequency_factors
from tokenizer import CONTROL
from tokenizers import Tokenizer

from bridle.engine.base import Part
from bridle.engine.llama import LlamaBackend, LlamaSettings

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NAMES = {
    "attention_norm": "attn_norm",
    "feed_norm": "ffn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def load(checkpoint: Path) -> Colt:
    """The model in a checkpoint."""
    state = torch.load(checkpoint, weights_only=True)
    shape = Shape(**{name: type(getattr(Shape(), name))(value) for name, value in state["shape"].items()})
    model = Colt(shape)
    model.load_state_dict(state["model"])
    return model.eval()


def export(model: Colt, tokenizer: Path, out: Path) -> None:
    """Write the model as 32-bit floats."""
    shape = model.shape
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name("colt")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_freq_base(shape.theta)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocabulary)
    _add_tokenizer(writer, json.loads(tokenizer.read_text(encoding="utf-8")))
    weights = {name: value.float().cpu().numpy() for name, value in model.state_dict().items()}
    writer.add_tensor("token_embd.weight", weights["embedding.weight"])
    writer.add_tensor("output_norm.weight", weights["norm.weight"])
    for layer in range(shape.layers):
        for ours, theirs in NAMES.items():
            writer.add_tensor(f"blk.{layer}.{theirs}.weight", weights[f"blocks.{layer}.{ours}.weight"])
    writer.add_tensor("rope_freqs.weight", frequency_factors(shape).numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize(source: Path, out: Path, kind: str = "Q4_K_M") -> None:
    """Fewer bits, by llama.cpp's own quantizer.

    Raises:
        RuntimeError: it refuses.
    """
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    if code := llama_cpp.llama_model_quantize(bytes(source), bytes(out), ctypes.byref(parameters)):
        raise RuntimeError(f"quantizing to {kind} failed with {code}")


def check(model: Colt, path: Path, examples: Sequence[Example], tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Hold an export against the model: the same tokens, and nearly the same scores at every place.

    Returns the largest difference of two scores.

    Raises:
        ValueError: a text is tokenized differently, or the best token differs where scores are not nearly equal.
    """
    backend = LlamaBackend(path, LlamaSettings(context=LONGEST, batch=LONGEST, slots=1, threads=1))
    largest = 0.0
    try:
        for text in texts:
            ours = tokenizer.encode(text, add_special_tokens=False).ids
            theirs = backend.vocabulary.tokenize(text, True).tolist()
            if ours != theirs:
                raise ValueError(f"{text!r} is {ours} here and {theirs} in llama.cpp")
        for example in examples:
            ids = example.ids.astype(np.int32)
            with torch.no_grad():
                ours = model(torch.from_numpy(ids.astype(np.int64))[None])[0].float().numpy()
            theirs = np.stack(backend.decode([Part(0, 0, ids, wanted=len(ids))]))
            backend.trim(0, 0)
            largest = max(largest, float(np.abs(ours - theirs).max()))
            best = np.take_along_axis(ours, theirs.argmax(1)[:, None], 1)[:, 0]
            if (ours.max(1) - best > 0.05).any():
                raise ValueError("the export picks other tokens than the model")
    finally:
        backend.close()
    return largest


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict) -> None:
    vocabulary = tokenizer["model"]["vocab"]
    names = sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = [gguf.TokenType.NORMAL] * len(names)
    for token in tokenizer["added_tokens"]:
        control = token["content"] in CONTROL
        kinds[token["id"]] = gguf.TokenType.CONTROL if control else gguf.TokenType.USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(names)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(vocabulary["<|system|>"])
    writer.add_eos_token_id(vocabulary["<|end|>"])
    writer.add_pad_token_id(vocabulary["<|pad|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
