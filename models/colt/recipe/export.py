"""From a checkpoint to a GGUF that llama.cpp runs, and to fewer bits."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from model import Colt, Shape, frequency_factors
from tokenizer import CONTROL

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_NAMES = {
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
        for ours, theirs in _NAMES.items():
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
