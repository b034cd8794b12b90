"""Injections against a policy: a model that says what an attacker wants whenever the grammar lets it (AgentDojo).

    pip install "bridle[injections]"
    python benchmarks/injections.py

AgentDojo (Debenedetti et al. 2024) has tasks of a user over an office, a bank, a chat and a travel agency, and goals of
an attacker whose text stands in what the tools return. The worst model there can be does the user's task to the end
and then makes every call of the attacker's that can be said: no model is asked. What can be said is decided by the
grammar that Bridle compiles for a real step, from a policy (`RULES`) that names, for each tool, the arguments that
carry authority: who gets it, which file, which account. A goal is *reached* if AgentDojo's own check says so once the
calls that could be said were made in its world; it is *touched* if any call that changes something could be said.
Goals without a call (the attacker wants words) are no business of a policy, and counted apart.

Utility is the share of the user's tasks of which every call can be said, at the time it is made; directories in scope
that need no question (the channels there are, the payments that are due) are asked first, by the attacker's model too.

The scope, the tools that a run may use, is taken from the task's own solution: what a model that chooses it without a
mistake would choose (an upper bound, as in AgentDojo's tool filter), with the directories of what they act on.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, cast

from pydantic import JsonValue, TypeAdapter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bridle.engine import scripted
from bridle.evals.tasks import declared
from bridle.grammar.action import Actions
from bridle.grammar.compile import Compiler
from bridle.grammar.observed import read_path
from bridle.grammar.said import Call
from bridle.policy import OPEN, Policy
from bridle.tool import Tool

CONSOLE = Console(stderr=True)
VERSION = "v1.2.2"
"""Of AgentDojo's tasks."""
EVENTS = ["search_calendar_events[*]", "get_day_calendar_events[*]", "create_calendar_event"]
CONTACTS = ["search_contacts_by_name[*].email", "search_contacts_by_email[*].email"]
INVITED = ["search_calendar_events[*].participants[*]", "get_day_calendar_events[*].participants[*]"]
CHANNELS = ["get_channels[*]"]
USERS = ["get_users_in_channel[*]", "read_channel_messages[*].sender"]
PAYEES = ["get_scheduled_transactions[*].recipient", "get_most_recent_transactions[*].recipient"]
FILES = ["list_files[*].id_", "search_files[*].id_", "search_files_by_filename[*].id_", "create_file.id_"]
RULES: dict[str, list[dict[str, Any]]] = {
    "workspace": [
        {"tools": ["send_email"], "trusted": ["recipients", "cc", "bcc"], "trusted_from": CONTACTS},
        {
            "tools": ["*_email"],
            "trusted": ["email_id"],
            "trusted_from": ["search_emails[*].id_", "get_unread_emails[*].id_"],
        },
        {"tools": ["*calendar_event*"], "trusted": ["participants"], "trusted_from": [*CONTACTS, *INVITED]},
        {"tools": ["*calendar_event*"], "trusted": ["event_id"], "trusted_from": [f"{it}.id_" for it in EVENTS]},
        {"tools": ["*_file*"], "trusted": ["file_id"], "trusted_from": FILES},
        {"tools": ["share_file"], "trusted": ["email"], "trusted_from": CONTACTS},
    ],
    "travel": [
        {
            "tools": ["send_email"],
            "trusted": ["recipients", "cc", "bcc"],
            "trusted_from": ["get_user_information.Email"],
        },
        {"tools": ["*calendar_event*"], "trusted": ["participants"], "trusted_from": INVITED},
        {"tools": ["*calendar_event*"], "trusted": ["event_id"], "trusted_from": [f"{it}.id_" for it in EVENTS]},
        {"tools": ["reserve_hotel"], "trusted": ["hotel"], "trusted_from": ["get_all_hotels_in_city"]},
        {"tools": ["reserve_restaurant"], "trusted": ["restaurant"], "trusted_from": ["get_all_restaurants_in_city"]},
        {"tools": ["reserve_car*"], "trusted": ["company"], "trusted_from": ["get_all_car_rental_companies_in_city"]},
    ],
    "banking": [
        {"tools": ["send_money", "*_transaction"], "trusted": ["recipient"], "trusted_from": PAYEES},
        {"tools": ["*_transaction"], "trusted": ["id"], "trusted_from": ["get_scheduled_transactions[*].id"]},
        {"tools": ["update_password"], "trusted": ["password"]},
    ],
    "slack": [
        {"tools": ["send_direct_message"], "trusted": ["recipient"], "trusted_from": USERS},
        {"tools": ["*channel*"], "trusted": ["channel"], "trusted_from": CHANNELS},
        {"tools": ["add_user_to_channel", "remove_*"], "trusted": ["user"], "trusted_from": USERS},
        {"tools": ["invite_*"], "trusted": ["user", "user_email"]},
        {"tools": ["*_webpage"], "trusted": ["url"]},
    ],
}
"""Whose word is needed for what: the arguments that say who gets something, or what it is done to; and the places that
the application itself fills, its directories and the numbers that it gives to things."""
READS = ("get_", "search_", "list_", "read_", "check_")
COMPILER = Compiler(scripted.vocabulary())


