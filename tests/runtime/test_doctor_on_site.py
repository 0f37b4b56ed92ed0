"""The doctor on an installation: the machine, the units, file permissions and sandboxes."""

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
    check_governor,
    check_memory,
    check_power,
    check_priority,
    check_temperature,
    firmware_flags,
)
from latent_resonance.doctor.sandbox import check_sandbox, read_ids
from latent_resonance.doctor.units import (
    EYE,
    VOICE,
    UnitState,
    check_permissions,
    check_units,
    parse_unit_state,
    read_unit_state,
    readable_by_all,
)
from latent_resonance.linux import realtime
from latent_resonance.linux.cpu_frequency import slow_governors


def test_a_hot_board_is_a_warning() -> None:
    assert check_temperature(None).verdict == check_temperature(55.0).verdict == OK
    assert check_temperature(81.0).verdict == WARN


@pytest.mark.parametrize(
    ("governor", "driver", "slow"),
    [
        ("ondemand", "cpufreq-dt", ("ondemand",)),
        ("performance", "cpufreq-dt", ()),
        ("powersave", "intel_pstate", ()),  # which chooses the frequency in hardware
    ],
)
def test_a_governor_that_waits_for_load_is_a_warning_with_the_command(
    tmp_path: Path, governor: str, driver: str, slow: tuple[str, ...]
) -> None:
    for core in range(2):
        folder = tmp_path / f"devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{governor}\n")
        (folder / "scaling_driver").write_text(f"{driver}\n")
    assert slow_governors(tmp_path) == slow
    check = check_governor(slow)
    assert check.verdict == (WARN if slow else OK)
    assert ("systemd-tmpfiles --create" in check.remedy) == bool(slow)


def test_a_machine_without_governors_needs_none(tmp_path: Path) -> None:
    assert slow_governors(tmp_path) == ()


