"""Parts that tests are made with: vocabularies, engines, data that may or may not be there."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridle.cli import main
from bridle.engine import scripted
from bridle.engine.vocabulary import Vocabulary
from bridle.grammar.compile import Compiler
from bridle.journal import Journal
from bridle.local import open_model
from bridle.model import Model

DATA = Path(os.environ.get("BRIDLE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
"""Large public data sets; a clone has none, and tests that want them skip."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run what takes minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:  # pyright: ignore[reportUnusedFunction]
    """Nothing a test does reaches the user's own files."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith("BRIDLE_") and name != "BRIDLE_TEST_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def words() -> Vocabulary:
    """The small scripted vocabulary."""
    return scripted.vocabulary()


@pytest.fixture(scope="session")
def compiler(words: Vocabulary) -> Compiler:
    """A compiler over the small vocabulary."""
    return Compiler(words)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty journal."""
    with Journal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def colt() -> Iterator[Model]:
    """The bundled model."""
    with open_model("colt") as model:
        yield model


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSets:
    """Public data sets, unpacked when asked for."""
    return DataSets(tmp_path_factory.mktemp("data"))


class DataSets:
    """Finds data sets and skips the test that wants one that is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, name: str) -> Path:
        """A file of the data folder."""
        path = DATA / name
        if not path.exists():
            pytest.skip(f"no {name}: set BRIDLE_TEST_DATA to a folder that has it")
        return path

    def archive(self, name: str) -> Path:
        """The folder that an archive unpacks to."""
        target = self._folder / name
        if not target.exists():
            with tarfile.open(self.file(name)) as archive:
                archive.extractall(target, filter="data")
        return target


class Result:
    """What a command did."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def bridle(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs a command in this process, in a workspace with a few files."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "todo.txt").write_text("buy milk\n", encoding="utf-8")
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("BRIDLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*args: str, stdin: str | None = None) -> Result:
        import io

        monkeypatch.setattr(sys, "argv", ["bridle", *args])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Result(code, captured.out, captured.err)

    return run
