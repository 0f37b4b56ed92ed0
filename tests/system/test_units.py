"""The units and the installer, as far as they can be tested without booting."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from latent_resonance.config.presets import UNMEASURED
from latent_resonance.config.settings import load_settings
from latent_resonance.gallery.maintenance import FOLDER_VARIABLE, REQUEST
from latent_resonance.pack import ADDED_VARIABLE, MODELS_VARIABLE

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "systemd"
PROGRAM = "/opt/latent-resonance/current/.venv/bin/latent-resonance"
PYTHON = "/opt/latent-resonance/current/.venv/bin/python"
QUALITY = "latent-resonance-quality.service"
EYE, VOICE = "latent-resonance-eye.service", "latent-resonance-voice.service"
MONITOR, SCREEN = "latent-resonance-monitor.service", "latent-resonance-screen.service"
MAINTENANCE = "latent-resonance-maintenance.service"
REQUESTED = "latent-resonance-maintenance.path"
UNITS = ("latent-resonance.target", EYE, VOICE, QUALITY, MONITOR, SCREEN, MAINTENANCE, REQUESTED)
MOST_EXPOSED = {
    EYE: 1.0,
    VOICE: 1.2,
    QUALITY: 1.5,
    MONITOR: 2.0,
    SCREEN: 2.5,
    MAINTENANCE: 1.0,
}  # of 10, on the scale of systemd-analyze


def unit(name: str) -> dict[str, str]:
    """The keys of a unit; the last value of a repeated key."""
    lines = (SYSTEMD / name).read_text().splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {key: value for key, _, value in pairs}


@pytest.fixture
def analyze(tmp_path: Path) -> Path:
    """A folder with the units, which start a program that exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: apt install systemd")
    for name in UNITS:
        text = (SYSTEMD / name).read_text().replace(PYTHON, "/bin/true")
        (tmp_path / name).write_text(text.replace(PROGRAM, "/bin/true"))
    return tmp_path


