"""Forms to hold the laws against: every kind of type, in JSON and in XML."""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from bridle.grammar import Choice, Form, Grammar, Text, form_of
from bridle.grammar.action import Actions
from bridle.grammar.said import REPLIES
from bridle.toolbox import TOOLBOX


class Color(Enum):
    """Values that XML has to escape."""

    RED = "red"
    LIGHT = "light & <green>"


class Address(BaseModel):
    street: str
    zip: Annotated[str, Field(pattern=r"^\d{5}$")]


class Person(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=20)]
    age: int = Field(ge=0, le=130)
    height: float
    member: bool
    address: Address | None
    nickname: str | None = None


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Moments(BaseModel):
    day: datetime.date
    moment: datetime.datetime
    clock: datetime.time
    span: datetime.timedelta
    key: uuid.UUID


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = Field(max_length=3)


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    second: Cat | Dog | None


@dataclasses.dataclass
class Point:
    x: float
    y: float


class Movie(TypedDict):
    title: str
    year: int


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 1, "maxItems": 3},
        "level": {"enum": ["low", "high", 3]},
    },
    "required": ["id", "tags"],
}

TYPES: dict[str, Any] = {
    "person": Person,
    "tree": Node,
    "moments": Moments,
    "pets": Owner,
    "point": Point,
    "movie": Movie,
    "schema": SCHEMA,
    "list": list[int],
    "tuple": tuple[int, str, bool],
    "map": dict[str, int],
    "bounds": Annotated[int, Field(ge=-5, le=5, multiple_of=5)],
    "scalar union": int | float | bool,
    "mixed union": int | str | None,
    "enum list": list[Color],
    "optional": float | None,
    "nested": list[dict[str, list[Address]]],
}


def every_form() -> dict[str, Form[Any]]:
    """More than twenty forms, by name."""
    forms: dict[str, Form[Any]] = {
        "text": Text(),
        "choice": Choice(["yes", "no", "not sure"]),
        "enum": form_of(Color),
        "literal": form_of(Literal["a", "ab", "abc"]),
        "regex": Grammar.regex(r"[A-Z][a-z]{2,8}(-\d{1,3})?"),
        "lark": Grammar('start: "(" NUMBER ("+" NUMBER)* ")"\nNUMBER: /[0-9]{1,4}/'),
        "boolean": form_of(bool),
    }
    tools = {tool.name: tool.schema for tool in TOOLBOX}
    for syntax in ("json", "xml"):
        forms |= {f"{name} in {syntax}": form_of(kind, syntax, name="doc") for name, kind in TYPES.items()}
        forms[f"actions in {syntax}"] = Actions(tools, syntax, replies=(*REPLIES, "show"))
    return forms
