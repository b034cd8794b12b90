"""Dates and times. Dates come in the many ways people write them and go out as `2026-11-20 (Friday)`."""

from __future__ import annotations

import re
from calendar import isleap
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from bridle.errors import ToolError
from bridle.tool import Service, tool


class Clock(Service):
    """What time it is: a run's own idea of now, so that tests and replays can fix it."""

    def __init__(self, now: datetime | None = None) -> None:
        """A fixed moment, or the machine's clock."""
        self._now = now

    def now(self) -> datetime:
        """The local time, without a zone."""
        return self._now or datetime.now()

    def now_in(self, zone: ZoneInfo) -> datetime:
        """The time in a zone."""
        return self.now().astimezone(zone)


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_WORDS = {"today": 0, "tomorrow": 1, "yesterday": -1, "the day after tomorrow": 2, "the day before yesterday": -2}
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})")
_DAY_MONTH = re.compile(r"(?:the )?(\d{1,2})(?:st|nd|rd|th)?(?: of)? ([a-z]+)\.?,?(?: (\d{4}))?")
_MONTH_DAY = re.compile(r"([a-z]+)\.? (?:the )?(\d{1,2})(?:st|nd|rd|th)?,?(?: (\d{4}))?")
_IN_DAYS = re.compile(r"in (\d{1,4}) (day|week)s?")
_CLOCK = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.|o'clock)?")


@tool(effect="pure")
def current_time(clock: Clock, zone: str | None = None) -> str:
    """Tell the date and time now.

    Args:
        zone: a city or time zone such as Tokyo or Europe/Oslo; this machine's if not given
    """
    moment = clock.now() if zone is None else clock.now_in(find_zone(zone))
    return moment.strftime("%Y-%m-%d %H:%M (%A)")


@tool(effect="pure")
def shift_date(clock: Clock, date: str, days: int) -> str:
    """Add days to a date.

    Args:
        date: such as 2026-11-20, 20 November, today or Friday
        days: how many; a negative number goes back
    """
    try:
        return show_date(read_date(date, clock.now().date()) + timedelta(days=days))
    except OverflowError:
        raise ToolError("that date is outside the calendar") from None


@tool(effect="pure")
def days_between(clock: Clock, start: str, end: str) -> str:
    """Count the days from one date to another."""
    today = clock.now().date()
    days = (read_date(end, today) - read_date(start, today)).days
    return f"{days} day{'' if abs(days) == 1 else 's'}"


def read_date(text: str, today: date) -> date:
    """The date that a person means.

    Raises:
        ToolError: it is not a date, or one that does not exist.
    """
    plain = " ".join(text.casefold().replace(",", " ").split())
    plain = plain.removeprefix("on ").removeprefix("this ").removeprefix("next ").removeprefix("coming ")
    if plain in _WORDS:
        return today + timedelta(days=_WORDS[plain])
    if match := _IN_DAYS.fullmatch(plain):
        return today + timedelta(days=int(match[1]) * (7 if match[2] == "week" else 1))
    for number, weekday in enumerate(_WEEKDAYS):
        if plain in (weekday, weekday[:3]):
            return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1)
    if parts := _numbers(plain, today):
        year, month, day = parts
        try:
            if (month, day) == (2, 29) and str(year) not in plain:  # the next one that there is
                year = next(it for it in range(year, year + 9) if isleap(it))
            return date(year, month, day)
        except ValueError as error:
            raise ToolError(f"'{text}' is not a date: {error}") from None
    raise ToolError(f"'{text}' is not a date; write it like {today.isoformat()}")


def _numbers(plain: str, today: date) -> tuple[int, int, int] | None:
    """Year, month and day as written; a date without a year is the next one."""
    if match := _ISO.fullmatch(plain):
        return int(match[1]), int(match[2]), int(match[3])
    if match := _DAY_FIRST.fullmatch(plain):
        return int(match[3]), int(match[2]), int(match[1])
    if match := _DAY_MONTH.fullmatch(plain):
        day, name, year = match[1], match[2], match[3]
    elif match := _MONTH_DAY.fullmatch(plain):
        name, day, year = match[1], match[2], match[3]
    else:
        return None
    months = [n for n, month in enumerate(_MONTHS, 1) if len(name) >= 3 and month.startswith(name)]
    if not months:
        return None
    month = months[0]
    if year:
        return int(year), month, int(day)
    past = (month, int(day)) < (today.month, today.day)
    return today.year + past, month, int(day)


def read_time(text: str) -> time:
    """The time of day that a person means: `14:30`, `2:30 pm`, `9am`, `noon`.

    Raises:
        ToolError: it is not a time of day.
    """
    plain = text.casefold().strip().removeprefix("at ")
    if plain in ("noon", "midnight"):
        return time(12 if plain == "noon" else 0)
    match = _CLOCK.fullmatch(plain)
    if match is None or (match[2] is None and match[3] is None and ":" not in plain and not plain.isdigit()):
        raise ToolError(f"'{text}' is not a time of day; write it like 14:30")
    hour, minute, half = int(match[1]), int(match[2] or 0), (match[3] or "").replace(".", "")
    if half in ("am", "pm") and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59:
        raise ToolError(f"'{text}' is not a time of day")
    return time(hour, minute)


def show_date(day: date) -> str:
    """`2026-11-20 (Friday)`."""
    return day.strftime("%Y-%m-%d (%A)")


def find_zone(name: str) -> ZoneInfo:
    """A time zone by its name or by the city in it.

    Raises:
        ToolError: there is none.
    """
    wanted = name.strip().replace(" ", "_").casefold()
    for zone in sorted(available_timezones()):
        if wanted in (zone.casefold(), zone.rpartition("/")[2].casefold()):
            return ZoneInfo(zone)
    raise ToolError(f"no time zone is called '{name}'; name a large city or one like Europe/Oslo")
