"""colt from nothing: data, tokenizer, training, export, quantizing. Run it as `make colt`.

Every stage leaves its result in the work folder and is skipped if that is there; training goes on from its last
checkpoint. `--short` is for trying changes: a quarter of an hour, and a worse model. With `--device cuda` the model is
five times as large, and its batches and its data as well.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import data
import export
import improve
import onward
import tokenizer
import torch
from model import LARGE, Colt, Shape, build_copying
from rich.console import Console
from sessions import Maker
from tokenizers import Tokenizer
from train import Plan, begin_again, train

HERE = Path(__file__).resolve().parent
ODD = (
    "naïve café",
    "二〇二六年 十二月",
    "a  b   c\t\td\n\n\ne",
    "12345 3.14 1,000",
    "emoji 🙂👍🏽",
    "don't — “quote”",
    " lead",
    "trail ",
)
"""Texts that tokenizers disagree on, if any."""


def main() -> None:
    """Read the command line and run the stages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("build/colt"), help="where intermediate files go")
    parser.add_argument("--out", type=Path, default=HERE.parent / "colt.gguf")
    parser.add_argument("--seconds", type=float, default=4200.0, help="time to train")
    parser.add_argument("--improve", type=float, default=300.0, help="seconds to learn from what it did right; 0: none")
    parser.add_argument("--sessions", type=int, help="sessions to train on; 80,000, on a GPU 400,000", default=0)
    parser.add_argument("--seed", type=int, default=1, help="of the sessions")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--verbs", type=float, default=data.VERBS, help="share of the sessions that are of other verbs")
    parser.add_argument("--layers", type=int, help="4, on a GPU 6, or as --begin has; new ones stand among those")
    parser.add_argument("--begin", type=Path, help="a GGUF of this shape to go on from, instead of from nothing")
    parser.add_argument("--rate", type=float, default=0.008, help="at which it goes on")
    parser.add_argument("--share", type=float, default=1.0, help="of what it learns then, mixed with what it knew")
    parser.add_argument("--quantize", default="Q8_0")
    options = parser.parse_args()
    if options.short:
        options.seconds, options.improve, options.sessions = 480.0, 60.0, options.sessions or 16_000
    large = options.device != "cpu"
    options.work.mkdir(parents=True, exist_ok=True)
    say = Console(stderr=True).print

    path = options.work / "tokenizer.json"
    if not path.exists() and options.begin:
        onward.tokenizer_of(options.begin).save(str(path))
    elif not path.exists():
        say("training the tokenizer")
        tokenizer.train(path)
    words = Tokenizer.from_file(str(path))

    count = options.sessions or (400_000 if large else 80_000)
    examples = prepare(words, options.work, count, options.seed, options.verbs)
    made_of = data.digest(examples)
    say(f"{told(examples)}, SHA-256 {made_of[:16]}")
    shape = LARGE if large else Shape()
    layers = options.layers or (onward.layers(options.begin) if options.begin else shape.layers)
    shape = replace(shape, vocabulary=words.get_vocab_size(), layers=layers)
    plan = Plan(seconds=options.seconds, device=options.device, tokens=(32_768, 65_536) if large else Plan.tokens)
    torch.manual_seed(plan.seed)
    model = Colt(shape)
    if options.begin:
        onward.fill(model, options.begin)
        plan = replace(plan, matrix_rate=options.rate, other_rate=options.rate / 6, flat=0.4)
    else:
        build_copying(model)
    train(model, examples, data.drills(words, 20_000, seed=5), plan, options.work / "checkpoint.pt")
    whole, card = options.work / "colt-f32.gguf", HERE.parent / "card.toml"
    if options.improve:
        export.export(model.cpu(), path, whole)
        right = improve.practise(whole, card, options.work / "practice.db", int(options.improve / 4))
        say(f"what it did right: {told(right)}")
        if right:  # after a short training there may be nothing to learn from
            plan = replace(
                plan, seconds=options.improve, matrix_rate=0.003, other_rate=5e-4, flat=0.2, drills=0.0, seed=1
            )
            begin_again(options.work / "checkpoint.pt", options.work / "improved.pt")
            beside = Random(7).sample(examples, min(len(examples), 2 * len(right)))
            train(model, [*right, *beside], examples[:1], plan, options.work / "improved.pt")
    if options.begin:
        onward.mix(model, options.begin, options.share)
    export.export(model.cpu(), path, whole)
    texts = ["".join(part.text for part in Maker(77).session()) for _ in range(200)]
    difference = export.check(model.eval(), whole, examples[:60], words, [*texts, *ODD])
    say(f"llama.cpp's scores differ from PyTorch's by {difference:.3f} at most")
    export.quantize(whole, options.out, options.quantize)
    if options.out.parent == card.parent:
        card.write_text(re.sub(r'(?m)^data = ".*"$', f'data = "{made_of}"', card.read_text(encoding="utf-8")))
    say(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB")


def prepare(words: Tokenizer, work: Path, count: int, seed: int, verbs: float) -> list[data.Example]:
    """The sessions to train on, made once."""
    prepared = work / f"sessions-{count}-{seed}-{verbs:g}.pt"
    if not prepared.exists():
        made = data.sessions(words, count, seed=seed, verbs=verbs)
        torch.save([tuple(map(torch.from_numpy, it)) for it in made], prepared)
    return [data.Example(*(part.numpy() for part in it)) for it in torch.load(prepared, weights_only=True)]


def told(examples: list[data.Example]) -> str:
    """How much there is."""
    return f"{len(examples)} sessions, {sum(len(example.ids) for example in examples) / 1e6:.1f}M tokens"


if __name__ == "__main__":
    main()
