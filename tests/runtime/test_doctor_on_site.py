"""The doctor on site: the machine, the units, who may read what, and the wall."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from latent_resonance.doctor import paths_used, sandbox_probe
from latent_resonance.doctor.check import FAIL, OK, WARN, Check
from latent_resonance.doctor.machine import (
    check_clock,
    check_disk,
    check_memory,
    check_power,
    check_temperature,
    firmware_flags,
)
from latent_resonance.doctor.sandbox import check_wall, identity_of
from latent_resonance.doctor.units import (
    EYE,
    VOICE,
    State,
    check_permissions,
    check_units,
    readable_by_all,
    state_from,
    state_of,
)


def test_heat_is_a_warning_before_the_board_slows_down() -> None:
    assert check_temperature(None).verdict == check_temperature(55.0).verdict == OK
    assert check_temperature(81.0).verdict == WARN


@pytest.mark.parametrize(
    ("flags", "verdict", "said"),
    [
        (0x0, OK, "never"),
        (0x50005, WARN, "too little voltage now, slowed down now"),
        (0x10000, WARN, "too little voltage since the start"),
        (0x4, WARN, "slowed down now"),
    ],
)
def test_the_firmwares_flags_are_put_into_words(flags: int, verdict: str, said: str) -> None:
    check = check_power(flags)
    assert check.verdict == verdict
    assert said in check.detail
    assert ("power supply" in check.remedy) == ("voltage" in check.detail)


def test_the_firmwares_flags_are_read_where_a_raspberry_pi_has_them(tmp_path: Path) -> None:
    assert firmware_flags(tmp_path) is None
    folder = tmp_path / "devices/platform/soc@107c000000/soc@107c000000:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("50005\n")
    assert firmware_flags(tmp_path) == 0x50005


@pytest.mark.parametrize(("available", "verdict"), [(2_000_000, OK), (100_000, WARN)])
def test_little_memory_is_said(available: int, verdict: str) -> None:
    meminfo = f"MemTotal: 4000000 kB\nMemFree: 1 kB\nMemAvailable: {available} kB\n\n"
    check = check_memory(meminfo)
    assert check.verdict == verdict
    assert "of 3906 MiB" in check.detail


def test_a_full_disk_is_said_unless_nothing_can_be_written_to_it_anyway() -> None:
    assert check_disk(5_000, 30_000, read_only=False).verdict == OK
    assert check_disk(10, 30_000, read_only=False).verdict == WARN
    assert check_disk(0, 30_000, read_only=True).verdict == OK


INSTALLED_S = 1.8e9


@pytest.mark.parametrize(
    ("now_s", "synchronised", "rtc", "verdict"),
    [
        (INSTALLED_S + 1e6, True, False, OK),
        (INSTALLED_S + 1e6, False, True, OK),
        (INSTALLED_S + 1e6, False, False, WARN),
        (0.0, True, True, FAIL),
        (INSTALLED_S * 2, True, True, FAIL),
    ],
)
def test_a_clock_is_judged_by_what_cannot_be_and_by_who_keeps_it(
    now_s: float, synchronised: bool, rtc: bool, verdict: str
) -> None:
    check = check_clock(now_s, INSTALLED_S, synchronised=synchronised, rtc=rtc)
    assert check.verdict == verdict
    assert bool(check.remedy) == (verdict != OK)


def a_state(name: str, **changes: object) -> State:
    well = {"load": "loaded", "activity": "active", "enabled": "enabled", "pid": 1}
    return State(name, **well | changes)


def test_units_that_run_and_are_enabled_are_well() -> None:
    check = check_units(a_state(EYE), a_state(VOICE))
    assert check == Check("units", OK, "eye active, 0 restarts; voice active, 0 restarts")


@pytest.mark.parametrize(
    ("changes", "verdict", "remedy"),
    [
        ({"load": "not-found"}, WARN, "install.sh"),
        ({"enabled": "disabled"}, WARN, "systemctl enable"),
        ({"activity": "activating", "restarts": 9}, FAIL, "journalctl"),
    ],
)
def test_a_unit_that_is_not_well_has_its_remedy(
    changes: dict[str, object], verdict: str, remedy: str
) -> None:
    check = check_units(a_state(EYE, **changes), a_state(VOICE))
    assert check.verdict == verdict
    assert remedy in check.remedy
    assert "eye" in check.detail


def test_what_systemctl_shows_is_understood_even_if_it_shows_nothing() -> None:
    shown = "MainPID=42\nNRestarts=3\nLoadState=loaded\nActiveState=active\nStatusText=a=b\n"
    state = state_from(VOICE, shown)
    assert (state.pid, state.restarts, state.status, state.side) == (42, 3, "a=b", "voice")
    assert state.installed
    assert state.active
    assert state_from(EYE, "") == State(EYE)
    assert not state_of("latent-resonance-nowhere.service").installed


def test_files_that_only_some_may_read_are_named_with_the_remedy(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("")
    secret.chmod(0o600)
    check = check_permissions([Path("/usr/bin/env"), Path("/proc/1/environ")])
    assert check.verdict == FAIL
    assert check.remedy == "sudo chmod a+rX /proc/1/environ"
    assert not readable_by_all(secret)
    assert check_permissions([Path("/usr/bin/env"), Path("/usr")]).verdict == OK
    assert check_permissions([]).verdict == OK


def test_what_lies_in_somebodys_home_is_hidden_from_the_units() -> None:
    check = check_permissions([Path("/home/pi/face.mp4")])
    assert check.verdict == WARN
    assert "/srv" in check.remedy


def test_the_files_that_the_settings_name_are_those_looked_at(tmp_path: Path) -> None:
    config, pack = tmp_path / "site.yaml", tmp_path / "pack"
    pack.mkdir()
    config.write_text(f"pack: {pack}\ncamera: {{source: /nowhere.mp4}}")
    assert paths_used(config) == [config, pack]
    assert paths_used(None) == []


def test_a_wall_around_nobody_is_not_called_whole() -> None:
    assert check_wall(a_state(EYE, pid=0)).verdict == WARN


def test_a_process_is_entered_as_its_own_user() -> None:
    status = "Name:\tpython\nUid:\t61\t61\t61\t61\nGid:\t9\t9\t9\t9\nGroups:\t29 44 \n"
    assert identity_of(status) == {"Uid": ["61"] * 4, "Gid": ["9"] * 4, "Groups": ["29", "44"]}


def test_a_trespasser_without_walls_gets_everywhere(tmp_path: Path) -> None:
    """So that it does not find every wall whole because it never tries."""
    program = [sys.executable, "-I", "-S", str(Path(sandbox_probe.__file__)), "eye"]
    done = subprocess.run(program, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "can write to /tmp" in done.stdout.splitlines()
    assert list(sandbox_probe.devices(("nul*", "pts"))) == ["can open /dev/null"]
