"""More ways to ask for the same: `phrases.txt`, which somebody wrote who had not seen what is held out.

A heading names what is asked for (tool, slots, and what the sentence implies, as `query_table column path sum`), and
`without SLOT` where that is not said; below it stands a pattern (`frames`) a line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path

from intents import Intent

FILE = Path(__file__).with_suffix(".txt")


def enriched(intent: Intent) -> Intent:
    """An intent with what the file has for it."""
    name = " ".join([intent.tool, *sorted(intent.slots), *intent.fixed.values()])
    known = patterns()
    missing = {slot: (*says, *known[f"{name} without {slot}"]) for slot, says in intent.missing.items()}
    return replace(intent, says=(*intent.says, *known[name]), missing=missing)


@cache
def patterns() -> defaultdict[str, list[str]]:
    """The patterns of the file, by heading."""
    found, heading = defaultdict[str, list[str]](list), ""
    for line in FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            heading = line[2:]
        elif line:
            found[heading].append(line)
    return found
