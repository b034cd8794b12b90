"""Runs on the scripted engine: the loop, its bounds, its record, and what each ending looks like."""

from __future__ import annotations

import asyncio
import io
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import laws
from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.catalogue import catalogue
from bridle.context import Context
from bridle.errors import JournalError, SkillError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.grammar.thinking import Thinking
from bridle.how import StepSettings
from bridle.journal import CallAnswered, CallIntended, Decided, Event, Journal, RunEnded, RunStarted, Status, StepTaken
from bridle.observe.trace import trace
from bridle.prompt import Message
from bridle.run import Run
from bridle.skill import read_skill, skill_from
from bridle.tool import tool
from bridle.turn import Progress
from bridle.values import common


def call(name: str, **args: Any) -> str:
    return json.dumps({"tool": name, "args": args})


def answer(text: str = "done") -> str:
    return json.dumps({"answer": text})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "workspace"
    path.mkdir()
    (path / "todo.txt").write_text("buy milk", encoding="utf-8")
    return path


def run(replies: list[str], folder: Path, journal: Journal, task: str = "go", **options: Any) -> Run:
    thinking = options.pop("thinking", False)
    with scripted_model(replies, thinking=thinking) as model:
        return Agent(model, workspace=folder, journal=journal, **options).run(task)


def test_a_task_is_done_with_tools(folder: Path, journal: Journal) -> None:
    replies = [call("read_file", path="todo.txt"), answer("It says: buy milk")]
    result = run(replies, folder, journal, "What is in todo.txt?")
    assert (result.status, result.answer, result.steps) == (Status.DONE, "It says: buy milk", 2)
    assert [(done.tool, done.result, done.ok) for done in result.calls] == [("read_file", "buy milk", True)]
    kinds = [event.body.kind for event in journal.events(result.id)]
    assert kinds == ["run.started", "step.taken", "call.intended", "call.answered", "step.taken", "run.ended"]
    laws.law_of_history(journal, result.id)


def test_the_json_of_a_run_keeps_its_contract(folder: Path, journal: Journal) -> None:
    told = run([call("list_files"), answer()], folder, journal).as_json()
    for key in ("run", "status", "answer", "question", "skill", "steps", "calls", "tokens", "seconds", "model"):
        assert key in told
    calls: Any = told["calls"]
    assert calls == [{"tool": "list_files", "args": {}, "result": ["todo.txt"], "ok": True}]
    tokens: Any = told["tokens"]
    assert set(tokens) == {"prompt", "reused", "sampled", "forced", "drafted", "accepted"}
    json.dumps(told)


def test_xml_actions_do_the_same(folder: Path, journal: Journal) -> None:
    replies = ['<call tool="read_file"><path>todo.txt</path></call>', "<answer>milk &amp; more</answer>"]
    result = run(replies, folder, journal, settings=StepSettings(format="xml"))
    assert result.answer == "milk & more"
    assert result.calls[0].result == "buy milk"


def test_errors_come_back_to_the_model(folder: Path, journal: Journal) -> None:
    replies = [call("read_file", path="../x"), call("read_file", path="nope"), answer("Sorry")]
    result = run(replies, folder, journal)
    assert result.status is Status.DONE
    assert [done.ok for done in result.calls] == [False, False]
    prompt = [event.body for event in journal.events(result.id) if isinstance(event.body, StepTaken)][2].prompt_text
    assert "error: no file named nope" in prompt


def test_the_same_failing_call_three_times_ends_the_run(folder: Path, journal: Journal) -> None:
    result = run([call("read_file", path="nope")] * 9, folder, journal)
    assert result.status is Status.FAILED
    assert "same result 3 times: error: no file named nope" in result.reason
    assert len(result.calls) == 3


def test_going_in_circles_ends_the_run(folder: Path, journal: Journal) -> None:
    result = run([call("list_files"), call("read_file", path="todo.txt")] * 9, folder, journal)
    assert result.status is Status.FAILED
    assert len(result.calls) == 5


