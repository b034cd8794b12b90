"""Where the shelves are: `grammars`, `models` and `skills`, content that ships beside the code.

In a wheel a shelf is a folder of the package; in a checkout it stands at the top of the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bridle.errors import UsageError

ShelfName = Literal["grammars", "models", "skills"]

_HERE = Path(__file__).resolve().parent


def shelf(name: ShelfName) -> Path:
    """The folder of a shelf.

    Raises:
        UsageError: the installation has lost it.
    """
    for folder in (_HERE / name, _HERE.parent.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"the shelf '{name}' is missing beside {_HERE}", hint="install bridle again")
