"""llama.cpp for real: the bundled model, random weights, damaged files, and the laws on both."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laws
from bridle.card import card_for
from bridle.engine.archive import Archive
from bridle.engine.base import Generation, Logits, Part, Request, Sampling, Stop
from bridle.engine.ggml import Device, devices, find_exponentials, pick
from bridle.engine.llama import LlamaBackend, LlamaSettings
from bridle.engine.probe import probe
from bridle.engine.sample import exponentials
from bridle.engine.thread import EngineThread
from bridle.errors import ContextError, EngineError, ModelError, UsageError
from bridle.grammar import form_of
from bridle.grammar.action import Actions
from bridle.grammar.document import Document, Phase
from bridle.grammar.said import Call
from bridle.local import find_model, open_model
from bridle.model import Model
from bridle.prompt import Message
from bridle.shelf import shelf
from bridle.step import Step, take
from conftest import DataSets

COLT = shelf("models") / "colt" / "colt.gguf"
BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.parametrize("settings", [{}, {"cells": 1024}, {"kv_type": "q8_0"}, {"flash_attention": "on"}], ids=str)
def test_backends_keep_the_laws(settings: dict[str, Any]) -> None:
    """Whether sequences share cells or have their own, however attention is computed."""
    backend = LlamaBackend(COLT, LlamaSettings(context=512, **settings))
    tokens = backend.vocabulary.tokenize("<|system|>Tools:\nread_file(path)<|end|><|user|>Read a.txt now", True)
    laws.law_of_backend(backend, tokens, tolerance=0.1)
    backend.close()
    backend.close()


def test_greedy_decoding_is_what_it_is_by_hand() -> None:
    """3 on real weights: the engine's batches pick what one token after another picks."""
    schema: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    reference = LlamaBackend(COLT, LlamaSettings(context=512))
    prompt = reference.vocabulary.tokenize(
        "<|system|>Tools:\nread_file(path): Read a text file.<|end|><|user|>Read plan-7.txt<|end|><|assistant|>", True
    )

    def script(tokens: Any) -> Logits:
        reference.trim(0, 0)
        return reference.decode([Part(0, 0, np.array(tokens, np.int32), wanted=1)])[0]

    with open_model("colt") as model:
        form = Actions({"read_file": schema}, "json", model.style)
        documents = [Document(model.compiler, [Phase("document", form.grammar())], 100) for _ in range(2)]
        laws.law_of_speed(
            model.engine, script, prompt, documents, Request([*prompt, 9], 30, sampling=Sampling(1.0, seed=1))
        )
    reference.close()


def test_colt_copies_what_the_request_says(colt: Model) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    form = Actions({"read_file": schema}, "json", colt.style)
    messages = [Message("system", "Tools:\nread_file(path): Read a text file."), Message("user", "Read notes.txt")]
    outcome = asyncio.run(take(Step(messages, form, colt.thinking), colt))
    assert outcome.value == Call("read_file", {"path": "notes.txt"})
    assert outcome.usage.forced > 0


def test_every_prompt_is_tokenized_as_it_was_trained(colt: Model) -> None:
    words = colt.engine.vocabulary
    prompt = colt.template.prompt([Message("user", "Hi <|end|> there")], thinking="<thinking>")
    assert prompt.text == "<|user|>Hi <|end|> there<|end|><|assistant|><thinking>"
    assert [words.pieces[token] for token in prompt.tokens if token in words.control] == [
        b"<|user|>",
        b"<|end|>",
        b"<|assistant|>",
    ]


def test_sessions_reuse_what_is_evaluated(colt: Model) -> None:
    words = colt.engine.vocabulary
    first = words.tokenize("<|system|>a few words<|end|><|user|>one<|end|><|assistant|>", True)
    second = [*first, *words.tokenize('{"answer": "x"}<|end|><|user|>two<|end|><|assistant|>', True)]
    asyncio.run(colt.engine.generate(Request(first, 5, session="here")))
    usage = asyncio.run(colt.engine.generate(Request(second, 5, session="here"))).usage
    assert len(first) - 1 <= usage.reused < len(second)