def test_a_question_pauses_or_is_answered_at_once(folder: Path, journal: Journal) -> None:
    replies = [json.dumps({"ask": "Which file?"}), call("read_file", path="todo.txt"), answer()]
    paused = run(replies, folder, journal)
    assert (paused.status, paused.question, paused.answer) == (Status.PAUSED, "Which file?", None)
    done = run(replies, folder, journal, answer="todo.txt ({})".format)
    assert done.status is Status.DONE
    assert done.messages[2] == Message("user", "todo.txt (Which file?)")


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(steps=2), "it took 2 steps"),
        (Limits(tokens=90), "it has only 10 of 90 tokens left"),
        (Limits(seconds=0.0), "it took longer than 0 s"),
        (Limits(calls_per_tool=1), "write_file was used 1 times"),
    ],
)
def test_bounds_end_a_run_with_what_it_has(folder: Path, journal: Journal, limits: Limits, reason: str) -> None:
    replies = [call("write_file", path=f"{n}.txt", content="x") for n in range(9)]
    result = run(replies, folder, journal, limits=limits)
    assert result.status is Status.BUDGET
    assert result.reason == reason
    assert result.answer is not None
    assert result.answer.startswith(f"Not finished: {reason}.")
    if result.calls:
        assert "write_file: Wrote 0.txt" in result.answer
    laws.law_of_history(journal, result.id)


def test_a_call_that_was_cut_off_is_not_run(folder: Path, journal: Journal) -> None:
    replies = [call("write_file", path="big.txt", content="long " * 100), answer("Too long")]
    result = run(replies, folder, journal, limits=Limits(step_tokens=60))
    assert result.answer == "Too long"
    assert result.calls == ()
    assert not (folder / "big.txt").exists()


def test_no_usable_reply_fails_the_run_and_is_on_record(folder: Path, journal: Journal) -> None:
    result = run(["no idea"] * 9, folder, journal, settings=StepSettings(constrain=False))
    assert result.status is Status.FAILED
    assert "no usable reply in 3 attempts" in result.reason
    steps = [event.body for event in journal.events(result.id) if isinstance(event.body, StepTaken)]
    assert [step.text for step in steps] == ["no idea"] * 3
    assert all(step.error for step in steps)


def test_arguments_that_a_tool_refuses_are_asked_again(folder: Path, journal: Journal) -> None:
    replies = [call("query_table", path="x.csv", operation="guess"), call("list_files"), answer()]
    result = run(replies, folder, journal, settings=StepSettings(constrain=False))
    assert result.status is Status.DONE
    assert [done.tool for done in result.calls] == ["list_files"]
    first = next(event.body for event in journal.events(result.id) if isinstance(event.body, StepTaken))
    assert "args.operation: one of 'rows'" in first.error


def test_everything_of_a_step_is_on_record(folder: Path, journal: Journal) -> None:
    replies = ["Observation: SECRET\nPlan: act\n</thinking>\n" + reply for reply in (call("list_files"), answer("ok"))]
    result = run(replies, folder, journal, thinking=True, settings=StepSettings(thinking=Thinking()))
    events = journal.events(result.id)
    steps = [(event.number, event.body) for event in events if isinstance(event.body, StepTaken)]
    first, second = steps[0][1], steps[1][1]
    assert "SECRET" in first.thinking
    assert first.value == {"tool": "list_files", "args": {}}
    assert len(first.output_tokens) == len(first.forced)
    assert first.forced.count("f") == first.tokens.forced
    assert second.base == steps[0][0]
    assert second.shared_tokens == second.tokens.reused
    assert second.tokens.reused > 0.8 * first.tokens.prompt
    visible = [str(event.body) for event in events if isinstance(event.body, CallIntended | CallAnswered | RunEnded)]
    laws.law_of_hiding("SECRET", [*visible, second.prompt_text, *(message.content for message in result.messages)])


