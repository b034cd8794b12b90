"""Runs become data for training: conversations, trajectories in ATIF, or the exact tokens with a mask for the loss.

A run is a good example if an evaluation passed it (or, where none looked, if it was done), else a bad one; an output
that was refused and asked for again is a bad one by itself. Nothing is verified here: the reward is the evaluation's.

ATIF is the Agent Trajectory Interchange Format, version 1.5 (Harbor, RFC 0001).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

from pydantic import JsonValue

from bridle.evals.trajectory import Exact, Trajectory, Turn
from bridle.journal import Status, is_reading
from bridle.journal.chain import canonical_json

Layout: TypeAlias = Literal["chat", "atif", "tokens"]
Example: TypeAlias = dict[str, JsonValue]
Redact: TypeAlias = Callable[[str], str]
"""Takes secrets out of a text."""

HIDDEN = "[secret]"
_NUMBERS = ("tokens", "loss_mask")
"""What of an example is long, and no text."""
_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:(?:sk|pk|rk|hf|npm|gh[oprsu]|github_pat|glpat|xox[abprs])[-_]|AKIA|ASIA|AIza)[A-Za-z0-9_-]{16,}\b"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    r"|(?i:(\bbearer ))[A-Za-z0-9._~+/=-]{12,}"
    r"|(://)[^\s/:@]+:[^\s/@]+(?=@)"
    r"|(?i:((?<![a-z0-9])(?:password|passwd|passphrase|secret|token|(?:api|access)[_-]?key)"
    r"\\?[\"']?\s*[=:]\s*\\?[\"']?))[^\s\"'\\,;}\]]{6,}",
    re.DOTALL,
)
"""What a secret looks like; what stands before it and is none is in a group."""


def redact(text: str) -> str:
    """Take out what looks like a secret: private keys, keys of well-known services, bearer tokens, passwords.

    >>> redact('use sk-proj-abcdefghijklmnop1234 and {"password": "hunter22"}')
    'use [secret] and {"password": "[secret]"}'
    """
    return _SECRETS.sub(lambda found: "".join(filter(None, found.groups())) + HIDDEN, text)


@dataclass(frozen=True)
class Wanted:
    """Which runs are exported; what is not said is not looked at."""

    status: Status | None = None
    least_reward: float | None = None
    """Runs that no evaluation looked at have none, and are left out."""
    tags: frozenset[str] = frozenset()
    """One of these."""
    suite: str = ""
    model: str = ""
    skill: str = ""
    keeps_rules: bool = False
    """No call that its case forbids."""
    negatives: bool = True
    """Also failed runs and refused outputs."""

    def why_not(self, run: Trajectory, models: Collection[str]) -> str:
        """Why a run is not wanted, of whose models one has to be the wanted one; empty if it is."""
        judged, started = run.judged, run.started
        if self.status is not None and run.status is not self.status:
            return "another outcome"
        if self.least_reward is not None and (run.reward is None or run.reward < self.least_reward):
            return "too little reward"
        if self.tags and not (judged and self.tags & set(judged.tags)):
            return "another tag"
        if self.suite and not (judged and judged.suite == self.suite):
            return "another suite"
        if (self.model and self.model not in models) or (self.skill and started.skill != self.skill):
            return "another model or skill"
        if self.keeps_rules and judged and judged.checks.get("rules"):
            return "a rule broken"
        if not self.negatives and not run.succeeded:
            return "failed"
        return "" if run.steps else "no steps"


@dataclass
class Export:
    """Examples in one layout, once each; `left_out` counts runs and examples by why they are not among them."""

    layout: Layout
    wanted: Wanted = field(default_factory=Wanted)
    redact: Redact = redact
    left_out: Counter[str] = field(default_factory=Counter[str])

    def examples(self, runs: Iterable[Trajectory]) -> Iterator[tuple[str, Example]]:
        """Examples, each with the family that it belongs to."""
        seen = set[str]()
        for run in runs:
            exact = self.layout == "tokens"
            models = {_written_by(run, it) for it in run.steps} if exact else {run.started.model}
            if why := self.wanted.why_not(run, models):
                self.left_out[why] += 1
                continue
            for example, taught in self._of(run):
                digest = hashlib.sha256(canonical_json(taught).encode()).hexdigest()
                if digest in seen:
                    self.left_out["the same as another"] += 1
                else:
                    seen.add(digest)
                    yield run.family, example

    def _of(self, run: Trajectory) -> Iterator[tuple[Example, JsonValue]]:
        """Examples, each with what makes it another than the rest."""
        if self.layout == "atif":
            said = "".join(step.prompt_text + step.taken.thinking + step.taken.text for step in run.steps)
            yield self._clean(atif(run, exact=self.redact(said) == said)), _taught(self._clean(chat(run)))
            return
        if self.layout == "chat":
            made = [chat(run)]
            if self.wanted.negatives:
                made += [refused(run, it) for it in run.steps if it.taken.error and not is_reading(it.taken.path)]
            yield from ((clean, _taught(clean)) for clean in map(self._clean, made))
            return
        for step in run.steps:
            if not step.prompt_tokens:
                self.left_out["no tokens, it was written by a server"] += 1
            elif self.wanted.model not in ("", _written_by(run, step)):
                self.left_out["another model or skill"] += 1
            elif not step.accepted and not self.wanted.negatives:
                self.left_out["refused"] += 1
            elif self.redact(said := step.prompt_text + step.taken.thinking + step.taken.text) != said:
                self.left_out["a secret, which tokens cannot be without"] += 1
            else:
                made = tokens(run, step)
                yield (
                    {**made, **self._clean({key: it for key, it in made.items() if key not in _NUMBERS})},
                    _taught(made),
                )

    def _clean(self, example: Example) -> Example:
        return {key: self._without_secrets(value) for key, value in example.items()}

    def _without_secrets(self, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self.redact(value)
            case list():
                return [self._without_secrets(item) for item in value]
            case {"name": name, "arguments": str(arguments)}:
                told = json.dumps(self._without_secrets(json.loads(arguments)), ensure_ascii=False)
                return {"name": name, "arguments": told}
            case dict():
                return {key: self._named(key, item) for key, item in value.items()}
            case _:
                return value

    def _named(self, name: str, value: JsonValue) -> JsonValue:
        """A value without secrets; one that only its name gives away is none of it."""
        clean = self._without_secrets(value)
        if isinstance(clean, str) and not self.redact(f"{name}: {value}").endswith(clean):
            return HIDDEN
        return clean


def chat(run: Trajectory) -> Example:
    """A run as a conversation with tools, as chat templates and trainers read it."""
    return {**_about(run), "label": run.succeeded, "messages": list(run.messages()), "tools": _tools(run)}


def refused(run: Trajectory, step: Exact) -> Example:
    """An output that was refused, after all that was said before it."""
    said: Example = {"role": "assistant", "content": step.taken.text}
    if step.taken.thinking:
        said["reasoning_content"] = step.taken.thinking
    messages: list[JsonValue] = [*run.messages(step.number), said]
    return {**_about(run), "label": False, "error": step.taken.error, "messages": messages, "tools": _tools(run)}


def tokens(run: Trajectory, step: Exact) -> Example:
    """One asking of the model: what it saw and made, and which tokens of it were a choice of its own."""
    taken = step.taken
    mask: list[JsonValue] = [*[0] * len(step.prompt_tokens), *(int(letter == "s") for letter in taken.forced)]
    return {
        **_about(run),
        "model": _written_by(run, step),
        "step": step.number,
        "path": taken.path,
        "label": step.accepted and run.succeeded,
        "error": taken.error,
        "tokens": [*step.prompt_tokens, *taken.output_tokens],
        "loss_mask": mask,
        "prompt_length": len(step.prompt_tokens),
    }


def atif(run: Trajectory, *, exact: bool = True) -> Example:
    """A run as a trajectory in ATIF; with the tokens of each step if it is to be `exact`."""
    started = run.started
    steps: list[dict[str, JsonValue]] = []
    earlier = run.earlier.messages() if run.earlier else []
    for message in earlier:
        if message["role"] in ("user", "assistant"):
            source = "user" if message["role"] == "user" else "agent"
            steps.append({"source": source, "message": message["content"], "is_copied_context": True})
    steps.append({"source": "user", "message": started.task})
    taken = {step.number: step for step in run.steps}
    results = {
        str(it.message["tool_call_id"]): it.message["content"] for it in run.turns if it.message["role"] == "tool"
    }
    for turn in run.turns:
        if turn.message["role"] == "user":
            steps.append({"timestamp": turn.event.at, "source": "user", "message": turn.message["content"]})
        elif turn.message["role"] == "assistant":
            steps.append(_atif_step(turn, taken.get(turn.event.number), results, exact=exact))
    for number, it in enumerate(steps, 1):
        it["step_id"] = number
    made = [step.taken.tokens for step in run.steps]
    return {
        "schema_version": "ATIF-v1.5",
        "session_id": run.run,
        "agent": {
            "name": f"bridle {started.skill}",
            "version": started.version,
            "model_name": started.model,
            "tool_definitions": _tools(run),
        },
        "steps": [{"step_id": it["step_id"], **it} for it in steps],
        "final_metrics": {
            "total_prompt_tokens": sum(it.prompt for it in made),
            "total_completion_tokens": sum(it.sampled + it.forced for it in made),
            "total_cached_tokens": sum(it.reused for it in made),
            "total_steps": len(steps),
        },
        "extra": {**_about(run), "status": run.status.value, "succeeded": run.succeeded},
    }


def _atif_step(turn: Turn, step: Exact | None, results: Mapping[str, JsonValue], *, exact: bool) -> Example:
    """A message of the assistant's, with what came of its calls, and the figures of the step that it came of."""
    said = turn.message
    found: Example = {"timestamp": turn.event.at, "source": "agent", "message": said["content"]}
    if thought := said.get("reasoning_content"):
        found["reasoning_content"] = thought
    if calls := cast("list[Example]", said.get("tool_calls", [])):
        functions = [(str(it["id"]), cast("Mapping[str, str]", it["function"])) for it in calls]
        found["tool_calls"] = [
            {"tool_call_id": key, "function_name": it["name"], "arguments": json.loads(it["arguments"])}
            for key, it in functions
        ]
        came: list[JsonValue] = [{"source_call_id": key, "content": results[key]} for key, _ in functions]
        found["observation"] = {"results": came}
    if step is not None:
        taken = step.taken
        metrics: Example = {
            "prompt_tokens": taken.tokens.prompt,
            "completion_tokens": taken.tokens.sampled + taken.tokens.forced,
            "cached_tokens": taken.tokens.reused,
        }
        if exact:
            metrics |= {
                "prompt_token_ids": list(step.prompt_tokens),
                "completion_token_ids": list(taken.output_tokens),
                "extra": {"forced": taken.forced},
            }
        found |= {"model_name": taken.model, "metrics": metrics}
    return found


