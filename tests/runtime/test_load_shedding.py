"""What is given up when time is short or the machine is hot, when, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from latent_resonance.linux.thermal import ThermalState, Thermometer
from latent_resonance.voice.load_shedding import (
    TIERS,
    Health,
    iterations_at,
    pictures_per_s_at,
)

CALM, BUSY, HOT, COOL = 0.3, 0.95, ThermalState(83.0), ThermalState(60.0)


class Day:
    """A health looked at twice a second on a virtual clock."""

    def __init__(self) -> None:
        self.health = Health()
        self.now_s = 0.0
        self.news: list[str] = []

    def goes_on(self, seconds: float, load: float = CALM, heat: ThermalState = COOL) -> int:
        for _ in range(int(seconds * 2)):
            self.now_s += 0.5
            self.health.step(self.now_s, load, heat)
            if (news := self.health.news()) is not None:
                self.news.append(news)
        return self.health.tier


def test_a_machine_with_time_to_spare_plays_as_set_and_says_nothing() -> None:
    day = Day()
    assert day.goes_on(3600) == 0
    assert day.news == []


def test_a_short_hiccup_sheds_nothing() -> None:
    day = Day()
    for _ in range(100):
        day.goes_on(0.5, BUSY)
        assert day.goes_on(5) == 0


def test_a_machine_short_of_time_sheds_step_by_step_and_says_so() -> None:
    day = Day()
    assert day.goes_on(2, BUSY) == 1
    assert day.goes_on(10, BUSY) == len(TIERS) - 1
    assert day.news[0].startswith("short of time: tier 1 of 3")
    assert len(day.news) == len(TIERS) - 1


def test_what_was_shed_comes_back_slowly() -> None:
    day = Day()
    day.goes_on(10, BUSY)
    assert day.goes_on(25) == len(TIERS) - 1
    assert day.goes_on(80) == 0
    assert day.news[-1] == "all well again: everything as set"


def test_between_busy_and_calm_nothing_changes() -> None:
    day = Day()
    lower = day.goes_on(2, BUSY)
    assert day.goes_on(3600, 0.7) == lower == 1


def test_a_load_that_returns_with_the_tier_does_not_swing() -> None:
    day = Day()
    changes, tier = 0, 0
    for _ in range(7200):
        now = day.goes_on(0.5, BUSY if tier == 0 else CALM)
        changes, tier = changes + (now != tier), now
    assert changes < 20  # in an hour; a ladder without memory would swing 230 times


def test_two_hours_hot_lower_the_tier_and_say_so_and_a_cool_evening_raises_it() -> None:
    day = Day()
    assert day.goes_on(60, heat=HOT) == 0
    assert day.goes_on(7200, heat=HOT) == len(TIERS) - 1
    assert day.news[0].startswith("hot (83 °C): tier 1 of 3")
    assert day.goes_on(3600) == 0
    assert day.news[-1] == "all well again: everything as set"


def test_a_firmware_that_throttles_counts_as_hot_whatever_the_degrees() -> None:
    assert Day().goes_on(300, heat=ThermalState(70.0, throttled=True)) > 0
    assert Day().goes_on(300, heat=ThermalState(None)) == 0


def test_each_tier_costs_less_and_the_last_still_plays() -> None:
    iterations = [iterations_at(tier, 7) for tier in range(len(TIERS))]
    pictures = [pictures_per_s_at(tier, 10.0) for tier in range(len(TIERS))]
    assert iterations == sorted(iterations, reverse=True)
    assert iterations[0] == 7
    assert iterations[-1] == 1
    assert pictures == sorted(pictures, reverse=True)
    assert pictures[-1] >= 2.0


def test_the_hottest_zone_and_the_firmwares_flags_are_read(tmp_path: Path) -> None:
    for i, text in enumerate(["51000\n", "", "84500\n"]):
        zone = tmp_path / f"class/thermal/thermal_zone{i}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text)
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    flags = firmware / "get_throttled"
    flags.write_text("50000\n")  # it happened, since the start
    thermometer = Thermometer(tmp_path)
    assert thermometer.read() == ThermalState(84.5, throttled=False)
    flags.write_text("50004\n")  # it happens
    assert thermometer.read().throttled


@pytest.mark.parametrize("sys", ["absent", "empty"])
def test_a_machine_without_a_thermometer_is_never_hot(tmp_path: Path, sys: str) -> None:
    if sys == "empty":
        (tmp_path / sys).mkdir()
    heat = Thermometer(tmp_path / sys).read()
    assert heat == ThermalState(None, throttled=False)
    assert heat.cool
    assert not heat.hot
