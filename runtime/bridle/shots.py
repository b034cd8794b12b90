"""Few-shot examples: requests, and what is to be done about each, from the folder of a skill (`examples.yaml`).

- request: Remember to call Anna
  tool: add_note
  args: {text: call Anna}
- request: Write it down
  ask: What should I write down?
- request: Fly me to the moon
  refuse: I have no tool for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from bridle.errors import SkillError, describe
from bridle.grammar.said import Answer, Ask, Call, Refuse, Said

FILE = "examples.yaml"


class Shot(BaseModel):
    """A request, and the action that it is answered with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: str = Field(min_length=1)
    tool: str | None = None
    args: Mapping[str, JsonValue] = {}
    answer: str | None = None
    ask: str | None = None
    refuse: str | None = None

    @model_validator(mode="after")
    def _is_one_action(self) -> Shot:
        if sum(it is not None for it in (self.tool, self.answer, self.ask, self.refuse)) != 1:
            raise ValueError("it needs one of tool, answer, ask, refuse")
        return self

    @property
    def action(self) -> Said:
        """What is done."""
        if self.tool is not None:
            return Call(self.tool, dict(self.args))
        if self.refuse is not None:
            return Refuse(self.refuse)
        return Answer(self.answer) if self.answer is not None else Ask(self.ask or "")


def read_shots(folder: Path) -> Sequence[Shot]:
    """The examples in a folder; none if it has none.

    Raises:
        SkillError: they cannot be read; the message says why.
    """
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(tuple[Shot, ...]).validate_python(tuple(told or ()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        raise SkillError(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        raise SkillError(f"{path} is not right: {describe(error)}") from None
