"""Load shedding: what is given up under load or heat, when, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from latent_resonance.linux.thermal import ThermalState, Thermometer
from latent_resonance.voice.load_shedding import (
    TIERS,
    LoadShedder,
    iterations_at,
    spectrograms_per_s_at,
)

CALM, BUSY, HOT, COOL = 0.3, 0.95, ThermalState(83.0), ThermalState(60.0)


class Rig:
    """A load shedder, stepped twice a second on a virtual clock."""

    def __init__(self) -> None:
        self.shedder = LoadShedder()
        self.now_s = 0.0
        self.messages: list[str] = []

    def run(self, seconds: float, load: float = CALM, heat: ThermalState = COOL) -> int:
        for _ in range(int(seconds * 2)):
            self.now_s += 0.5
            self.shedder.step(self.now_s, load, heat)
            if (message := self.shedder.new_message()) is not None:
                self.messages.append(message)
        return self.shedder.tier


def test_a_machine_with_time_to_spare_plays_as_set_and_logs_nothing() -> None:
    rig = Rig()
    assert rig.run(3600) == 0
    assert rig.messages == []


def test_a_short_overload_sheds_nothing() -> None:
    rig = Rig()
    for _ in range(100):
        rig.run(0.5, BUSY)
        assert rig.run(5) == 0


def test_an_overloaded_machine_sheds_step_by_step_and_logs_it() -> None:
    rig = Rig()
    assert rig.run(2, BUSY) == 1
    assert rig.run(10, BUSY) == len(TIERS) - 1
    assert rig.messages[0].startswith("short of time: tier 1 of 3")
    assert len(rig.messages) == len(TIERS) - 1


def test_what_was_shed_comes_back_slowly() -> None:
    rig = Rig()
    rig.run(10, BUSY)
    assert rig.run(25) == len(TIERS) - 1
    assert rig.run(80) == 0
    assert rig.messages[-1] == "all well again: everything as set"


def test_between_busy_and_calm_nothing_changes() -> None:
    rig = Rig()
    lower = rig.run(2, BUSY)
    assert rig.run(3600, 0.7) == lower == 1


def test_a_load_that_returns_with_the_tier_does_not_oscillate() -> None:
    rig = Rig()
    changes, tier = 0, 0
    for _ in range(7200):
        now = rig.run(0.5, BUSY if tier == 0 else CALM)
        changes, tier = changes + (now != tier), now
    assert changes < 20  # in an hour; without a growing delay it would change 230 times


def test_heat_lowers_the_tier_and_cooling_raises_it() -> None:
    rig = Rig()
    assert rig.run(60, heat=HOT) == 0
    assert rig.run(7200, heat=HOT) == len(TIERS) - 1
    assert rig.messages[0].startswith("hot (83 °C): tier 1 of 3")
    assert rig.run(3600) == 0
    assert rig.messages[-1] == "all well again: everything as set"


def test_a_firmware_that_throttles_counts_as_hot_whatever_the_degrees() -> None:
    assert Rig().run(300, heat=ThermalState(70.0, throttled=True)) > 0
    assert Rig().run(300, heat=ThermalState(None)) == 0


def test_each_tier_costs_less_and_the_last_still_plays() -> None:
    iterations = [iterations_at(tier, 7) for tier in range(len(TIERS))]
    spectrograms = [spectrograms_per_s_at(tier, 10.0) for tier in range(len(TIERS))]
    assert iterations == sorted(iterations, reverse=True)
    assert iterations[0] == 7
    assert iterations[-1] == 1
    assert spectrograms == sorted(spectrograms, reverse=True)
    assert spectrograms[-1] >= 2.0


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
