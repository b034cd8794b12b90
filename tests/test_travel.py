"""The travel skill: what a traveller named is what can be booked, whatever the model wants."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import laws
from bridle.agent import Agent
from bridle.catalogue import catalogue
from bridle.evals.scripted import scripted_model
from bridle.journal import Journal, Status
from bridle.run import Run

CALL = '{"tool": "'
TRIP = {"origin": "Oslo", "destination": "Rome", "first_day": "2026-12-04", "last_day": "2026-12-06", "most": 400}


BOOK = "Book me a flight from Oslo to Rome between the 4th and the 6th of December 2026, for {} euros at most."


def travel(
    replies: list[Any], folder: Path, journal: Journal, wanted: str = BOOK.format("9,000"), **options: Any
) -> Run:
    said = [it if isinstance(it, str) else json.dumps(it) for it in replies]
    with scripted_model(said) as model:
        result = Agent(model, workspace=folder, journal=journal, skill="travel", **options).run(wanted)
    laws.law_of_history(journal, result.id)
    return result


def flights() -> list[dict[str, Any]]:
    skill = catalogue().find("travel")
    assert skill.load()
    module: Any = sys.modules["bridle_skill_travel"]
    return [it for day in (4, 5, 6) for it in module.timetable("Oslo", "Rome", datetime.date(2026, 12, day))]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 1000), st.integers(0, 9_999), st.sampled_from(["2026-12-01", "2026-12-05", "2027-01-01"]))
def test_no_flight_outside_the_bounds_can_be_booked(most: int, price: int, day: str) -> None:
    """Whatever the model tries to say."""
    fitting = [it for it in flights() if it["price"] <= most]
    wanted = {"tool": "book_flight", "args": {"flight": "BR999", "day": day, "price": price}}
    with TemporaryDirectory() as folder, Journal(Path(folder) / "journal.db") as journal:
        result = travel(["book", {**TRIP, "most": most}, wanted], Path(folder), journal, BOOK.format(most))
    assert result.status is Status.DONE
    if not fitting:
        assert "No flight" in (result.answer or "")
    else:
        assert dict(result.calls[-1].args) in fitting


def test_looking_books_nothing(journal: Journal, tmp_path: Path) -> None:
    result = travel(["look", {**TRIP, "most": 9_000}], tmp_path, journal)
    assert [it.tool for it in result.calls] == ["find_flights"]
    assert len((result.answer or "").splitlines()) == len(flights()) > 0


def test_a_booking_is_cancelled(journal: Journal, tmp_path: Path) -> None:
    assert travel(["cancel"], tmp_path, journal).answer == "There is no booking."
    booked = travel(["book", {**TRIP, "most": 9_000}, CALL], tmp_path, journal)
    assert booked.status is Status.DONE
    wanted = {"tool": "cancel_booking", "args": {"booking": "B777"}}
    assert travel(["cancel", wanted], tmp_path, journal).answer == "B001 is cancelled"
    assert json.loads((tmp_path / "bookings.json").read_text(encoding="utf-8")) == {}


def test_days_that_are_none_are_asked_about(journal: Journal, tmp_path: Path) -> None:
    backwards = {**TRIP, "first_day": "2026-12-09"}
    result = travel(["look", backwards], tmp_path, journal)
    assert (result.status, result.question) == (Status.PAUSED, "On which days? At most 14 of them can be looked at.")


@pytest.mark.parametrize(
    ("said", "question"),
    [
        (BOOK.format(400), ""),
        ("Book a flight from Oslo to Rome for 400 euros.", "On which days? At most 14 of them can be looked at."),
        ("Book a flight to Rome on Friday for 400 euros.", "From where?"),
        ("Book a flight from oslo to rome on 4.12., as cheap as 40.", "For how many euros at most?"),
        ("Book a flight from Oslo to Rome, 4/12/2026, 400 euros.", ""),
        ("May I book a flight from Oslo to Rome on the 4th for 1,400 euros?", "For how many euros at most?"),
        ("I may fly from Oslo to Rome for 400 euros.", "On which days? At most 14 of them can be looked at."),
        ("I must see Marseille.", "From where? To where? On which days? At most 14 of them can be looked at. "
         "For how many euros at most?"),
    ],
)  # fmt: skip
def test_what_nobody_named_is_asked_for(said: str, question: str, journal: Journal, tmp_path: Path) -> None:
    """A model that has to name something names something."""
    result = travel(["book", {**TRIP, "most": 400}, CALL], tmp_path, journal, said)
    assert (result.question or "") == question
    assert [it.tool for it in result.calls][:1] == ([] if question else ["find_flights"])


def test_to_look_needs_no_price(journal: Journal, tmp_path: Path) -> None:
    result = travel(
        ["look", {**TRIP, "most": 1}], tmp_path, journal, "Flights from Oslo to Rome, 2026-12-04 and two days"
    )
    assert len((result.answer or "").splitlines()) == len(flights())


def test_the_last_answer_counts(journal: Journal, tmp_path: Path) -> None:
    """And a trip from a town to itself is none."""
    replies = iter(["to Rome", "from Rome to Rome", "from Oslo, 2026-12-04 to 06, for 9,000 euros"])
    trips: list[Any] = [TRIP, TRIP, {**TRIP, "origin": "Rome"}, {**TRIP, "most": 9_000}]
    asked = list[str]()

    def traveller(question: str) -> str:
        asked.append(question.partition("?")[0])
        return next(replies)

    result = travel(["book", *trips, CALL], tmp_path, journal, "Book a flight.", answer=traveller)
    assert [it.tool for it in result.calls] == ["find_flights", "book_flight"]
    assert asked == ["From where", "From where", "From where to where"]