@pytest.mark.parametrize("allowed", [True, False])
def test_whether_this_user_may_have_real_time_priority_is_reported(
    monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    monkeypatch.setattr(realtime, "may_have_realtime_priority", lambda: allowed)
    check = check_priority(0)
    assert check.verdict == (OK if allowed else WARN)
    assert ("rtprio" in check.remedy) is not allowed


def test_a_running_voice_is_asked_for_its_priority() -> None:
    program = "import time; print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert check_priority(process.pid).verdict == WARN
        process.kill()


def test_a_process_without_the_right_is_told_that_it_has_no_priority() -> None:
    program = (
        "import os, resource; from latent_resonance.linux import realtime as r;"
        "resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0)); os.geteuid() or os.setuid(65534);"
        "print(r.prepare_realtime_process(), r.may_have_realtime_priority())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("flags", "verdict", "detail"),
    [
        (0x0, OK, "no under-voltage"),
        (0x50005, WARN, "under-voltage now, throttled now"),
        (0x10000, WARN, "under-voltage since boot"),
        (0x4, WARN, "throttled now"),
    ],
)
def test_the_firmwares_flags_are_described(flags: int, verdict: str, detail: str) -> None:
    check = check_power(flags)
    assert check.verdict == verdict
    assert detail in check.detail
    assert ("power supply" in check.remedy) == bool(flags & 0x10001)


def test_the_firmwares_flags_are_read_from_sys(tmp_path: Path) -> None:
    assert firmware_flags(tmp_path) is None
    folder = tmp_path / "devices/platform/soc@107c000000/soc@107c000000:firmware"
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("50005\n")
    assert firmware_flags(tmp_path) == 0x50005


@pytest.mark.parametrize(("available", "verdict"), [(2_000_000, OK), (100_000, WARN)])
def test_low_memory_is_a_warning(available: int, verdict: str) -> None:
    meminfo = f"MemTotal: 4000000 kB\nMemFree: 1 kB\nMemAvailable: {available} kB\n\n"
    check = check_memory(meminfo)
    assert check.verdict == verdict
    assert "of 3906 MiB" in check.detail


def test_a_full_disk_is_a_warning_unless_it_is_read_only() -> None:
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
def test_a_clock_is_checked_for_plausibility_and_for_its_source(
    now_s: float, synchronised: bool, rtc: bool, verdict: str
) -> None:
    check = check_clock(now_s, INSTALLED_S, synchronised=synchronised, rtc=rtc)
    assert check.verdict == verdict
    assert bool(check.remedy) == (verdict != OK)


def unit_state(name: str, **changes: object) -> UnitState:
    healthy = {"load": "loaded", "active_state": "active", "enabled": "enabled", "pid": 1}
    return UnitState(name, **healthy | changes)


def test_running_and_enabled_units_are_ok() -> None:
    check = check_units(unit_state(EYE), unit_state(VOICE))
    assert check == Check("units", OK, "eye active, 0 restarts; voice active, 0 restarts")


@pytest.mark.parametrize(
    ("changes", "verdict", "remedy"),
    [
        ({"load": "not-found"}, WARN, "install.sh"),
        ({"enabled": "disabled"}, WARN, "systemctl enable"),
        ({"active_state": "activating", "restarts": 9}, FAIL, "journalctl"),
    ],
)
def test_a_faulty_unit_has_a_remedy(changes: dict[str, object], verdict: str, remedy: str) -> None:
    check = check_units(unit_state(EYE, **changes), unit_state(VOICE))
    assert check.verdict == verdict
    assert remedy in check.remedy
    assert "eye" in check.detail


def test_the_output_of_systemctl_show_is_parsed_even_if_empty() -> None:
    output = "MainPID=42\nNRestarts=3\nLoadState=loaded\nActiveState=active\nStatusText=a=b\n"
    state = parse_unit_state(VOICE, output)
    assert (state.pid, state.restarts, state.status, state.role) == (42, 3, "a=b", "voice")
    assert state.installed
    assert state.active
    assert parse_unit_state(EYE, "") == UnitState(EYE)
    assert not read_unit_state("latent-resonance-nowhere.service").installed


def test_unreadable_files_are_named_with_the_remedy(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("")
    secret.chmod(0o600)
    check = check_permissions([Path("/usr/bin/env"), Path("/proc/1/environ")])
    assert check.verdict == FAIL
    assert check.remedy == "sudo chmod a+rX /proc/1/environ"
    assert not readable_by_all(secret)
    assert check_permissions([Path("/usr/bin/env"), Path("/usr")]).verdict == OK
    assert check_permissions([]).verdict == OK


def test_home_folders_are_hidden_from_the_units() -> None:
    check = check_permissions([Path("/home/pi/face.mp4")])
    assert check.verdict == WARN
    assert "/srv" in check.remedy


def test_the_files_named_in_the_settings_are_checked(tmp_path: Path) -> None:
    config, pack = tmp_path / "site.yaml", tmp_path / "pack"
    pack.mkdir()
    config.write_text(f"pack: {pack}\ncamera: {{source: /nowhere.mp4}}")
    assert paths_used(config) == [config, pack]
    assert paths_used(None) == []


def test_the_sandbox_of_a_stopped_unit_is_not_ok() -> None:
    assert check_sandbox(unit_state(EYE, pid=0)).verdict == WARN


def test_user_and_groups_are_read_from_the_process_status() -> None:
    status = "Name:\tpython\nUid:\t61\t61\t61\t61\nGid:\t9\t9\t9\t9\nGroups:\t29 44 \n"
    assert read_ids(status) == {"Uid": ["61"] * 4, "Gid": ["9"] * 4, "Groups": ["29", "44"]}


def test_the_sandbox_probe_succeeds_without_a_sandbox(tmp_path: Path) -> None:
    """Otherwise it might report intact sandboxes because it never tries."""
    program = [sys.executable, "-I", "-S", str(Path(sandbox_probe.__file__)), "eye"]
    done = subprocess.run(program, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "can write to /tmp" in done.stdout.splitlines()
    assert list(sandbox_probe.devices(("nul*", "pts"))) == ["can open /dev/null"]
