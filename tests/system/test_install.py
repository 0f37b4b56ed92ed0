"""The packages of each kind of installation, and the setup script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES_TO_PLAY = ("libportaudio2", "libegl1", "libgles2", "python3-venv")


def packages(*options: str) -> set[str]:
    """Names of the packages that uv would install."""
    return {line.partition("==")[0].partition(" ")[0] for line in requirements(*options)}


def requirements(*options: str) -> list[str]:
    """The requirements that uv would install, with their markers."""
    uv = os.environ.get("UV") or shutil.which("uv")  # set by `uv run`
    if uv is None:
        pytest.skip("uv is not installed")
    command = [uv, "export", "--frozen", "--no-hashes", "--no-header", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith((" ", "#"))]
    return [line for line in lines if not line.startswith("-e")]


def wheels_for(machine: str, *options: str) -> Iterator[dict[str, Any]]:
    """The smallest wheel of each package, from uv.lock, on a machine with Python 3.11."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    wheels = {(each["name"], each["version"]): each.get("wheels", []) for each in lock}
    environment = {"platform_machine": machine, "python_full_version": "3.11.9"}
    for requirement in map(Requirement, requirements(*options)):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pinned = str(requirement.specifier).removeprefix("==")
            fitting = [each for each in wheels[requirement.name, pinned] if fits(each, machine)]
            yield min(fitting, key=lambda wheel: int(wheel["size"]))


def fits(wheel: dict[str, Any], machine: str) -> bool:
    """Whether a wheel can be installed on a machine with Python 3.11."""
    tags = r"(cp311-cp311|cp3\d+-abi3|py3-none)-\S*manylinux\S*" + machine
    return re.search(rf"py3-none-any|{tags}", wheel["url"]) is not None


