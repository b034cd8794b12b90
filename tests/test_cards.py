"""Model cards: every file of a main family finds its one card, and a card says what its family needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bridle.card import (
    Card,
    PromptCard,
    Sampled,
    SamplingCard,
    ThinkingCard,
    card_for,
    cards,
    is_of,
    read_card,
    spell_card,
    thinking_in,
)
from bridle.engine import scripted
from bridle.engine.base import Sampling
from bridle.errors import UsageError
from bridle.evals import probes
from bridle.grammar.thinking import Thinking
from bridle.model import Model

FAMILIES = [card for card in cards().values() if card.file is None]

NAMES = {
    "qwen-2.5": ("Qwen2.5 3B Instruct", "qwen2.5-coder-7b-instruct-q4_k_m", "Qwen2-7B-Instruct.Q4_K_M"),
    "qwen-3": ("Qwen3 0.6B", "Qwen3-30B-A3B-Thinking-2507-Q4_K_M", "qwen3", "Qwen_Qwen3-8B-Q6_K", "QwQ 32B"),
    "qwen-3-instruct": ("Qwen3 4B Instruct 2507", "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M", "Qwen3-Next-80B-A3B-Instruct"),
    "qwen-3.5": ("Qwen_Qwen3.5 9B", "Qwen 3.5 4B", "Qwen3.5-0.8B-Q8_0", "Qwen3.6-35B-A3B-UD-Q4_K_XL", "Qwen3.8 27B"),
    "llama-3": (
        "Meta Llama 3.1 70B Instruct",
        "Llama-3.2-3B-Instruct-Q4_K_M",
        "Meta-Llama-3-8B-Instruct-q8_0",
        "llama3.1",
        "Llama 3.3 70B Instruct 2024 12",
        "meta-llama_Llama-3.2-1B-Instruct",
    ),
    "gemma-2": ("Gemma 2 2b It", "gemma-2-9b-it-Q4_K_M", "Gemma 2 Ifable 9B"),
    "gemma-3": ("Gemma 3 27b It", "gemma-3n-E4B-it-Q4_K_M", "google_gemma-3-4b-it-qat"),
    "gemma-4": ("Gemma 4 31B It", "google_gemma-4-31B-it-Q8_0", "gemma-4-E2B-it"),
    "phi-3": ("Phi 3.5 Mini Instruct", "Phi-3-mini-4k-instruct-q4", "Phi-3.5-MoE-instruct"),
    "phi-4": ("Phi 4", "phi-4-Q4_K_M", "microsoft_Phi-4-mini-instruct-Q6_K"),
    "phi-4-reasoning": ("Phi 4 Reasoning Plus", "Phi-4-mini-reasoning-Q4_K_M", "phi-4-reasoning"),
    "mistral": (
        "Mistral Small 3.2 24B Instruct 2506",
        "Mistral-7B-Instruct-v0.3.Q4_K_M",
        "mistralai_Mistral-Small-24B-Instruct-2501",
        "Ministral-3-8B-Instruct-2512",
        "Devstral-Small-2507",
    ),
    "magistral": ("Magistral Small 2509", "mistralai_Magistral-Small-2507", "Ministral-3-14B-Reasoning-2512"),
    "smollm-2": ("SmolLM2 1.7B Instruct", "smollm2-360m-instruct-q8_0"),
    "smollm-3": ("SmolLM3 3B", "HuggingFaceTB_SmolLM3-3B-Q4_K_M"),
    "granite-3": ("Granite 3.0 8b Instruct", "granite-3.2-8b-instruct-Q4_K_M"),
    "granite-3.3": ("Granite 3.3 2b Instruct", "ibm-granite_granite-3.3-8b-instruct-Q4_K_M"),
    "granite-4": ("Granite 4.0 H Tiny", "granite-4.0-micro-Q4_K_M", "granite-4.1-8b", "granite-4.0"),
    "granite-4.2": ("Granite 4.2 8b", "granite-4.2-3b-Q4_K_M"),
    "deepseek-r1": (
        "DeepSeek R1 Distill Qwen 7B",
        "DeepSeek-R1-Distill-Llama-8B-Q4_K_M",
        "deepseek-ai_DeepSeek-R1-0528-Qwen3-8B",
    ),
    "gpt-oss": ("Gpt-Oss-20B", "gpt-oss-120b-mxfp4-00001-of-00003", "openai_gpt-oss-20b"),
    "lfm-2": ("LFM2 1.2B", "LFM2.5-1.2B-Instruct-Q4_K_M", "LiquidAI_LFM2-8B-A1B"),
    "lfm-2.5-thinking": ("LFM2.5 1.2B Thinking", "LFM2.5-8B-A1B-Q4_K_M"),
    "hermes": ("Hermes 3 Llama 3.1 8B", "Hermes-2-Pro-Llama-3-8B-Q4_K_M", "OpenHermes-2.5-Mistral-7B"),
    "hermes-4": ("Hermes 4 14B", "NousResearch_Hermes-4-70B", "DeepHermes-3-Llama-3-8B-Preview-q4"),
}  # fmt: skip
STRANGERS = (
    "colt-like 4M",
    "random-0.5b",
    "gemma-2b-it",
    "medgemma-4b-it",
    "Qwen3-Embedding-0.6B",
    "Llama-3_1-Nemotron-Ultra-253B",
    "Llama-4-Scout",
    "Mixtral-8x7B",
    "Magistral Small 2506",
    "my-llama-3-merge",
    "SmolLM-135M",
    "DeepSeek-V3",
    "gpt2",
)


def test_every_family_has_names() -> None:
    assert set(NAMES) == {card.name for card in FAMILIES}


@pytest.mark.parametrize("family", NAMES)
def test_every_name_finds_exactly_one_card(family: str) -> None:
    for name in NAMES[family]:
        assert [card.name for card in cards().values() if is_of(card, name)] == [family], name
        assert card_for(Path(f"/models/{name}.gguf"), {}).name == family
        assert card_for(Path("/models/ggml-model-Q4_K_M.gguf"), {"general.name": name}).name == family
    assert card_for(Path(f"/models/{NAMES[family][0]}.gguf"), {"general.name": "Model"}).name == family


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_finds_none(name: str) -> None:
    assert [card.name for card in cards().values() if is_of(card, name)] == []
    assert card_for(Path(f"/models/{name}.gguf"), {}).thinking == ThinkingCard()


@pytest.mark.parametrize("card", FAMILIES, ids=lambda card: card.name)
def test_a_card_is_whole(card: Card) -> None:
    assert card.match
    assert card.about.endswith((".", ")"))
    thinking = card.thinking
    assert thinking.open.strip()
    assert thinking.close.strip()
    assert thinking.native == bool(thinking.open != ThinkingCard().open), "markers of its own, or Bridle's"
    own = (thinking.open.strip(), thinking.close.strip())
    assert not thinking.closed or thinking.closed.startswith(own[0]) or own[1].endswith(thinking.closed.strip())
    assert thinking.native or not (thinking.closed or thinking.instruction or thinking.replay)


def test_markers_are_read_off_a_template_without_a_card() -> None:
    assert thinking_in("{{ message.content.split('</think>')[-1] }}").open == "<think>\n"
    assert thinking_in("<|start|>assistant<|channel|>analysis<|message|>").close.endswith("<|channel|>final<|message|>")
    assert thinking_in("text.split('<channel|>')").open == "<|channel>thought\n"
    assert thinking_in("[/THINK]").native
    assert thinking_in("{{ messages }}") == ThinkingCard()


def test_sampling_differs_with_thinking_where_a_card_says_so() -> None:
    engine = scripted.engine([])
    warm = SamplingCard(temperature=0.7, top_k=20, thinking=Sampled(temperature=0.6, top_p=0.95))
    with Model(engine, Card(name="x", sampling=warm)) as model:
        assert model.sampling_for(None) == Sampling(0.7, 20)
        assert model.sampling_for(Thinking()) == Sampling(0.6, 0, 0.95)
        plain = Model(engine, Card(name="x", sampling=SamplingCard(temperature=0.3)))
        assert plain.sampling_for(Thinking()) == Sampling(0.3)


def test_named_tokens_end_a_generation_too() -> None:
    words = scripted.vocabulary(names=("<|end|>", "<|call|>", "<|user|>"))
    assert words.ending_with(["<|call|>", "<|nowhere|>"]).eog == {0, 1}
    assert words.ending_with(["<|end|>"]) is words


def test_a_bad_card_says_where_it_is_bad(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    cases = {
        "name = ": "is not TOML",
        "about = 'x'": "name: Field required",
        "name = 'x'\n[thinking]\nopn = '<t>'": "thinking.opn: Extra inputs",
        "name = 'x'\n[sampling]\ntemperature = -1": "sampling.temperature",
        "name = 'x'\n[sampling]\ntemperature = inf": "sampling.temperature: Input should be a finite number",
        "name = 'x'\n[sampling]\nmin_p = nan": "sampling.min_p",
    }
    for text, complaint in cases.items():
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=re.escape(complaint)):
            read_card(path)


def test_a_card_is_spelled_as_it_is_read(tmp_path: Path) -> None:
    for card in cards().values():
        path = tmp_path / "card.toml"
        path.write_text(spell_card(card), encoding="utf-8")
        assert read_card(path) == card


def test_the_doctor_finds_what_is_wrong_with_a_model() -> None:
    """A template that loses what the user says."""
    engine = scripted.engine(['{"name": "Bo", "age": 4, "tags": []}'] * 40)
    source = "{% for m in messages if m.role != 'user' %}{{ m.content }}{% endfor %}"
    card = Card(name="odd", prompt=PromptCard(template=source), thinking=ThinkingCard(budget=0))
    with Model(engine, card) as model:
        found = {it.what: it for it in [*probes.tokens(model), *probes.template(model), *probes.thinking(model)]}
    assert "leaves out" in found["template"].detail
    assert found["template"].verdict == "bad"
    assert found["tokens"].verdict == "ok"
    assert found["thinking"].detail.startswith("none")


def test_the_doctor_examines_colt(bridle: Any) -> None:
    told = bridle("models", "doctor", "--json").json
    verdicts = {row["what"]: row["verdict"] for row in told["findings"]}
    assert set(verdicts) == {
        *("tokens", "round trip", "template", "thinking", "ends", "spelling", "forms", "suite", "speed")
    }
    assert set(verdicts.values()) == {"ok"}
    assert told["constrained"] > 0.2
    assert told["constrained"] >= told["free"]
    assert told["card"]["name"] == "colt"
    assert "is there already" in bridle("models", "doctor", "--write").err
