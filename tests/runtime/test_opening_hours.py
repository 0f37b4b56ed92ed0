"""Opening hours: valid values, the state at a time, and an invalid clock."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.support.settings_files import SettingsFile, at

from latent_resonance.config.settings import Settings, SettingsError
from latent_resonance.config.timetable import DayHours
from latent_resonance.gallery.opening_hours import (
    OpeningState,
    ScheduleState,
    local_time,
    schedule_state_at,
)
from latent_resonance.voice.quiet_hours import quiet_settings


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "gallery.yaml")


@pytest.mark.parametrize("when", ["Mon 03:00", "Sun 23:59", "1971-01-01 12:00"])
def test_without_hours_it_is_always_open_at_any_clock_time(file: SettingsFile, when: str) -> None:
    state = file.state("", when)
    assert (state.opening, state.clock_error) == (OpeningState.OPEN, "")


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("Mon 09:59", False),
        ("Mon 10:00", True),
        ("Mon 17:59", True),
        ("Mon 18:00", False),
        ("Tue 12:00", False),  # closed
        ("Wed 12:29", True),
        ("Wed 12:30", False),  # between two
        ("Wed 14:00", True),
        ("Fri 23:30", True),
        ("Sat 01:59", True),  # Friday's
        ("Sat 02:00", False),
        ("Sun 23:59", True),  # always
        ("Mon 00:00", False),
    ],
)
@pytest.mark.parametrize("quotes", ["", '"'])
def test_hours_are_exact_to_the_minute(
    file: SettingsFile, when: str, is_open: bool, quotes: str
) -> None:
    text = """
hours:
  daily: "10:00-18:00"
  tuesday: closed
  wednesday: ["10:00-12:30", "14:00-20:00"]
  friday: "18:00-02:00"
  sunday: always
"""
    assert file.state(text.replace('"', quotes), when).is_open is is_open


def test_a_day_without_hours_is_closed_if_another_day_has_hours(file: SettingsFile) -> None:
    text = "hours: {saturday: 11:00-17:00, sunday: 11:00-17:00}"
    assert file.state(text, "Sat 12:00").is_open
    assert not file.state(text, "Mon 12:00").is_open


@pytest.mark.parametrize("key", ["2026-12-24", '"2026-12-24"'])
def test_a_date_can_have_its_own_hours(file: SettingsFile, key: str) -> None:
    text = f"hours:\n  daily: 10:00-18:00\n  exceptions: {{{key}: 10:00-14:00, 2026-12-25: off}}"
    assert file.state(text, "2026-12-24 13:59").is_open
    assert not file.state(text, "2026-12-24 14:00").is_open
    assert not file.state(text, "2026-12-25 12:00").is_open
    assert file.state(text, "2026-12-26 12:00").is_open


@pytest.mark.parametrize(
    ("when", "until"),
    [
        ("Mon 03:00", "until 10:00"),
        ("Mon 19:00", "until Tuesday 10:00"),
        ("Sat 19:00", "until Monday 10:00"),
        ("2026-12-23 19:00", "until 2027-01-02 10:00"),
    ],
)
def test_the_next_opening_is_given_in_words(file: SettingsFile, when: str, until: str) -> None:
    holidays = ", ".join(f"{date(2026, 12, 24) + timedelta(days=i)}: closed" for i in range(9))
    text = f"hours: {{daily: 10:00-18:00, sunday: closed, exceptions: {{{holidays}}}}}"
    assert file.state(text, when) == ScheduleState(
        OpeningState.CLOSED, until, today=at(when).date()
    )


def test_a_gallery_that_never_opens_again_gives_no_time(file: SettingsFile) -> None:
    assert file.state("hours: {daily: closed}", "Mon 12:00").until == ""


@pytest.mark.parametrize(
    "wrong",
    [
        "hours: {daily: 10:00}",  # YAML makes 600 of it
        "hours: {daily: [10:00, 18:00]}",
        "hours: {monday: 10-18}",
        "hours: {monday: '10:00-25:00'}",
        "hours: {monday: '10:70-18:00'}",
        "hours: {monday: '24:00-02:00'}",
        "hours: {monday: '10:00-10:00'}",
        "hours: {monday: []}",
        "hours: {monday: true}",
        "hours: {monday: {from: 10}}",
        "hours: {monday: open}",
        "hours: {exceptions: [2026-12-24]}",
        "hours: {exceptions: {christmas: closed}}",
        "hours: {exceptions: {2026-12-24: 10:00}}",
        "hours: {exceptions: {2026-12-24 10:00:00: closed}}",
        "quiet: {when: {daily: 600}}",
    ],
)
def test_invalid_hours_are_reported_with_the_rule(file: SettingsFile, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        file.write(wrong)
    (message,) = caught.value.messages
    assert '"10:00-18:00"' in message or "2026-12-24" in message
    assert "\n" not in message


def test_hours_are_formatted_as_they_are_written(file: SettingsFile) -> None:
    hours = file.write("hours: {daily: 9:05 - 24:00, monday: [18:00-2:00, 8:00-9:00]}").hours
    assert [str(hours.daily), str(hours.monday)] == ["09:05-24:00", "08:00-09:00, 18:00-02:00"]
    assert [str(DayHours(())), str(DayHours(((0, 1440),)))] == ["closed", "always"]


@pytest.mark.parametrize("year", [1970, 2025, 2100])
def test_an_invalid_clock_counts_as_open_and_is_reported(file: SettingsFile, year: int) -> None:
    state = file.state("hours: {daily: 10:00-18:00}", f"{year}-06-01 03:00")
    assert state == ScheduleState(
        OpeningState.OPEN, clock_error=f"the clock says {year}, so opening hours are ignored"
    )


def test_an_invalid_clock_disables_quiet_hours_too(file: SettingsFile) -> None:
    state = file.state("quiet: {when: {daily: 00:00-08:00}}", "1970-01-01 00:10")
    assert (state.opening, state.today) == (OpeningState.OPEN, None)
    assert "hours are ignored" in state.clock_error


@pytest.mark.parametrize(
    ("text", "opening"),
    [
        ("hours: {daily: closed}", OpeningState.CLOSED),
        ("quiet: {when: {daily: always}}", OpeningState.QUIET),
    ],
)
def test_a_constant_schedule_needs_no_clock(
    file: SettingsFile, text: str, opening: OpeningState
) -> None:
    assert file.state(text, "1970-01-01 00:10") == ScheduleState(opening)


DAYLIGHT_SAVING = """
import os, time
from datetime import datetime, timezone
os.environ["TZ"] = "Europe/Berlin"
time.tzset()
from latent_resonance.config.timetable import Timetable, parse_day_hours
table = Timetable((parse_day_hours("01:30-10:00"),) * 7)
for stamp in range(int(datetime({0}, tzinfo=timezone.utc).timestamp()), 10**10, 900):
    local = datetime.fromtimestamp(stamp).astimezone()
    if local.hour >= 11: break
    print(f"{{local:%H:%M}}", int(table.contains(local)))
