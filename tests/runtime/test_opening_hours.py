"""Opening hours: what can be written, what a moment means, and what a clock that errs does."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.support.settings_files import File, at

from latent_resonance.config.settings import Settings, SettingsError
from latent_resonance.gallery.opening_hours import Day, Door, Hour, hour_at, local_time
from latent_resonance.voice.quiet_hours import hushed


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "gallery.yaml")


@pytest.mark.parametrize("when", ["Mon 03:00", "Sun 23:59", "1971-01-01 12:00"])
def test_without_hours_it_is_always_open_whatever_the_clock_says(file: File, when: str) -> None:
    hour = file.hour("", when)
    assert (hour.door, hour.doubt) == (Door.OPEN, "")


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
def test_hours_are_kept_to_the_minute(file: File, when: str, is_open: bool, quotes: str) -> None:
    text = """
hours:
  daily: "10:00-18:00"
  tuesday: closed
  wednesday: ["10:00-12:30", "14:00-20:00"]
  friday: "18:00-02:00"
  sunday: always
"""
    assert file.hour(text.replace('"', quotes), when).is_open is is_open


def test_a_day_that_is_not_named_is_closed_once_another_is(file: File) -> None:
    text = "hours: {saturday: 11:00-17:00, sunday: 11:00-17:00}"
    assert file.hour(text, "Sat 12:00").is_open
    assert not file.hour(text, "Mon 12:00").is_open


@pytest.mark.parametrize("key", ["2026-12-24", '"2026-12-24"'])
def test_a_date_has_hours_of_its_own(file: File, key: str) -> None:
    text = f"hours:\n  daily: 10:00-18:00\n  exceptions: {{{key}: 10:00-14:00, 2026-12-25: off}}"
    assert file.hour(text, "2026-12-24 13:59").is_open
    assert not file.hour(text, "2026-12-24 14:00").is_open
    assert not file.hour(text, "2026-12-25 12:00").is_open
    assert file.hour(text, "2026-12-26 12:00").is_open


@pytest.mark.parametrize(
    ("when", "until"),
    [
        ("Mon 03:00", "until 10:00"),
        ("Mon 19:00", "until Tuesday 10:00"),
        ("Sat 19:00", "until Monday 10:00"),
        ("2026-12-23 19:00", "until 2027-01-02 10:00"),
    ],
)
def test_when_it_opens_again_is_said_in_words(file: File, when: str, until: str) -> None:
    holidays = ", ".join(f"{date(2026, 12, 24) + timedelta(days=i)}: closed" for i in range(9))
    text = f"hours: {{daily: 10:00-18:00, sunday: closed, exceptions: {{{holidays}}}}}"
    assert file.hour(text, when) == Hour(Door.SHUT, until, today=at(when).date())


def test_a_gallery_that_never_opens_again_says_no_hour(file: File) -> None:
    assert file.hour("hours: {daily: closed}", "Mon 12:00").until == ""


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
def test_hours_that_cannot_be_read_are_answered_with_the_rule(file: File, wrong: str) -> None:
    with pytest.raises(SettingsError) as caught:
        file.write(wrong)
    (message,) = caught.value.messages
    assert '"10:00-18:00"' in message or "2026-12-24" in message
    assert "\n" not in message


def test_hours_are_written_back_as_people_write_them(file: File) -> None:
    hours = file.write("hours: {daily: 9:05 - 24:00, monday: [18:00-2:00, 8:00-9:00]}").hours
    assert [str(hours.daily), str(hours.monday)] == ["09:05-24:00", "08:00-09:00, 18:00-02:00"]
    assert [str(Day(())), str(Day(((0, 1440),)))] == ["closed", "always"]


@pytest.mark.parametrize("year", [1970, 2025, 2100])
def test_a_clock_that_cannot_be_right_counts_as_open_and_says_so(file: File, year: int) -> None:
    hour = file.hour("hours: {daily: 10:00-18:00}", f"{year}-06-01 03:00")
    assert hour == Hour(Door.OPEN, doubt=f"the clock says {year}, so the hours are not kept")


def test_a_clock_that_cannot_be_right_knows_no_quiet_hours_either(file: File) -> None:
    hour = file.hour("quiet: {when: {daily: 00:00-08:00}}", "1970-01-01 00:10")
    assert (hour.door, hour.today) == (Door.OPEN, None)
    assert "hours are not kept" in hour.doubt


@pytest.mark.parametrize(
    ("text", "door"),
    [("hours: {daily: closed}", Door.SHUT), ("quiet: {when: {daily: always}}", Door.QUIET)],
)
def test_what_holds_at_every_hour_needs_no_clock(file: File, text: str, door: Door) -> None:
    assert file.hour(text, "1970-01-01 00:10") == Hour(door)


SUMMER = """
import os, time
from datetime import datetime, timezone
os.environ["TZ"] = "Europe/Berlin"
time.tzset()
from latent_resonance.gallery.opening_hours import Timetable, day_of
table = Timetable((day_of("01:30-10:00"),) * 7)
for stamp in range(int(datetime({0}, tzinfo=timezone.utc).timestamp()), 10**10, 900):
    local = datetime.fromtimestamp(stamp).astimezone()
    if local.hour >= 11: break
    print(f"{{local:%H:%M}}", int(table.holds(local)))
