"""The systemd units, their last failures, and permissions of the files that they read."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latent_resonance.doctor.check import FAIL, OK, WARN, Check, run_command
from latent_resonance.installation import INSTALL_UNITS, remedy_here

EYE, VOICE = "latent-resonance-eye.service", "latent-resonance-voice.service"
MONITOR, SCREEN = "latent-resonance-monitor.service", "latent-resonance-screen.service"
KEYS = ("LoadState", "ActiveState", "UnitFileState", "StatusText", "NRestarts", "MainPID")
TIMEOUT_S = 10.0
PRIVATE_FOLDERS = tuple(Path(name) for name in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108  compared with, not used


@dataclass(frozen=True)
class UnitState:
    """State of a unit; every field is empty without systemd."""

    name: str
    load: str = ""
    active_state: str = ""
    enabled: str = ""
    status: str = ""
    restarts: int = 0
    pid: int = 0

    @property
    def installed(self) -> bool:
        """Whether the unit is installed."""
        return self.load == "loaded"

    @property
    def active(self) -> bool:
        """Whether the service has reported that it is ready."""
        return self.active_state == "active"

    @property
    def role(self) -> str:
        """The process: eye, voice, monitor or screen."""
        return self.name.removeprefix("latent-resonance-").removesuffix(".service")


def read_unit_state(unit: str) -> UnitState:
    """The state from `systemctl show`, which needs no privileges."""
    command = ["systemctl", "show", unit, *(f"--property={key}" for key in KEYS)]
    return parse_unit_state(unit, run_text(command))


def run_text(command: Sequence[str]) -> str:
    """What a program prints; empty if there is no such program, or it does not end."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def parse_unit_state(unit: str, output: str) -> UnitState:
    """The state from the output of `systemctl show`."""
    fields = {key: value for key, _, value in (line.partition("=") for line in output.splitlines())}
    return UnitState(
        unit,
        fields.get("LoadState", ""),
        fields.get("ActiveState", ""),
        fields.get("UnitFileState", ""),
        fields.get("StatusText", ""),
        int(fields.get("NRestarts") or 0),
        int(fields.get("MainPID") or 0),
    )


def check_units(*states: UnitState) -> Check:
    """Whether the units are enabled and running, and how they last failed."""
    missing = [state.role for state in states if not state.installed]
    if missing:
        detail = f"not installed: {', '.join(missing)}; nothing starts at boot"
        return Check("units", WARN, detail, remedy_here(INSTALL_UNITS))
    detail = "; ".join(_describe(state) for state in states)
    if not all(state.enabled == "enabled" for state in states):
        return Check("units", WARN, detail, "sudo systemctl enable latent-resonance.target")
    if all(state.active for state in states):
        return Check("units", OK, detail)
    remedy = "sudo systemctl start latent-resonance.target; see journalctl -u 'latent-resonance-*'"
    return Check("units", FAIL, detail, remedy)


def _describe(state: UnitState) -> str:
    text = f"{state.role} {state.active_state}, {state.restarts} restarts"
    last = last_failure(state.name) if state.restarts or not state.active else ""
    return f"{text}, last failure {last}" if last else text


def last_failure(unit: str) -> str:
    """Result and time from the journal; empty if there is none or it is not readable."""
    command = ["journalctl", "--unit", unit, "--grep=Failed with result", "--lines=1"]
    output = run_command([*command, "--output=short-iso", "--no-pager", "--quiet"], TIMEOUT_S)
    when, _, rest = output.line.partition(" ")
    _, marker, result = rest.partition("Failed with result ")
    return f"{result.strip(chr(39) + '.')} at {when}" if output.code == 0 and marker else ""


def check_permissions(paths: list[Path]) -> Check:
    """Whether the units, which run as dynamic users, can read the files that they need."""
    hidden = [
        path for path in paths if any(path.is_relative_to(folder) for folder in PRIVATE_FOLDERS)
    ]
    closed = [path for path in paths if path not in hidden and not readable_by_all(path)]
    if closed:
        names = ", ".join(map(str, closed))
        return Check(
            "permissions", FAIL, f"not readable by all users: {names}", f"sudo chmod a+rX {names}"
        )
    if hidden:
        detail = f"hidden from the units: {', '.join(map(str, hidden))}"
        return Check(
            "permissions", WARN, detail, "move it to /srv, and change the path in the settings"
        )
    names = ", ".join(map(str, paths))
    return Check(
        "permissions", OK, f"readable by all users: {names}" if names else "no files to read"
    )


def readable_by_all(path: Path) -> bool:
    """Whether every user can read a file and enter its parent folders."""
    real = path.resolve()
    folders = [*real.parents, real] if real.is_dir() else list(real.parents)
    may_read = bool(real.stat().st_mode & stat.S_IROTH) or not real.is_file()
    return may_read and all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
