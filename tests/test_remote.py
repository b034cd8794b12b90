"""Models behind servers: real HTTP on loopback, servers that keep constraints, ignore them, fail, and think."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import laws
from bridle.agent import Agent
from bridle.engine.base import Stop
from bridle.errors import ContextError, EngineError, UsageError
from bridle.evals.scripted import scripted_model
from bridle.evals.server import Server as LlamaServer
from bridle.grammar import form_of
from bridle.grammar.action import Actions
from bridle.grammar.thinking import Thinking
from bridle.how import StepSettings
from bridle.journal import Journal, StepTaken
from bridle.local import open_remote
from bridle.model import Model
from bridle.prompt import Message
from bridle.remote.address import KINDS, Address
from bridle.remote.constraint import actions_schema
from bridle.shelf import shelf
from bridle.step import Outcome, Step, StepError, take
from bridle.turn import Progress, Writer
from conftest import Result
from servers import Fault, Server, loopback

pytest.importorskip("openai", reason="pip install bridle[remote]")
pytest.importorskip("ollama", reason="pip install bridle[remote]")
pytestmark = pytest.mark.skipif(not loopback(), reason="there is no loopback network")

LLAMA_SERVER = os.environ.get("BRIDLE_TEST_LLAMA_SERVER", "")


class Ticket(BaseModel):
    kind: Literal["note", "mail", "event"]
    urgent: bool


TICKET = '{"kind": "mail", "urgent": true}'
MAIL = [Message("user", "Please send a mail today!")]


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    monkeypatch.setattr("bridle.remote.model.FIRST_WAIT", 0.01)


def do(model: Writer, form: Any, **options: Any) -> Outcome[Any]:
    options.setdefault("max_tokens", 64)
    return asyncio.run(take(Step(options.pop("messages", MAIL), form, **options), model))


def told(kind: str, body: dict[str, Any]) -> Any:
    """The schema in a request, where a server of this kind looks for it."""
    match kind:
        case "ollama":
            return body["format"]
        case "vllm":
            return body["structured_outputs"]["json"]
        case _:
            return body["response_format"]["json_schema"]["schema"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_server_is_told_the_form_in_its_own_words_and_keeps_it(kind: str, colt: Model) -> None:
    with Server(colt) as server, open_remote(server.address(kind)) as model:
        first, second = do(model, form_of(Ticket)), do(model, form_of(Ticket))
        assert isinstance(first.value, Ticket)
        assert told(kind, server.steps[0])["properties"]["kind"]["enum"] == ["note", "mail", "event"]
        if kind == "ollama":
            assert (server.steps[0]["truncate"], server.steps[0]["shift"]) == (False, False)
            assert server.steps[0]["options"]["num_ctx"] == colt.card.context
    attempt = first.attempts[0]
    assert attempt.held_by == "server"
    assert "the server keeps a schema" in attempt.notes[0]
    assert second.attempts[0].notes == (), "the canary flies once"
    assert len(server.asked) == 3
    assert attempt.generation.usage.prompt == len(colt.template.prompt(MAIL).tokens)
    assert attempt.generation.usage.sampled > 0
    assert attempt.model == model.name == f"{server.address(kind)}colt"


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_ignores_constraints_is_found_out_and_read_tolerantly(kind: str) -> None:
    replies = ["no", "Sure! ```json\n{kind: 'mail', urgent: True,}\n```"]
    with Server(scripted_model(replies), keeps=False) as server, open_remote(server.address(kind)) as model:
        outcome = do(model, form_of(Ticket))
        asked = server.steps[0]
    assert outcome.value == Ticket(kind="mail", urgent=True)
    attempt = outcome.attempts[0]
    assert attempt.held_by == "nothing"
    assert attempt.mends
    assert "canary: the server ignores a schema" in attempt.notes[0]
    assert "'no' was" in attempt.notes[0]
    assert attempt.notes[1] == "no grammar: the server ignores a schema"
    assert form_of(Ticket).instructions() in asked["messages"][0]["content"], "what no grammar says, the prompt must"
    assert not {"response_format", "structured_outputs", "format"} & asked.keys()
    server.model.close()


def test_xml_is_held_where_a_server_takes_grammars_and_goes_without_where_not(colt: Model) -> None:
    with Server(colt) as server:
        with open_remote(server.address("vllm")) as model:
            held = do(model, form_of(Ticket, "xml"))
        with open_remote(server.address("openai")) as model, pytest.raises(StepError) as caught:
            do(model, form_of(Ticket, "xml"), retries=0)
    assert isinstance(held.value, Ticket)
    assert held.attempts[0].held_by == "server"
    assert caught.value.attempts[0].notes == ("no grammar: the server takes only JSON Schema, and an XML form is none",)
    assert caught.value.attempts[0].held_by == "nothing"


@pytest.mark.parametrize("kind", ["openai", "vllm", "sglang", "ollama"])
def test_choices_and_grammars(kind: str, colt: Model) -> None:
    from outlines.types.dsl import Regex

    with Server(colt) as server, open_remote(server.address(kind)) as model:
        chosen = do(model, form_of(Literal["yes", "no"]))
        assert chosen.value in ("yes", "no")
        assert chosen.attempts[0].held_by == "server"
        code = form_of(Regex("[a-c]{3}-[0-9]{2}"))
        if KINDS[kind].grammar:
            outcome = do(model, code)
            assert outcome.attempts[0].held_by == "server"
            assert outcome.value[3] == "-"
        else:
            with pytest.raises(StepError, match="the grammar does not allow"):
                do(model, code, retries=0)


def test_a_constraint_that_a_server_refuses_is_left_out(colt: Model) -> None:
    with Server(scripted_model([TICKET] * 4), takes=False) as server, open_remote(server.address()) as model:
        outcome = do(model, form_of(Ticket))
    assert outcome.value == Ticket(kind="mail", urgent=True)
    assert outcome.attempts[0].held_by == "nothing"
    assert any("response_format is not supported" in note for note in outcome.attempts[0].notes)
    with Server(scripted_model(["", TICKET])) as server, open_remote(server.address()) as model:
        server.faults = deque[Fault](["429", "refuse", "500"])
        assert model.name
        outcome = do(model, form_of(Ticket))
    assert outcome.value == Ticket(kind="mail", urgent=True)


def test_an_agent_works_and_the_journal_has_what_was_sent(colt: Model, tmp_path: Path) -> None:
    with Server(colt) as server, open_remote(server.address()) as model, Journal(tmp_path / "journal.db") as journal:
        run = Agent(model, workspace=tmp_path, journal=journal, settings=StepSettings()).run("What is 15% of 240?")
        events = journal.events(run.id)
        assert journal.verify(run.id) == ""
    assert (run.status, run.answer, run.model) == ("done", "It is 36", model.name)
    assert [call.tool for call in run.calls] == ["calculate"]
    steps = [event.body for event in events if isinstance(event.body, StepTaken)]
    text = ""
    for step, body in zip(steps, server.steps, strict=True):
        text = text[: step.shared_text] + step.prompt_text
        assert json.loads(text) == body["messages"]
        assert step.request["response_format"] == body["response_format"]
        assert (step.held_by, step.constrained, step.model) == ("server", True, model.name)
        assert step.output_tokens == step.prompt_tokens == []
        assert step.tokens.sampled > 0
        assert step.tokens.reused == step.tokens.prompt - 1
    assert "canary" in steps[0].notes[0]
    assert len(steps) == 2
    assert steps[1].shared_text > 100


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ("429", "asked again after 0.0[12] s: .* answered 429: slow down"),
        ("500", "asked again after 0.01 s: .* answered 500: out of memory"),
        ("drop", "asked again after 0.01 s: .*"),
        ("half", 'stopped|cannot be reached|did not answer as it should.*it had written: {"ki'),
        ("garbage", "did not answer as it should"),
        ("odd", "did not answer as it should"),
    ],
)
@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_what_may_pass_is_asked_again_and_told(kind: str, fault: Fault, note: str) -> None:
    texts = [TICKET] * 3
    with Server(scripted_model(texts), keeps=False) as server, open_remote(server.address(kind)) as model:
        server.faults = deque([fault])
        outcome = do(model, form_of(Ticket), constrain=False)
        assert len(server.asked) == 2
        assert outcome.value == Ticket(kind="mail", urgent=True)
        (heard,) = outcome.attempts[0].notes
        assert re.search(note, heard), heard
        server.faults.extend(fault for _ in range(9))
        before = len(server.asked)
        with pytest.raises(EngineError, match=r"tried 4 times") as caught:
            do(model, form_of(Ticket), constrain=False)
        assert len(server.asked) - before == 4
        assert caught.value.retryable
    server.model.close()


def test_a_prompt_that_is_too_long_is_told_and_one_with_some_room_is_asked_again() -> None:
    with Server(scripted_model([TICKET] * 3)) as server, open_remote(server.address()) as model:
        server.faults = deque[Fault](["overflow"])
        with pytest.raises(ContextError, match=r"does not fit the context of colt: request \(4476 tokens\)"):
            do(model, form_of(Ticket), constrain=False)
        server.faults = deque[Fault](["room"])
        outcome = do(model, form_of(Ticket), constrain=False)
        assert [body["max_tokens"] for body in server.asked[-2:]] == [64, 40]
        assert outcome.attempts[0].notes[0].startswith("asked again for 40 tokens at most")
    server.model.close()


def test_a_deadline_keeps_what_was_written_and_a_cancelled_step_leaves() -> None:
    with Server(scripted_model(["word " * 50] * 2), pause=0.05) as server, open_remote(server.address()) as model:
        with pytest.raises(StepError, match="stopped: deadline") as caught:
            do(model, form_of(str), deadline=time.monotonic() + 0.4)
        assert caught.value.stop is Stop.DEADLINE
        assert caught.value.attempts[0].text.startswith("word ")
        assert server.left.wait(5)
        server.left.clear()

        async def leave() -> None:
            task = asyncio.create_task(take(Step(MAIL, form_of(str)), model))
            await asyncio.sleep(0.4)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(leave())
        assert server.left.wait(5), "the server must learn that nobody listens"
    server.model.close()


@pytest.mark.parametrize(
    ("thinks", "before"),
    [("SECRET plan", ""), ("", "<think>SECRET plan</think>\n"), ("", "SECRET plan\n</think>\n\n")],
)
@pytest.mark.parametrize("kind", ["openai", "ollama"])
@pytest.mark.parametrize("thinking", [None, Thinking("<think>\n", "</think>\n")])
def test_thinking_is_hidden_however_it_comes(kind: str, thinks: str, before: str, thinking: Thinking | None) -> None:
    replies = ['{"kind": "mail", "urgent": 7}', TICKET]
    server = Server(scripted_model(replies), keeps=False, thinks=thinks, before=before)
    heard: list[Progress] = []
    with server, open_remote(server.address(kind)) as model:
        outcome = do(model, form_of(Ticket), constrain=False, thinking=thinking, on_progress=heard.append)
    assert [attempt.thinking for attempt in outcome.attempts] == ["SECRET plan"] * 2
    assert [attempt.text for attempt in outcome.attempts] == replies
    laws.law_of_hiding("SECRET", [outcome.text, json.dumps([body["messages"] for body in server.asked])])
    assert "".join(progress.text for progress in heard).count("SECRET") == 2
    if thinks:
        assert {progress.stage for progress in heard if "SECRET" in progress.text} == {"thinking"}
    server.model.close()


def test_counts_that_a_server_does_not_tell_are_not_made_up_in_silence() -> None:
    with Server(scripted_model([TICKET]), counts=False) as server, open_remote(server.address()) as model:
        outcome = do(model, form_of(Ticket), constrain=False)
    assert outcome.attempts[0].notes == ("the server told no token counts; it sent 7 pieces",)
    assert outcome.usage.sampled == 7


def test_a_model_is_found_by_name(colt: Model) -> None:
    with Server(colt, names=("qwen3-8b", "Qwen/Qwen3-4B-Instruct")) as server:
        with pytest.raises(UsageError, match="several models: qwen3-8b, Qwen/Qwen3-4B-Instruct"):
            open_remote(server.address())
        with pytest.raises(UsageError, match="has no model 'gpt'; it has: qwen3-8b"):
            open_remote(server.address(name="gpt"))
        with open_remote(server.address(name="qwen3-4b")) as model:
            assert model.name.endswith("#Qwen/Qwen3-4B-Instruct")


def test_a_key_is_sent_and_never_written_down(bridle: Any, colt: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(colt, key="s3cret-key") as server:
        with pytest.raises(UsageError, match=r"wants another key: no such key: Bearer \*\*\*$") as caught:
            open_remote(server.address(), key="my-wrong-key")
        assert "BRIDLE_API_KEY" in caught.value.hint
        refused = bridle("run", "-m", server.address(), "What is 15% of 240?")
        assert (refused.code, "wants another key" in refused.err) == (2, True)
        monkeypatch.setenv("BRIDLE_API_KEY", "s3cret-key")
        done: Result = bridle("run", "--json", "-m", server.address(), "What is 15% of 240?")
        assert done.json["answer"] == "It is 36"
        shown: Result = bridle("runs", "show", "last", "--json")
        assert "s3cret" not in shown.out + repr(done.json)
        assert "response_format" in shown.out


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("openai:#m", "does not say where the server is"),
        ("nope:http://127.0.0.1/v1#m", "'nope' is no kind of server; there are: openai, vllm"),
        ("vllm:ftp://x#m", "'ftp://x' is not the address of a server"),
        ("vllm:http://[::1#m", "is not the address of a server"),
        ("vllm:http://x:99999/v1#m", "is not the address of a server"),
        ("vllm:http://me:pass@x/v1#m", "holds a password"),
        ("openai:http://127.0.0.1:1/v1#m", "http://127.0.0.1:1/v1 cannot be reached"),
        ("ollama:http://127.0.0.1:1#m", "http://127.0.0.1:1 cannot be reached"),
    ],
)
def test_bad_addresses_are_told_in_a_line(bridle: Any, address: str, complaint: str) -> None:
    result = bridle("run", "-m", address, "hello")
    assert result.code in (1, 2)
    assert complaint in result.err
    assert "hint: " in result.err


def test_the_wrong_server_is_told(colt: Model) -> None:
    with Server(colt) as server, pytest.raises(UsageError, match="does not know m") as caught:
        open_remote(f"openai:{server.base}#m")
    assert "/v1" in caught.value.hint


def test_without_its_client_library_a_server_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(UsageError, match="needs the package 'openai'") as caught:
        open_remote("vllm:#m")
    assert caught.value.hint == 'pip install "bridle[remote]"'


def test_addresses_are_read_and_spelled() -> None:
    assert Address.parse("ollama:#qwen3:4b") == Address("ollama", "http://127.0.0.1:11434", "qwen3:4b")
    assert str(Address.parse("openai:https://x.y/v1/")) == "openai:https://x.y/v1#"
    assert [Address.parse(f"vllm:http://{host}").local for host in ("127.0.0.1:8", "[::1]", "127.evil.com", "x")] == [
        True,
        True,
        False,
        False,
    ]


def test_tools_as_one_schema_keep_their_references() -> None:
    tree: dict[str, Any] = {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/Node"}, "enum": {"$ref": "#/$defs/Node"}},
        "required": ["root"],
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "n": {"type": "integer"}}}
        },
    }
    form = Actions({"walk": tree, "stop": {"type": "object", "properties": {}}})
    schema: Any = actions_schema(form.tools)
    validator: Any = Draft202012Validator(schema)
    good: list[Any] = [
        {"tool": "walk", "args": {"root": {"next": {"n": 1}}}},
        {"tool": "stop", "args": {}},
        {"answer": "x"},
    ]
    bad: list[Any] = [
        {"tool": "walk", "args": {"root": {"next": {"n": "1"}}}},
        {"tool": "run", "args": {}},
        {"answer": 1},
    ]
    assert [validator.is_valid(it) for it in good] == [True] * 3
    assert [validator.is_valid(it) for it in bad] == [False] * 3
    assert not validator.is_valid({"tool": "walk", "args": {"root": {}, "enum": {"n": "1"}}})


def test_a_model_of_this_machine_takes_over_from_a_server_that_fails(bridle: Any, colt: Model) -> None:
    with Server(colt) as server, open_remote(server.address()) as model:
        faults: list[Fault] = ["500"] * 4
        server.faults = deque(faults)
        outcome = do(model, form_of(Ticket), fallback=colt)
        assert isinstance(outcome.value, Ticket)
        (attempt,) = outcome.attempts
        assert (attempt.model, attempt.held_by) == ("colt", "mask")
        assert re.search("taken by the fallback model, for .* answered 500: out of memory", attempt.notes[0])
        server.faults = deque(faults * 25)
        result: Result = bridle("run", "--json", "-m", server.address(), "--fallback", "colt", "What is 15% of 240?")
    assert result.json["answer"] == "It is 36"
    shown = bridle("runs", "show", "last", "--json").out
    assert "taken by the fallback model" in shown


def test_several_steps_at_once_share_a_canary(colt: Model) -> None:
    with Server(colt, pause=0.01) as server, open_remote(server.address()) as model:

        async def several() -> list[Outcome[Any]]:
            steps = [Step(MAIL, form_of(Ticket), max_tokens=64) for _ in range(4)]
            return await asyncio.gather(*(take(step, model) for step in steps))

        outcomes = asyncio.run(several())
        assert [attempt.held_by for outcome in outcomes for attempt in outcome.attempts] == ["server"] * 4
        assert len(server.asked) - len(server.steps) == 1


def test_a_schema_that_outlines_refuses_goes_without_a_grammar(colt: Model) -> None:
    """It checks schemas as draft 7, where `additionalItems` is a schema; since 2020 the word means nothing."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "additionalItems": 3}}, "required": ["a"]}
    with Server(scripted_model(["no", '{"a": "b"}'])) as server, open_remote(server.address()) as model:
        outcome = do(model, form_of(schema))
    assert outcome.value == {"a": "b"}
    assert outcome.attempts[0].held_by == "nothing"
    assert any("Outlines refuses the form" in note for note in outcome.attempts[0].notes)
    server.model.close()


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_a_prompt_is_sent_nowhere_else(kind: str) -> None:
    with Server(scripted_model([]), faults=deque[Fault](["elsewhere"])) as server:
        with open_remote(server.address(kind)) as model, pytest.raises(EngineError, match="307"):
            do(model, form_of(Ticket), constrain=False, retries=0)
        assert len(server.asked) == 1
    server.model.close()


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_a_server_that_never_ends_is_left(kind: str) -> None:
    with Server(scripted_model(["x"]), faults=deque[Fault](["endless"])) as server:
        with open_remote(server.address(kind)) as model:
            outcome = do(model, form_of(str), max_tokens=40)
        assert server.left.wait(5)
    assert outcome.cut
    assert len(outcome.text) < 10_000
    assert "the server wrote on after 40 tokens and was left" in outcome.attempts[0].notes
    server.model.close()