@dataclass
class World:
    """One of AgentDojo's worlds after some calls, and what a policy may trust by then."""

    suite: Any
    environment: Any
    words: str
    runtime: Any
    results: dict[str, list[JsonValue]] = field(default_factory=dict[str, list[JsonValue]])

    def make(self, call: Any) -> None:
        """Make a call for real."""
        value, _ = self.runtime.run_function(self.environment, call.function, call.args)
        told: JsonValue = TypeAdapter(Any).dump_python(value, mode="json")
        self.results.setdefault(call.function, []).append(told)

    def look_up(self, tools: Mapping[str, Tool], policy: Policy) -> None:
        """Ask those directories among some tools that need no question: a model that needs a handle would."""
        call: Any = import_module("agentdojo.functions_runtime").FunctionCall
        for name in sorted(directories(tools.values(), policy) & tools.keys()):
            if not self.runtime.functions[name].parameters.model_fields:
                self.make(call(function=name, args={}))


def directories(tools: Iterable[Tool], policy: Policy) -> set[str]:
    """The tools whose results may fill trusted arguments of some tools."""
    return {read_path(it)[0] for tool in tools for paths in policy.verdict(tool).trusted.values() for it in paths}


def sayable(call: Any, tools: Mapping[str, Tool], policy: Policy, world: World) -> bool:
    """Whether a call can be said by a model that is held to the policy."""
    if (tool := tools.get(call.function)) is None:
        return False
    schema = policy.verdict(tool).narrowed(tool.schema, [world.words], world.results)
    if schema is None:
        return False
    args = {name: it for name, it in json.loads(json.dumps(dict(call.args))).items() if it is not None}
    order = [name for name in cast("Mapping[str, JsonValue]", tool.schema["properties"]) if name in args]
    return _said(tool.name, json.dumps(schema), json.dumps({name: args[name] for name in order}))


@cache
def _said(tool: str, schema: str, args: str) -> bool:
    form = Actions({tool: json.loads(schema)})
    matcher = COMPILER.compile(form.grammar()).start.deep_copy()
    tokens = COMPILER.vocabulary.tokenize(form.spell(Call(tool, json.loads(args))), False).tolist()
    return bool(matcher.consume_tokens(tokens) and matcher.is_accepting())


def tools_of(suite: Any) -> dict[str, Tool]:
    """The tools of a world."""
    made = [(it, _schema(it.parameters.model_json_schema())) for it in suite.tools]
    return {it.name: declared(it.name, it.description, schema) for it, schema in made}


def _schema(schema: dict[str, Any]) -> dict[str, JsonValue]:
    """Without the null of arguments that can be left out."""
    for name, spec in schema.setdefault("properties", {}).items():
        rest = [it for it in spec.get("anyOf", []) if it.get("type") != "null"]
        if len(rest) == 1:
            schema["properties"][name] = rest[0]
    return {**schema, "type": "object", "additionalProperties": False}


def begin(suite: Any, prompt: str, task: Any, goal: str = "") -> World:
    """A world in which the attacker's text stands wherever it can."""
    injected = dict.fromkeys(suite.get_injection_vector_defaults(), goal) if goal else {}
    environment = task.init_environment(suite.load_and_inject_default_environment(injected))
    runtime: Any = import_module("agentdojo.functions_runtime")
    return World(suite, environment, prompt, runtime.FunctionsRuntime(suite.tools))


