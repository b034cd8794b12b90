"""What is already evaluated is not evaluated again: within a run, between runs, between starts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest

import laws
from bridle.engine.archive import Archive
from bridle.engine.base import Generation, Request, Sampling, Tokens
from bridle.engine.scheduler import Scheduler
from bridle.engine.scripted import ScriptedBackend, Texts
from bridle.engine.sequence import Sequence as Running
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary
from bridle.grammar.compile import Compiler
from scripts import call_document, drain


def test_a_second_step_evaluates_only_what_is_new(words: Vocabulary) -> None:
    backend = ScriptedBackend(Texts(["one", "two"], words), words)
    first = words.tokenize("<|user|>go<|end|><|assistant|>", True)
    second = [*first, *words.tokenize("one<|end|><|user|>more<|end|><|assistant|>", True)]
    scheduler = Scheduler(backend)
    for prompt in (first, second):
        sequence = Running(Request(prompt, 10, session="run", drafts=False), words)
        scheduler.submit(sequence)
        while not scheduler.idle:
            scheduler.step()
        generation = sequence.future.result(timeout=0)
    assert generation.usage.reused == len(first) + 3
    assert len(backend.decoded[4][0].tokens) == len(second) - len(first) - 3


def test_another_run_shares_the_beginning(words: Vocabulary) -> None:
    backend = ScriptedBackend(Texts(["one", "two"], words), words)
    system = words.tokenize("<|system|>many words about tools<|end|>", True)
    scheduler = Scheduler(backend)
    reused: list[int] = []
    for name in ("a", "b"):
        sequence = Running(
            Request([*system, *words.tokenize(f"<|user|>{name}<|end|><|assistant|>", True)], 10, session=name), words
        )
        scheduler.submit(sequence)
        while not scheduler.idle:
            scheduler.step()
        reused.append(sequence.future.result(timeout=0).usage.reused)
    assert reused == [0, len(system) + 1]


@pytest.mark.parametrize(("slots", "known"), [(4, [0, 1, 21, 21, 41, 41]), (1, [0, 1, 1, 1, 1, 1])])
def test_a_question_beside_a_conversation_leaves_it_where_it_is(
    words: Vocabulary, slots: int, known: list[int]
) -> None:
    """Where there is room for both."""
    backend = ScriptedBackend(Texts(["one"] * 6, words), words, slots=slots)
    scheduler, reused = Scheduler(backend), list[int]()
    for length in (20, 40, 60):
        for prompt in ([9] + [10] * length, [9] + [11] * length):
            sequence = Running(Request(prompt, 2, session="run", drafts=False), words)
            scheduler.submit(sequence)
            while not scheduler.idle:
                scheduler.step()
            reused.append(sequence.future.result(timeout=0).usage.reused)
    assert reused == known


def test_cells_are_never_overdrawn(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=6, context=100)
    backend.cells = 130
    generations = drain(backend, *(Request([9 + n] * 40, 20) for n in range(9)))
    assert all(len(generation.tokens) == 20 for generation in generations)


def test_a_prompt_that_many_ask_at_once_is_read_once(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=5, context=800)
    backend.cells = 800
    prompt = [9 + n % 90 for n in range(600)]
    requests = [Request([*prompt, 100 + n], 20, sampling=Sampling(1.0, seed=n)) for n in range(5)]
    generations = drain(backend, *requests)
    read = sum(len(part.tokens) for call in backend.decoded for part in call)
    assert read < 600 + 5 * 60, "one reads, the others share: in cells as well, or they would not fit"
    assert sorted(generation.usage.reused for generation in generations) == [0, 600, 600, 600, 600]
    assert max(len(call) for call in backend.decoded) == 5


class Looked(Running):
    """Counts how often the tokens of waiting requests are looked at."""

    times = 0

    @property
    def tokens(self) -> Tokens:
        Looked.times += self.slot < 0
        return super().tokens


def test_waiting_costs_little_however_many_wait(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=4, context=3_000, batch=100)
    scheduler = Scheduler(backend)
    prompt = [9 + n % 90 for n in range(2_000)]
    sequences = [Looked(Request([*prompt, 100 + n % 90], 2), words) for n in range(200)]
    for sequence in sequences:
        scheduler.submit(sequence)
    scheduler.step()
    for _ in range(5):
        Looked.times = 0
        scheduler.step()
        assert not Looked.times, "all know whom they wait for"
    while not scheduler.idle:
        scheduler.step()
    reused = [sequence.future.result(timeout=0).usage.reused for sequence in sequences]
    assert reused == [0] + [2_000] * 199
    assert not any(sequence.reader for sequence in sequences), "nobody is kept from being forgotten"


def test_cells_are_counted_once_and_come_back(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=4, context=300)
    scheduler = Scheduler(backend)
    random = np.random.default_rng(4)
    shared = random.integers(9, 90, 100).tolist()
    for _ in range(60):
        tail = random.integers(9, 90, int(random.integers(1, 60))).tolist()
        limit = int(random.integers(1, 40))
        request = Request([*shared[: int(random.integers(0, 100))], *tail], limit, session=int(random.integers(0, 6)))
        scheduler.submit(Running(request, words))
        for _ in range(int(random.integers(0, 30))):
            scheduler.step()
    while not scheduler.idle:
        scheduler.step()
    assert scheduler.cells == len({cell for memory in backend.memory for cell in memory})


def test_a_model_that_cannot_rewind_is_still_right(words: Vocabulary, compiler: Compiler) -> None:
    script = laws.random_script(words.size, 3)
    prompt = words.tokenize("<|user|>go<|end|><|assistant|>", True)
    with EngineThread(ScriptedBackend(script, words, rewinds=False)) as engine:
        for budget in (45, 200):  # the smaller one is turned back
            documents = [call_document(compiler, budget) for _ in range(2)]
            laws.law_of_speed(engine, script, prompt, documents, Request([*prompt, 9], 30))


@pytest.mark.parametrize("rewinds", [True, False])
def test_what_prompts_begin_with_is_kept_on_disk(words: Vocabulary, tmp_path: Path, rewinds: bool) -> None:
    shared = list(range(9, 90)) * 3

    def start(last: int) -> tuple[Generation, int]:
        archive = Archive(tmp_path, "states")
        backend = ScriptedBackend(laws.random_script(words.size), words, rewinds=rewinds)
        scheduler = Scheduler(backend, archive=archive)
        sequence = Running(Request([*shared, 100, last], 8, stable=len(shared), drafts=False), words)
        scheduler.submit(sequence)
        while not scheduler.idle:
            scheduler.step()
        archive.close()
        assert scheduler.cells == len({cell for memory in backend.memory for cell in memory})
        return sequence.future.result(timeout=0), sum(len(part.tokens) for call in backend.decoded for part in call)

    first, read = start(101)
    assert (first.usage.reused, read) == (0, len(shared) + 2 + 7)
    again, read = start(101)
    assert again.ids == first.ids
    assert (again.usage.reused, read) == (len(shared), 2 + 7)
    assert start(102)[0].usage.reused == len(shared)
    (state,) = (tmp_path / "states").iterdir()
    state.write_bytes(state.read_bytes()[:-1] + b"x")
    damaged, _ = start(101)
    assert (damaged.usage.reused, damaged.ids) == (0, first.ids)
    assert start(101)[0].usage.reused == len(shared), "it was written anew"


def test_a_state_of_another_prompt_is_not_trusted(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "states", least=2)
    ours, theirs = np.array([9, 10, 11], np.int32), np.array([9, 10, 12], np.int32)
    archive.save(ours, bytearray(b"ours"))
    archive.close()
    (state,) = (tmp_path / "states").iterdir()
    archive.save(theirs, bytearray(b"theirs"))
    archive.close()
    (other,) = set((tmp_path / "states").iterdir()) - {state}
    other.write_bytes(state.read_bytes())
    again = Archive(tmp_path, "states", least=2)
    assert again.load(ours) == b"ours"
    assert again.load(theirs) is None
    assert again.wants(theirs)
    assert list((tmp_path / "states").iterdir()) == [state]
    again.save(theirs, bytearray())
    again.close()
    assert again.load(theirs) is None, "nothing is no state"


def test_a_state_that_cannot_be_restored_is_written_anew(words: Vocabulary, tmp_path: Path) -> None:
    class Refusing(ScriptedBackend):
        def restore(self, slot: int, state: bytearray) -> bool:
            return b"!" not in state and super().restore(slot, state)

    shared = list(range(9, 90)) * 3
    archive = Archive(tmp_path, "states")
    archive.save(np.array(shared, np.int32), bytearray(b"!"))
    archive.close()

    def start() -> int:
        archive = Archive(tmp_path, "states")
        backend = Refusing(laws.random_script(words.size), words)
        with EngineThread(backend, archive=archive) as engine:
            return asyncio.run(engine.generate(Request([*shared, 100], 4, stable=len(shared)))).usage.reused

    assert [start(), start()] == [0, len(shared)]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / f"abc.{2**22 + 1}").write_bytes(b"half a st")
    (tmp_path / "states" / f"abc.{os.getppid()}").write_bytes(b"half a state")
    archive = Archive(tmp_path, "states", least=2)
    archive.save(np.array([9, 10], np.int32), bytearray(b"state"))
    archive.close()
    left = sorted(path.suffix for path in (tmp_path / "states").iterdir())
    assert left == sorted([f".{os.getppid()}", ".state"])


def test_the_archive_stays_small_and_survives_a_full_disk(tmp_path: Path) -> None:
    archive = Archive(tmp_path, "states", limit=10_000, least=2)
    prompts = [np.array([number, 1, 2], np.int32) for number in range(8)]
    for prompt in prompts:
        assert archive.wants(prompt)
        archive.save(prompt, bytearray(3_000))
        archive.close()
    assert sum(path.stat().st_size for path in (tmp_path / "states").iterdir()) <= 10_000
    assert archive.load(prompts[-1]) == bytes(3_000)
    assert archive.load(prompts[0]) is None
    (tmp_path / "file").write_text("no folder")
    blocked = Archive(tmp_path, "file", least=2)
    blocked.save(prompts[0], bytearray(b"state"))
    blocked.close()
    assert blocked.load(prompts[0]) is None


def test_what_models_long_gone_have_read_makes_room(tmp_path: Path) -> None:
    prompt = np.array([9, 10, 11], np.int32)
    for days, model in enumerate(("now", "yesterday", "before")):
        archive = Archive(tmp_path, model, limit=10_000, least=2)
        archive.save(prompt, bytearray(3_000))
        archive.close()
        (state,) = (tmp_path / model).iterdir()
        os.utime(state, (0, 1_700_000_000 - 86_400 * days))
    archive = Archive(tmp_path, "new", limit=10_000, least=2)
    archive.save(prompt, bytearray(3_000))
    archive.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "now", "yesterday"]
    assert Archive(tmp_path, "now", least=2).load(prompt) == bytes(3_000)
