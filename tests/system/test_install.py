"""What a gallery installs and what it does not, and the script that brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BRINGS_TO_PLAY = ("libportaudio2", "libegl1", "libgles2", "python3-venv")


def packages(*options: str) -> set[str]:
    """Names that uv.lock would install, without installing anything."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    command = [uv, "export", "--frozen", "--no-hashes", "--no-header", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith((" ", "#"))]
    return {line.partition("==")[0].partition(" ")[0].removeprefix("-e") for line in lines}


def test_a_gallery_installs_neither_the_workshop_nor_the_test_tools() -> None:
    gallery = packages()
    assert {"mediapipe", "onnxruntime", "opencv-python-headless", "sounddevice"} <= gallery
    assert {"torch", "librosa", "onnx", "pytest", "ruff", "scikit-image"}.isdisjoint(gallery)


def test_all_packages_brings_the_workshop_and_the_test_tools() -> None:
    assert {"torch", "librosa", "onnx", "pytest", "ruff", "mediapipe"} <= packages("--all-packages")


def test_the_runtime_can_be_tested_without_the_workshop() -> None:
    runtime = packages("--package", "latent-resonance")
    assert {"pytest", "onnx", "scikit-image"} <= runtime
    assert {"torch", "librosa"}.isdisjoint(runtime)


def test_no_opencv_but_the_headless_one_is_ever_installed() -> None:
    found = {name for name in packages("--all-packages") if name.startswith("opencv")}
    assert found == {"opencv-python-headless"}


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A bare machine in a folder: commands that only write down how they were called."""
    for name in ("dpkg-query", "apt-get", "uv", "id", "sudo"):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/calls"\n')
        script.chmod(0o755)
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\nexit 1\n")  # nothing is installed
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")  # root
    return tmp_path


def setup(machine: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script of the README with the machine's commands before the real ones."""
    return subprocess.run(
        [str(ROOT / "setup"), *arguments],
        env={"PATH": f"{machine}:/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def calls(machine: Path) -> list[str]:
    return (machine / "calls").read_text().splitlines()


def is_private_uv_installed() -> bool:
    return (ROOT / ".tools" / "bin" / "uv").exists()


pytestmark = pytest.mark.skipif(
    is_private_uv_installed(), reason="the script prefers its own uv to the one under test"
)


def test_a_bare_machine_gets_its_packages_and_then_performs(machine: Path) -> None:
    done = setup(machine, "play")
    assert done.returncode == 0, done.stderr
    update, install, _, perform = calls(machine)
    assert update == "apt-get update -q"
    assert install.startswith("apt-get install -q -y --no-install-recommends ")
    assert set(BRINGS_TO_PLAY) <= set(install.split())
    assert perform == "uv run latent-resonance perform --seconds 30 --record take.wav"


def test_testing_brings_more_and_passes_arguments_on(machine: Path) -> None:
    assert setup(machine, "test", "-k", "pack").returncode == 0
    _, install, _, test = calls(machine)
    assert {*BRINGS_TO_PLAY, "fluidsynth", "sox", "strace", "pulseaudio"} <= set(install.split())
    assert test == "uv run --all-packages pytest -k pack"


def test_a_machine_that_has_everything_is_left_alone(machine: Path) -> None:
    (machine / "dpkg-query").write_text("#!/bin/sh\necho installed\n")
    assert setup(machine, "play").returncode == 0
    assert not any(call.startswith("apt-get") for call in calls(machine))


def test_somebody_who_is_not_root_is_asked_for_sudo(machine: Path) -> None:
    (machine / "id").write_text("#!/bin/sh\necho 1000\n")
    assert setup(machine, "play").returncode == 0
    assert "sudo apt-get update -q" in calls(machine)


def test_wrong_usage_shows_the_usage_and_brings_nothing(machine: Path) -> None:
    done = setup(machine, "dance")
    assert done.returncode == 2
    assert "Usage: ./setup" in done.stderr
    assert not (machine / "calls").exists()


@pytest.mark.parametrize("script", ["setup", ".ci/run"])
def test_the_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
