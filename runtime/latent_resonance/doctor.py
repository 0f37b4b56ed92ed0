"""Examines the machine and says what is wrong with it and what to do.

Runs in the process of `latent-resonance doctor` and keeps out of trouble itself: whatever
could crash or hang is tried in a process of its own (`probes.py`). In: the settings. Out: a
list of checks, of which a *fault* keeps the instrument from playing and a *warning* does not.
"""

from __future__ import annotations

import ctypes
import platform
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path

from latent_resonance.settings import SettingsError, load_settings

OK, WARNING, FAULT = "ok", "warning", "fault"
PATIENCE_S = 60.0  # for one probe; a Pi with a cold SD card needs ten
LIBRARIES = {  # file -> Debian's package
    "libEGL.so.1": "libegl1",
    "libGLESv2.so.2": "libgles2",
    "libportaudio.so.2": "libportaudio2",
}
NO_ATOMICS = (
    "no ARMv8.1 atomics (lse): MediaPipe 1.x dies here of SIGILL",
    "use a Raspberry Pi 5 or a Jetson Orin to see faces; this machine still plays scores",
)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: str  # OK, WARNING or FAULT
    detail: str  # what was found
    remedy: str = ""  # what to do about it; empty if all is well

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return asdict(self)

    def as_text(self) -> str:
        """For people: one line, and one more for the remedy."""
        line = f"{self.verdict:<8} {self.name:<11} {self.detail}"
        return f"{line}\n{'':21}→ {self.remedy}" if self.remedy else line


@dataclass(frozen=True)
class Finding:
    """How a probe ended."""

    code: int  # exit code; below 0 the signal that killed it, as in subprocess
    line: str  # what it said last


def examine(config: Path | None) -> list[Check]:
    """Every check, in the order in which a technician would ask."""
    settings = check_settings(config)
    config = config if settings.verdict == OK else None
    processor = check_processor(platform.machine(), Path("/proc/cpuinfo"))
    checks = [check_python(sys.version_info[:3]), processor, check_libraries(), check_opencv()]
    checks += [settings, check_pack(probe("pack", config)), check_network(probe("network", config))]
    checks.append(check_face_model(probe("face_model", config)))
    if processor.verdict == OK:
        checks.append(check_tracker(probe("tracker", config)))
    checks.append(check_camera(probe("camera", config)))
    checks.append(check_speaker(probe("speaker", config)))
    return checks


def probe(name: str, config: Path | None, patience_s: float = PATIENCE_S) -> Finding:
    """Tries something out in a process of its own."""
    command = [sys.executable, "-m", "latent_resonance.probes", name]
    command += [str(config)] if config else []
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(1, f"no answer within {patience_s:g} s")
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return Finding(done.returncode, _last(said, done.returncode))


def _last(said: list[str], code: int) -> str:
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return said[-1] if said else f"said nothing (exit code {code})"


def check_python(version: tuple[int, int, int]) -> Check:
    """3.11 and 3.13 are tested."""
    found = ".".join(str(part) for part in version)
    if version < (3, 11):
        return Check("python", FAULT, found, "install Python 3.11 or newer")
    return Check("python", OK, found)


def check_processor(machine: str, cpuinfo: Path) -> Check:
    """MediaPipe's aarch64 wheels are built for ARMv8.1; a Cortex-A72 (Pi 4) is ARMv8.0."""
    if machine != "aarch64":
        return Check("processor", OK, machine)
    features = [
        line.partition(":")[2].split()
        for line in cpuinfo.read_text().splitlines()
        if line.lower().startswith("features")
    ]
    if not all("atomics" in flags for flags in features):
        return Check("processor", FAULT, f"{machine}, {NO_ATOMICS[0]}", NO_ATOMICS[1])
    return Check("processor", OK, f"{machine} with ARMv8.1 atomics")


def check_libraries(libraries: dict[str, str] = LIBRARIES) -> Check:
    """What Python wheels expect of the system."""
    missing = [name for name in libraries if not _can_be_loaded(name)]
    if missing:
        packages = " ".join(libraries[name] for name in missing)
        remedy = f"sudo apt install {packages}"
        return Check("libraries", FAULT, f"{', '.join(missing)} cannot be loaded", remedy)
    return Check("libraries", OK, ", ".join(libraries))


def _can_be_loaded(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def check_opencv() -> Check:
    """One cv2, the headless one: another would overwrite it and want a desktop."""
    names = {str(each.metadata["Name"]).lower() for each in distributions()}
    found = sorted(name for name in names if name.startswith("opencv-"))
    if found != ["opencv-python-headless"]:
        remedy = "run `uv sync` in the checkout, which installs the headless one alone"
        return Check("opencv", FAULT, f"installed: {', '.join(found) or 'none'}", remedy)
    return Check("opencv", OK, found[0])


def check_settings(config: Path | None) -> Check:
    """Whether the settings can be used."""
    try:
        load_settings(config)
    except SettingsError as error:
        remedy = "put these right; the other checks use the defaults meanwhile"
        return Check("settings", FAULT, "; ".join(error.messages), remedy)
    return Check("settings", OK, str(config) if config else "the defaults")


def check_pack(found: Finding) -> Check:
    """The pack opens, and its networks run."""
    remedy = "choose another pack in the settings, or copy this one again"
    return _check("pack", found, FAULT, remedy)


def check_network(found: Finding) -> Check:
    """The eye can give up the network."""
    remedy = "allow user namespaces or seccomp, or set eye.allow_network: true"
    return _check("network", found, FAULT, remedy)


def check_face_model(found: Finding) -> Check:
    """The face model is the one that was tested."""
    return _check("face model", found, FAULT, "git checkout models/face_landmarker.task")


def check_tracker(found: Finding) -> Check:
    """MediaPipe starts on this machine."""
    if found.code == -signal.SIGILL:
        return Check("tracker", FAULT, NO_ATOMICS[0], NO_ATOMICS[1])
    return _check("tracker", found, FAULT, "see the other faults first, then run `uv sync`")


def check_camera(found: Finding) -> Check:
    """A camera is there and free."""
    remedy = "plug one in, set camera.source, or stop what holds it; until then the score plays"
    return _check("camera", _without_advice(found), WARNING, remedy)


def check_speaker(found: Finding) -> Check:
    """A speaker is there."""
    remedy = "connect one, or set output.device (see `latent-resonance devices`)"
    return _check("speaker", _without_advice(found), WARNING, remedy)


def _without_advice(found: Finding) -> Finding:
    """An error's line is "what is wrong; what to do", and the doctor knows more of the latter."""
    return Finding(found.code, found.line.partition("; ")[0])


def _check(name: str, found: Finding, otherwise: str, remedy: str) -> Check:
    if found.code == 0:
        return Check(name, OK, found.line)
    return Check(name, otherwise, found.line, remedy)
