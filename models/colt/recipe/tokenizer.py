"""colt's tokenizer: byte-level BPE, digits one by one, and no merge that contains a space.

A word then has the same tokens after a space and after a quote, so that an argument can be copied token by token.
At run time it is llama.cpp's pre-tokenizer `smollm`: individual digits and byte level.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sessions import Maker
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

CONTROL = ("<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>")
USER_DEFINED = ("<thinking>", "</thinking>")
SIZE = 2048


def train(path: Path, sessions: int = 8000, seed: int = 11) -> Tokenizer:
    """Train on generated sessions and save."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Split(" ", "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE,
        special_tokens=[AddedToken(name, special=True) for name in (*CONTROL, *USER_DEFINED)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=8,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(sessions, seed), trainer)
    tokenizer.pre_tokenizer = at_run_time()
    tokenizer.save(str(path))
    return tokenizer


def at_run_time() -> pre_tokenizers.Sequence:
    """How text is parted before it is merged, as llama.cpp's `smollm` has it."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


def _texts(sessions: int, seed: int) -> Iterator[str]:
    maker = Maker(seed)
    for _ in range(sessions):
        text = "".join(segment.text for segment in maker.session(share_full=0.05))
        for name in (*CONTROL, *USER_DEFINED):
            text = text.replace(name, "\0")
        yield from filter(None, text.split("\0"))
