"""Flights within bounds: what the traveller named becomes the form of the call; what they did not name is asked for.

The intent decides which tool there is at all. A booking can only name a flight that a search gave, on a day and at a
price within what was asked for: another one cannot be spelled. The timetable is made up.
"""

import calendar
import datetime
import hashlib
import json
import re
from typing import Any

from pydantic import BaseModel, Field

from bridle.context import Context
from bridle.errors import Misread, ToolError
from bridle.grammar.said import Call
from bridle.tool import CallKey, tool
from bridle.toolbox.workspace import Workspace

LONGEST = datetime.timedelta(days=14)
"""Days between the first and the last that are looked at."""
MOST = 10_000
"""Euros, where no less were named."""
FILE = "bookings.json"
"""Bookings by the key of their call, so that a call that is made again books nothing again."""

ASKED = 3
"""Times that a traveller is asked for what is missing."""
NAMES = [it for it in (*calendar.month_name, *calendar.day_name) if it not in ("", "May")]
WORDS = "|".join((*NAMES, "today", "tomorrow", "tonight", "weekend", "week"))
SHORT = "|".join(filter(None, (*calendar.month_abbr, *calendar.day_abbr)))  # in small letters they are words: may, sat
DATE = r"\d{4}-\d\d(?:-\d\d)?|\b[0-3]?\d[./]\s?[01]?\d(?:[./]\d*)?(?!\d)|\b\d\d?(?:st|nd|rd|th)\b"
DAY = re.compile(rf"{DATE}|(?i:\b(?:{WORDS})\b)|\b(?:{SHORT})\b")
"""What names a day."""

INTENTS = ("look", "book", "cancel", "something else")
INTENT = "What does the traveller want?"
TRIP = "From where, to where, between which days, for how much at most?"


class Trip(BaseModel):
    """What the traveller wants."""

    origin: str = Field(min_length=2, max_length=40)
    destination: str = Field(min_length=2, max_length=40)
    first_day: datetime.date
    last_day: datetime.date
    most: int = Field(ge=1, le=MOST)
    """Euros."""


def timetable(origin: str, destination: str, day: datetime.date) -> list[dict[str, Any]]:
    """The flights of a day: the same ones whenever they are asked for."""
    made = hashlib.sha256(f"{origin.casefold()}-{destination.casefold()}-{day}".encode()).digest()
    return [
        {"flight": f"BR{made[n] + 100}", "day": day.isoformat(), "price": 60 + made[n + 8] * 3}
        for n in range(1 + made[0] % 3)
    ]


def numbers(said: str) -> set[int]:
    """The whole numbers that were said."""
    told = re.sub(r"(?<=\d),(?=\d{3}\b)", "", re.sub(DATE, " ", said))
    return {int(it) for it in re.findall(r"\d+", told)}


def missing(trip: Trip, said: str, *, book: bool) -> str:
    """What a trip says and the traveller did not, as a question; empty if there is no such thing.

    A model that has to name a town, a day and a price names some.
    """
    known, due = said.casefold(), list[str]()
    for town, question in ((trip.origin, "From where?"), (trip.destination, "To where?")):
        due += [question] if town.casefold() not in known else []
    if len(due) == 0 and trip.origin.casefold() == trip.destination.casefold():
        due.append("From where to where?")
    if not DAY.search(said) or not datetime.timedelta() <= trip.last_day - trip.first_day <= LONGEST:
        due.append(f"On which days? At most {LONGEST.days} of them can be looked at.")
    if book and trip.most not in numbers(said):
        due.append("For how many euros at most?")
    return " ".join(due)


@tool(effect="pure")
def find_flights(
    origin: str, destination: str, first_day: datetime.date, last_day: datetime.date
) -> list[dict[str, Any]]:
    """Find flights from one town to another on some days."""
    if last_day < first_day:
        raise ToolError("the last day is before the first")
    days = min((last_day - first_day).days, LONGEST.days)
    return [it for n in range(days + 1) for it in timetable(origin, destination, first_day + datetime.timedelta(n))]


def booked(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """All bookings."""
    path = workspace.root / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@tool(effect="pure")
def list_bookings(workspace: Workspace) -> list[dict[str, Any]]:
    """List the bookings that there are."""
    return list(booked(workspace).values())


@tool(effect="idempotent")
def book_flight(workspace: Workspace, key: CallKey, flight: str, day: datetime.date, price: int) -> dict[str, Any]:
    """Book a flight on a day at a price."""
    known = booked(workspace)
    number = 1 + max((int(it["booking"][1:]) for it in known.values()), default=0)
    made = {"booking": f"B{number:03}", "flight": flight, "day": day.isoformat(), "price": price}
    known.setdefault(key.value, made)
    (workspace.root / FILE).write_text(json.dumps(known, indent=2), encoding="utf-8")
    return known[key.value]


@tool(effect="idempotent")
def cancel_booking(workspace: Workspace, booking: str) -> str:
    """Cancel a booking."""
    known = booked(workspace)
    left = {key: it for key, it in known.items() if it["booking"] != booking}
    if len(left) == len(known):
        raise ToolError(f"there is no booking {booking}")
    (workspace.root / FILE).write_text(json.dumps(left, indent=2), encoding="utf-8")
    return f"{booking} is cancelled"


TOOLS = (find_flights, list_bookings, book_flight, cancel_booking)


async def run(context: Context) -> str:
    """The intent first, then its tools and no others."""
    match await context.choose(INTENTS, INTENT):
        case "cancel":
            return await _cancel(context)
        case "look" | "book" as intent:
            return await _fly(context, book=intent == "book")
        case _:
            raise Misread("I can look for flights, book one, and cancel a booking.")


async def _cancel(context: Context) -> str:
    listed: Any = (await context.call("list_bookings")).value
    if not listed:
        return "There is no booking."
    known: Any = [it["booking"] for it in listed]
    action = await context.act("cancel_booking", within={"properties": {"booking": {"enum": known}}})
    assert isinstance(action, Call)
    return (await context.call(action)).text


async def _fly(context: Context, *, book: bool) -> str:
    trip, said = await context.extract(Trip, TRIP), ""
    for number in range(ASKED + 1):
        said = " ".join(it.content for it in context.messages if it.role == "user")
        if not (question := missing(trip, said, book=book)):
            break
        if number == ASKED:
            return "I do not know enough of the trip to look for it."
        await context.ask(question)
        trip = await context.extract(Trip, f"{TRIP} What was named last counts.")
    if trip.most not in numbers(said):
        trip = trip.model_copy(update={"most": MOST})  # to look costs nothing
    named = {name: value for name, value in trip.model_dump(mode="json").items() if name != "most"}
    seen = await context.call("find_flights", **named)
    flights: list[dict[str, Any]] = seen.value if seen.ok else []  # type: ignore[assignment]
    fitting = [it for it in flights if it["price"] <= trip.most]
    context.note(f"{len(flights)} flights, {len(fitting)} of them for {trip.most} euros at most")
    if not fitting:
        return f"No flight from {trip.origin} to {trip.destination} is within {trip.most} euros on these days."
    if not book:
        return "\n".join(f"{it['flight']} on {it['day']} for {it['price']} euros" for it in fitting)
    offers: Any = [{"properties": {name: {"const": value} for name, value in it.items()}} for it in fitting]
    action = await context.act("book_flight", within={"anyOf": offers})
    assert isinstance(action, Call)
    seen = await context.call(action)
    if not seen.ok:
        return seen.text
    flight = action.args
    return f"Booked {flight['flight']} on {flight['day']} for {flight['price']} euros."