def test_systemd_analyze_verify_finds_no_fault(analyze: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(analyze / name) for name in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_machine_is_measured_after_eye_and_voice_play_at_idle_priority() -> None:
    measured = unit(QUALITY)
    assert measured["After"] == "latent-resonance.target"  # which is then reached without it
    assert measured["CPUSchedulingPolicy"] == "idle"
    for name in (EYE, VOICE):
        assert f"Environment={UNMEASURED}=low" in (SYSTEMD / name).read_text()
        assert name in measured["ExecStartPost"]


def test_whatever_opens_packs_finds_those_that_the_machine_s_owner_added() -> None:
    line = f"{ADDED_VARIABLE}=/srv/packs"
    opens = [f for f in SYSTEMD.glob("*.service") if MODELS_VARIABLE in f.read_text()]
    assert len(opens) == 4
    for file in opens:
        assert (f"Environment={line}" in file.read_text()) == (file.name != EYE), file.name
    installer = (SYSTEMD / "install.sh").read_text()
    assert "PACKS=/srv/packs " in installer
    assert f"{ADDED_VARIABLE}:-$PACKS" in installer


def test_the_exposure_of_every_service_is_asserted() -> None:
    assert set(MOST_EXPOSED) == {path.name for path in SYSTEMD.glob("*.service")}


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_the_exposure_of_a_unit_is_low(analyze: Path, name: str) -> None:
    threshold = f"--threshold={MOST_EXPOSED[name] * 10:.0f}"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", threshold]
    done = subprocess.run(
        [*command, str(analyze / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    strict = [*command[:-1], "--threshold=1", str(analyze / name)]
    assert subprocess.run(strict, capture_output=True, check=False).returncode != 0  # it can fail


@pytest.mark.parametrize("name", [EYE, VOICE, MONITOR])
def test_systemd_restarts_the_installed_program_without_limit(name: str) -> None:
    keys = unit(name)
    assert keys["ExecStart"].startswith(f"{PROGRAM} ")
    assert (keys["Restart"], keys["StartLimitIntervalSec"]) == ("always", "0")
    assert keys["Type"] == "notify"
    after = keys.get("After", "").split()  # neither waits for the other, nor for the network
    assert all(each.startswith("modprobe@") for each in after)


@pytest.mark.parametrize(
    ("name", "device", "module"),
    [(EYE, "video4linux", "videodev"), (VOICE, "alsa", "snd"), (SCREEN, "drm", "drm")],
)
def test_a_device_that_the_kernel_finds_later_is_open_to_its_unit(
    name: str, device: str, module: str
) -> None:
    # systemd looks the name up in /proc/devices when the unit starts, and ignores an unknown one.
    keys = unit(name)
    assert f"DeviceAllow=char-{device} rw" in (SYSTEMD / name).read_text()
    for key in ("Wants", "After"):
        assert f"modprobe@{module}.service" in keys[key].split()


def test_the_monitor_writes_where_the_path_unit_looks_and_reads_where_maintenance_answers() -> None:
    monitor, keys = unit(MONITOR), unit(MAINTENANCE)
    state = f"/var/lib/private/{monitor['StateDirectory']}"
    assert unit(REQUESTED)["PathExists"] == f"{state}/{REQUEST}"
    assert f"--requests {state} --answers /run/{keys['RuntimeDirectory']}" in keys["ExecStart"]
    environment = (SYSTEMD / MONITOR).read_text()
    assert f"Environment={FOLDER_VARIABLE}=/run/{keys['RuntimeDirectory']}\n" in environment
    assert keys["Group"] == monitor["Group"]


@pytest.mark.parametrize("name", [EYE, VOICE, MONITOR])
def test_a_unit_starts_with_invalid_settings(name: str) -> None:
    assert " --unattended " in unit(name)["ExecStart"]


def test_the_eye_is_killed_before_the_voice_if_memory_runs_out() -> None:
    assert int(unit(EYE)["OOMScoreAdjust"]) > 0 > int(unit(VOICE)["OOMScoreAdjust"])


def test_no_image_of_the_eye_is_swapped_to_a_disk() -> None:
    assert unit(EYE)["MemorySwapMax"] == "0"


def test_the_screen_has_a_private_dev_and_no_group_that_owns_cameras() -> None:
    keys = unit(SCREEN)
    assert keys["PrivateDevices"] == "yes"
    assert keys["DevicePolicy"] == "closed"
    assert "SupplementaryGroups" not in keys
    assert "video" not in (SYSTEMD / "install.sh").read_text().split("useradd")[1].splitlines()[0]


def test_no_unit_dumps_core_and_only_the_voice_has_real_time_priority() -> None:
    assert unit(EYE)["LimitCORE"] == unit(VOICE)["LimitCORE"] == "0"
    assert int(unit(VOICE)["LimitRTPRIO"]) >= 10
    assert unit(EYE)["RestrictRealtime"] == "yes"


def test_the_units_start_the_program_that_is_installed() -> None:
    script = (SYSTEMD / "install.sh").read_text()
    prefix, current = "/opt/latent-resonance", "$PREFIX/current"
    assert f"PREFIX={prefix}\n" in script
    assert f"CURRENT={current} " in script
    assert current.replace("$PREFIX", prefix) + "/.venv/bin/latent-resonance" == PROGRAM


def test_the_installed_settings_are_the_defaults_and_their_hints_are_valid(
    tmp_path: Path,
) -> None:
    path = SYSTEMD / "latent-resonance.yaml"
    assert load_settings(path) == load_settings(None)
    hinted = [line for line in path.read_text().splitlines() if line.startswith("#")]
    used = [line[1:] for line in hinted if line[1:2] not in ("", " ") or line.startswith("#  ")]
    (tmp_path / "used.yaml").write_text("\n".join(used))
    assert load_settings(tmp_path / "used.yaml") != load_settings(None)


@pytest.mark.parametrize("name", ["install.sh", "remedies.sh"])
def test_the_installer_is_a_clean_shell_script(name: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: apt install shellcheck")
    script = str(SYSTEMD / name)
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert os.access(script, os.X_OK) == (name == "install.sh")


def install(folder: Path, *arguments: str, **commands: str) -> subprocess.CompletedProcess[str]:
    """Run the installer with only these commands on the path, given as scripts."""
    for name in ("dirname", "sh", "cat", "grep", "uname"):
        (folder / name).symlink_to(shutil.which(name) or "")
    for name, script in commands.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return subprocess.run(
        [str(SYSTEMD / "install.sh"), *arguments],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_root_the_installer_names_the_command(tmp_path: Path) -> None:
    done = install(tmp_path, id="echo 1000")
    assert done.returncode == 1
    assert done.stderr == "install: not root; run: sudo systemd/install.sh\n"


def test_another_distribution_is_rejected_with_the_required_packages(tmp_path: Path) -> None:
    done = install(tmp_path, id="echo 0")
    assert done.returncode == 1
    assert "not Debian" in done.stderr
    assert "libportaudio2 libegl1" in done.stderr  # MediaPipe's too


def test_a_machine_without_systemd_is_rejected(tmp_path: Path) -> None:
    done = install(tmp_path, id="echo 0", apt_get="exit 1", dpkg_query="exit 1")
    assert done.returncode == 1
    assert "systemd is missing" in done.stderr


def test_a_failed_package_installation_ends_it_before_any_change(tmp_path: Path) -> None:
    done = install(
        tmp_path, id="echo 0", apt_get="exit 100", dpkg_query="exit 1", systemctl="exit 1"
    )
    assert done.returncode == 1
    assert "libportaudio2" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["--dance"], ["--uninstall", "--everything"]])
def test_wrong_usage_changes_nothing(tmp_path: Path, arguments: list[str]) -> None:
    done = install(tmp_path, *arguments, id="echo 0")
    assert done.returncode == 2
    assert "Usage: sudo systemd/install.sh" in done.stderr
