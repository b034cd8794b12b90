"""Sessions as token sequences, and batches of them by length.

Only the assistant's tokens are learned. Besides sessions there are drills: random tokens to repeat, and values to
look up by name, which keep the copying circuit alive while the rest is learned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from sessions import SEEN, Kind, Maker, Segment, World
from tokenizers import Tokenizer

KINDS: tuple[Kind, ...] = ("context", "thinking", "call", "ask", "answer", "refuse", "verb", "weighed", "missing")
VERBS = 1 / 4
"""Share of the sessions that are of other verbs than calls."""
LONGEST = 1280
"""Tokens; longer sessions are left out."""


class Example(NamedTuple):
    """One sequence. `kinds` index `KINDS`, per token."""

    ids: np.ndarray
    kinds: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Padded sequences, shape (rows, length)."""

    ids: torch.Tensor
    kinds: torch.Tensor


def encode(tokenizer: Tokenizer, sessions: list[list[Segment]]) -> list[Example]:
    """Token sequences of sessions; each segment by itself, since markers part them."""
    flat = [segment.text for session in sessions for segment in session]
    encoded = iter(tokenizer.encode_batch(flat, add_special_tokens=False))
    examples: list[Example] = []
    for session in sessions:
        ids: list[int] = []
        kinds: list[int] = []
        for segment in session:
            tokens = next(encoded).ids
            ids += tokens
            kinds += [KINDS.index(segment.kind)] * len(tokens)
        if len(ids) <= LONGEST:
            examples.append(Example(np.array(ids, np.uint16), np.array(kinds, np.uint8)))
    return examples


def sessions(tokenizer: Tokenizer, count: int, seed: int, world: World = SEEN, verbs: float = VERBS) -> list[Example]:
    """`count` generated sessions: most of them short ones, some longer and of the whole toolbox, as colt is used; and
    some of another verb than calls, which are shorter still."""
    maker = Maker(seed, world)
    return encode(tokenizer, [_session(maker, verbs) for _ in range(count)])


def _session(maker: Maker, verbs: float) -> list[Segment]:
    maker.values.vary()
    if maker.values.chance(verbs):
        return maker.verb()
    return maker.session() if maker.values.chance(0.75) else maker.session(turns=6, share_full=0.6)


def drills(tokenizer: Tokenizer, count: int, seed: int) -> list[Example]:
    """Random tokens to repeat after the marker that begins the assistant's turn.

    Half of them are long and of a few tokens that come again and again, as in a list of dates: what followed the last
    token, or the last two, tells then not enough, and a copier that looks no further goes round in circles.
    """
    random = Random(seed)
    user, assistant, end = (tokenizer.token_to_id(f"<|{name}|>") for name in ("user", "assistant", "end"))
    made: list[Example] = []
    for _ in range(count):
        tokens = [random.randrange(8, tokenizer.get_vocab_size()) for _ in range(random.randint(4, 32))]
        if random.random() < 0.5:
            tokens = random.choices(tokens[: random.randint(3, 12)], k=random.randint(12, 64))
        ids = [user, *tokens, end, assistant, *tokens, end]
        kinds = [0] * (len(tokens) + 3) + [KINDS.index("call")] * (len(tokens) + 1)
        made.append(Example(np.array(ids, np.uint16), np.array(kinds, np.uint8)))
    return made


def digest(examples: list[Example]) -> str:
    """SHA-256 over the token ids, by which the card says what data it was."""
    state = hashlib.sha256()
    for example in examples:
        state.update(example.ids.tobytes())
    return state.hexdigest()


def collate(examples: list[Example]) -> Batch:
    """Pad to the longest, rounded up to 16."""
    length = -(-max(len(example.ids) for example in examples) // 16) * 16
    arrays = np.zeros((2, len(examples), length), np.int64)
    for row, example in enumerate(examples):
        for layer, values in enumerate(example):
            arrays[layer, row, : len(values)] = values
    return Batch(*(torch.from_numpy(array) for array in arrays))


def batches(examples: list[Example], tokens: int, random: Random) -> Iterator[list[Example]]:
    """For ever: batches of about `tokens` padded tokens, of like lengths, in random order."""
    while True:
        order = random.sample(range(len(examples)), len(examples))
        for start in range(0, len(order), 600):
            group = sorted(order[start : start + 600], key=lambda number: len(examples[number].ids))
            made: list[list[Example]] = [[]]
            for number in group:
                length = -(-len(examples[number].ids) // 16) * 16
                if made[-1] and (len(made[-1]) + 1) * length > tokens:
                    made.append([])
                made[-1].append(examples[number])
            random.shuffle(made)
            yield from made