def test_a_cancelled_run_is_on_record(folder: Path, journal: Journal) -> None:
    @tool(effect="pure")
    async def wait() -> str:
        """Wait."""
        await asyncio.sleep(30)
        return ""

    async def stop_it() -> None:
        with scripted_model([call("wait")]) as model:
            task = asyncio.ensure_future(Agent(model, workspace=folder, journal=journal, tools=[wait]).perform("go"))
            await asyncio.sleep(0.3)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    start = time.monotonic()
    asyncio.run(stop_it())
    assert time.monotonic() - start < 10
    (summary,) = journal.runs()
    assert summary.status is Status.CANCELLED


def test_a_full_disk_stops_a_run_and_keeps_what_was_recorded(folder: Path, journal: Journal) -> None:
    database: Any = journal._db  # pyright: ignore[reportPrivateUsage]
    database.pragma("max_page_count", database.pragma("page_count") + 2)
    replies = [call("write_file", path=f"{n}.txt", content="x") for n in range(50)]
    try:
        reason = run(replies, folder, journal).reason
    except JournalError as error:  # not even its end could be written
        reason = error.message
    assert "full" in reason
    (summary,) = journal.runs()
    laws.law_of_history(journal, summary.run)
    intended = [event.body for event in journal.events(summary.run) if isinstance(event.body, CallIntended)]
    assert len(list(folder.glob("[0-9]*.txt"))) <= len(intended), "nothing was done that was not intended on record"


def test_several_runs_at_once(folder: Path, journal: Journal) -> None:
    @tool(effect="pure")
    def echo(text: str) -> str:
        """Echo."""
        return text

    async def all_of_them() -> list[Run]:
        with scripted_model([answer(f"{n}") for n in range(6)]) as model:
            agent = Agent(model, workspace=folder, journal=journal, tools=[echo])
            return await asyncio.gather(*(agent.perform(f"task {n}") for n in range(6)))

    results = asyncio.run(all_of_them())
    assert sorted(str(result.answer) for result in results) == [str(n) for n in range(6)]
    for result in results:
        laws.law_of_history(journal, result.id)


def test_listeners_hear_everything(folder: Path, journal: Journal) -> None:
    events: list[str] = []
    progress: list[Progress] = []

    def hear(event: Event) -> None:
        events.append(event.body.kind)

    replies = [call("list_files"), answer()]
    result = run(replies, folder, journal, on_event=hear, on_progress=progress.append)
    assert events == [event.body.kind for event in journal.events(result.id)]
    assert {it.stage for it in progress} == {"reading", "writing"}


def test_bad_calls_are_refused_before_anything_is_recorded(folder: Path, journal: Journal) -> None:
    with scripted_model([]) as model:
        with pytest.raises(UsageError, match="the task is empty"):
            Agent(model, workspace=folder, journal=journal).run("  ")
        with pytest.raises(UsageError, match="no workspace"):
            Agent(model, workspace=folder / "nope", journal=journal)
        with pytest.raises(UsageError, match="there is no skill 'nope'; there are: chat, clarify"):
            Agent(model, workspace=folder, journal=journal, skill="nope")
    assert journal.runs() == []


def test_a_conversation_goes_on(folder: Path, journal: Journal) -> None:
    with scripted_model([answer("first"), answer("second")]) as model:
        agent = Agent(model, workspace=folder, journal=journal)
        one = agent.run("one")
        two = agent.run("two", history=one.messages, parent=one.id)
    assert [message.content for message in two.messages] == ["one", answer("first"), "two", answer("second")]
    start = journal.events(two.id)[0].body
    assert isinstance(start, RunStarted)
    assert start.parent == one.id


def write_skill(folder: Path, front: str, code: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "SKILL.md").write_text(front, encoding="utf-8")
    if code:
        (folder / "skill.py").write_text(code, encoding="utf-8")
    return folder


GOOD = "---\nname: two-steps\ndescription: Two steps.\nallowed-tools: list_files, read_file\n---\nBe brief."


