"""Whole documents in any budget: every schema of a folder, under samplers that want to go wrong.

    python benchmarks/whole.py MASKBENCH_FOLDER --vocab VOCAB.gguf --limit 100

For each schema that compiles: documents at the least budget, 1.25 times and twice that, chosen by samplers that love
whitespace, avoid quotes, want to end at once, repeat digits, open braces, or do not care. Each document must be whole,
within its budget, and valid by `jsonschema`, which had no part in making it. Folders have the layout of MaskBench: JSON
files with a key `schema`. Prints what failed; with `--json`, one object. All of MaskBench takes three quarters of an
hour: with `--log FILE` each schema is written down as it is done, and one that is written there is not done again, so
that it can be stopped and taken up, or divided (`--part 1/2`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from jsonschema.validators import validator_for
from rich.console import Console
from rich.progress import track

from bridle.engine.gguf import load_model, read_vocabulary
from bridle.engine.mask import allocate, tokens_of
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BridleError
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.grammar.schema import Json, typed

SCALES = (1.0, 1.25, 2.0)
MOST = 4_000
"""Tokens of a shortest document above which a schema is left out, and said to be."""

Taste = Callable[[bytes], bool]
"""Whether a sampler likes a token."""

SAMPLERS: dict[str, Taste] = {
    "random": lambda piece: True,
    "whitespace lover": lambda piece: not piece.strip(),
    "quote avoider": lambda piece: b'"' not in piece,
    "EOS lover": lambda piece: not piece,
    "digit loop": lambda piece: piece.isdigit(),
    "brace opener": lambda piece: piece.endswith((b"{", b"[")),
}


class Walker:
    """Makes documents without a model."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        pieces = [b"" if token in vocabulary.eog else piece for token, piece in enumerate(vocabulary.pieces)]
        self._likes = {name: np.array([taste(piece) for piece in pieces]) for name, taste in SAMPLERS.items()}
        self._row = allocate(vocabulary.size)

    def document(self, document: Document, sampler: str, random: Random) -> list[int]:
        """One document to its end."""
        tokens: list[int] = []
        while not document.finished:
            step = document.forced()
            if not step:
                document.fill(self._row)
                allowed = tokens_of(self._row)
                liked = allowed[self._likes[sampler][allowed]]
                step = [int(random.choice(liked if len(liked) and random.random() < 0.95 else allowed))]
            grown = document.advance(step)
            tokens += [token for token in step if token not in self.vocabulary.eog]
            ended = sum(token in self.vocabulary.eog for token in step)
            if (surplus := len(step) - ended - grown) > 0:
                del tokens[-surplus:]
        return tokens


def main() -> None:
    """Read the command line and walk."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vocab", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=0, help="schemas, spread over the folder; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="where each schema is written down")
    parser.add_argument("--part", default="1/1", help="which part of how many")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.json"))
    if not paths:
        sys.exit(f"no schemas in {options.folder}")
    if options.limit:
        paths = paths[:: max(1, len(paths) // options.limit)][: options.limit]
    part, parts = map(int, options.part.split("/"))
    vocabulary = read_vocabulary(load_model(options.vocab, vocabulary_only=True))
    walker, compiler = Walker(vocabulary), Compiler(vocabulary)
    known = read(options.log) if options.log else {}
    for path in track(paths[part - 1 :: parts], console=Console(stderr=True), description="schemas"):
        if path.name in known:
            continue
        known[path.name] = found = one(walker, compiler, path, options.seed)
        for it in found["wrong"]:
            print(it, file=sys.stderr)
        if options.log:
            with options.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps({"name": path.name, **found}) + "\n")
    tally: Counter[str] = Counter({"schemas": len(known)})
    for found in known.values():
        tally.update(found["tally"])
    wrong = [it for found in known.values() for it in found["wrong"]]
    if options.json:
        print(json.dumps({**tally, "failures": wrong}))
    else:
        for name, number in tally.items():
            print(f"{round(number):>8} {name}")
        print("\n".join(wrong[:50]))
    sys.exit(bool(wrong))


def read(log: Path) -> dict[str, Any]:
    """What is written down by schema."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    told = [json.loads(line) for line in lines]
    return {it.pop("name"): it for it in told}


def one(walker: Walker, compiler: Compiler, path: Path, seed: int) -> dict[str, Any]:
    """One schema: what was counted, and what went wrong."""
    schema, tally, start = json.loads(path.read_text(encoding="utf-8"))["schema"], Counter[str](), time.monotonic()
    try:
        form: Json[Any] = Json(typed(schema))
        compiled = compiler.compile(form.grammar())
    except BridleError:
        return {"tally": {"not compiled": 1}, "wrong": []}
    if compiled.minimum is None or len(compiled.minimum) > MOST:
        return {"tally": {"no short document found": 1}, "wrong": []}
    found = walk(walker, compiler, form.grammar(), schema, len(compiled.minimum), path.name, seed, tally)
    if form.type.held.loose:  # what the grammar leaves out is checked after: such a document is asked for again
        asked = [it for it in found if ": invalid: " in it]
        found = [it for it in found if it not in asked]
        tally["invalid"] -= len(asked)
        tally["refused by the check, to be asked for again"] += len(asked)
    return {"tally": {**tally, "seconds": round(time.monotonic() - start, 2)}, "wrong": found}


def walk(
    walker: Walker,
    compiler: Compiler,
    grammar: str,
    schema: Any,
    least: int,
    name: str,
    seed: int,
    tally: Counter[str],
) -> list[str]:
    """All budgets and samplers on one schema; what went wrong."""
    wrong: list[str] = []
    validator = validator_for(schema)(schema)
    for sampler in SAMPLERS:
        for scale in SCALES:
            budget = max(1, round(least * scale))
            document = Document(compiler, [Phase("document", grammar, json=True)], budget)
            tokens = walker.document(document, sampler, Random(seed))
            tally["documents"] += 1
            text = walker.vocabulary.text(tokens)
            complaint = judge(text, validator, len(tokens), budget)
            if complaint:
                wrong.append(f"{name}, {sampler}, {len(tokens)} of {budget} tokens: {complaint}: {text[:120]!r}")
                tally[complaint] += 1
    return wrong


def judge(text: str, validator: Any, length: int, budget: int) -> str:
    """What is wrong with a document; empty if nothing."""
    if length > budget:
        return "over budget"
    try:
        value = json.loads(text)
    except ValueError:
        return "incomplete"
    return "" if validator.is_valid(value) else "invalid"


if __name__ == "__main__":
    main()
