"""Opening hours by weekday and by date: parsing them, and which moments lie within them.

Pure: local time comes in as an argument (`gallery/opening_hours.py` reads the clock).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

DAY_MIN = 24 * 60
RULE = 'should be hours such as "10:00-18:00", a list of them, always or closed'
SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)")
SEARCH_DAYS = 366  # how far ahead the next opening is searched


class HoursError(ValueError):
    """A value cannot be read as hours; the message is the rule."""


@dataclass(frozen=True)
class DayHours:
    """The hours of one day.

    spans : (start, end) in minutes since midnight; an end beyond DAY_MIN is on the next day
    """

    spans: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        if self == ALWAYS:
            return "always"
        return ", ".join(f"{_clock(a)}-{_clock(b)}" for a, b in self.spans) or "closed"


ALWAYS, CLOSED = DayHours(((0, DAY_MIN),)), DayHours(())


@dataclass(frozen=True)
class Timetable:
    """Hours for every date.

    week : seven days, from Monday
    """

    week: tuple[DayHours, ...] = (ALWAYS,) * 7
    exceptions: Mapping[date, DayHours] = field(default_factory=dict)

    @property
    def depends_on_clock(self) -> bool:
        """Whether some moments lie within the hours and others do not."""
        days = {*self.week, *self.exceptions.values()}
        return days not in ({ALWAYS}, {CLOSED})

    def day(self, when: date) -> DayHours:
        """The hours that start on a date."""
        return self.exceptions.get(when, self.week[when.weekday()])

    def contains(self, now: datetime) -> bool:
        """Whether a local time lies within the hours."""
        minute = now.hour * 60 + now.minute
        yesterday = now.date() - timedelta(days=1)
        return any(a <= minute < b for a, b in self.day(now.date()).spans) or any(
            minute + DAY_MIN < b for _, b in self.day(yesterday).spans
        )

    def next_start(self, now: datetime) -> datetime | None:
        """When hours next start after a local time; None if not within SEARCH_DAYS."""
        after = now.replace(tzinfo=None)
        return next((start for start in self._starts(now.date()) if start > after), None)

    def _starts(self, first: date) -> Iterator[datetime]:
        for days in range(SEARCH_DAYS):
            when = first + timedelta(days=days)
            for start, _ in self.day(when).spans:
                yield datetime.combine(when, time.min) + timedelta(minutes=start)


def parse_day_hours(value: object) -> DayHours:
    """Hours of a day from a value of the settings file.

    Raises
    ------
    HoursError
        The value has another form.
    """
    if isinstance(value, DayHours):
        return value
    if value is False:  # YAML's off and no
        return CLOSED
    if isinstance(value, str) and value.strip().lower() in ("always", "closed"):
        return ALWAYS if value.strip().lower() == "always" else CLOSED
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise HoursError(RULE)
    return DayHours(tuple(sorted(_parse_span(text) for part in texts for text in _split(part))))


def _split(part: object) -> list[str]:
    if not isinstance(part, str):
        raise HoursError(RULE)
    return part.split(",")


def _parse_span(text: str) -> tuple[int, int]:
    match = SPAN.fullmatch(text.strip())
    if match is None:
        raise HoursError(RULE)
    numbers = [int(group) for group in match.groups()]
    start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if start >= DAY_MIN or end > DAY_MIN or numbers[1] > 59 or numbers[3] > 59:
        raise HoursError(f"{RULE}; a day has 00:00 to 24:00")
    if start == end:
        raise HoursError(f"{RULE}; {text.strip()} starts and ends at the same time")
    return start, end if end > start else end + DAY_MIN  # past midnight


def parse_exceptions(value: object) -> dict[date, DayHours]:
    """Dates with their own hours from a value of the settings file.

    Raises
    ------
    HoursError
        The value has another form.
    """
    if not isinstance(value, Mapping):
        raise HoursError("should be dates with hours: {2026-12-24: 10:00-14:00}")
    days: dict[date, DayHours] = {}
    for key, hours in value.items():
        day = _parse_date(key)
        try:
            days[day] = parse_day_hours(hours)
        except HoursError as error:
            raise HoursError(f"at {day} {error}") from None
    return days


def _parse_date(key: object) -> date:
    """YAML itself makes a date of an unquoted 2026-12-24."""
    try:
        day = date.fromisoformat(key) if isinstance(key, str) else key
    except ValueError:
        day = None
    if not isinstance(day, date) or isinstance(day, datetime):
        raise HoursError(f"has {key!r}, which should be a date such as 2026-12-24")
    return day


def _clock(minute: int) -> str:
    """Minutes since midnight as 18:00; the end of a day is 24:00."""
    minute = minute if minute <= DAY_MIN else minute - DAY_MIN
    return f"{minute // 60:02d}:{minute % 60:02d}"
