"""The engine on scripted scores: what is evaluated when, what ends a generation, who waits for whom."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import laws
from bridle.engine import scripted
from bridle.engine.archive import Archive
from bridle.engine.base import Generation, Logits, Request, Sampling, Stop, Token
from bridle.engine.lookup import Draft, Worth
from bridle.engine.scheduler import Scheduler
from bridle.engine.scripted import ScriptedBackend, Texts
from bridle.engine.sequence import Sequence as Running
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BusyError, ContextError, EngineError
from bridle.grammar import Choice, form_of
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase

ARGS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
    },
    "required": ["city", "days"],
}
CALL = '{"tool": "forecast", "args": {"city": "Oslo", "days": 3}}'


def drain(backend: ScriptedBackend, *requests: Request) -> list[Generation]:
    """Run requests to their end on this thread."""
    scheduler = Scheduler(backend)
    sequences = [Running(request, backend.vocabulary) for request in requests]
    for sequence in sequences:
        scheduler.submit(sequence)
    for _ in range(5_000):
        if scheduler.idle:
            break
        scheduler.step()
    return [sequence.future.result(timeout=0) for sequence in sequences]


def call_document(compiler: Compiler, budget: int = 200) -> Document:
    return Document(compiler, [Phase("document", Actions({"forecast": ARGS}).grammar())], budget)


def test_free_text_ends_with_any_end_token(words: Vocabulary) -> None:
    ends = Vocabulary(words.pieces, words.control, frozenset({0, 4}), words.tokenize)

    def script(tokens: Sequence[int]) -> Logits:
        row = np.zeros(ends.size, np.float32)
        row[4 if len(tokens) > 6 else 40] = 9
        return row

    (generation,) = drain(ScriptedBackend(script, ends), Request([9, 9, 9], 50))
    assert generation.stop is Stop.END
    assert generation.ids == [40, 40, 40, 40]


def test_forced_tokens_ride_with_the_sampled_one_and_the_tail_is_not_evaluated(
    words: Vocabulary, compiler: Compiler
) -> None:
    backend = ScriptedBackend(Texts([CALL], words), words)
    prompt = words.tokenize("<|user|>go<|end|><|assistant|>", True)
    (generation,) = drain(backend, Request(prompt, 200, mask=call_document(compiler), drafts=False))
    assert words.text(generation.ids) == CALL
    evaluated = [len(part.tokens) for call in backend.decoded for part in call]
    assert len(backend.decoded) == generation.usage.sampled, "one decode for each choice, none for forced tokens"
    tail = len(generation.tokens) - 1 - max(n for n, token in enumerate(generation.tokens) if not token.forced)
    assert tail > 0, "the call ends with forced brackets"
    assert sum(evaluated) == len(prompt) + len(generation.tokens) - tail - 1, "the tail is not evaluated"


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


def test_a_long_prompt_does_not_stall_others(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, batch=64)
    short = Request([9] * 5, 40, drafts=False)
    long = Request([10] * 2000, 5)
    drain(backend, short, long)
    together = [call for call in backend.decoded if len(call) == 2][1:]
    assert len(together) >= 20, "the short one decodes while the long one is read"
    assert all(len(call[0].tokens) == 1 for call in together)


def test_more_requests_than_slots_wait_their_turn(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=2)
    generations = drain(backend, *(Request([9 + n], 6) for n in range(7)))
    assert [len(generation.tokens) for generation in generations] == [6] * 7
    assert max(len(call) for call in backend.decoded) == 2


def test_cells_are_never_overdrawn(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=6, context=100)
    backend.cells = 130
    generations = drain(backend, *(Request([9 + n] * 40, 20) for n in range(9)))
    assert all(len(generation.tokens) == 20 for generation in generations)


def test_what_cannot_fit_is_refused_with_what_to_shorten(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, context=50)
    with pytest.raises(ContextError, match=r"45 tokens and its output may take 10.*holds 50"):
        drain(backend, Request([9] * 45, 10))


def test_a_deadline_and_a_cancellation_end_with_what_there_is(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words)
    (late,) = drain(backend, Request([9], 50, deadline=time.monotonic() - 1))
    assert late.stop is Stop.DEADLINE
    request = Request([9], 50)

    def cancel(_: int, tokens: Sequence[Token]) -> None:
        request.cancelled = True

    request.on_tokens = cancel
    (stopped,) = drain(backend, request)
    assert stopped.stop is Stop.CANCELLED
    assert len(stopped.tokens) == 1


def test_streaming_tells_every_token_once(words: Vocabulary, compiler: Compiler) -> None:
    heard: list[Token] = []

    def listen(back: int, tokens: Sequence[Token]) -> None:
        if back:
            del heard[back:]
        heard.extend(tokens)

    for seed in range(20):
        heard.clear()
        backend = ScriptedBackend(laws.random_script(words.size, seed), words)
        request = Request([9, 10], 60, call_document(compiler, 60), Sampling(2.0, seed=seed), on_tokens=listen)
        (generation,) = drain(backend, request)
        assert tuple(heard) == generation.tokens


def test_prefill_is_reported(words: Vocabulary) -> None:
    heard: list[tuple[int, int]] = []
    backend = ScriptedBackend(laws.random_script(words.size), words, batch=64)
    drain(backend, Request([9] * 150, 2, on_prefill=lambda done, total: heard.append((done, total))))
    assert heard == [(64, 150), (128, 150), (150, 150)]


def test_sampling_is_fixed_by_a_seed(words: Vocabulary) -> None:
    def outputs(seed: int | None) -> list[int]:
        backend = ScriptedBackend(laws.random_script(words.size), words)
        return drain(backend, Request([9], 30, sampling=Sampling(1.0, seed=seed)))[0].ids

    assert outputs(1) == outputs(1)
    assert outputs(1) != outputs(2)
    assert outputs(None) != outputs(None)


@pytest.mark.parametrize("seed", range(12))
def test_speed_changes_nothing(words: Vocabulary, compiler: Compiler, seed: int) -> None:
    script = laws.random_script(words.size, seed)
    prompt = words.tokenize("<|user|>go<|end|><|assistant|>", True)
    with EngineThread(ScriptedBackend(script, words)) as engine:
        mate = Request([*prompt, 9, 9], 80, sampling=Sampling(1.0, seed=seed))
        documents = [call_document(compiler, 200) for _ in range(2)]
        laws.law_of_speed(engine, script, prompt, documents, mate)


def test_the_scripted_backend_keeps_the_laws(words: Vocabulary) -> None:
    laws.law_of_backend(ScriptedBackend(laws.random_script(words.size), words), list(range(20, 60)), tolerance=0)


def test_many_callers_from_many_threads(words: Vocabulary, compiler: Compiler) -> None:
    form = Choice(["yes", "no"])
    with EngineThread(ScriptedBackend(laws.random_script(words.size), words)) as engine:
        done: list[str] = []

        def ask(number: int) -> None:
            document = Document(compiler, [Phase("document", form.grammar())], 10)
            generation = asyncio.run(engine.generate(Request([9, number], 10, mask=document)))
            done.append(words.text(generation.ids))

        threads = [threading.Thread(target=ask, args=(20 + n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=20)
    assert len(done) == 12
    assert set(done) <= {"yes", "no"}


def test_cancelling_the_task_stops_the_request(words: Vocabulary) -> None:
    endless = np.zeros(words.size, np.float32)
    endless[40] = 9
    backend = ScriptedBackend(lambda _: endless, words, context=100_000)

    async def impatient() -> None:
        with EngineThread(backend) as engine:
            task = asyncio.ensure_future(engine.generate(Request([9], 90_000)))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.05)
            before = len(backend.decoded)
            await asyncio.sleep(0.05)
            assert len(backend.decoded) == before, "it still decodes"
            assert (await engine.generate(Request([9], 3))).stop is Stop.BUDGET

    asyncio.run(impatient())


def test_a_closed_engine_says_so(words: Vocabulary) -> None:
    engine = scripted.engine(["x"], words)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        asyncio.run(engine.generate(Request([9], 3)))


def test_a_failing_backend_fails_its_requests_and_the_next_ones_work(words: Vocabulary) -> None:
    class Failing(ScriptedBackend):
        broken = True

        def decode(self, parts: Sequence[Any]) -> list[Logits]:
            if self.broken:
                raise EngineError("the model is gone")
            return super().decode(parts)

    backend = Failing(laws.random_script(words.size), words)
    with EngineThread(backend) as engine:
        with pytest.raises(EngineError, match="gone"):
            asyncio.run(engine.generate(Request([9], 3)))
        backend.broken = False
        assert len(asyncio.run(engine.generate(Request([9], 3))).tokens) == 3


def test_types_in_values_out(words: Vocabulary, compiler: Compiler) -> None:
    form = form_of(list[int])
    backend = ScriptedBackend(Texts(["[4, 8, 15]"], words), words)
    document = Document(compiler, [Phase("document", form.grammar())], 60)
    (generation,) = drain(backend, Request(words.tokenize("<|assistant|>", True), 60, mask=document))
    assert words.text(generation.ids) == "[4, 8, 15]"


def copycat(size: int, seed: int = 0) -> scripted.Script:
    """Random scores, with a lean towards what followed the last token before: a model that drafts suit."""
    noise = laws.random_script(size, seed)

    def script(tokens: Sequence[int]) -> Logits:
        row = noise(tokens)
        before = [place for place in range(len(tokens) - 1) if tokens[place] == tokens[-1]]
        if before:
            row[tokens[before[-1] + 1]] += 10
        return row

    return script


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_drafts_change_the_time_and_nothing_else(words: Vocabulary, compiler: Compiler, temperature: float) -> None:
    prompt = words.tokenize("<|user|>forecast Oslo 3 days, Oslo 4 days<|end|><|assistant|>", True)
    drafted = accepted = 0
    for seed in range(25):
        script = copycat(words.size, seed)
        outputs: list[list[int]] = []
        for drafts in (False, True):
            mask = call_document(compiler, 90) if seed % 2 else None
            request = Request(prompt, 90, mask, Sampling(temperature, seed=seed), drafts=drafts)
            backend = ScriptedBackend(script, words)
            (generation,) = drain(backend, request)
            outputs.append(generation.ids)
            drafted += generation.usage.drafted
            accepted += generation.usage.accepted
        assert outputs[0] == outputs[1]
    assert accepted > 100, "the test is worth nothing without drafts that came"
    assert drafted > accepted, "and without some that did not"


def test_drafts_that_never_come_are_given_up() -> None:
    worth = Worth()
    draft = Draft(np.zeros(8, np.int32), 1)
    assert worth.lengths(1)[0] > 0
    for _ in range(40):
        worth.learn(draft, 0)
    assert worth.lengths(1)[0] == 0
    assert any(worth.lengths(1)[0] for _ in range(2_000)), "after a while they are given another chance"


def test_drafts_are_longer_where_they_come_and_a_decode_is_dear() -> None:
    def lengths(base: float, came: int) -> tuple[int, ...]:
        worth = Worth()
        for tokens in (1, 3, 9, 2, 12) * 4:
            worth.time(tokens, base + 0.001 * tokens)
        for _ in range(20):
            worth.learn(Draft(np.zeros(8, np.int32), 2), came)
        return worth.lengths(1)

    assert lengths(0.010, 8)[1] > lengths(0.010, 2)[1]
    assert lengths(0.050, 6)[1] > lengths(0.002, 6)[1]


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


def test_priority_goes_first_and_nothing_waits_for_ever(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, slots=1)
    scheduler, ended = Scheduler(backend), list[str]()
    for name, priority, arrived in (("early", 0, -25.0), ("late", 0, 0.0), ("urgent", 2, 0.0)):
        sequence = Running(Request([9, 10], 3, priority=priority), words)
        sequence.arrived += arrived
        sequence.future.add_done_callback(lambda _, name=name: ended.append(name))
        scheduler.submit(sequence)
    while not scheduler.idle:
        scheduler.step()
    assert ended == ["early", "urgent", "late"]


def test_a_full_queue_turns_requests_away(words: Vocabulary) -> None:
    scheduler = Scheduler(ScriptedBackend(laws.random_script(words.size), words), queue=2)
    sequences = [Running(Request([9], 2), words) for _ in range(3)]
    for sequence in sequences:
        scheduler.submit(sequence)
    with pytest.raises(BusyError, match="2 requests are waiting already"):
        sequences[2].future.result(timeout=0)
    assert BusyError.retryable


def test_a_model_that_cannot_rewind_is_still_right(words: Vocabulary, compiler: Compiler) -> None:
    script = laws.random_script(words.size, 3)
    prompt = words.tokenize("<|user|>go<|end|><|assistant|>", True)
    with EngineThread(ScriptedBackend(script, words, rewinds=False)) as engine:
        for budget in (45, 200):  # the smaller one is turned back
            documents = [call_document(compiler, budget) for _ in range(2)]
            laws.law_of_speed(engine, script, prompt, documents, Request([*prompt, 9], 30))


def test_deterministic_decodes_have_one_shape(words: Vocabulary) -> None:
    def shapes(*before: Request) -> list[list[tuple[int, int, int]]]:
        backend = ScriptedBackend(copycat(words.size), words)
        scheduler = Scheduler(backend, deterministic=True)
        prompt = list(range(9, 40))
        for request in (*before, Request(prompt, 30)):
            backend.decoded.clear()
            scheduler.submit(Running(request, words))
            scheduler.submit(Running(Request(prompt, 30), words))
            while not scheduler.idle:
                scheduler.step()
        calls = [[(part.start, len(part.tokens), part.wanted) for part in call] for call in backend.decoded]
        return calls[: len(calls) // 2]

    alone = shapes()
    assert alone == shapes(Request(list(range(9, 30)), 30), Request([9], 5))
    assert {len(call) for call in alone} == {1}


def test_what_prompts_begin_with_is_kept_on_disk(words: Vocabulary, tmp_path: Path) -> None:
    shared = list(range(9, 90)) * 3

    def start(last: int) -> tuple[Generation, int]:
        archive = Archive(tmp_path / "states")
        backend = ScriptedBackend(laws.random_script(words.size), words)
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


def test_the_archive_stays_small_and_survives_a_full_disk(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "states", limit=10_000, least=2)
    prompts = [np.array([number, 1, 2], np.int32) for number in range(8)]
    for prompt in prompts:
        assert archive.wants(prompt)
        archive.save(prompt, bytes(3_000))
        archive.close()
    assert sum(path.stat().st_size for path in (tmp_path / "states").iterdir()) <= 10_000
    assert archive.load(prompts[-1]) == bytes(3_000)
    assert archive.load(prompts[0]) is None
    (tmp_path / "file").write_text("no folder")
    blocked = Archive(tmp_path / "file", least=2)
    blocked.save(prompts[0], b"state")
    blocked.close()
    assert blocked.load(prompts[0]) is None
