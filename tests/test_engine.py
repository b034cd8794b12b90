"""The engine on scripted scores: what is evaluated when, what ends a generation, who waits for whom."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import laws
from bridle.card import Card, ThinkingCard
from bridle.engine import scripted
from bridle.engine.base import Logits, Request, Sampling, Stop, Token
from bridle.engine.mask import Bits
from bridle.engine.scheduler import Scheduler
from bridle.engine.scripted import ScriptedBackend, Texts
from bridle.engine.sequence import Sequence as Running
from bridle.engine.thread import EngineThread
from bridle.engine.vocabulary import Vocabulary
from bridle.errors import BusyError, ContextError, EngineError, UsageError
from bridle.grammar import Choice, form_of
from bridle.grammar.compile import Compiler
from bridle.grammar.document import Document, Phase
from bridle.local import open_model
from bridle.model import Model
from bridle.prompt import Message
from bridle.step import Step, take
from bridle.turn import Progress
from scripts import CALL, call_document, copycat, drain


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


def test_what_cannot_fit_is_refused_with_what_to_shorten(words: Vocabulary) -> None:
    backend = ScriptedBackend(laws.random_script(words.size), words, context=50)
    with pytest.raises(ContextError, match=r"45 tokens and its output may take 10.*holds 50"):
        drain(backend, Request([9] * 45, 10))


@pytest.mark.parametrize(
    ("prompt", "limit", "complaint"),
    [
        ([9], 0, "max_tokens has to be at least 1, not 0"),
        ([9], -10, "max_tokens has to be at least 1, not -10"),
        ([9], 10**19, "its output may take 10000000000000000000"),
        ([9, 999], 5, "the prompt has token 999, but the model's tokens are 0 to 275"),
        ([9, -1], 5, "the prompt has token -1"),
        ([9, 10**12], 5, "the prompt has token 1000000000000"),
    ],
)
def test_what_no_model_can_take_is_refused(words: Vocabulary, prompt: list[int], limit: int, complaint: str) -> None:
    with EngineThread(ScriptedBackend(laws.random_script(words.size), words)) as engine:
        with pytest.raises((UsageError, ContextError), match=complaint):
            asyncio.run(engine.generate(Request(prompt, limit)))
        with pytest.raises(EngineError, match=r"in its values.*TypeError"):
            asyncio.run(engine.generate(Request("words", 5)))  # pyright: ignore[reportArgumentType]
        assert len(asyncio.run(engine.generate(Request([9], 3))).tokens) == 3


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
    with pytest.raises(EngineError, match="closed"):
        _ = engine.vocabulary


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_backend_is_freed_once_even_if_the_engine_has_failed(words: Vocabulary) -> None:
    class Failing(ScriptedBackend):
        freed = 0

        def decode(self, parts: Sequence[Any]) -> list[Logits]:
            raise RuntimeError("a bug")

        def close(self) -> None:
            self.freed += 1

    backend = Failing(laws.random_script(words.size), words)
    engine = EngineThread(backend)
    with pytest.raises(EngineError, match="the engine failed: RuntimeError: a bug"):
        asyncio.run(engine.generate(Request([9], 3)))
    engine.close()
    engine.close()
    assert backend.freed == 1


def test_an_engine_is_not_closed_by_its_own_callback(words: Vocabulary) -> None:
    with EngineThread(ScriptedBackend(laws.random_script(words.size), words)) as engine:
        with pytest.raises(EngineError, match="closed by its own callbacks"):
            asyncio.run(engine.generate(Request([9], 3, on_prefill=lambda done, total: engine.close())))
        assert len(asyncio.run(engine.generate(Request([9], 3))).tokens) == 3


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


def test_steps_of_higher_priority_start_earlier() -> None:
    """Of those that wait in an engine with one place."""
    engine, ended = scripted.engine(["1", "2", "3", "4"], slots=1), list[int]()
    begun, all_wait = threading.Event(), threading.Event()

    def hold_up(_: Progress) -> None:
        begun.set()
        all_wait.wait(5)

    async def go(model: Model, priority: int) -> None:
        step = Step([Message("user", f"What is {priority}?")], form_of(int), priority=priority, on_progress=hold_up)
        await take(replace(step, on_progress=None) if priority else step, model)
        ended.append(priority)

    async def all_of_them(model: Model) -> None:
        first = asyncio.ensure_future(go(model, 0))
        await asyncio.to_thread(begun.wait, 5)
        others = [asyncio.ensure_future(go(model, priority)) for priority in (1, 3, 2)]
        while engine.busy < 4:
            await asyncio.sleep(0.001)
        all_wait.set()
        await asyncio.gather(first, *others)

    with Model(engine, Card(name="one", thinking=ThinkingCard(budget=0))) as model:
        asyncio.run(asyncio.wait_for(all_of_them(model), 20))
    assert ended == [0, 3, 2, 1]


def test_masks_of_a_batch_can_be_computed_in_parallel(words: Vocabulary) -> None:
    """They permit what they permit one after another."""
    script = laws.random_script(words.size, 5)

    def written(cores: int) -> list[list[int]]:
        compiler = Compiler(words, cores)
        documents = [call_document(compiler, 60 + 20 * number) for number in range(4)]
        assert (documents[0].together is None) == (cores == 1)
        requests = [
            Request([9, 10 + number], 200, mask=document, sampling=Sampling(2.0, seed=number))
            for number, document in enumerate(documents)
        ]
        generations = drain(ScriptedBackend(script, words), *requests)
        assert all(generation.usage.mask_seconds > 0 for generation in generations)
        return [generation.ids for generation in generations]

    assert written(4) == written(1)


def test_a_full_queue_turns_requests_away(words: Vocabulary) -> None:
    scheduler = Scheduler(ScriptedBackend(laws.random_script(words.size), words), queue=2)
    sequences = [Running(Request([9], 2), words) for _ in range(3)]
    for sequence in sequences:
        scheduler.submit(sequence)
    with pytest.raises(BusyError, match="2 requests are waiting already"):
        sequences[2].future.result(timeout=0)
    assert BusyError.retryable
    with open_model("colt", queue=0) as model, pytest.raises(BusyError, match="0 requests are waiting already"):
        asyncio.run(model.engine.generate(Request([9], 2)))


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


class Forcing:
    """A mask that forces the same token for ever and minds no budget, as a form without a known end may."""

    finished = False
    together = None

    def forced(self) -> list[int]:
        return [30] * 9 if self.taken < 18 else []

    def __init__(self) -> None:
        self.taken = 0

    def fill(self, row: Bits) -> None:
        row[:] = 0xFFFFFFFF

    def advance(self, tokens: Sequence[int]) -> int:
        self.taken += len(tokens)
        return len(tokens)

    def accepts(self, tokens: Sequence[int]) -> int:
        return len(tokens)


def test_a_form_that_forces_more_than_its_budget_ends_by_the_budget(words: Vocabulary) -> None:
    """And the engine lives on for others."""
    with scripted.engine(["x"], words) as engine:
        generation = asyncio.run(engine.generate(Request([9, 10], 5, mask=Forcing())))
        assert (generation.stop, len(generation.tokens)) == (Stop.BUDGET, 5)
        assert len(asyncio.run(engine.generate(Request([9, 11], 3))).tokens) <= 3


class Broken(Forcing):
    """A mask of which one part fails when it is asked for the third time."""

    def __init__(self, part: str, together: Any = None) -> None:
        self.taken, self.asked, self._part, self._together = 18, 0, part, together

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name == self._part:
            self.asked += 1
            if self.asked > 2:
                raise RuntimeError(f"no {name}")
        return self._together if name == "together" else super().__getattribute__(name)

    def fill(self, row: Bits) -> None:
        row[:4] = 0xFFFFFFFF


@pytest.mark.parametrize("part", ["forced", "fill", "advance", "accepts", "finished", "together"])
def test_a_mask_that_fails_ends_its_own_request_alone(words: Vocabulary, part: str) -> None:
    with EngineThread(ScriptedBackend(laws.random_script(words.size), words)) as engine:
        alone = asyncio.run(engine.generate(Request([9, 10], 40, drafts=False))).ids
        broken = Request([20, 21, 22] * 4, 40, mask=Broken(part))
        assert asyncio.run(_beside(engine, broken, Request([9, 10], 40, drafts=False))) == (
            f"RuntimeError: no {part}",
            alone,
        )


@pytest.mark.parametrize("heard", ["on_tokens", "on_prefill"])
def test_a_callback_that_fails_ends_its_own_request_alone(words: Vocabulary, heard: str) -> None:
    def listen(*_: object) -> None:
        raise RuntimeError("not now")

    with EngineThread(ScriptedBackend(laws.random_script(words.size), words)) as engine:
        alone = asyncio.run(engine.generate(Request([9, 10], 40, drafts=False))).ids
        deaf = Request([20, 21, 22], 40)
        setattr(deaf, heard, listen)
        assert asyncio.run(_beside(engine, deaf, Request([9, 10], 40, drafts=False))) == (
            "RuntimeError: not now",
            alone,
        )


async def _beside(engine: EngineThread, failing: Request, other: Request) -> tuple[str, list[int]]:
    """The cause that a request fails of, and what another one beside it writes."""
    failed, went_on = await asyncio.gather(engine.generate(failing), engine.generate(other), return_exceptions=True)
    assert isinstance(failed, EngineError)
    assert repr(failed.__cause__)[:12] == "RuntimeError"
    assert not isinstance(went_on, BaseException)
    return failed.message.partition("callback: ")[2], went_on.ids


class Panic(BaseException):
    """As llguidance's are."""


