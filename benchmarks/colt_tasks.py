"""colt's own tasks as a file for `bridle bench decode --calls`: the calls of its evaluation, in BFCL's layout.

    python benchmarks/colt_tasks.py --cases 40 --out tasks.jsonl

What is asked is the next call of a conversation, with the results of earlier ones in it, so that values are copied from
requests and results alike.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from bridle.grammar.said import Call

RECIPE = Path(__file__).resolve().parents[1] / "models" / "colt" / "recipe"


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    sys.path.insert(0, str(RECIPE))
    recipe: Any = import_module("turns")
    all_cases = recipe.cases(recipe.World(), 100 * options.cases, options.seed)
    calls = islice((case for case in all_cases if isinstance(case.action, Call)), options.cases)
    with options.out.open("w", encoding="utf-8") as file:
        for number, case in enumerate(calls):
            said = [{"role": message.role, "content": message.content} for message in case.messages[1:]]
            tools = [
                {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
                for tool in case.tools
            ]
            print(json.dumps({"id": f"colt_{number}", "question": [said], "function": tools}), file=file)


if __name__ == "__main__":
    main()
