"""What a mask does not hold of a form: of what some schemas say, and where there is no mask of this process, of all.

Types and schemas check their own values. A grammar of the caller's own does not, nor do the arguments of a tool that
brings no check: a mask would have held both.
"""

from __future__ import annotations

import llguidance

from bridle.errors import FormatError, GrammarError
from bridle.grammar.action import Actions
from bridle.grammar.base import Form, Grammar
from bridle.grammar.compile import reason
from bridle.grammar.pattern import byte_tokenizer
from bridle.grammar.said import Call
from bridle.grammar.schema import Json, typed
from bridle.grammar.xml import Xml


def left_over(form: Form[object]) -> tuple[str, ...]:
    """What of a form's schemas no grammar holds, so that whole documents are checked for it."""
    if isinstance(form, Json):
        return form.type.held.loose
    if isinstance(form, Xml):
        return form.shape.loose
    if isinstance(form, Actions):
        return form.loose
    return ()


def check(form: Form[object], value: object, text: str) -> None:
    """Check what was read.

    Raises:
        FormatError: the form does not allow it; the message says where.
        GrammarError: the form's grammar cannot be compiled.
    """
    if isinstance(form, Grammar):
        match(form.grammar(), text)
    if isinstance(form, Actions) and isinstance(value, Call) and value.tool not in form.checks:
        typed(form.tools[value.tool], value.tool).load(dict(value.args))


def match(grammar: str, text: str) -> None:
    """Check that a grammar allows a text as a whole.

    Raises:
        FormatError: it does not; the message says from which character on.
        GrammarError: the grammar cannot be compiled.
    """
    matcher = llguidance.LLMatcher(byte_tokenizer(), llguidance.LLMatcher.grammar_from_lark(grammar), log_level=0)
    if matcher.is_error():
        raise GrammarError(f"the grammar cannot be compiled: {reason(matcher.get_error())}")
    data = text.encode()
    taken = matcher.try_consume_tokens(list(data))
    if taken < len(data):
        at = len(data[:taken].decode("utf-8", "ignore"))
        raise FormatError(f"the grammar does not allow what stands at character {at}", text=text)
    if not matcher.is_accepting():
        raise FormatError(f"the grammar wants more after character {len(text)}", text=text)
