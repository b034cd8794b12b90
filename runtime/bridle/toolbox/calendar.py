"""A calendar in one iCalendar file (RFC 5545) of the workspace, which any calendar program opens."""

# pyright: reportUnknownMemberType=false
# icalendar leaves the values that it takes untyped.

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import cast

from icalendar import Calendar, Event

from bridle.errors import ToolError
from bridle.tool import CallKey, tool
from bridle.toolbox.dates import Clock, read_date, read_time, show_date
from bridle.toolbox.workspace import Workspace

CALENDAR = "calendar.ics"
"""The file in the workspace."""


def remove_event(workspace: Workspace, key: CallKey) -> str:
    """Remove the event that a call put in the calendar."""
    calendar = _read(workspace)
    calendar.subcomponents = [it for it in calendar.subcomponents if str(it.get("uid")) != key.value]
    workspace.write_bytes(CALENDAR, calendar.to_ical())
    return "the event is removed"


@tool(effect="idempotent", undo=remove_event)
def add_event(
    workspace: Workspace, clock: Clock, key: CallKey, title: str, date: str, time: str | None = None, minutes: int = 60
) -> str:
    """Put an event in the calendar.

    Args:
        date: such as 2026-11-20, 20 November, tomorrow or Friday
        time: when it starts, such as 14:30; without it the event takes the whole day
        minutes: how long it takes
    """
    if not title.strip():
        raise ToolError("the event has no title")
    if not 0 < minutes <= 60 * 24 * 30:
        raise ToolError("an event takes between one minute and thirty days")
    day = read_date(date, clock.now().date())
    calendar = _read(workspace)
    if key.value not in {str(event.get("uid")) for event in calendar.events}:
        event = Event()
        event.add("uid", key.value)
        event.add("dtstamp", datetime.now(UTC))
        event.add("summary", title.strip())
        if time is None:
            event.add("dtstart", day)
            event.add("dtend", day + timedelta(days=1))
        else:
            start = datetime.combine(day, read_time(time))
            event.add("dtstart", start)
            event.add("dtend", start + timedelta(minutes=minutes))
        calendar.add_component(event)
        workspace.write_bytes(CALENDAR, calendar.to_ical())
    at = "" if time is None else f" at {read_time(time):%H:%M}"
    return f"Added {title.strip()} on {show_date(day)}{at}"


@tool(effect="pure")
def list_events(workspace: Workspace, clock: Clock, date: str | None = None) -> list[str]:
    """List the events in the calendar.

    Args:
        date: the day; all events still to come are listed without
    """
    today = clock.now().date()
    day = None if date is None else read_date(date, today)
    events = sorted(((_day(event), _line(event)) for event in _read(workspace).events), key=lambda item: item[1])
    return [line for when, line in events if (when == day if day else when >= today)][:50]


def _read(workspace: Workspace) -> Calendar:
    path = workspace.path(CALENDAR)
    if not path.exists():
        calendar = Calendar()
        calendar.add("prodid", "-//Bridle//Bridle//EN")
        calendar.add("version", "2.0")
        return calendar
    try:
        return Calendar.from_ical(workspace.read_text(CALENDAR))
    except (ValueError, IndexError, KeyError) as error:
        raise ToolError(f"{CALENDAR} is not a calendar that can be read: {error}") from None


def _start(event: Event) -> date | datetime:
    return cast("date | datetime", event.decoded("dtstart"))


def _day(event: Event) -> date:
    start = _start(event)
    return start.date() if isinstance(start, datetime) else start


def _line(event: Event) -> str:
    start = _start(event)
    at = f" {start:%H:%M}" if isinstance(start, datetime) else ""
    return f"{_day(event).isoformat()}{at}: {event.get('summary', 'no title')}"
