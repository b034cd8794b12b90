"""Tools: a typed function becomes a schema, its errors become observations, its time is bounded."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from bridle.errors import ToolError, UsageError
from bridle.tool import RESULT_LIMIT, CallKey, Effect, Observation, Teller, Tool, render, tool


@tool(effect="pure")
def area(
    width: float,
    height: Annotated[float, Field(gt=0)] = 1.0,
    unit: Literal["m", "ft"] = "m",
    label: str | None = None,
) -> str:
    """Compute an area,
    quickly.

    More about it.

    Args:
        width: how wide,
            in the unit
        unit: what it is measured in
    """
    return f"{width * height} {unit}2 {label or ''}".strip()


def call(it: Tool, services: Any = None, **args: Any) -> Observation:
    return asyncio.run(it.call(args, services))


def test_a_function_becomes_a_tool() -> None:
    assert area.name == "area"
    assert area.description == "Compute an area, quickly."
    assert area.effect is Effect.PURE
    assert area.signature() == "area(width: number, height?: number, unit?: m|ft, label?)"
    properties: Any = area.schema["properties"]
    assert properties["width"]["description"] == "how wide, in the unit"
    assert properties["label"] == {"title": "Label", "type": "string"}
    assert area.schema["additionalProperties"] is False


class Place(BaseModel):
    """Parts of a parameter."""

    city: str
    floor: int = 1
    inside: Place | None = None


def test_a_signature_tells_of_the_parts_of_a_parameter() -> None:
    @tool(effect=Effect.PURE)
    def send(parcel: str, to: Place) -> str:
        """Send it."""
        return ""

    told = "city, floor?: integer, inside?: Place or null"
    assert send.signature() == f"send(parcel, to: {{{told}}})"


def test_effects_are_careful_by_default() -> None:
    @tool
    def launch(code: str) -> None:
        """Launch."""

    assert launch.effect is Effect.UNSAFE


def test_a_call_runs_it() -> None:
    observation = call(area, width=2, height=3.5)
    assert (observation.ok, observation.value, observation.text) == (True, "7.0 m2", "7.0 m2")
    assert 0 < observation.seconds < 1


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ({}, "width: Field required"),
        ({"width": "wide"}, "width: Input should be a valid number"),
        ({"width": 1, "height": -1}, "height: Input should be greater than 0"),
        ({"width": 1, "depth": 2}, "depth: Extra inputs are not permitted"),
        ({"width": 1, "unit": "km"}, "unit: Input should be 'm' or 'ft'"),
    ],
)
def test_wrong_arguments_come_back_as_observations(args: Any, complaint: str) -> None:
    observation = call(area, **args)
    assert not observation.ok
    assert observation.text.startswith(f"error: {complaint}")


@pytest.mark.parametrize(
    "raised", [ToolError("no such thing"), ValueError("bad"), KeyError("x"), SystemExit(3), StopIteration()]
)
def test_whatever_a_tool_raises_is_an_observation(raised: BaseException) -> None:
    @tool(effect="pure")
    def broken() -> str:
        """Break."""
        raise raised

    observation = call(broken)
    assert not observation.ok
    assert observation.text.startswith("error: ")


def test_an_async_tool_is_awaited_and_stopped() -> None:
    @tool(effect="pure", timeout=0.05)
    async def wait(seconds: float) -> str:
        """Wait."""
        await asyncio.sleep(seconds)
        return "done"

    assert call(wait, seconds=0).text == "done"
    assert "took longer than 0.05 s" in call(wait, seconds=5).text


def test_a_timeout_ends_a_tool() -> None:
    """Not only the waiting for it: the work itself stops."""
    steps: list[int] = []

    @tool(effect="pure", timeout=0.1)
    def spin() -> str:
        """Spin for ever."""
        while True:
            steps.append(1)

    start = time.monotonic()
    observation = call(spin)
    assert not observation.ok
    assert "took longer" in observation.text
    assert time.monotonic() - start < 2
    time.sleep(0.2)
    before = len(steps)
    time.sleep(0.2)
    assert len(steps) == before


def test_services_are_handed_over_and_not_in_the_schema() -> None:
    @tool(effect="idempotent")
    def keyed(key: CallKey, text: str) -> str:
        """Use the key."""
        return f"{key.value}: {text}"

    assert keyed.signature() == "keyed(text)"
    assert call(keyed, {CallKey: CallKey("k")}, text="hi").text == "k: hi"
    assert "needs CallKey" in call(keyed, {}, text="hi").text


def test_what_cannot_be_a_tool_says_why() -> None:
    with pytest.raises(UsageError, match="parameter 'x' of tool '<lambda>' has no type"):
        tool(eval("lambda x: None", {"__name__": "f"}))

    with pytest.raises(UsageError, match="has no fixed name"):

        @tool
        def g(*args: int) -> None: ...


def test_results_are_rendered_for_reading() -> None:
    assert render("plain") == "plain"
    assert render(["a", "b"]) == "a\nb"
    assert render([]) == "nothing"
    assert render({"é": [1]}) == '{"é": [1]}'
    assert render("x" * (RESULT_LIMIT + 5)).endswith("[5 more characters not shown]")


def test_a_result_that_cannot_be_is_not_believed() -> None:
    @tool(effect="pure", doubt=lambda price: "a price is above zero" if price <= 0 else "")
    def price(item: str) -> int:
        """Tell a price."""
        return len(item) - 3

    assert call(price, item="lamp").value == 1
    refused = call(price, item="mug")
    assert (refused.ok, refused.text) == (
        False,
        "error: price gave a result that is not believed: a price is above zero",
    )


@pytest.mark.parametrize(("fails", "ok"), [(0, True), (2, True), (3, False)])
def test_what_could_not_be_reached_is_tried_again(fails: int, ok: bool) -> None:
    """Each time after a longer pause, and no more often than it says."""
    tried = list[float]()
    heard = list[tuple[str, int, int]]()

    @tool(effect="pure", retries=2)
    def fetch(place: str) -> str:
        """Fetch something."""
        tried.append(time.monotonic())
        if len(tried) <= fails:
            raise ConnectionRefusedError("nobody there")
        return place

    teller = Teller(lambda text, done, total: heard.append((text, done, total)))
    seen = asyncio.run(fetch.call({"place": "here"}, {Teller: teller}))
    assert seen.ok == ok
    assert len(tried) == min(fails, 2) + 1
    pauses = [later - sooner for sooner, later in itertools.pairwise(tried)]
    assert pauses == sorted(pauses)
    assert [it[1:] for it in heard] == [(number + 1, 2) for number in range(len(pauses))]


def test_a_wrong_call_is_not_tried_again() -> None:
    tried = list[str]()

    @tool(effect="idempotent", retries=5)
    def fetch(place: str) -> str:
        """Fetch something."""
        tried.append(place)
        raise ToolError("there is no such place")

    assert not asyncio.run(fetch.call({"place": "here"})).ok
    assert tried == ["here"]


@pytest.mark.parametrize("effect", ["unsafe", "probe"])
def test_what_must_not_be_done_twice_is_not_tried_again(effect: Any) -> None:
    with pytest.raises(UsageError, match="may not be run twice"):

        @tool(effect=effect, retries=1, probe=(lambda: None) if effect == "probe" else None)
        def fire() -> str:
            """Fire."""
            return ""
