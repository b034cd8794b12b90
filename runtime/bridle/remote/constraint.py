"""A form as a server can be told it: a JSON Schema, a regular expression or a grammar, as a term of Outlines.

Servers that take only JSON Schema are told JSON forms and choices; the rest goes the road without a grammar, and the
reason for that is given here.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from bridle.errors import GrammarError
from bridle.grammar.action import Actions, actions_schema, closed_object
from bridle.grammar.base import Choice, Form
from bridle.grammar.schema import Json
from bridle.remote.address import Kind

How = Literal["schema", "regex", "grammar"]


@dataclass(frozen=True)
class Constraint:
    """What a server is told of a form."""

    how: How
    source: str
    """The JSON Schema as JSON, the pattern, or the grammar."""

    def term(self) -> Any:
        """The same as Outlines says it; its model classes know how each server is told.

        Raises:
            GrammarError: Outlines refuses it.
        """
        from outlines.types.dsl import CFG, JsonSchema, Regex

        try:
            match self.how:
                case "schema":
                    return JsonSchema(self.source)
                case "regex":
                    return Regex(self.source)
                case "grammar":
                    return CFG(self.source)
        except Exception as error:  # jsonschema's and Outlines' own; what they share is a message
            raise GrammarError(f"Outlines refuses the form: {str(error).splitlines()[0]}") from None


def constraint_of(form: Form[object], kind: Kind) -> Constraint | str:
    """What a kind of server is told of a form; or why it cannot be told."""
    if isinstance(form, Json):
        return Constraint("schema", json.dumps(form.type.schema))
    if isinstance(form, Actions) and form.syntax == "json":
        return Constraint("schema", json.dumps(actions_schema(form.tools, form.sayable, form.cites)))
    if isinstance(form, Choice):
        spelled = [form.spell(option) for option in form.options]
        if kind.regex:
            return Constraint("regex", f"({'|'.join(map(re.escape, spelled))})")
        return Constraint("schema", json.dumps({"type": "string", "enum": spelled}))
    if kind.grammar:
        return Constraint("grammar", form.grammar())
    what = {"xml": "an XML form", "text": "a grammar of text"}.get(form.syntax, "this form")
    return f"the server takes only JSON Schema, and {what} is none"


def canary(how: How, word: str) -> Constraint:
    """A constraint under which only one word can be said, which nothing else could lead a model to."""
    match how:
        case "schema":
            return Constraint("schema", json.dumps(closed_object({"word": {"type": "string", "enum": [word]}})))
        case "regex":
            return Constraint("regex", word)
        case "grammar":
            return Constraint("grammar", f"start: %json {json.dumps({'type': 'string', 'enum': [word]})}")
