"""A temporary settings file with opening hours, and local times for tests."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path

from latent_resonance.config.settings import Settings, load_settings
from latent_resonance.gallery.opening_hours import ScheduleState
from latent_resonance.voice.quiet_hours import schedule_state_of

MONDAY = date(2026, 11, 23)


class SettingsFile:
    """A temporary settings file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> Settings:
        self.path.write_text(text)
        return load_settings(self.path)

    def state(self, text: str, when: str) -> ScheduleState:
        return schedule_state_of(self.write(text), at(when))


def at(when: str) -> datetime:
    """Local time from `Tue 10:30` or `2026-12-24 10:30`."""
    day, clock = when.rsplit(" ", 1)
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    start = MONDAY + timedelta(days=names.index(day)) if day in names else date.fromisoformat(day)
    hour, minute = map(int, clock.split(":"))
    return datetime(start.year, start.month, start.day, hour, minute).astimezone()