@pytest.mark.parametrize("cells", [4096, 8192], ids=["shared", "each its own"])
def test_many_at_once_agree_with_one_at_a_time(cells: int) -> None:
    """Batch-mates change nothing but the last digits of scores."""
    with EngineThread(LlamaBackend(COLT, LlamaSettings(context=512, cells=cells, slots=12))) as engine:
        prompts = [
            engine.vocabulary.tokenize(f"<|user|>What is {n} + {n * 7}?<|end|><|assistant|>", True) for n in range(12)
        ]

        async def together() -> list[list[int]]:
            found = await asyncio.gather(*(engine.generate(Request(prompt, 20)) for prompt in prompts))
            return [generation.ids for generation in found]

        alone = [asyncio.run(engine.generate(Request(prompt, 20))).ids for prompt in prompts]
        same = sum(one == other for one, other in zip(alone, asyncio.run(together()), strict=True))
    assert same >= 10


def test_a_model_that_is_closed_says_so() -> None:
    """What was taken of it before included."""
    with open_model("colt") as model:
        words, step = model.engine.vocabulary, Step([Message("user", "Is 2 + 2 = 4?")], form_of(bool))
        assert asyncio.run(take(step, model)).value in (True, False)
    for use in (
        lambda: words.tokenize("hello", False),
        lambda: model.engine.vocabulary,
        lambda: model.compiler,
        lambda: asyncio.run(take(step, model)),
    ):
        with pytest.raises(EngineError, match="the engine is closed"):
            use()


def test_a_prompt_that_is_too_long_is_refused(colt: Model) -> None:
    with pytest.raises(ContextError, match="the context holds 2048"):
        asyncio.run(colt.engine.generate(Request([9] * 2040, 20)))


@pytest.fixture(scope="module")
def random_model(data: DataSets, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a tiny shape over a real vocabulary."""
    out = tmp_path_factory.mktemp("models") / "random.gguf"
    command = [sys.executable, str(BENCHMARKS / "random_model.py"), "--shape", "tiny", "--out", str(out)]
    subprocess.run(
        [*command, "--vocab", str(data.file("vocab/ggml-vocab-phi-3.gguf"))], check=True, capture_output=True
    )
    return out


def test_random_weights_make_whole_documents(random_model: Path) -> None:
    """1 on a real vocabulary of 32,064 SentencePiece tokens."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "n": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "n", "tags"],
    }
    with open_model(random_model) as model:
        assert model.card.name.startswith("random")
        for seed in range(12):
            form = form_of(schema, "xml" if seed % 2 else "json", name="doc")
            thinking = model.thinking if seed % 3 == 0 else None
            laws.law_of_form(model, form, thinking=thinking, max_tokens=90 + 300 * bool(thinking), seed=seed)


def test_greedy_and_seeded_sampling_repeat(random_model: Path) -> None:
    with open_model(random_model) as model:
        words = model.engine.vocabulary
        prompt = words.tokenize("Hello there", True)

        def once(sampling: Sampling) -> list[int]:
            return asyncio.run(model.engine.generate(Request(prompt, 12, sampling=sampling, session="s"))).ids

        assert once(Sampling()) == once(Sampling())
        assert once(Sampling(1.0, seed=3)) == once(Sampling(1.0, seed=3))
        assert once(Sampling(1.0, seed=3)) != once(Sampling(1.0, seed=4))


def test_scores_are_read_where_llama_leaves_them(random_model: Path) -> None:
    backend = LlamaBackend(random_model, LlamaSettings(context=256))
    rows = backend.decode(
        [
            Part(0, 0, np.array([5, 6, 7], np.int32), wanted=2),
            Part(1, 0, np.array([5, 6], np.int32), wanted=0),
            Part(2, 0, np.array([8], np.int32), wanted=1),
        ]
    )
    assert [row.shape for row in rows] == [(backend.vocabulary.size,)] * 3
    assert all(row.dtype == np.float32 and np.isfinite(row).all() for row in rows)
    backend.close()


