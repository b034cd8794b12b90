"""colt's network: a small Llama with a copying circuit built in by hand before training.

In a budget of minutes a standard initialisation does not learn to copy. So half of each head's rotary pairs are
switched off; heads of the first layer look at the tokens before by rotary phase; heads of the second layer match the
current token (and the one before) against those, in the dimensions without rotation, and copy what followed (an
induction head: Olsson et al., 2022, built instead of learned). Before any training it copies random tokens.

Rotary pairs are interleaved, so that the export needs no permutation for llama.cpp's architecture `llama`.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The dimensions of the network."""

    vocabulary: int = 2048
    width: int = 256
    layers: int = 4
    heads: int = 4
    feed_forward: int = 768
    context: int = 2048
    theta: float = 10_000.0
    """llama.cpp's rotary base; the frequencies used are in `frequencies`."""
    epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        """Of one attention head."""
        return self.width // self.heads

    def as_dict(self) -> dict[str, float]:
        """For a checkpoint."""
        return asdict(self)


LARGE = Shape(width=512, layers=6, heads=8, feed_forward=1280)
"""What a GPU has the time for: 19 million parameters, 11.6 MB as Q4_K_M."""
EMBEDDING_STD = 0.3
FINAL_NORM = 0.13
ROTARY_BASE = 1_000.0


def frequencies(shape: Shape) -> Tensor:
    """Radians per position of each rotary pair, shape (head_width / 2,); the second half is switched off."""
    pairs = shape.head_width // 2
    turning = pairs // 2
    values = torch.zeros(pairs)
    values[:turning] = 1.0 / ROTARY_BASE ** (torch.arange(turning).float() / turning)
    return values


def frequency_factors(shape: Shape) -> Tensor:
    """What llama.cpp divides its own frequencies by, to get these (`rope_freqs.weight`)."""
    own = 1.0 / shape.theta ** (torch.arange(0, shape.head_width, 2).float() / shape.head_width)
    wanted = frequencies(shape)
    return torch.where(wanted > 0, own / wanted.clamp_min(1e-12), torch.full_like(own, 1e12))