def is_held_out(family: str, share: float) -> bool:
    """Whether examples of a family belong to the part held out: by the family's name alone, so that it stays there."""
    return int.from_bytes(hashlib.sha256(family.encode()).digest()[:8]) / 2**64 < share


def _written_by(run: Trajectory, step: Exact) -> str:
    """The model that was asked; older journals name only the run's."""
    return step.taken.model or run.started.model


def _about(run: Trajectory) -> Example:
    judged = run.judged
    about: Example = {"run": run.run, "model": run.started.model, "family": run.family, "reward": run.reward}
    if judged:
        about |= {"suite": judged.suite, "case": judged.case, "tags": list(judged.tags)}
    return about


def _tools(run: Trajectory) -> list[JsonValue]:
    return [
        {
            "type": "function",
            "function": {"name": it.name, "description": it.description, "parameters": run.tools[it.name]},
        }
        for it in run.started.tools
    ]


def _taught(example: Example) -> JsonValue:
    """What an example teaches, apart from how its run and its calls are called."""
    if "tokens" in example:
        return [example["tokens"], example["loss_mask"], example["label"]]
    messages = cast("list[Example]", example["messages"])
    return [[_unnamed(message) for message in messages], example["tools"], example["label"]]


def _unnamed(message: Example) -> Example:
    calls = cast("list[Example]", message.get("tool_calls", []))
    return {**message, "tool_call_id": None, "tool_calls": [call["function"] for call in calls]}


def line(example: Example) -> str:
    """An example as one line of JSON."""
    return json.dumps(example, ensure_ascii=False)
