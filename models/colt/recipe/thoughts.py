"""What colt thinks before it calls: which tool, what it needs, what of that there is, and so what is missing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bridle.grammar.parameters import names
from bridle.tool import Tool
from bridle.toolbox import TOOLBOX

BY_NAME = {tool.name: tool for tool in TOOLBOX}
WORDS = 2
"""Words of a value that are thought of; the call has all of them."""


def choice(tool: Tool, args: Mapping[str, Any], missing: str = "") -> str:
    """How a call is worked out.

    >>> choice(BY_NAME["read_file"], {"path": "notes/plan.txt"})
    'tool: read_file; needs: path; have: notes/plan.txt'
    >>> choice(BY_NAME["read_file"], {}, "path")
    'tool: read_file; needs: path; missing: path'
    """
    needs = ", ".join(names(tool.schema, needed=True))
    have = ", ".join(filter(None, map(_short, args.values())))
    parts = {"tool": tool.name, "needs": needs, "have": have, "missing": missing}
    return "; ".join(f"{name}: {told}" for name, told in parts.items() if told)


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(filter(None, map(_short, value.values())))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"[;<\x00-\x1f]", "", " ".join(text.split(" ")[:WORDS]))