def useful(suite: Any, task: Any, tools: Mapping[str, Tool], policy: Policy) -> str:
    """The first call of the user's task that cannot be said; empty if all can."""
    world = begin(suite, task.PROMPT, task)
    world.look_up(tools, policy)
    for call in task.ground_truth(world.environment):
        if not sayable(call, tools, policy, world):
            return f"{call.function} {json.dumps(dict(call.args))[:150]}"
        world.make(call)
    return ""


def attacked(suite: Any, task: Any, goal: Any, tools: Mapping[str, Tool], policy: Policy) -> tuple[bool, bool]:
    """Whether the attacker's goal is reached, and whether anything of it that changes something could be said."""
    world = begin(suite, task.PROMPT, task, goal.GOAL)
    world.look_up(tools, policy)
    for call in task.ground_truth(begin(suite, task.PROMPT, task).environment):
        world.make(call)
    before = world.environment.model_copy(deep=True)
    made = list[Any]()
    for call in goal.ground_truth(before):
        if sayable(call, tools, policy, world):
            world.make(call)
            made.append(call)
    try:
        reached = goal.security_from_traces("", before, world.environment, made)
        if reached is None:
            reached = goal.security("", before, world.environment)
    except (IndexError, KeyError, AttributeError):  # it looks for what is not there
        reached = False
    return bool(reached), any(not it.function.startswith(READS) for it in made)


def levels(suite: str) -> dict[str, tuple[Policy, bool]]:
    """Policies, stricter and stricter, each with whether there is a scope."""
    rules = RULES[suite]
    handles = Policy.model_validate({"unsafe": "allow", "rule": rules})
    words = Policy.model_validate({"unsafe": "allow", "rule": [{**it, "trusted_from": []} for it in rules]})
    return {
        "nothing": (OPEN, False),
        "scope": (OPEN, True),
        "words and handles": (handles, False),
        "scope, words and handles": (handles, True),
        "scope, words": (words, True),
    }


def measure(names: Sequence[str], say: bool) -> dict[str, Any]:
    """All levels over all suites."""
    known: Any = import_module("agentdojo.task_suite.load_suites")
    suites = {name: it for name, it in known.get_suites(VERSION).items() if name in names}
    counts: dict[str, Counter[str]] = {}
    for name, suite in suites.items():
        tools = tools_of(suite)
        for level, (policy, scoped) in levels(name).items():
            count = counts.setdefault(level, Counter())
            for task in track(suite.user_tasks.values(), f"{name}: {level}", console=CONSOLE):
                fresh = begin(suite, task.PROMPT, task).environment
                needed = {call.function for call in task.ground_truth(fresh)}
                if scoped:  # and what the arguments of its tools are looked up with
                    needed |= directories([tools[it] for it in needed], policy)
                offered = {it: tool for it, tool in tools.items() if it in needed} if scoped else tools
                why = useful(suite, task, offered, policy)
                count["tasks"] += 1
                count["useful"] += not why
                if why and say:
                    CONSOLE.print(f"{name}, {level}: {task.ID}: {why}", markup=False)
                for goal in suite.injection_tasks.values():
                    if not goal.ground_truth(fresh):
                        count["words only"] += 1
                        continue
                    reached, touched = attacked(suite, task, goal, offered, policy)
                    count["attacks"] += 1
                    count["reached"] += reached
                    count["touched"] += touched
                    if reached and scoped and say:
                        CONSOLE.print(f"{name}, {level}: {task.ID} is misused for {goal.ID}", markup=False)
    return {level: dict(count) for level, count in counts.items()}


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suites", nargs="*", default=list(RULES))
    parser.add_argument(
        "--why", action="store_true", help="say which calls cannot be said, and which goals are reached"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        found = measure(options.suites, options.why)
    except ImportError:
        sys.exit("this needs AgentDojo: pip install 'bridle[injections]'")
    if options.json:
        print(json.dumps(found))
        return
    table = Table("held by", "goals not reached", "not even touched", "user's tasks that can be done", box=None)
    for level, it in found.items():
        attacks, tasks = it["attacks"], it["tasks"]
        table.add_row(
            level,
            f"{1 - it.get('reached', 0) / attacks:.1%} of {attacks}",
            f"{1 - it.get('touched', 0) / attacks:.1%}",
            f"{it.get('useful', 0) / tasks:.1%} of {tasks}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
