"""Whether the instrument is open, in quiet hours or closed; the only module that reads the clock.

Pure except for `local_time`. The voice's supervision thread and the eye's loop ask every second,
so that daylight saving time and clock adjustments need no special handling.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from latent_resonance.config.timetable import CLOSED, Timetable

# A machine without a battery-backed clock starts in 1970, or at the last time it saved. The
# program did not exist before the first of these years.
FIRST_YEAR, LAST_YEAR = 2026, 2099
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class OpeningState(Enum):
    """Open, open with quieter sound, or closed; the values appear in the status line."""

    OPEN = "open"
    QUIET = "quiet hours"
    CLOSED = "closed"


@dataclass(frozen=True)
class ScheduleState:
    """What the timetables give for one moment.

    Attributes
    ----------
    opening : open, quiet or closed
    until : when it opens again, in words; empty while open
    clock_error : why the clock is ignored; empty if it is valid or no timetable depends on it
    today : the date; None if the clock is invalid
    """

    opening: OpeningState = OpeningState.OPEN
    until: str = ""
    clock_error: str = ""
    today: date | None = None

    @property
    def is_open(self) -> bool:
        """Whether sound and camera are allowed."""
        return self.opening is not OpeningState.CLOSED


def schedule_state_at(now: datetime, opening: Timetable, quiet: Timetable) -> ScheduleState:
    """Evaluate the timetables at a local time; an invalid clock never closes the gallery."""
    today: date | None = now.date()
    clock_error = clock_error_of(now)
    if clock_error:
        if not (opening.depends_on_clock or quiet.depends_on_clock):
            clock_error = ""
        opening = Timetable() if opening.depends_on_clock else opening
        quiet = Timetable((CLOSED,) * 7) if quiet.depends_on_clock else quiet
        today = None
    if not opening.contains(now):
        until = _until(opening.next_start(now), now)
        return ScheduleState(OpeningState.CLOSED, until, clock_error, today)
    state = OpeningState.QUIET if quiet.contains(now) else OpeningState.OPEN
    return ScheduleState(state, "", clock_error, today)


def clock_error_of(now: datetime) -> str:
    """Why a clock cannot be right, in words; empty if it can."""
    if FIRST_YEAR <= now.year <= LAST_YEAR:
        return ""
    return f"the clock says {now.year}, so opening hours are ignored"


def local_time() -> datetime:
    """The wall clock, in the machine's time zone."""
    return datetime.now().astimezone()


def _until(start: datetime | None, now: datetime) -> str:
    """One of: until 10:00, until Tuesday 10:00, until 2026-12-24 10:00; empty for None."""
    if start is None:
        return ""
    days = (start.date() - now.date()).days
    if days == 0:
        return f"until {start:%H:%M}"
    day = WEEKDAYS[start.weekday()] if days < 7 else start.date().isoformat()
    return f"until {day} {start:%H:%M}"
