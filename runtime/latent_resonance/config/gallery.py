"""The gallery's sections of the settings: opening hours, quiet hours, attract mode, packs by clock.

Pure. `settings.py` adds them to the others; every field has a unit and a default.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from latent_resonance.config.timetable import (
    ALWAYS,
    CLOSED,
    DayHours,
    Timetable,
    parse_day_hours,
    parse_exceptions,
)
from latent_resonance.config.validation import Section, as_tuple

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_PACKS = 64  # lines of the packs by the clock
WEEKDAY_DESCRIPTION = "hours; blank is as daily"


def _hours(value: object) -> DayHours | None:
    return None if value is None else parse_day_hours(value)


Hours = Annotated[DayHours | None, BeforeValidator(_hours)]
Exceptions = Annotated[dict[date, DayHours], BeforeValidator(parse_exceptions)]


class WeeklyHours(Section):
    """Hours by weekday, and dates with other hours.

    A weekday without hours takes those of `daily`. Without `daily` it is closed if any other
    weekday has hours; if none has, every day takes the default.
    """

    daily: Hours = Field(None, description="hours of each day that is not named below")
    monday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    tuesday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    wednesday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    thursday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    friday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    saturday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    sunday: Hours = Field(None, description=WEEKDAY_DESCRIPTION)
    exceptions: Exceptions = Field(
        {}, description="dates with hours: {2026-12-24: 10:00-14:00, 2026-12-25: closed}"
    )

    def timetable(self, default: DayHours = ALWAYS) -> Timetable:
        """The timetable; `default` applies if no day has hours."""
        named: list[DayHours | None] = [getattr(self, name) for name in WEEKDAYS]
        if self.daily is not None:
            default = self.daily
        elif any(day is not None for day in named):
            default = CLOSED
        week = tuple(default if day is None else day for day in named)
        return Timetable(week, self.exceptions)


class Quiet(Section):
    """Quiet hours, for visitors who are sensitive to sound: softer, slower, darker, no noise."""

    when: WeeklyHours = WeeklyHours()
    loudness_lufs: float = Field(-30.0, ge=-60.0, le=-16.0, description="LUFS, maximum, -60 to -16")
    glide_s: float = Field(
        1.0, ge=0.0, le=30.0, description="seconds for z to follow, minimum, 0 to 30"
    )
    noise: float = Field(
        0.0, ge=0.0, le=1.0, description="share of the usual noise that is left, 0 to 1"
    )
    cutoff_hz: float = Field(
        3000.0, ge=200.0, le=24_000.0, description="Hz, maximum, with an open mouth, 200 to 24000"
    )
    tempo: float = Field(
        2.0, ge=0.1, le=8.0, description="frames per hop, maximum, 1 is the pack's tempo, 0.1 to 8"
    )

    def timetable(self) -> Timetable:
        """When it is quiet; never by default."""
        return self.when.timetable(CLOSED)


class Attract(Section):
    """What plays while there is no visitor."""

    enabled: bool = Field(True, description="false: silence until a visitor comes")
    score: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="a score (CSV); blank is the bundled one"
    )
    level_db: float = Field(
        -8.0, ge=-60.0, le=-3.0, description="dB relative to a visitor's loudness, -60 to -3"
    )


def _weekly(value: object) -> object:
    """The hours of one day stand for every day."""
    return value if isinstance(value, dict | WeeklyHours) else {"daily": value}


class PackHours(Section):
    """A pack, and when it plays."""

    hours: Annotated[WeeklyHours, BeforeValidator(_weekly)]
    pack: Annotated[str, Field(min_length=1)]

    def timetable(self) -> Timetable:
        """When it plays; never without hours."""
        return self.hours.timetable(CLOSED)

    def __str__(self) -> str:
        days = (f"{name} {self._day(name)}" for name in ("daily", *WEEKDAYS) if self._day(name))
        dates = (f"{day} {hours}" for day, hours in self.hours.exceptions.items())
        return f"{self.pack} ({', '.join([*days, *dates]) or 'never'})"

    def _day(self, name: str) -> DayHours | None:
        day: DayHours | None = getattr(self.hours, name)
        return day


def _at_most(packs: tuple[PackHours, ...]) -> tuple[PackHours, ...]:
    if len(packs) > MAX_PACKS:
        raise ValueError(f"should be a list of at most {MAX_PACKS}")
    return packs


Packs = Annotated[tuple[PackHours, ...], BeforeValidator(as_tuple), AfterValidator(_at_most)]
