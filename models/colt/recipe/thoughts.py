"""What colt thinks before it calls: which tool, the value of each of its parameters, and so what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bridle.grammar.parameters import leaves
from bridle.grammar.thinking import MISSING
from bridle.tool import Tool
from bridle.toolbox import TOOLBOX

BY_NAME = {tool.name: tool for tool in TOOLBOX}
WORDS = 2
"""Words of a value that are thought of; the call has all of them."""


def choice(tool: Tool, args: Mapping[str, Any], missing: str = "") -> str:
    """How a call is worked out.

    >>> choice(BY_NAME["write_file"], {"path": "notes/plan.txt", "content": "call Ana today"})
    'tool: write_file; path: notes/plan.txt; content: call Ana'
    >>> choice(BY_NAME["write_file"], {"path": "notes/plan.txt"}, "content")
    'tool: write_file; path: notes/plan.txt; content: missing'
    """
    known = dict(_flat(args)) | ({missing: MISSING} if missing else {})
    thought = (f"{it.name}: {_short(known[it.name])}" for it in leaves(tool.schema) if it.name in known)
    return "; ".join([f"tool: {tool.name}", *thought])


def _flat(args: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in args.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value


def _short(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[;<\x00-\x1f]", "", " ".join(text.split(" ")[:WORDS]))