class Block(nn.Module):
    """Attention and a gated feed-forward, each behind an RMS norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.feed_norm = nn.RMSNorm(width, eps=shape.epsilon)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, shape.feed_forward, bias=False)
        self.up = nn.Linear(width, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, chosen: Tensor | None = None) -> Tensor:
        """x: (batch, length, width); cos and sin: (length, head_width / 4). With `chosen`, a mask over (batch, length),
        only what comes out there: (chosen, width)."""
        batch, length, width = x.shape
        hidden = self.attention_norm(x)

        def heads(projection: nn.Linear) -> Tensor:
            return projection(hidden).view(batch, length, self.heads, -1).transpose(1, 2)

        value = heads(self.value)
        query, key = (rotate(heads(it), cos, sin).to(value.dtype) for it in (self.query, self.key))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        if chosen is not None:
            x, mixed = x[chosen], mixed[chosen]
        x = x + self.output(mixed)
        hidden = self.feed_norm(x)
        return x + self.down(functional.silu(self.gate(hidden)) * self.up(hidden))


class Colt(nn.Module):
    """The network; embeddings are also the output layer."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList([Block(shape) for _ in range(shape.layers)])
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        turning = frequencies(shape)[: shape.head_width // 4]
        angles = torch.outer(torch.arange(shape.context).float(), turning)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.6 / math.sqrt(parameter.shape[1]))
            if "output" in name or "down" in name:
                nn.init.zeros_(parameter)
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        nn.init.constant_(self.norm.weight, FINAL_NORM)

    def forward(self, ids: Tensor, chosen: Tensor | None = None) -> Tensor:
        """Scores after each of `ids` (batch, length), or after the `chosen` ones (a mask) alone."""
        length = ids.shape[1]
        x = self.embedding(ids)
        for block in self.blocks:
            last = block is self.blocks[-1]
            x = block(x, self.cos[:length], self.sin[:length], chosen if last else None)
        return functional.linear(self.norm(x), self.embedding.weight)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on the interleaved pairs of the first half; x: (batch, heads, length, head_width)."""
    turning, still = x.chunk(2, -1)
    even, odd = turning[..., 0::2], turning[..., 1::2]
    return torch.cat((torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2), still), -1)


@torch.no_grad()
def build_copying(model: Colt, *, peak: float = 120.0, match: float = 20.0, strength: float = 4.0) -> None:
    """Write the copying circuit into the first two layers.

    The first layer's heads 0 and 1 write the token before, and the one before that, into parts of the stream of their
    own. In the second layer head 0 finds where the current token came before; heads 1 and 2 want the token before it
    to agree as well, which is what copies digits and other text that repeats itself.

    Args:
        model: freshly made, with at least four heads.
        peak: how sharply the first layer looks back.
        match: how sharply the second layer's heads match tokens.
        strength: how loudly they copy.
    """
    shape = model.shape
    width, head = shape.width, shape.head_width
    turning, constant = head // 4, 4 * EMBEDDING_STD
    model.embedding.weight[:, 0] = constant
    norm = (((width - 1) * EMBEDDING_STD**2 + constant**2) / width) ** 0.5
    constant_in, feature_in = constant / norm, EMBEDDING_STD / norm
    read = torch.linalg.qr(torch.randn(width - 1, head))[0].T  # token features into a head
    parts = torch.linalg.qr(torch.randn(width - 1, 2 * head))[0]  # each head's own part of the stream
    before, before_last = parts[:, :head], parts[:, head:]
    for number, part in enumerate((before, before_last)):
        _look_back(model.blocks[0], number, peak, constant_in, read, part * EMBEDDING_STD / feature_in)
    plain = head - 2 * turning
    gain = (match * head**0.5 / (plain * feature_in**2 * 0.8)) ** 0.5
    copier = model.blocks[1]
    for number, (queries, keys) in enumerate(
        (((read,), (before,)), ((read, before), (before, before_last)), ((read, before), (before, before_last)))
    ):
        rows = slice(number * head, (number + 1) * head)
        for projection in (copier.query, copier.key, copier.value):
            projection.weight[rows] = 0
        size = plain // len(queries)
        taken = number * plain % head  # each head compares other features
        for half, (query, key) in enumerate(zip(queries, keys, strict=True)):
            at = number * head + 2 * turning + half * size
            features = slice(taken + half * size, taken + (half + 1) * size)
            copier.query.weight[at : at + size, 1:] = (query if query is read else query.T)[features] * gain
            copier.key.weight[at : at + size, 1:] = key.T[features] * gain
        copied = torch.linalg.qr(torch.randn(width - 1, head))[0].T
        copier.value.weight[rows, 1:] = copied
        copier.output.weight[:, rows] = 0
        copier.output.weight[1:, rows] = copied.T * EMBEDDING_STD * strength / feature_in


def _look_back(block: Block, number: int, peak: float, constant_in: float, read: Tensor, write: Tensor) -> None:
    """Head `number` attends to the token `number + 1` places back, whatever it is: a constant query, turned back."""
    head = read.shape[0]
    turning = head // 4
    frequency = 1.0 / ROTARY_BASE ** (torch.arange(turning).float() / turning)
    weights = torch.zeros(turning)
    fast = torch.tensor([1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.3, 0.2])[:turning]
    weights[: len(fast)] = peak * fast
    amplitude, angle = weights.sqrt(), -frequency * (number + 1)
    query, key = torch.zeros(head), torch.zeros(head)
    key[0 : 2 * turning : 2] = amplitude
    query[0 : 2 * turning : 2] = amplitude * torch.cos(angle)
    query[1 : 2 * turning : 2] = amplitude * torch.sin(angle)
    rows = slice(number * head, (number + 1) * head)
    for projection in (block.query, block.key, block.value):
        projection.weight[rows] = 0
    block.query.weight[rows, 0] = query / constant_in
    block.key.weight[rows, 0] = key / constant_in
    block.value.weight[rows, 1:] = read
    block.output.weight[:, rows] = 0
    block.output.weight[1:, rows] = write
