"""What is written is true: examples run, links lead somewhere, names exist."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
import shlex
from pathlib import Path

import pytest

import bridle

TOP = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "FEATURES.md", "CHANGELOG.md", "benchmarks/RESULTS.md",
         "skills/README.md", "skills/TUTORIAL.md", "skills/examples/README.md", "models/colt/README.md"]  # fmt: skip
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(bridle.__path__, "bridle.") if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is"
    assert doctest.testmod(module).failed == 0


def test_examples_in_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workspace").mkdir()
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path / "home"))
    blocks = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec", dont_inherit=True), {"__name__": "readme"})


@pytest.mark.parametrize("page", PAGES)
def test_pages_point_at_what_exists(page: str) -> None:
    path = TOP / page
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), f"{page} points at {target}"
    for name in re.findall(r"`(tests/\w+\.py|benchmarks/\w+\.py|runtime/[\w/]+\.py)`", text):
        assert (TOP / name).exists(), f"{page} names {name}"
    for module in re.findall(r"`bridle\.([a-z_.]+)`", text):
        assert importlib.util.find_spec(f"bridle.{module}"), f"{page} names bridle.{module}"


def test_commands_in_the_readme_exist() -> None:
    from bridle.cli import app

    known = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    text = (TOP / "README.md").read_text(encoding="utf-8")
    for line in re.findall(r"^\s*(?:\$ )?bridle (.+)$", text, re.MULTILINE):
        assert shlex.split(line.replace("…", ""))[0] in known, line
