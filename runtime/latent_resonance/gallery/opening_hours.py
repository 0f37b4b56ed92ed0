"""When it plays: opening hours by weekday and by date, and the only look at the wall clock.

Pure but for `local_time`. Asked every second by the voice's caring thread and by the eye's loop,
so that summer time, a clock that is put right and one that leaps need no care of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import Enum

DAY_MIN = 24 * 60
RULE = 'should be hours such as "10:00-18:00", a list of them, always or closed'
HOURS = re.compile(r"(\d{1,2}):(\d\d)\s*[-–]\s*(\d{1,2}):(\d\d)")
# A machine without a clock of its own starts in 1970, or at the last time it wrote down. Nobody can
# have installed this before it was written, nor does anybody expect it in the next century.
FIRST_YEAR, LAST_YEAR = 2026, 2099
LOOK_AHEAD_DAYS = 366
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class HoursError(ValueError):
    """What was written cannot be read as hours; the message is the rule."""


@dataclass(frozen=True)
class Day:
    """The hours of one day.

    spans : (first, end) in minutes since its midnight; an end beyond DAY_MIN is on the next day
    """

    spans: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        if self == ALWAYS:
            return "always"
        return ", ".join(f"{_clock(a)}-{_clock(b)}" for a, b in self.spans) or "closed"


ALWAYS, CLOSED = Day(((0, DAY_MIN),)), Day(())


def day_of(value: object) -> Day:
    """Hours as somebody wrote them.

    Raises
    ------
    HoursError
        The rule for what can be written.
    """
    if isinstance(value, Day):
        return value
    if value is False:  # YAML's off and no
        return CLOSED
    if isinstance(value, str) and value.strip().lower() in ("always", "closed"):
        return ALWAYS if value.strip().lower() == "always" else CLOSED
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise HoursError(RULE)
    return Day(tuple(sorted(_span(text) for part in texts for text in _split(part))))


def _split(part: object) -> list[str]:
    if isinstance(part, int):  # YAML reads 10:00 as 600: minutes and seconds
        raise HoursError(f"{RULE}, in quotes")
    if not isinstance(part, str):
        raise HoursError(RULE)
    return part.split(",")


def _span(text: str) -> tuple[int, int]:
    found = HOURS.fullmatch(text.strip())
    if found is None:
        raise HoursError(RULE)
    hours = [int(number) for number in found.groups()]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if begin >= DAY_MIN or end > DAY_MIN or hours[1] > 59 or hours[3] > 59:
        raise HoursError(f"{RULE}; a day has 00:00 to 24:00")
    if begin == end:
        raise HoursError(f"{RULE}; {text.strip()} begins as it ends")
    return begin, end if end > begin else end + DAY_MIN  # past midnight


def exceptions_of(value: object) -> dict[date, Day]:
    """Dates with hours of their own; YAML makes a date of 2026-12-24 by itself.

    Raises
    ------
    HoursError
        The rule for what can be written.
    """
    if not isinstance(value, Mapping):
        raise HoursError("should be dates with hours: {2026-12-24: 10:00-14:00}")
    days: dict[date, Day] = {}
    for key, hours in value.items():
        try:
            day = date.fromisoformat(key) if isinstance(key, str) else key
        except ValueError:
            day = None
        if not isinstance(day, date) or isinstance(day, datetime):
            raise HoursError(f"has {key!r}, which should be a date such as 2026-12-24")
        try:
            days[day] = day_of(hours)
        except HoursError as error:
            raise HoursError(f"at {day} {error}") from None
    return days


@dataclass(frozen=True)
class Timetable:
    """Hours for every day there is.

    week : seven, from Monday
    """

    week: tuple[Day, ...] = (ALWAYS,) * 7
    exceptions: Mapping[date, Day] = field(default_factory=dict)

    @property
    def ever_changes(self) -> bool:
        """Whether it depends on the clock at all."""
        days = {*self.week, *self.exceptions.values()}
        return days not in ({ALWAYS}, {CLOSED})

    def day(self, when: date) -> Day:
        """The hours that begin on a date."""
        return self.exceptions.get(when, self.week[when.weekday()])

    def holds(self, now: datetime) -> bool:
        """Whether a moment of local time is within the hours."""
        minute = now.hour * 60 + now.minute
        yesterday = now.date() - timedelta(days=1)
        return any(a <= minute < b for a, b in self.day(now.date()).spans) or any(
            minute + DAY_MIN < b for _, b in self.day(yesterday).spans
        )

    def next_begin(self, now: datetime) -> datetime | None:
        """When hours next begin after a moment of local time, within about a year."""
        return next((begin for begin in self._begins(now.date()) if begin > _naive(now)), None)

    def _begins(self, first: date) -> Iterator[datetime]:
        for days in range(LOOK_AHEAD_DAYS):
            when = first + timedelta(days=days)
            for begin, _ in self.day(when).spans:
                yield datetime.combine(when, time.min) + timedelta(minutes=begin)


class Door(Enum):
    """What the hour is."""

    OPEN = "open"
    QUIET = "quiet hours"
    SHUT = "closed"


@dataclass(frozen=True)
class Hour:
    """What the hour means for the instrument.

    Attributes
    ----------
    door : open, open and quiet, or shut
    until : when it opens again, in words; empty if it is open
    doubt : why the clock is not believed; empty if it is, or if nothing depends on it
    today : the date; None if the clock cannot be right
    """

    door: Door = Door.OPEN
    until: str = ""
    doubt: str = ""
    today: date | None = None

    @property
    def is_open(self) -> bool:
        """Whether there may be sound and sight."""
        return self.door is not Door.SHUT


def hour_at(now: datetime, opening: Timetable, quiet: Timetable) -> Hour:
    """What a moment of local time means; to a clock that cannot be right nothing is shut."""
    doubt, today = doubt_of(now), now.date()
    if doubt:
        timely = opening.ever_changes or quiet.ever_changes
        opening = Timetable() if opening.ever_changes else opening
        quiet = Timetable((CLOSED,) * 7) if quiet.ever_changes else quiet
        doubt, today = doubt if timely else "", None
    if not opening.holds(now):
        return Hour(Door.SHUT, _opens(opening.next_begin(now), now), doubt, today)
    return Hour(Door.QUIET if quiet.holds(now) else Door.OPEN, "", doubt, today)


def doubt_of(now: datetime) -> str:
    """Why a clock cannot be right, in words; empty if it can."""
    if FIRST_YEAR <= now.year <= LAST_YEAR:
        return ""
    return f"the clock says {now.year}, so the hours are not kept"


def local_time() -> datetime:
    """The wall clock."""
    return datetime.now().astimezone()


def _naive(now: datetime) -> datetime:
    return now.replace(tzinfo=None)


def _clock(minute: int) -> str:
    """Minutes since midnight as 18:00; the end of a day is 24:00."""
    minute = minute if minute <= DAY_MIN else minute - DAY_MIN
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _opens(begin: datetime | None, now: datetime) -> str:
    """For people: until 10:00, until Tuesday 10:00, until 2026-12-24 10:00."""
    if begin is None:
        return ""
    days = (begin.date() - now.date()).days
    if days == 0:
        return f"until {begin:%H:%M}"
    day = WEEKDAYS[begin.weekday()] if days < 7 else begin.date().isoformat()
    return f"until {day} {begin:%H:%M}"
