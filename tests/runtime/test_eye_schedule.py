"""The eye's schedule: opening hours, and edits of the settings file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from tests.support.settings_files import SettingsFile, at

from latent_resonance.config.settings import Settings
from latent_resonance.eye.memory_limit import RestartRequiredError
from latent_resonance.eye.schedule import Schedule


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "gallery.yaml")


class Clock:
    """A wall clock that can be set."""

    def __init__(self, when: str) -> None:
        self.set(when)

    def set(self, when: str) -> None:
        self.now = at(when)

    def __call__(self) -> datetime:
        return self.now


class ScheduleRig:
    """A `Schedule` with its own file and clock."""

    def __init__(
        self, file: SettingsFile, text: str, when: str = "Mon 12:00", refused: str = ""
    ) -> None:
        self.file, self.clock = file, Clock(when)
        self.logged: list[str] = []
        settings = Settings() if refused else file.write(text)
        file.path.write_text(text)
        self.schedule = Schedule(settings, file.path, self.logged.append, refused, self.clock)

    def open(self, when: str | None = None) -> bool:
        if when:
            self.clock.set(when)
        self.schedule.check()
        self.schedule.check()  # a file must be unchanged for one check
        return self.schedule.is_open()


def test_the_camera_opens_and_closes_with_the_hours(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "hours: {daily: 10:00-18:00}")
    opened = [rig.open(when) for when in ("Mon 09:59", "Mon 10:00", "Mon 18:00", "Tue 12:00")]
    assert opened == [False, True, False, True]


def test_a_corrected_clock_takes_effect_at_the_next_check(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "hours: {daily: 10:00-18:00}")
    assert rig.open("1970-01-01 00:00")
    assert rig.open("1970-01-01 00:01")
    assert not rig.open("2026-11-23 20:00")
    assert rig.logged == [
        "the clock says 1970, so opening hours are ignored; open until the clock is right"
    ]


def test_edited_hours_take_effect(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "")
    assert rig.open()
    file.path.write_text("hours: {daily: 20:00-22:00}")
    assert not rig.open()
    assert rig.logged == []


def test_an_invalid_edit_is_logged_once_and_the_hours_stay(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "hours: {daily: 20:00-22:00}")
    file.path.write_text("hours: {daily: 10:00}")
    assert not rig.open()
    assert not rig.open()
    assert len(rig.logged) == 2
    assert "hours.daily: 600" in rig.schedule.refused
    file.path.write_text("hours: {daily: 10:00-13:00}")
    assert rig.open()
    assert rig.schedule.refused == ""


@pytest.mark.parametrize("edit", ["camera: {width: 320}", "eye: {min_confidence: 0.7}"])
def test_changed_camera_or_eye_settings_require_a_restart(file: SettingsFile, edit: str) -> None:
    rig = ScheduleRig(file, "")
    file.path.write_text(edit)
    with pytest.raises(RestartRequiredError, match="camera or eye settings have changed"):
        rig.open()


def test_an_edit_that_concerns_only_the_voice_does_not_affect_the_eye(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "")
    file.path.write_text("output: {volume_db: -6}")
    assert rig.open()


def test_an_eye_started_with_defaults_takes_the_file_once_it_is_valid(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "hours: [", refused="not YAML")
    assert rig.open()
    assert rig.schedule.refused == "not YAML"
    file.path.write_text("hours: {daily: closed}")
    assert not rig.open()
    assert rig.schedule.refused == ""