@pytest.mark.parametrize("error", [RuntimeError, Panic])
def test_masks_that_cannot_be_computed_together_are_computed_one_by_one(
    words: Vocabulary, error: type[BaseException]
) -> None:
    def together(masks: Sequence[Any], rows: Bits) -> None:
        raise error("not all of them")

    backend = ScriptedBackend(laws.random_script(words.size), words)
    generations = drain(backend, *(Request([9, 10 + n], 5, mask=Broken("", together)) for n in range(3)))
    assert [len(generation.tokens) for generation in generations] == [5, 5, 5]


@pytest.mark.parametrize(("name", "value"), [("deadline", "soon"), ("session", []), ("stable", "x")])
def test_a_request_that_makes_no_sense_fails_alone(words: Vocabulary, name: str, value: object) -> None:
    with EngineThread(ScriptedBackend(laws.random_script(words.size), words)) as engine:
        senseless = Request([9, 10], 4)
        setattr(senseless, name, value)
        with pytest.raises(EngineError, match="TypeError"):
            asyncio.run(engine.generate(senseless))
        assert len(asyncio.run(engine.generate(Request([40], 4))).tokens) == 4


def test_a_prefix_that_cannot_be_had_fails_one_request(words: Vocabulary) -> None:
    class Unsharing(ScriptedBackend):
        def share(self, source: int, target: int, length: int) -> None:
            raise EngineError("no room for a copy")

    backend = Unsharing(laws.random_script(words.size), words)
    with EngineThread(backend) as engine:
        asyncio.run(engine.generate(Request([9, 10, 11, 12], 4)))
        with pytest.raises(EngineError, match="no room for a copy"):
            asyncio.run(engine.generate(Request([9, 10, 11, 13], 4)))
        assert len(asyncio.run(engine.generate(Request([40], 4))).tokens) == 4
