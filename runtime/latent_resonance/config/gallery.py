"""The gallery's sections of the settings: hours, quiet hours, and what plays while nobody is there.

Pure. `settings.py` puts them beside the others; every field has a unit and a default.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from latent_resonance.config.validation import Section
from latent_resonance.gallery.opening_hours import (
    ALWAYS,
    CLOSED,
    Day,
    Timetable,
    day_of,
    exceptions_of,
)

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
OF_THE_DAY = "hours; blank is as daily"


def _hours(value: object) -> Day | None:
    return None if value is None else day_of(value)


Hours = Annotated[Day | None, BeforeValidator(_hours)]
Exceptions = Annotated[dict[date, Day], BeforeValidator(exceptions_of)]


class Week(Section):
    """Hours by weekday, and dates that are different.

    A day that is not named has the hours of `daily`; without a `daily` it is closed, but always
    open if nothing is named at all.
    """

    daily: Hours = Field(None, description="hours of each day that is not named below")
    monday: Hours = Field(None, description=OF_THE_DAY)
    tuesday: Hours = Field(None, description=OF_THE_DAY)
    wednesday: Hours = Field(None, description=OF_THE_DAY)
    thursday: Hours = Field(None, description=OF_THE_DAY)
    friday: Hours = Field(None, description=OF_THE_DAY)
    saturday: Hours = Field(None, description=OF_THE_DAY)
    sunday: Hours = Field(None, description=OF_THE_DAY)
    exceptions: Exceptions = Field(
        {}, description="dates with hours: {2026-12-24: 10:00-14:00, 2026-12-25: closed}"
    )

    def timetable(self, otherwise: Day = ALWAYS) -> Timetable:
        """For every day; `otherwise` if no weekday is named."""
        named: list[Day | None] = [getattr(self, name) for name in WEEKDAYS]
        if self.daily is None and any(day is not None for day in named):
            otherwise = CLOSED
        default = otherwise if self.daily is None else self.daily
        week = tuple(default if day is None else day for day in named)
        return Timetable(week, self.exceptions)


class Quiet(Section):
    """Hours for those whom sound hurts: softer, slower, without noise and without brilliance."""

    when: Week = Week()
    loudness_lufs: float = Field(-30.0, ge=-60.0, le=-16.0, description="LUFS at most, -60 to -16")
    glide_s: float = Field(1.0, ge=0.0, le=30.0, description="seconds to follow at least, 0 to 30")
    noise: float = Field(0.0, ge=0.0, le=1.0, description="of the noise of other hours, 0 to 1")
    cutoff_hz: float = Field(
        3000.0, ge=200.0, le=24_000.0, description="Hz at most, with an open mouth, 200 to 24000"
    )
    tempo: float = Field(
        2.0, ge=0.1, le=8.0, description="frames per hop at most, 1 is the pack's, 0.1 to 8"
    )

    def timetable(self) -> Timetable:
        """When it is quiet: never, if nothing is named."""
        return self.when.timetable(CLOSED)


class Attract(Section):
    """What plays while nobody is there."""

    enabled: bool = Field(True, description="false: silence until somebody comes")
    score: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="a score (CSV); blank is the bundled one"
    )
    level_db: float = Field(
        -8.0, ge=-60.0, le=-3.0, description="dB below a visitor's loudness, -60 to -3"
    )
