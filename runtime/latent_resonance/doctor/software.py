"""The program: versions, processor, libraries, settings, pack, models and network isolation."""

from __future__ import annotations

import platform
import signal
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path

from latent_resonance import __version__
from latent_resonance.config.settings import SettingsError, load_settings
from latent_resonance.doctor.check import FAIL, OK, Check, ProbeResult, check_from_result
from latent_resonance.installation import INSTALL_AGAIN, ONE_OPENCV, RESTORE_MODELS, remedy_here
from latent_resonance.linux import shared_libraries

OLDEST_PYTHON = (3, 11)
PACKAGES = ("onnxruntime", "numpy")
TRACKER = "mediapipe"  # not available on every board


def check_versions(python: tuple[int, int, int] = sys.version_info[:3]) -> Check:
    """Installed versions; Python 3.11 and 3.13 are tested."""
    versions = [f"latent-resonance {__version__}", f"python {'.'.join(map(str, python))}"]
    versions += [*map(_version, PACKAGES), f"Linux {platform.release()}"]
    detail = ", ".join(versions)
    if python < OLDEST_PYTHON:
        return Check("versions", FAIL, detail, "install Python 3.11 or newer")
    if any(each.endswith(" none") for each in versions):
        return Check("versions", FAIL, detail, remedy_here(INSTALL_AGAIN))
    return Check("versions", OK, f"{detail}, {_version(TRACKER)}")


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} none"


def check_processor(machine: str, cpuinfo: Path) -> Check:
    """Whether MediaPipe can run: its aarch64 wheels need ARMv8.1, a Pi 4 is ARMv8.0."""
    if machine != "aarch64":
        return Check("processor", OK, machine)
    features = [
        line.partition(":")[2].split()
        for line in cpuinfo.read_text().splitlines()
        if line.lower().startswith("features")
    ]
    if not all("atomics" in flags for flags in features):
        return Check("processor", OK, f"{machine} without ARMv8.1 atomics, so without MediaPipe")
    return Check("processor", OK, f"{machine} with ARMv8.1 atomics")


def required_libraries() -> dict[str, str]:
    """The system libraries that the installed packages link to."""
    return shared_libraries.PORTAUDIO | (shared_libraries.GRAPHICS if find_spec(TRACKER) else {})


def check_libraries(needed: dict[str, str]) -> Check:
    """Whether the system libraries can be loaded."""
    missing = shared_libraries.missing(needed)
    if missing:
        remedy = f"sudo apt install {' '.join(missing.values())}"
        return Check("libraries", FAIL, f"{', '.join(missing)} cannot be loaded", remedy)
    return Check("libraries", OK, ", ".join(needed))


def check_opencv() -> Check:
    """Whether OpenCV is headless only; another build would overwrite it and need a desktop."""
    names = {str(each.metadata["Name"]).lower() for each in distributions()}
    found = sorted(name for name in names if name.startswith("opencv-"))
    if found != ["opencv-python-headless"]:
        detail = f"installed: {', '.join(found) or 'none'}; only opencv-python-headless should be"
        return Check("opencv", FAIL, detail, remedy_here(ONE_OPENCV))
    return Check("opencv", OK, found[0])


def check_settings(config: Path | None) -> Check:
    """Whether the settings are valid."""
    try:
        load_settings(config)
    except SettingsError as error:
        remedy = "correct these; the other checks use the defaults meanwhile"
        return Check("settings", FAIL, "; ".join(error.messages), remedy)
    return Check("settings", OK, str(config) if config else "the defaults")


def check_pack(result: ProbeResult) -> Check:
    """Whether the pack opens and its networks run."""
    remedy = "choose another pack in the settings, or copy this one again"
    return check_from_result("pack", result, FAIL, remedy)


def check_network(result: ProbeResult) -> Check:
    """Whether the eye can drop its network access."""
    remedy = "allow user namespaces or seccomp, or set eye.allow_network: true"
    return check_from_result("network", result, FAIL, remedy)


def check_face_model(result: ProbeResult) -> Check:
    """Whether the face models have the expected checksums."""
    return check_from_result("face model", result, FAIL, remedy_here(RESTORE_MODELS))


def check_tracker(result: ProbeResult) -> Check:
    """Whether a tracker starts on this machine, which one, and why."""
    if result.code == -signal.SIGILL:
        detail = "illegal instruction: a library does not support this processor"
        return Check("tracker", FAIL, detail, "set eye.tracker: light")
    remedy = f"correct the other faults first, then {remedy_here(INSTALL_AGAIN)}"
    return check_from_result("tracker", result, FAIL, remedy)