def test_what_closes_is_closed(colt: Model) -> None:
    with Server(colt) as server:
        model = open_remote(server.address())
        do(model, form_of(Ticket))
        model.close()
        model.close()
        with pytest.raises(EngineError, match="closed"):
            do(model, form_of(Ticket))


@pytest.mark.skipif(not LLAMA_SERVER, reason="BRIDLE_TEST_LLAMA_SERVER names no llama-server")
@pytest.mark.parametrize("kind", ["openai", "llamacpp"])
def test_a_real_llama_server(kind: str, tmp_path: Path) -> None:
    with LlamaServer(Path(LLAMA_SERVER), shelf("models") / "colt" / "colt.gguf", context=2048) as server:
        address = f"{kind}:{server.url}/v1#colt"
        with open_remote(address) as model, Journal(tmp_path / "journal.db") as journal:
            ticket = do(model, form_of(Ticket))
            assert isinstance(ticket.value, Ticket)
            assert ticket.attempts[0].held_by == "server"
            assert "the server keeps a schema" in ticket.attempts[0].notes[0]
            assert ticket.usage.prompt > 0
            assert do(model, form_of(Literal["yes", "no"])).value in ("yes", "no")
            for syntax in ("json", "xml"):
                settings = StepSettings(format=syntax)
                run = Agent(model, workspace=tmp_path, journal=journal, settings=settings).run("What is 15% of 240?")
                assert (run.status, run.answer) == ("done", "It is 36")
            with pytest.raises(ContextError, match="does not fit the context"):
                do(model, form_of(str), messages=[Message("user", "word " * 5000)])