"""


@pytest.mark.parametrize(
    ("midnight", "open_quarters"),
    [("2027, 3, 27, 23", 4 * 7.5), ("2026, 10, 24, 22", 4 * 9.5), ("2026, 6, 1, 22", 4 * 8.5)],
)
def test_when_summer_time_begins_or_ends_the_hours_are_those_on_the_wall(
    midnight: str, open_quarters: float
) -> None:
    program = [sys.executable, "-c", SUMMER.format(midnight)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    quarters = [line.split() for line in done.stdout.splitlines()]
    assert quarters[0][0] == "00:00"
    for clock, is_open in quarters:
        assert (is_open == "1") == ("01:30" <= clock < "10:00"), clock
    assert sum(is_open == "1" for _, is_open in quarters) == open_quarters


def test_the_quiet_hours_are_quiet_within_the_opening_hours(file: File) -> None:
    text = "hours: {daily: 10:00-18:00}\nquiet: {when: {monday: 09:00-12:00}}"
    doors = [
        file.hour(text, when).door for when in ("Mon 09:30", "Mon 11:00", "Mon 13:00", "Tue 11:00")
    ]
    assert doors == [Door.SHUT, Door.QUIET, Door.OPEN, Door.OPEN]


def test_what_quiet_hours_ask_for_is_softer_in_every_way(file: File) -> None:
    loud = file.write("output: {volume_db: 6}")
    soft = hushed(loud)
    assert soft.output.loudness_lufs + soft.output.volume_db == -30.0
    assert soft.latent.glide_s == 1.0
    assert soft.controls.noise.output == (0.0, 0.0)
    assert soft.controls.band_pass.output == (400.0, 3000.0)
    assert soft.controls.time_stretch.output == (1.0, 2.0)
    assert hushed(soft) == soft


def test_what_is_softer_already_stays_as_it_is(file: File) -> None:
    soft = file.write(
        "output: {loudness_lufs: -40, volume_db: -3}\nlatent: {glide_s: 3}\n"
        "controls: {band_pass: {output: [300, 900]}}"
    )
    hush = hushed(soft)
    assert hush.output.loudness_lufs == -43.0
    assert hush.latent == soft.latent
    assert hush.controls.band_pass == soft.controls.band_pass


def test_the_clock_on_the_wall_is_the_machines_own() -> None:
    shown = subprocess.run(["date", "+%Y-%m-%d %H"], capture_output=True, text=True, check=True)
    later = local_time() + timedelta(seconds=5)
    near = {
        f"{moment:%Y-%m-%d %H}" for moment in (local_time(), later, later - timedelta(seconds=10))
    }
    assert shown.stdout.strip() in near
    assert os.environ.get("TZ") is None or local_time().tzinfo is not None


def test_an_hour_is_open_unless_it_says_otherwise() -> None:
    assert Hour().is_open
    assert not Hour(Door.SHUT).is_open
    assert hour_at(
        at("Mon 12:00"), Settings().hours.timetable(), Settings().quiet.timetable()
    ).is_open