def test_a_skill_is_code_over_verbs(folder: Path, journal: Journal, tmp_path: Path) -> None:
    code = (
        "from bridle.context import Context\n"
        "async def run(context: Context) -> str:\n"
        "    kind = await context.choose(['red', 'blue'], 'Which?')\n"
        "    shape = {'type': 'object', 'properties': {'n': {'type': 'integer'}}, 'required': ['n']}\n"
        "    facts = await context.extract(shape)\n"
        "    return f\"{kind} {facts['n']} {await context.reply()}\"\n"
    )
    skill = read_skill(write_skill(tmp_path / "two-steps", GOOD, code))
    result = run(["blue", '{"n": 7}', "Hello"], folder, journal, skill=skill)
    assert result.answer == "blue 7 Hello"
    steps = [event.body for event in journal.events(result.id) if isinstance(event.body, StepTaken)]
    assert [step.path for step in steps] == ["choose#1", "extract#1", "reply#1"]
    assert [step.value for step in steps] == ["blue", {"n": 7}, "Hello"]
    assert "Be brief." in steps[0].prompt_text


def test_a_skill_weighs_before_it_acts(folder: Path, journal: Journal, tmp_path: Path) -> None:
    code = (
        "from bridle.decide import Calibration\n"
        "async def run(context):\n"
        "    one = await context.decide('Is it urgent?')\n"
        "    two = await context.decide('Which?', ['red', 'blue'], Calibration(threshold=1.5))\n"
        "    return f'{one.option} {one.sure} {two.sure}'\n"
    )
    skill = read_skill(write_skill(tmp_path / "two-steps", GOOD, code))
    result = run(["Hello"], folder, journal, skill=skill)
    assert result.status is Status.DONE, result.reason
    events = journal.events(result.id)
    decided = [event.body for event in events if isinstance(event.body, Decided)]
    assert [it.path for it in decided] == ["decide#1", "decide#2"]
    assert decided[0].options == ["yes", "no"]
    assert abs(sum(decided[0].probabilities) - 1) < 1e-4
    assert not decided[1].sure
    assert result.answer == f"{decided[0].option} {decided[0].sure} False"
    assert result.steps == 2
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(trace(events))
    assert "not sure enough" in console.export_text()


def test_a_skill_without_code_lends_its_words_to_the_loop(folder: Path, journal: Journal, tmp_path: Path) -> None:
    skill = read_skill(write_skill(tmp_path / "two-steps", GOOD))
    with scripted_model([answer("ok")]) as model:
        run = Agent(model, workspace=folder, journal=journal, skill=skill).run("go")
    start = journal.events(run.id)[0].body
    assert isinstance(start, RunStarted)
    assert [it.name for it in start.tools] == ["list_files", "read_file"]
    assert run.answer == "ok"


@pytest.mark.parametrize(
    ("front", "complaint"),
    [
        ("no front matter", "does not begin with front matter"),
        ("---\nname: [\n---\n", "is not YAML"),
        ("---\nname: Bad Name\ndescription: x\n---\n", "name: String should match pattern"),
        ("---\nname: fine\n---\n", "description: Field required"),
        ("---\n- a\n---\n", "is not right"),
    ],
)
def test_a_broken_skill_says_what_is_wrong(tmp_path: Path, front: str, complaint: str) -> None:
    with pytest.raises(SkillError, match=complaint):
        read_skill(write_skill(tmp_path / "bad", front))


def test_a_missing_skill_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SkillError, match="cannot be read"):
        read_skill(tmp_path)
    with pytest.raises(UsageError, match="there is no skill"):
        catalogue().find("nope")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("def run(context):\n    return 'x'\n", "has no 'async def run"),
        ("import nothing_like_this\n", "ModuleNotFoundError"),
        ("async def run(context)\n", "SyntaxError"),
    ],
)
def test_a_skill_that_cannot_be_loaded_is_said(
    folder: Path, journal: Journal, tmp_path: Path, code: str, complaint: str
) -> None:
    skill = read_skill(write_skill(tmp_path / "two-steps", GOOD, code))
    with pytest.raises(SkillError, match=complaint):
        run([], folder, journal, skill=skill)