"""


@pytest.mark.parametrize(
    ("midnight", "open_quarters"),
    [("2027, 3, 27, 23", 4 * 7.5), ("2026, 10, 24, 22", 4 * 9.5), ("2026, 6, 1, 22", 4 * 8.5)],
)
def test_hours_follow_local_time_when_daylight_saving_begins_or_ends(
    midnight: str, open_quarters: float
) -> None:
    program = [sys.executable, "-c", DAYLIGHT_SAVING.format(midnight)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    quarters = [line.split() for line in done.stdout.splitlines()]
    assert quarters[0][0] == "00:00"
    for clock, is_open in quarters:
        assert (is_open == "1") == ("01:30" <= clock < "10:00"), clock
    assert sum(is_open == "1" for _, is_open in quarters) == open_quarters


def test_quiet_hours_apply_within_the_opening_hours(file: SettingsFile) -> None:
    text = "hours: {daily: 10:00-18:00}\nquiet: {when: {monday: 09:00-12:00}}"
    states = [
        file.state(text, when).opening
        for when in ("Mon 09:30", "Mon 11:00", "Mon 13:00", "Tue 11:00")
    ]
    assert states == [OpeningState.CLOSED, OpeningState.QUIET, OpeningState.OPEN, OpeningState.OPEN]


def test_quiet_hours_soften_every_setting(file: SettingsFile) -> None:
    loud = file.write("output: {volume_db: 6}")
    soft = quiet_settings(loud)
    assert soft.output.loudness_lufs + soft.output.volume_db == -30.0
    assert soft.latent.glide_s == 1.0
    assert soft.controls.noise.output == (0.0, 0.0)
    assert soft.controls.band_pass.output == (1750.0, 3000.0)
    assert soft.controls.time_stretch.output == (1.0, 2.0)
    assert quiet_settings(soft) == soft


def test_softer_settings_stay_unchanged_in_quiet_hours(file: SettingsFile) -> None:
    soft = file.write(
        "output: {loudness_lufs: -40, volume_db: -3}\nlatent: {glide_s: 3}\n"
        "controls: {band_pass: {output: [300, 900]}}"
    )
    hush = quiet_settings(soft)
    assert hush.output.loudness_lufs == -43.0
    assert hush.latent == soft.latent
    assert hush.controls.band_pass == soft.controls.band_pass


def test_local_time_is_the_time_of_the_machine() -> None:
    shown = subprocess.run(["date", "+%Y-%m-%d %H"], capture_output=True, text=True, check=True)
    later = local_time() + timedelta(seconds=5)
    near = {
        f"{moment:%Y-%m-%d %H}" for moment in (local_time(), later, later - timedelta(seconds=10))
    }
    assert shown.stdout.strip() in near
    assert os.environ.get("TZ") is None or local_time().tzinfo is not None


def test_a_schedule_state_is_open_by_default() -> None:
    assert ScheduleState().is_open
    assert not ScheduleState(OpeningState.CLOSED).is_open
    assert schedule_state_at(
        at("Mon 12:00"), Settings().hours.timetable(), Settings().quiet.timetable()
    ).is_open
