"""A run as one page that opens from disk: its events as data beside a script that shows them, and nothing from outside.

The page may fetch nothing (its Content-Security-Policy says so), and puts what the run holds into itself as text, never
as markup.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from bridle.journal import Event

_EMPTY = '{"events": []}'
_LEFT_OUT = {"prompt_tokens", "output_tokens", "request", "spelled"}
"""What the page does not show: token ids, and what stands there twice."""


def page(run: str, events: Sequence[Event]) -> str:
    """The page of a run, as HTML."""
    told = [{"number": it.number, "at": it.at, **it.body.model_dump(mode="json", exclude=_LEFT_OUT)} for it in events]
    data = json.dumps({"run": run, "events": told}, ensure_ascii=False, separators=(",", ":"))
    safe = data.replace("<", "\\u003c")  # no text can end the script that it stands in
    return _template().replace(_EMPTY, safe.encode("utf-8", "replace").decode(), 1)


@cache
def _template() -> str:
    return (files("bridle.observe") / "trace.html").read_text(encoding="utf-8")