def test_a_skill_that_raises_fails_its_run_only(folder: Path, journal: Journal, tmp_path: Path) -> None:
    skill = read_skill(
        write_skill(tmp_path / "two-steps", GOOD, "async def run(context):\n    raise KeyError('oops')\n")
    )
    result = run([], folder, journal, skill=skill)
    assert (result.status, result.reason) == (Status.FAILED, "KeyError: 'oops'")


def test_a_skill_that_does_not_end_is_ended(folder: Path, journal: Journal) -> None:
    async def forever(context: Context) -> str:
        """Never ends, and asks nothing."""
        while True:
            await asyncio.sleep(0.05)

    async def stubborn(context: Context) -> str:
        """Does not even stop when it is told to."""
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)
            if time.monotonic() > start + 4:
                return ""

    for work in (forever, stubborn):
        start = time.monotonic()
        with scripted_model([]) as model:
            agent = Agent(model, workspace=folder, journal=journal, skill=skill_from(work), limits=Limits(seconds=0.3))
            result = agent.run("go")
        assert (result.status, result.reason) == (Status.BUDGET, "it took longer than 0.3 s")
        assert time.monotonic() < start + 5


def test_a_call_is_not_ended_in_its_middle(folder: Path, journal: Journal) -> None:
    @tool(effect="unsafe")
    async def slow() -> str:
        """Take a while."""
        await asyncio.sleep(2)
        return "done"

    async def work(context: Context) -> str:
        """Call it."""
        return (await context.call("slow")).text

    with scripted_model([]) as model:
        agent = Agent(model, workspace=folder, journal=journal, tools=[slow], skill=skill_from(work),
                      limits=Limits(seconds=0.3))  # fmt: skip
        assert agent.run("go").answer == "done"


def test_an_answer_is_text(folder: Path, journal: Journal) -> None:
    async def number(context: Context) -> Any:
        """Is no text."""
        return 42

    with scripted_model([]) as model:
        result = Agent(model, workspace=folder, journal=journal, skill=skill_from(number)).run("go")
    assert (result.status, result.reason) == (Status.FAILED, "the skill 'number' came to int, and an answer is text")


def test_the_shelf_has_sound_skills() -> None:
    assert {"react", "chat"} <= set(catalogue().skills)
    for skill in catalogue().skills.values():
        assert skill.folder.name == skill.name
        assert skill.load()


def test_common_beginnings() -> None:
    assert common("abcd", "abxd") == 2
    assert common([1, 2, 3], [1, 2, 3, 4]) == 3
    assert common("", "x") == 0


def test_one_stream_tells_all_that_happens(folder: Path, journal: Journal) -> None:
    """Events, the prompt as it is read, what is written, how a tool is getting on, and the run."""
    for number in range(120):  # and one that is there
        (folder / f"{number}.txt").write_text("milk" if number == 7 else "nothing")
    call = '{"tool": "search_text", "args": {"text": "milk"}}'

    async def listen() -> list[Any]:
        with scripted_model([call, answer("7.txt")]) as model:
            return [it async for it in Agent(model, workspace=folder, journal=journal).stream("find milk")]

    found = asyncio.run(listen())
    run = found[-1]
    assert isinstance(run, Run)
    assert run.answer == "7.txt"
    assert [it.body.kind for it in found if isinstance(it, Event)] == [it.body.kind for it in journal.events(run.id)]
    told = [it for it in found if isinstance(it, Progress)]
    assert {it.stage for it in told} >= {"reading", "writing", "calling"}
    searching = [(it.text, it.done, it.total) for it in told if it.stage == "calling"]
    assert searching[:2] == [("searching 121 files", 0, 121), ("searching 121 files", 50, 121)]


def test_whoever_stops_listening_stops_the_run(folder: Path, journal: Journal) -> None:
    async def listen() -> None:
        with scripted_model([answer("never heard")]) as model:
            stream = Agent(model, workspace=folder, journal=journal).stream("go")
            assert isinstance(await anext(stream), Event)
            await stream.aclose()

    asyncio.run(listen())
    end = journal.events(journal.find("last"))[-1].body
    assert isinstance(end, RunEnded)
    assert end.status is Status.CANCELLED
