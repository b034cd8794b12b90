"""Settings of the command line: a file, the environment, and defaults, in that order of weakness.

`config.toml` in the user's configuration folder sets what `BRIDLE_*` variables do not. Libraries never read this; it is
read when a command starts.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from bridle.errors import UsageError, describe

PREFIX = "BRIDLE_"
FlashAttention: TypeAlias = Literal["auto", "on", "off"]
KvType: TypeAlias = Literal["f32", "f16", "q8_0", "q4_0"]
"""How keys and values are kept in memory."""


class Settings(BaseModel):
    """What a user may set once for all commands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(default_factory=lambda: platformdirs.user_data_path("bridle"))
    """Where the journal and pulled models are kept."""
    cache: Path = Field(default_factory=lambda: platformdirs.user_cache_path("bridle"))
    """Where what can be made again is kept."""
    model: str = "colt"
    """A bundled model, a GGUF file, or the address of one behind a server."""
    fallback: str = ""
    """The model that takes a step where the first fails; empty for the one that its card names."""
    api_key: SecretStr = SecretStr("")
    """Of the server that a model is behind."""
    context: int | None = Field(default=None, ge=256)
    threads: int = Field(default=0, ge=0)
    device: str = "auto"
    gpu_layers: int = -1
    flash_attention: FlashAttention = "auto"
    kv_type: KvType = "f16"
    deterministic: bool = False

    @field_validator("home", "cache")
    @classmethod
    def _expanded(cls, path: Path) -> Path:
        return path.expanduser()

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self.home / "journal.db"

    @property
    def key(self) -> Path:
        """The file of the key that exported runs are signed with."""
        return self.home / "signing.key"


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        UsageError: the file or a variable cannot be read; the message says which.
    """
    environment = os.environ if environment is None else environment
    path = platformdirs.user_config_path("bridle") / "config.toml"
    values: dict[str, object] = {}
    if path.exists():
        try:
            values |= tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
    names = {PREFIX + name.upper(): name for name in Settings.model_fields}
    values |= {names[key]: value for key, value in environment.items() if key in names and value}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(
            f"a setting is not right: {describe(error)}", hint=f"see {path} and {PREFIX}* variables"
        ) from None