def announced(machine: str, command: str) -> int:
    """The MB that the setup script says it downloads."""
    variable = "PLAY_MB" if command == "play" else f"ALL_{machine.upper()}_MB"
    found = re.search(rf'^{variable}="(\d+) \d+"', (ROOT / "setup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("command", "options"), [("play", ()), ("test", ("--all-packages",))])
def test_the_announced_download_is_that_of_the_lock(
    machine: str, command: str, options: tuple[str, ...]
) -> None:
    size_mb = sum(int(wheel["size"]) for wheel in wheels_for(machine, *options)) / 1e6
    assert announced(machine, command) == pytest.approx(size_mb, rel=0.2)


def test_no_cuda_is_installed_to_play_or_on_a_board() -> None:
    for wheels in (wheels_for("x86_64"), wheels_for("aarch64", "--all-packages")):
        assert not any(re.search("nvidia|cuda|triton", wheel["url"]) for wheel in wheels)


def test_the_runtime_installs_neither_export_nor_test_packages() -> None:
    runtime = packages()
    assert {"mediapipe", "onnxruntime", "opencv-python-headless", "sounddevice"} <= runtime
    assert {"torch", "librosa", "onnx", "pytest", "ruff", "scikit-image"}.isdisjoint(runtime)


def test_the_runtime_can_be_installed_without_mediapipe() -> None:
    without = packages("--no-group", "mediapipe")
    assert {"onnxruntime", "opencv-python-headless", "sounddevice"} <= without
    assert {"mediapipe", "matplotlib"}.isdisjoint(without)


def test_all_packages_installs_export_and_test_packages() -> None:
    assert {"torch", "librosa", "onnx", "pytest", "ruff", "mediapipe"} <= packages("--all-packages")


def test_the_runtime_can_be_tested_without_export() -> None:
    runtime = packages("--package", "latent-resonance")
    assert {"pytest", "onnx", "scikit-image"} <= runtime
    assert {"torch", "librosa"}.isdisjoint(runtime)


def test_only_the_headless_opencv_is_installed() -> None:
    found = {name for name in packages("--all-packages") if name.startswith("opencv")}
    assert found == {"opencv-python-headless"}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A bare machine in a folder: commands that only record their calls.

    The script is copied there, so that a private uv of this checkout is not used.
    """
    shutil.copy(ROOT / "setup", tmp_path)
    (tmp_path / "systemd").mkdir()
    shutil.copy(ROOT / "systemd/remedies.sh", tmp_path / "systemd")
    for name in ("dpkg-query", "dpkg", "apt-get", "uv", "id", "sudo", "systemctl"):
        put(tmp_path / name, f'echo "{name} $*" >> "{tmp_path}/calls"')
    put(tmp_path / "dpkg-query", "exit 1")  # nothing is installed
    put(tmp_path / "id", "echo 0")  # root
    return tmp_path


def put(path: Path, script: str) -> None:
    """Write a command."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def setup(machine: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the setup script with the machine's commands first on the path."""
    return subprocess.run(
        [str(machine / "setup"), *arguments],
        env={"PATH": f"{machine}:/usr/bin:/bin"} | env,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def calls(machine: Path) -> list[str]:
    """Every recorded call, except the check of uv's version."""
    lines = (machine / "calls").read_text().splitlines()
    return [line for line in lines if line != "uv cache dir"]


def test_a_bare_machine_installs_packages_and_then_performs(machine: Path) -> None:
    done = setup(machine, "play")
    assert done.returncode == 0, done.stderr
    update, install, sync, perform = calls(machine)
    assert sync == "uv sync --inexact"
    assert update.startswith("apt-get ")
    assert update.endswith(" update")
    assert install.startswith("apt-get ")
    assert set(PACKAGES_TO_PLAY) <= set(install.partition(" install ")[2].split())
    assert perform == "uv run latent-resonance perform --seconds 30 --record take.wav"


@pytest.mark.parametrize(
    ("features", "left_out"),
    [("fp asimd crc32 cpuid", "mediapipe"), ("fp asimd crc32 atomics cpuid", "")],
)
def test_a_board_without_atomics_does_not_install_mediapipe(
    machine: Path, features: str, left_out: str
) -> None:
    put(machine / "uname", "echo aarch64")
    put(machine / "uv", f'echo "uv [$UV_NO_GROUP] $1" >> "{machine}/calls"')
    cpuinfo = machine / "cpuinfo"
    cpuinfo.write_text(f"Features\t: {features}\n" * 4)
    assert setup(machine, "play", CPUINFO=str(cpuinfo)).returncode == 0
    _, install, *of_uv = [call for call in calls(machine) if not call.endswith("cache")]
    assert ("libegl1" in install.split()) == (left_out == "")
    assert of_uv == [f"uv [{left_out}] sync", f"uv [{left_out}] run"]


def test_a_download_is_announced_before_anything_is_installed(machine: Path) -> None:
    put(machine / "apt-get", "echo apt-get >&2")
    lines = setup(machine, "play").stderr.splitlines()
    assert re.search(r"downloading about \d+ MB .* take \d+ MB", lines[0])
    assert "apt-get" in lines
    (machine / ".venv").mkdir()
    assert not any("downloading" in line for line in setup(machine, "play").stderr.splitlines())


def test_a_board_announces_its_smaller_download(machine: Path) -> None:
    put(machine / "uname", "echo aarch64")
    first = setup(machine, "all").stderr.splitlines()[0]
    assert f"about {announced('aarch64', 'test')} MB" in first


def test_testing_installs_more_and_passes_arguments_on(machine: Path) -> None:
    assert setup(machine, "test", "-k", "pack").returncode == 0
    _, install, *_, test = calls(machine)
    assert {*PACKAGES_TO_PLAY, "fluidsynth", "sox", "strace", "pulseaudio"} <= set(install.split())
    assert test == "uv run --all-packages pytest -k pack"


def test_a_broker_installed_for_the_tests_is_not_enabled(machine: Path) -> None:
    assert setup(machine, "all").returncode == 0
    assert "systemctl --quiet disable --now mosquitto.service" in calls(machine)


def test_a_broker_installed_before_stays_unchanged(machine: Path) -> None:
    put(machine / "dpkg-query", "case $* in *mosquitto) echo installed ;; *) exit 1 ;; esac")
    assert setup(machine, "all").returncode == 0
    assert any(" install " in call for call in calls(machine))
    assert not any(call.startswith("systemctl") for call in calls(machine))


def test_all_cores_are_used_only_for_tests_without_timing(machine: Path) -> None:
    assert setup(machine, "test").returncode == 0
    assert [call.removeprefix("uv run --all-packages pytest ") for call in calls(machine)[-3:]] == [
        "-n auto --dist worksteal -m not realtime",
        "-n 2 --dist loadfile -m realtime and not alone",
        "-m alone",
    ]


def test_the_quick_tests_neither_wait_for_a_clock_nor_compute_for_long(machine: Path) -> None:
    assert setup(machine, "test", "--quick", "tests/export").returncode == 0
    assert calls(machine)[-1] == (
        "uv run --all-packages pytest -n auto --dist worksteal"
        " -m not realtime and not slow tests/export"
    )


def test_a_complete_machine_stays_unchanged(machine: Path) -> None:
    put(machine / "dpkg-query", "echo installed")
    assert setup(machine, "play").returncode == 0
    assert not any(call.startswith("apt-get") for call in calls(machine))


def test_without_root_it_uses_sudo(machine: Path) -> None:
    put(machine / "id", "echo 1000")
    assert setup(machine, "play").returncode == 0
    update, install, *_ = calls(machine)
    assert update.startswith("sudo apt-get ")
    assert install.startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get ")


def test_packages_that_cannot_be_installed_are_named_and_nothing_starts(machine: Path) -> None:
    put(machine / "apt-get", "exit 100")
    done = setup(machine, "play")
    assert done.returncode == 1
    assert "libportaudio2" in done.stderr.splitlines()[-1]
    assert calls(machine) == ["dpkg --configure -a"]


def test_an_interrupted_installation_of_packages_is_completed_first(machine: Path) -> None:
    repaired = machine / "repaired"
    put(machine / "dpkg", f'echo "dpkg $*" >> "{machine}/calls"; touch "{repaired}"')
    put(machine / "apt-get", f'case "$*" in *" install "*) [ -e "{repaired}" ] || exit 100 ;; esac')
    done = setup(machine, "play")
    assert done.returncode == 0, done.stderr
    repair, _, perform = calls(machine)
    assert repair == "dpkg --configure -a"
    assert perform.startswith("uv run ")


def test_without_a_recent_uv_it_installs_a_private_one(machine: Path) -> None:
    put(machine / "uv", "exit 2")
    private = f'echo "private uv $*" >> "{machine}/calls"'
    put(
        machine / "python3",
        f"""mkdir -p "$3/bin" && cd "$3/bin"
        printf '#!/bin/sh\\n' | tee python uv >/dev/null && chmod +x python uv
        echo '{private}' >> uv""",
    )
    assert setup(machine, "runtime").returncode == 0
    assert calls(machine)[-1] == "private uv sync --inexact"
    assert (machine / ".tools" / "bin" / "uv").exists()


def test_wrong_usage_prints_the_usage_and_installs_nothing(machine: Path) -> None:
    done = setup(machine, "dance")
    assert done.returncode == 2
    assert "Usage: ./setup" in done.stderr
    assert not (machine / "calls").exists()


@pytest.mark.parametrize("script", ["setup", ".ci/run"])
def test_the_scripts_are_executable(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
