"""The eye's schedule: opening hours, and edits of the settings file."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import pytest
from tests.support.settings_files import SettingsFile, at

from latent_resonance.config.load import initial_settings
from latent_resonance.eye.memory_limit import RestartRequiredError
from latent_resonance.eye.schedule import Schedule
from latent_resonance.gallery.standby import StandbyFile, standby_path


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
        self, file: SettingsFile, text: str, when: str = "Mon 12:00", *, unattended: bool = False
    ) -> None:
        self.file, self.clock = file, Clock(when)
        self.logged: list[str] = []
        file.path.write_text(text)
        initial = initial_settings(file.path, None, unattended=unattended, log=self.logged.append)
        self.standby = standby_path(file.path.parent / "run" / "face.sock")
        self.schedule = Schedule(initial, file.path, self.logged.append, self.standby, self.clock)

    def open(self, when: str | None = None) -> bool:
        if when:
            self.clock.set(when)
        self.schedule.check()
        self.schedule.check()  # a file must be unchanged for one check
        return not self.schedule.closed_because()


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
    assert "hours.daily" in rig.schedule.refused
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


def test_an_eye_whose_hours_cannot_be_read_is_closed_until_they_are(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "hours: [\npack: cello\n", unattended=True)
    assert not rig.open()
    assert rig.schedule.closed_because() == "closed until the settings are corrected"
    assert "not YAML" in rig.schedule.refused
    file.path.write_text("hours: {daily: 10:00-18:00}")
    assert rig.open()
    assert rig.schedule.refused == ""


def test_a_fault_elsewhere_neither_closes_the_camera_nor_loses_the_hours(
    file: SettingsFile,
) -> None:
    rig = ScheduleRig(file, "hours: {daily: 10:00-18:00}\nloop: {moprh_s: 1}", unattended=True)
    assert rig.open()
    assert "loop.moprh_s" in rig.schedule.refused
    assert not rig.open("Mon 18:00")


def test_standby_closes_the_camera_and_stays_while_the_voice_is_gone(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "")
    assert rig.open()  # there is no voice yet
    rig.standby.parent.mkdir()
    assert rig.open()
    voice = StandbyFile(rig.standby)
    voice.set(on=True)
    assert not rig.open()
    assert rig.schedule.closed_because() == "closed on standby"
    voice.set(on=False)
    assert rig.open()
    voice.set(on=True)
    assert not rig.open()
    shutil.rmtree(rig.standby.parent)
    assert not rig.open()
    rig.standby.parent.mkdir()  # another voice, which is not on standby
    assert rig.open()


def test_standby_outlives_a_voice_that_has_crashed(file: SettingsFile) -> None:
    rig = ScheduleRig(file, "")
    rig.standby.parent.mkdir()
    StandbyFile(rig.standby).set(on=True)
    restarted = StandbyFile(rig.standby)
    assert restarted.on
    assert not rig.open()
    restarted.set(on=False)
    assert rig.open()
