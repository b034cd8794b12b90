"""A run as OpenTelemetry spans, with the semantic conventions of generative AI (version 1.37 of them).

One span for the run (`invoke_agent`), one for each time the model was asked (`chat`), one for each call of a tool
(`execute_tool`), at the times that the journal has. What was said stays out unless it is asked for. Needs the extra
`bridle[otel]`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from bridle.journal import CallAnswered, CallIntended, Event, RunEnded, RunStarted, StepTaken, prompts

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

PROVIDER = "bridle"
Value: TypeAlias = str | int | list[str]


def send(run: str, events: Sequence[Event], tracer: Tracer, *, content: bool = False) -> int:
    """Give the spans of a run to a tracer; how many there were.

    Args:
        run: its id.
        events: all of them.
        tracer: of any provider of the OpenTelemetry SDK.
        content: also send prompts, replies, arguments and results.
    """
    from opentelemetry import trace

    started = next((it for it in events if isinstance(it.body, RunStarted)), None)
    if started is None or not isinstance(began := started.body, RunStarted):
        return 0
    common = {"gen_ai.provider.name": PROVIDER, "gen_ai.conversation.id": run}
    whole = tracer.start_span(
        f"invoke_agent {began.skill}",
        start_time=_at(started),
        attributes={
            **common,
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": began.skill,
            "gen_ai.request.model": began.model,
        },
    )
    inside, count, end = trace.set_span_in_context(whole), 1, _at(events[-1])
    seen = prompts(events) if content else {}
    intents = {it.body.key: it.body for it in events if isinstance(it.body, CallIntended)}
    for event in events:
        match event.body:
            case StepTaken() as step:
                name, told = f"chat {step.model or began.model}", _of_step(step, began)
                if content:
                    told["gen_ai.input.messages"] = _message("user", seen[event.number].text)
                    told["gen_ai.output.messages"] = _message("assistant", step.text)
                begun, error = _before(event, step.seconds), "FormatError" if step.error else ""
            case CallAnswered() as call:
                name, told = f"execute_tool {call.tool}", _of_call(call)
                if content:
                    args = intents[call.key].args if call.key in intents else {}
                    told["gen_ai.tool.call.arguments"] = json.dumps(args, ensure_ascii=False)
                    told["gen_ai.tool.call.result"] = json.dumps(call.result, ensure_ascii=False)
                begun, error = _before(event, call.seconds), "" if call.ok else "ToolError"
            case RunEnded() as ended:
                whole.set_attributes(_of_end(ended))
                if ended.status.fell_short:
                    whole.set_attribute("error.type", ended.status.value)
                    whole.set_status(trace.StatusCode.ERROR, ended.reason if content else "")
                continue
            case _:
                continue
        span = tracer.start_span(name, inside, start_time=begun, attributes={**common, **told})
        if error:
            span.set_attribute("error.type", error)
            span.set_status(trace.StatusCode.ERROR)
        span.end(end_time=_at(event))
        count += 1
    whole.end(end_time=end)
    return count


def _of_step(step: StepTaken, began: RunStarted) -> dict[str, Value]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": step.model or began.model,
        "gen_ai.response.finish_reasons": [step.stop],
        "gen_ai.usage.input_tokens": step.tokens.prompt,
        "gen_ai.usage.output_tokens": step.tokens.sampled + step.tokens.forced,
        "gen_ai.output.type": "json" if began.format == "json" else "text",
        "bridle.path": step.path,
        "bridle.tokens.forced": step.tokens.forced,
        "bridle.tokens.reused": step.tokens.reused,
    }


def _of_call(call: CallAnswered) -> dict[str, Value]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call.key,
    }


def _of_end(ended: RunEnded) -> dict[str, Value]:
    return {
        "gen_ai.usage.input_tokens": ended.tokens.prompt,
        "gen_ai.usage.output_tokens": ended.tokens.sampled + ended.tokens.forced,
        "bridle.status": ended.status.value,
    }


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)


def _at(event: Event) -> int:
    """When, in nanoseconds."""
    return int(datetime.fromisoformat(event.at).timestamp() * 1e9)


def _before(event: Event, seconds: float) -> int:
    return _at(event) - int(seconds * 1e9)
