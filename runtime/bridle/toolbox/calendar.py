"""A calendar in one iCalendar file (RFC 5545) of the workspace, which any calendar program opens."""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false
# icalendar leaves the values that it takes untyped, and the other has no types at all.

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

from icalendar import Calendar, Component, Event

from bridle.errors import ToolError
from bridle.tool import CallKey, tool
from bridle.toolbox.dates import Clock, read_date, read_time, show_date
from bridle.toolbox.workspace import Workspace

CALENDAR = "calendar.ics"
"""The file in the workspace."""
SHOWN = 50
"""Events that one list shows at most."""
EMPTY = "BEGIN:VCALENDAR\r\nPRODID:-//Bridle//Bridle//EN\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"
_EVENT = re.compile(r"^BEGIN:VEVENT\s.*?^END:VEVENT[^\n]*(?:\n|\Z)", re.MULTILINE | re.DOTALL | re.IGNORECASE)
_END = re.compile(r"^END:VCALENDAR", re.MULTILINE | re.IGNORECASE)


def remove_event(workspace: Workspace, key: CallKey) -> str:
    """Remove the event that a call put in the calendar; all else stays letter for letter."""
    with workspace.alone():
        text = _text(workspace)
        left = _EVENT.sub(lambda it: "" if _uid(it[0]) == key.value else it[0], text)
        if left != text:
            workspace.write_bytes(CALENDAR, left.encode())
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
    event = Event()
    event.add("uid", key.value)
    event.add("dtstamp", datetime.now(UTC))
    event.add("summary", title.strip())
    start = day if time is None else datetime.combine(day, read_time(time))
    event.add("dtstart", start)
    try:
        event.add("dtend", start + (timedelta(days=1) if time is None else timedelta(minutes=minutes)))
    except OverflowError:
        raise ToolError("that date is outside the calendar") from None
    with workspace.alone():
        text = _text(workspace)
        _parsed(text)  # what is no calendar is not added to
        if key.value not in map(_uid, _EVENT.findall(text)):
            ends = [it.start() for it in _END.finditer(text)]
            if not ends:
                raise ToolError(f"{CALENDAR} has no end")
            text = text[: ends[-1]] + event.to_ical().decode() + text[ends[-1] :]
            workspace.write_bytes(CALENDAR, text.encode())
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
    calendar = _parsed(_text(workspace))
    series = dict[str, list[Event]]()
    for number, event in enumerate(calendar.events):
        series.setdefault(str(event.get("uid", number)), []).append(event)
    found, broken = list[str](), len(calendar.errors)
    for events in series.values():
        try:
            found += _told([*calendar.timezones, *events], day or today, only=day is not None)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):  # other programs write anything
            broken += 1
    found.sort()
    rest = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*found[:SHOWN], *rest, *([f"and {broken} that cannot be read"] if broken else [])]


def _told(parts: Sequence[Component], since: date, *, only: bool) -> list[str]:
    """What of an event, with all that is said of its coming again, is on a day; or, if not only that, its next time."""
    from recurring_ical_events import of

    calendar = Calendar()
    for part in parts:
        if {"SECONDLY", "MINUTELY"} & {*part.get("rrule", {}).get("freq", ())}:
            raise ValueError("it comes again too often to be looked through")
        calendar.add_component(part)
    midnight, day = datetime.combine(since, time.min), timedelta(days=1)
    times = of(calendar).between(since - day, since + 2 * day) if only else of(calendar).after(since - day)
    lines = list[str]()
    for event in cast("Iterable[Event]", times):  # of a day more on either side, for they know of no local time
        start, end = _local(event.start), _local(event.end)
        if (end <= midnight and start < midnight) or (only and start >= midnight + day):
            continue
        at = f" {start:%H:%M}" if isinstance(event.start, datetime) else ""
        lines.append(f"{start:%Y-%m-%d}{at}: {event.get('summary', 'no title')}")
        if not only:
            break
    return lines


def _local(moment: date) -> datetime:
    """A moment or the beginning of a day, in this machine's time."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, time.min)
    return moment if moment.tzinfo is None else moment.astimezone().replace(tzinfo=None)


def _text(workspace: Workspace) -> str:
    """The file as it is; an empty calendar if there is none."""
    text = workspace.read_text(CALENDAR) if workspace.path(CALENDAR).exists() else ""
    return text if text.strip() else EMPTY


def _parsed(text: str) -> Calendar:
    try:
        return Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError) as error:
        raise ToolError(f"{CALENDAR} is not a calendar that can be read: {error}") from None


def _uid(event: str) -> str:
    """The UID of an event as it is written, if it has one that can be read."""
    try:
        return str(Event.from_ical(event).get("uid", ""))
    except (ValueError, IndexError, KeyError):
        return ""
