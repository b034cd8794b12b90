"""Data for training: what a run was, exactly, once, without secrets, good and bad told apart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import laws
from bridle.agent import Agent
from bridle.bounds import Limits
from bridle.card import Card
from bridle.context import Context
from bridle.engine import scripted
from bridle.engine.vocabulary import Vocabulary
from bridle.evals.cases import Case, Suite
from bridle.evals.dataset import Export, Layout, Wanted, is_held_out, redact
from bridle.evals.scripted import scripted_model
from bridle.evals.suite import evaluate, variants
from bridle.evals.trajectory import Trajectory, read_trajectory
from bridle.grammar.said import Call
from bridle.grammar.thinking import Thinking
from bridle.how import StepSettings
from bridle.journal import Journal, Status
from bridle.model import Model
from bridle.policy import Policy
from bridle.run import Run
from bridle.skill import skill_from
from bridle.tool import Effect, tool

NOTE = '{"tool": "add_note", "args": {"text": "the boiler is loud"}}'
DONE = '{"answer": "It is saved."}'


def run_of(journal: Journal, texts: list[str], folder: Path, **options: Any) -> Run:
    with scripted_model(texts, thinking="thinking" in options) as model:
        settings = StepSettings(thinking=options.pop("thinking", None), constrain=options.pop("constrain", True))
        return Agent(model, workspace=folder, journal=journal, settings=settings).run("Note it.", **options)


def run_by(journal: Journal, texts: list[str], folder: Path, work: Callable[[Context], Awaitable[Any]]) -> Trajectory:
    """A run of a skill, by a script."""
    with scripted_model(texts) as model:
        skill = skill_from(work)
        run = Agent(model, workspace=folder, journal=journal, skill=skill).run("Note it.")
    assert run.status is Status.DONE, run.reason
    return read_trajectory(journal, run.id)


def pairs(run: Trajectory) -> list[tuple[str, str]]:
    """The calls of a run, each with its result, which has to be the same in both layouts of conversations."""
    [chat], [told] = (export(layout, run, negatives=False)[0] for layout in ("chat", "atif"))
    came = {it["tool_call_id"]: it["content"] for it in chat["messages"] if it["role"] == "tool"}
    calls = [call for it in chat["messages"] for call in it.get("tool_calls", [])]
    found = [(it["function"]["name"], came[it["id"]]) for it in calls]
    roles = [it["role"] for it in chat["messages"]]
    assert all(roles[place - 1] == "assistant" for place, role in enumerate(roles) if role == "tool")
    steps = [it for it in told["steps"] if "tool_calls" in it]
    assert found == [(it["tool_calls"][0]["function_name"], it["observation"]["results"][0]["content"]) for it in steps]
    return found


def export(layout: Layout, *runs: Trajectory, **wanted: Any) -> tuple[list[Any], dict[str, int]]:
    maker = Export(layout, Wanted(**wanted))
    found = [example for _, example in maker.examples(runs)]
    assert json.loads(json.dumps(found)) == found
    return found, dict(maker.left_out)


def test_a_run_is_a_conversation_with_tools(journal: Journal, tmp_path: Path) -> None:
    run = run_of(
        journal,
        ["Observation: work\nPlan: do it\n</thinking>\n" + NOTE, "Observation: done\nPlan: tell\n</thinking>\n" + DONE],
        tmp_path,
        thinking=Thinking(),
    )
    [example], _ = export("chat", read_trajectory(journal, run.id))
    roles = [message["role"] for message in example["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant"]
    asked, called, answered, said = example["messages"]
    assert asked["content"] == "Note it."
    [call] = called["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == (
        "add_note",
        {"text": "the boiler is loud"},
    )
    assert (called["content"], called["reasoning_content"]) == ("", "Observation: work\nPlan: do it")
    assert (answered["tool_call_id"], answered["name"]) == (call["id"], "add_note")
    assert said["content"] == "It is saved."
    assert example["label"] is True
    assert {"add_note", "read_file"} <= {tool["function"]["name"] for tool in example["tools"]}
    parameters = {it["function"]["name"]: it["function"]["parameters"] for it in example["tools"]}
    assert list(parameters["query_table"]["properties"]) == ["path", "operation", "column", "where"]


def test_arguments_are_in_the_order_of_the_tool(journal: Journal, tmp_path: Path) -> None:
    args = '{"path": "a.csv", "operation": "sum", "column": "b"}'
    run = run_of(journal, [f'{{"tool": "query_table", "args": {args}}}', DONE], tmp_path)
    [example], _ = export("chat", read_trajectory(journal, run.id))
    assert example["messages"][1]["tool_calls"][0]["function"]["arguments"] == args


def test_tokens_are_those_that_the_model_saw_and_made(journal: Journal, tmp_path: Path, words: Vocabulary) -> None:
    run = run_of(journal, [NOTE, DONE], tmp_path)
    found, _ = export("tokens", read_trajectory(journal, run.id))
    assert [it["path"] for it in found] == ["act#1", "act#2"]
    for example, said in zip(found, [NOTE, DONE], strict=True):
        assert len(example["tokens"]) == len(example["loss_mask"])
        made = example["tokens"][example["prompt_length"] :]
        assert words.text(made) == said
        assert not any(example["loss_mask"][: example["prompt_length"]])
        mask = example["loss_mask"][example["prompt_length"] :]
        assert 0 < sum(mask) < len(mask)  # some of a call is forced, some is chosen
    prompt = words.text(found[1]["tokens"][: found[1]["prompt_length"]])
    assert NOTE in prompt
    assert "Saved note 1" in prompt


def test_a_run_is_a_trajectory_in_atif(journal: Journal, tmp_path: Path) -> None:
    run = run_of(journal, [NOTE, DONE], tmp_path)
    [told], _ = export("atif", read_trajectory(journal, run.id))
    assert told["schema_version"] == "ATIF-v1.5"
    assert [it["step_id"] for it in told["steps"]] == [1, 2, 3]
    assert [it["source"] for it in told["steps"]] == ["user", "agent", "agent"]
    call = told["steps"][1]["tool_calls"][0]
    assert (call["function_name"], call["arguments"]) == ("add_note", {"text": "the boiler is loud"})
    assert told["steps"][1]["observation"]["results"][0]["source_call_id"] == call["tool_call_id"]
    metrics = told["steps"][2]["metrics"]
    assert metrics["completion_tokens"] == len(metrics["completion_token_ids"])
    assert metrics["prompt_tokens"] == len(metrics["prompt_token_ids"])
    assert told["final_metrics"]["total_steps"] == 3
    assert told["agent"]["model_name"] == "scripted"


def test_a_conversation_begins_with_what_came_before(journal: Journal, tmp_path: Path) -> None:
    first = run_of(journal, [DONE], tmp_path)
    second = run_of(journal, [NOTE, DONE], tmp_path, history=first.messages, parent=first.id)
    run = read_trajectory(journal, second.id)
    assert [it["role"] for it in run.messages()] == ["user", "assistant", "user", "assistant", "tool", "assistant"]
    [told], _ = export("atif", run)
    assert [it.get("is_copied_context", False) for it in told["steps"]] == [True, True, False, False, False]


def test_refused_outputs_are_bad_examples(journal: Journal, tmp_path: Path) -> None:
    run = run_of(journal, ["no idea", NOTE, DONE], tmp_path, constrain=False)
    trajectory = read_trajectory(journal, run.id)
    whole, bad = export("chat", trajectory)[0]
    assert (whole["label"], bad["label"]) == (True, False)
    assert bad["error"]
    assert [it["content"] for it in bad["messages"]] == ["Note it.", "no idea"]
    assert [it["label"] for it in export("tokens", trajectory)[0]] == [False, True, True]
    assert len(export("chat", trajectory, negatives=False)[0]) == 1
    found, left_out = export("tokens", trajectory, negatives=False)
    assert (len(found), left_out) == (2, {"refused": 1})


def test_a_call_that_was_cut_off_is_no_part_of_the_conversation(journal: Journal, tmp_path: Path) -> None:
    long = json.dumps({"tool": "write_file", "args": {"path": "a.txt", "content": "word " * 200}})
    with scripted_model([long, NOTE, json.dumps({"answer": "It is saved. " * 100})]) as model:
        limits = Limits(step_tokens=120)
        run = Agent(model, workspace=tmp_path, journal=journal, limits=limits).run("Note it.")
    trajectory = read_trajectory(journal, run.id)
    [chat], _ = export("chat", trajectory)
    assert [it["role"] for it in chat["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert chat["messages"][1]["tool_calls"][0]["function"]["name"] == "add_note"
    [told], _ = export("atif", trajectory)
    assert [it["source"] for it in told["steps"]] == ["user", "agent", "agent"]
    assert told["steps"][1]["tool_calls"][0]["function_name"] == "add_note"
    assert [it["label"] for it in export("tokens", trajectory)[0]] == [False, True, True]


def test_the_reward_is_what_was_verified(journal: Journal) -> None:
    expect = {"calls": [{"tool": "add_note", "args": {"text": "the boiler is loud"}}], "answer": "burnt"}
    case = Case.model_validate({"name": "a", "family": "f", "request": "Note it.", "tags": ["t"], "expect": expect})
    with scripted_model([NOTE, DONE]) as model:
        suite = Suite(name="s", digest="", cases=(case,))
        found = asyncio.run(evaluate(model, suite, variants(model, [], StepSettings()), journal))
    run = read_trajectory(journal, found.results[0].run)
    [example], _ = export("chat", run)
    assert (example["label"], example["reward"], example["family"], example["tags"]) == (False, 0.75, "f", ["t"])
    assert export("chat", run, negatives=False) == ([], {"failed": 1})
    assert export("chat", run, least_reward=0.8) == ([], {"too little reward": 1})
    assert export("chat", run, tags=frozenset({"u"})) == ([], {"another tag": 1})
    assert export("chat", run, suite="other") == ([], {"another suite": 1})
    assert export("chat", run, model="other") == ([], {"another model or skill": 1})
    assert export("chat", run, status=Status.FAILED) == ([], {"another outcome": 1})
    assert len(export("chat", run, tags=frozenset({"t"}), least_reward=0.7, suite="s", status=Status.DONE)[0]) == 1


@pytest.mark.parametrize("layout", ["chat", "atif", "tokens"])
def test_the_same_run_twice_is_one_example(layout: Layout, journal: Journal, tmp_path: Path) -> None:
    runs = [read_trajectory(journal, run_of(journal, [DONE], tmp_path).id) for _ in range(2)]
    found, left_out = export(layout, *runs)
    assert (len(found), left_out) == (1, {"the same as another": 1})


@pytest.mark.parametrize("layout", ["chat", "atif", "tokens"])
def test_calls_that_differ_in_one_argument_are_two_examples(layout: Layout, journal: Journal, tmp_path: Path) -> None:
    """Whatever the argument is called."""

    @tool(effect=Effect.PURE)
    def open_ticket(id: str, model: str) -> str:
        """Open a ticket."""
        return "opened"

    runs: list[Trajectory] = []
    for number in (1, 2):
        call = json.dumps({"tool": "open_ticket", "args": {"id": f"T-{number}", "model": "x"}})
        with scripted_model([call, DONE]) as model:
            agent = Agent(model, tools=[open_ticket], workspace=tmp_path, journal=journal)
            runs.append(read_trajectory(journal, agent.run("Open it.").id))
    found, left_out = export(layout, *runs)
    assert (len(found), left_out) == (4 if layout == "tokens" else 2, {})


CALCULATE = '{"tool": "calculate", "args": {"expression": "6*7"}}'


def test_a_call_that_a_person_refuses_keeps_its_place(journal: Journal, tmp_path: Path) -> None:
    policy = Policy.model_validate({"rule": [{"tools": ["add_note"], "then": "ask"}]})
    with scripted_model([NOTE, CALCULATE, DONE]) as model:
        settings = StepSettings(policy=policy)
        agent = Agent(model, workspace=tmp_path, journal=journal, settings=settings, answer=lambda _: "no")
        run = read_trajectory(journal, agent.run("Note it.").id)
    (refused, why), calculated = pairs(run)
    assert (refused, calculated) == ("add_note", ("calculate", "42"))
    assert why.startswith("error: ")
    assert [it["role"] for it in run.messages()][0::2] == ["user", "tool", "tool"], "its no is no part of it"


def test_a_call_that_a_person_changes_is_still_the_models(journal: Journal, tmp_path: Path) -> None:
    policy = Policy.model_validate({"rule": [{"tools": ["add_note"], "then": "ask"}]})
    with scripted_model([NOTE, DONE]) as model:
        settings = StepSettings(policy=policy)
        agent = Agent(
            model, workspace=tmp_path, journal=journal, settings=settings, answer=lambda _: '{"text": "all is well"}'
        )
        run = read_trajectory(journal, agent.run("Note it.").id)
    assert [name for name, _ in pairs(run)] == ["add_note"]


def test_calls_that_a_skill_makes_are_its_own(journal: Journal, tmp_path: Path) -> None:
    async def first_itself(context: Context) -> str:
        await context.call("add_note", text="the boiler is loud")
        action = await context.act()
        assert isinstance(action, Call)
        return (await context.call(action)).text

    run = run_by(journal, [CALCULATE], tmp_path, first_itself)
    assert pairs(run) == [("add_note", "Saved note 1"), ("calculate", "42")]


def test_what_a_person_said_is_a_part_of_every_layout(journal: Journal, tmp_path: Path) -> None:
    with scripted_model(['{"ask": "Which boiler?"}', DONE]) as model:
        agent = Agent(model, workspace=tmp_path, journal=journal, answer=lambda _: "The old one.")
        run = read_trajectory(journal, agent.run("Note it.").id)
    [told], _ = export("atif", run)
    assert [it["message"] for it in told["steps"]] == ["Note it.", "Which boiler?", "The old one.", "It is saved."]
    assert [it["content"] for it in run.messages()] == [it["message"] for it in told["steps"]]


def test_of_a_vote_the_taking_that_counted_is_told(journal: Journal, tmp_path: Path, words: Vocabulary) -> None:
    async def count(context: Context) -> str:
        return str((await context.vote(bool, 9, "Is it loud?")).value).lower()

    with Model(scripted.engine(laws.random_script(words.size), words), Card(name="random")) as model:
        agent = Agent(model, workspace=tmp_path, journal=journal, skill=skill_from(count))
        run = read_trajectory(journal, agent.run("Note it.").id)
    assert run.ended is not None
    assert len({it.taken.text for it in run.steps}) > 1
    assert [it["content"] for it in run.messages()] == ["Note it.", run.ended.answer]
    assert len(run.steps) == 9


def test_runs_that_have_the_words_of_another_are_of_its_family(journal: Journal, tmp_path: Path) -> None:
    first = run_of(journal, [DONE], tmp_path)
    second = run_of(journal, [NOTE, DONE], tmp_path, history=first.messages, parent=first.id)
    families = {read_trajectory(journal, it.id).family for it in (first, second)}
    assert len(families) == 1
    assert "note it" not in families.pop()


def test_tokens_are_of_the_model_that_wrote_them(journal: Journal, tmp_path: Path) -> None:
    other = Model(scripted.engine([DONE]), Card(name="other"))
    with other, scripted_model(["no idea"]) as model:
        settings = StepSettings(constrain=False, retries=0, fallback=other)
        run = Agent(model, workspace=tmp_path, journal=journal, settings=settings).run("Note it.")
    trajectory = read_trajectory(journal, run.id)
    assert [it["model"] for it in export("tokens", trajectory)[0]] == ["scripted", "other"]
    found, left_out = export("tokens", trajectory, model="other")
    assert ([it["label"] for it in found], left_out) == ([True], {"another model or skill": 1})
    assert export("chat", trajectory, model="other") == ([], {"another model or skill": 1})


KEY = "sk-proj-abcdefghijklmnop1234"


def test_secrets_stay_out(journal: Journal, tmp_path: Path) -> None:
    note = json.dumps({"tool": "add_note", "args": {"text": f"the key is {KEY}"}})
    run = read_trajectory(journal, run_of(journal, [note, DONE], tmp_path).id)
    layouts: list[Layout] = ["chat", "atif"]
    for layout in layouts:
        assert "[secret]" in json.dumps(export(layout, run)[0])
        assert KEY not in json.dumps(export(layout, run)[0])
    [told], _ = export("atif", run)
    assert "completion_token_ids" not in json.dumps(told)  # tokens spell what was said
    found, left_out = export("tokens", run)
    assert len(found) + left_out["a secret, which tokens cannot be without"] == 2
    assert left_out["a secret, which tokens cannot be without"] >= 1


def test_a_secret_leaves_whole_json_behind(journal: Journal, tmp_path: Path) -> None:
    args = {"path": "a.txt", "content": "password: hunter22"}
    call = json.dumps({"tool": "write_file", "args": args})
    run = read_trajectory(journal, run_of(journal, [call, DONE], tmp_path).id)
    [example], _ = export("chat", run)
    told = json.loads(example["messages"][1]["tool_calls"][0]["function"]["arguments"])
    assert told == {"path": "a.txt", "content": "password: [secret]"}


def test_a_secret_is_known_by_the_name_of_its_argument(journal: Journal, tmp_path: Path) -> None:
    @tool(effect=Effect.PURE)
    def log_in(user: str, password: str) -> str:
        """Log in."""
        return "done"

    call = json.dumps({"tool": "log_in", "args": {"user": "ana", "password": "correct horse"}})
    with scripted_model([call, DONE]) as model:
        run = Agent(model, tools=[log_in], workspace=tmp_path, journal=journal).run("Log in.")
    trajectory = read_trajectory(journal, run.id)
    for layout in ("chat", "atif"):
        assert "correct" not in json.dumps(export(layout, trajectory)[0])
    assert "ana" in json.dumps(export("chat", trajectory)[0])
    left_out = export("tokens", trajectory)[1]
    assert left_out == {"a secret, which tokens cannot be without": 2}


def test_a_task_leaks_nowhere(journal: Journal, tmp_path: Path) -> None:
    async def greet(context: Context) -> str:
        return await context.reply("Say hello.")

    async def delegating(context: Context) -> str:
        return await context.delegate(greet, "greet somebody")

    with scripted_model(["hello"]) as model:
        agent = Agent(model, workspace=tmp_path, journal=journal, skill=skill_from(delegating))
        run = read_trajectory(journal, agent.run("AKIAIOSFODNN7EXAMPLE12 is mine").id)
    layouts: list[Layout] = ["chat", "atif", "tokens"]
    for layout in layouts:
        found, _ = export(layout, run)
        assert found
        assert "akiaiosfodnn7example12" not in json.dumps(found).casefold()


@pytest.mark.parametrize(
    "text",
    [KEY, "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "Authorization: Bearer abc.def-ghi_jkl", "password=hunter22",
     "AKIAIOSFODNN7EXAMPLE12", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
     '{"password": "hunter22x"}', r'{\"password\": \"hunter22x\"}', "password = hunter22", "my_token=abcdef123",
     "github_pat_11ABCDEFG0abcdefghijkl_mnopq", "npm_abcdefghijklmnopqrstuvwxyz0123456789", "https://ana:pw@host/x"],
)  # fmt: skip
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    assert "[secret]" in redact(f"x {text} y")
    assert redact("a plain sentence about tokens: 17 of them, and a task-list") == (
        "a plain sentence about tokens: 17 of them, and a task-list"
    )


@pytest.mark.parametrize(
    "text", ["skill-development-programme", "sketch_notes_of_march_2026.txt", "a hf of 12", "https://host:8080/x@y"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_families_are_held_out_whole() -> None:
    families = [f"family {number}" for number in range(1_000)]
    held = {name for name in families if is_held_out(name, 0.2)}
    assert 150 < len(held) < 250
    assert held == {name for name in families if is_held_out(name, 0.2)}
    assert held < {name for name in families if is_held_out(name, 0.4)}


def test_the_journal_is_exported(bridle: Any, tmp_path: Path) -> None:
    assert "0 examples of 0 runs" in bridle("dataset", "export").err
    bridle("run", "What is 12 * 12?")
    bridle("run", "What is 15% of 240?")
    file = tmp_path / "data.jsonl"
    told = bridle("dataset", "export", "-o", str(file), "--json").json
    assert (told["examples"], told["good"], told["runs"]) == (2, 2, 2)
    assert [json.loads(line)["label"] for line in file.read_text(encoding="utf-8").splitlines()] == [True, True]
    printed = bridle("dataset", "export", "-o", "-", "--format", "tokens")
    assert len(printed.out.splitlines()) == 4
    told = bridle("dataset", "export", "-o", str(file), "--held-out", "0.5", "--json").json
    other = tmp_path / "data-held-out.jsonl"
    assert len(other.read_text(encoding="utf-8").splitlines()) == told["held_out"]
    assert bridle("dataset", "export", "--status", "lost").code == 2
    assert bridle("dataset", "export", "--redact", "nowhere:f").code == 2
    assert bridle("dataset", "export", "--run", "xyz").code == 2
    Path("cleaner.py").write_text("def clean(text): return text.replace('12', '##')\n", encoding="utf-8")
    bridle("dataset", "export", "-o", str(file), "--redact", "cleaner:clean")
    assert "12 * 12" not in file.read_text(encoding="utf-8")
    Path("dirty.py").write_text("def clean(text): raise KeyError(text)\nname = 'x'\n", encoding="utf-8")
    whole = file.read_text(encoding="utf-8")
    for way in (("--redact", "dirty:clean"), ("--redact", "dirty:name"), ("-o", str(tmp_path / "no" / "x.jsonl"))):
        assert bridle("dataset", "export", "-o", str(file), *way).code == 2
    assert bridle("dataset", "export", "-o", ".").code == 2
    assert file.read_text(encoding="utf-8") == whole
    assert not list(tmp_path.glob("*.part"))