def damaged(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_bad_files_get_a_clear_error(data: DataSets, tmp_path: Path) -> None:
    whole = COLT.read_bytes()
    cases = {
        "missing": (tmp_path / "nope.gguf", "no model at"),
        "folder": (tmp_path, "no model at"),
        "empty": (damaged(tmp_path / "empty.gguf", b""), "is not a GGUF file"),
        "text": (damaged(tmp_path / "text.gguf", b"hello there" * 99), "is not a GGUF file"),
        "truncated": (damaged(tmp_path / "half.gguf", whole[: len(whole) // 2]), "cannot be loaded"),
        "header only": (damaged(tmp_path / "head.gguf", whole[:64]), "cannot be loaded"),
        "garbled": (damaged(tmp_path / "bad.gguf", whole[:8] + b"\xff" * 600 + whole[608:]), "cannot be loaded"),
        "vocabulary only": (data.file("vocab/ggml-vocab-phi-3.gguf"), "cannot be loaded"),
    }
    for name, (path, complaint) in cases.items():
        with pytest.raises(ModelError, match=complaint) as caught:
            probe(path, tmp_path / "cache")
        assert caught.value.hint, name


def test_a_file_is_probed_once(tmp_path: Path) -> None:
    copy = damaged(tmp_path / "copy.gguf", COLT.read_bytes())
    probe(copy, tmp_path / "cache")
    verdicts = list((tmp_path / "cache" / "probes").iterdir())
    assert len(verdicts) == 1
    probe(copy, tmp_path / "cache")
    assert list((tmp_path / "cache" / "probes").iterdir()) == verdicts
    damaged(copy, COLT.read_bytes()[:-4096])
    with pytest.raises(ModelError):
        probe(copy, tmp_path / "cache")


def test_models_are_found_by_name_or_path(tmp_path: Path) -> None:
    assert find_model("colt") == COLT
    with pytest.raises(UsageError, match=r"no model at nope\.gguf"):
        find_model("nope.gguf")
    copy = damaged(tmp_path / "mine.gguf", COLT.read_bytes())
    assert card_for(copy, {"general.name": "colt"}).name == "colt"
    assert (
        card_for(copy, {"general.name": "other", "tokenizer.chat_template": "x</think>"}).thinking.open == "<think>\n"
    )
    assert card_for(copy, {}).thinking.open == "<thinking>\n"


def test_all_end_tokens_end_a_generation(colt: Model) -> None:
    words = colt.engine.vocabulary
    assert words.eog == {words.markers["<|end|>"]}
    prompt = words.tokenize("<|system|>Tools:<|end|><|user|>Hi<|end|><|assistant|>", True)
    generation = asyncio.run(colt.engine.generate(Request(prompt, 60)))
    assert generation.stop is Stop.END
    assert not words.eog & set(generation.ids)


def test_a_deterministic_engine_gives_bit_equal_scores(random_model: Path) -> None:
    """Whatever ran before and runs beside it; an engine that does not promise that says so."""

    def scores(before: int) -> list[bytes]:
        backend = Recording(random_model, LlamaSettings(context=512, slots=4))
        with EngineThread(backend, deterministic=True) as engine:
            assert engine.deterministic
            words = engine.vocabulary
            prompt = words.tokenize("The quick brown fox jumps over the lazy dog. " * 4, True)

            async def together() -> None:
                others = [
                    Request([*prompt[: 9 * n], 7], 5 * n + 1, sampling=Sampling(1.0, seed=n)) for n in range(before)
                ]
                await asyncio.gather(*map(engine.generate, others))
                backend.rows.clear()
                await engine.generate(Request(prompt, 12, sampling=Sampling(1.0, seed=3)))

            asyncio.run(together())
            return backend.rows

    assert scores(0) == scores(4)
    with EngineThread(LlamaBackend(random_model, LlamaSettings(context=256))) as engine:
        assert not engine.deterministic


class Recording(LlamaBackend):
    """Keeps the bytes of all scores."""

    def __init__(self, path: Path, settings: LlamaSettings) -> None:
        super().__init__(path, settings)
        self.rows: list[bytes] = []

    def decode(self, parts: Sequence[Part]) -> list[Logits]:
        rows = super().decode(parts)
        self.rows += [row.tobytes() for row in rows]
        return rows


def test_a_second_start_does_not_read_the_tools_again(tmp_path: Path) -> None:
    system = "Tools:\n" + "\n".join(f"tool_{n}(path, text): does a thing number {n}" for n in range(40))

    def start() -> Generation:
        with open_model("colt", cache=tmp_path, keep_prompts=True) as model:
            prompt = model.template.prompt([Message("system", system), Message("user", "go")])
            assert prompt.stable > 400
            return asyncio.run(model.engine.generate(Request(prompt.tokens, 20, stable=prompt.stable)))

    first, second = start(), start()
    assert first.usage.reused == 0
    assert second.usage.reused > 400
    assert second.ids == first.ids


def test_quantized_keys_without_flash_attention_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="type q8_0 need flash attention, and it is off"):
        LlamaBackend(COLT, LlamaSettings(context=512, slots=2, kv_type="q8_0", flash_attention="off"))


def test_layouts_of_memory_have_names_of_their_own() -> None:
    layouts: list[dict[str, Any]] = [{}, {"cells": 600}, {"flash_attention": "on"}, {"kv_type": "f32"}]
    names: set[str] = set()
    for layout in layouts:
        backend = LlamaBackend(COLT, LlamaSettings(context=512, slots=2, **layout))
        names.add(backend.identity)
        assert not backend.restore(0, bytearray()), "nothing is no state"
        backend.close()
    assert len(names) == len(layouts)


@pytest.mark.parametrize("kind", ["mamba", "jamba", "lfm2"])
def test_models_that_keep_one_state_are_right(kind: str, tmp_path: Path) -> None:
    """Recurrent and hybrid: prompts that grow, that part midway, and that begin as a run before did."""
    path = tmp_path / f"{kind}.gguf"
    command = [sys.executable, str(BENCHMARKS / "hybrid_model.py"), "--vocab", str(COLT), "--kind", kind]
    subprocess.run([*command, "--out", str(path)], check=True, capture_output=True)
    random = np.random.default_rng(3)
    base = random.integers(300, 1_500, 120).tolist()
    prompts = [base, [*base, *range(400, 430)], [*base[:60], *range(500, 540)], [*base, 700, 701]]

    def ask(engine: EngineThread, prompt: list[int]) -> Generation:
        return asyncio.run(engine.generate(Request(prompt, 12, session="run", stable=100)))

    def start(archive: Archive | None = None) -> EngineThread:
        backend = LlamaBackend(path, LlamaSettings(context=512, slots=4))
        assert not backend.rewinds
        return EngineThread(backend, archive=archive)

    wanted: list[list[int]] = []
    found: list[Generation] = []
    for prompt in prompts:
        with start() as engine:
            wanted.append(ask(engine, prompt).ids)
    for _ in range(2):
        with start(Archive(tmp_path, "states", least=50)) as engine:
            found = [ask(engine, prompt) for prompt in prompts]
        assert [generation.ids for generation in found] == wanted
    assert found[0].usage.reused == 100, "what the first start has read"


@pytest.mark.parametrize("size", [1, 7, 511, 40_000])
def test_exponentials_are_those_of_numpy(size: int) -> None:
    scores = np.random.default_rng(size).standard_normal(size).astype(np.float32) * 5
    wanted, found = np.empty_like(scores), scores.copy()
    total = exponentials(scores, 3.0, wanted)
    assert find_exponentials()(found, 3.0, found) == pytest.approx(total, rel=1e-5)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_devices_are_picked_by_name() -> None:
    cards = [Device(name, "a card", "GPU", 0, 0, 1) for name in ("CUDA0", "CUDA1")]
    there = [Device("CPU", "a processor", "CPU", 0, 0, 2), *cards]
    names = {wanted: [it.name for it in pick(wanted, there)] for wanted in ("auto", "", "CPU", "cuda", "cuda1,CUDA0")}
    assert names == {
        "auto": ["CUDA0", "CUDA1"],
        "": ["CUDA0", "CUDA1"],
        "CPU": [],
        "cuda": ["CUDA0", "CUDA1"],
        "cuda1,CUDA0": ["CUDA1", "CUDA0"],
    }
    with pytest.raises(UsageError, match="no device 'metal' here; there are: cpu, CUDA0, CUDA1"):
        pick("metal", there)
    with pytest.raises(UsageError, match="no device 'cuda' here") as caught:
        pick("cuda", there[:1])
    assert "CMAKE_ARGS" in caught.value.hint


def test_this_machine_has_a_processor() -> None:
    found = devices()
    assert "CPU" in {it.kind for it in found}
    assert all(it.name and it.handle for it in found)


@pytest.mark.parametrize(("kv_type", "flash_attention"), [("q8_0", "on"), ("f32", "off")])
def test_keys_and_values_of_other_types_decode(kv_type: Any, flash_attention: Any) -> None:
    with open_model("colt", device="cpu", kv_type=kv_type, flash_attention=flash_attention) as model:
        step = Step([Message("user", "What is 2 + 3?")], form_of(int), None, max_tokens=16)
        assert isinstance(asyncio.run(take(step, model)).value, int)
