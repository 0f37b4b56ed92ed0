"""The eye keeps the hours: what it looks at, and what an edit of the settings does to it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from tests.support.settings_files import File, at

from latent_resonance.config.settings import Settings
from latent_resonance.eye.memory_limit import RestartRequiredError
from latent_resonance.eye.schedule import Schedule


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "gallery.yaml")


class Clock:
    """A wall clock to be set."""

    def __init__(self, when: str) -> None:
        self.set(when)

    def set(self, when: str) -> None:
        self.now = at(when)

    def __call__(self) -> datetime:
        return self.now


class ScheduleRig:
    """The eye's opening hours over a file and a clock of this test's own."""

    def __init__(self, file: File, text: str, when: str = "Mon 12:00", refused: str = "") -> None:
        self.file, self.clock = file, Clock(when)
        self.logged: list[str] = []
        settings = Settings() if refused else file.write(text)
        file.path.write_text(text)
        self.schedule = Schedule(settings, file.path, self.logged.append, refused, self.clock)

    def open(self, when: str | None = None) -> bool:
        if when:
            self.clock.set(when)
        self.schedule.check()
        self.schedule.check()  # a file must rest for a look
        return self.schedule.is_open()


def test_the_eye_closes_and_opens_with_the_hours(file: File) -> None:
    rig = ScheduleRig(file, "hours: {daily: 10:00-18:00}")
    opened = [rig.open(when) for when in ("Mon 09:59", "Mon 10:00", "Mon 18:00", "Tue 12:00")]
    assert opened == [False, True, False, True]


def test_a_clock_that_leaps_is_believed_at_the_next_second(file: File) -> None:
    rig = ScheduleRig(file, "hours: {daily: 10:00-18:00}")
    assert rig.open("1970-01-01 00:00")
    assert rig.open("1970-01-01 00:01")
    assert not rig.open("2026-11-23 20:00")
    assert rig.logged == ["the clock says 1970, so the hours are not kept; open until it is right"]


def test_hours_edited_while_it_sees_are_kept(file: File) -> None:
    rig = ScheduleRig(file, "")
    assert rig.open()
    file.path.write_text("hours: {daily: 20:00-22:00}")
    assert not rig.open()
    assert rig.logged == []


def test_a_bad_edit_is_said_once_and_the_hours_stay(file: File) -> None:
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
def test_another_camera_or_way_to_see_is_a_reason_for_a_fresh_start(file: File, edit: str) -> None:
    rig = ScheduleRig(file, "")
    file.path.write_text(edit)
    with pytest.raises(RestartRequiredError, match="camera or eye have changed"):
        rig.open()


def test_what_only_the_voice_plays_does_not_disturb_the_eye(file: File) -> None:
    rig = ScheduleRig(file, "")
    file.path.write_text("output: {volume_db: -6}")
    assert rig.open()


def test_an_eye_that_began_with_the_defaults_takes_the_file_when_it_is_right(file: File) -> None:
    rig = ScheduleRig(file, "hours: [", refused="not YAML")
    assert rig.open()
    assert rig.schedule.refused == "not YAML"
    file.path.write_text("hours: {daily: closed}")
    assert not rig.open()
    assert rig.schedule.refused == ""
