"""What systemd makes of the instrument: its units, their last failure, and who may read what."""

from __future__ import annotations

import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from latent_resonance.doctor.check import FAIL, OK, WARN, Check, ran

EYE, VOICE = "latent-resonance-eye.service", "latent-resonance-voice.service"
MONITOR = "latent-resonance-monitor.service"
KEYS = ("LoadState", "ActiveState", "UnitFileState", "StatusText", "NRestarts", "MainPID")
PATIENCE_S = 10.0
HIDDEN = tuple(Path(name) for name in ("/home", "/root", "/run/user", "/tmp", "/var/tmp"))  # noqa: S108  named, not used
INSTALL = "run: sudo systemd/install.sh"


@dataclass(frozen=True)
class State:
    """One unit as systemd knows it; all is empty where there is no systemd."""

    name: str
    load: str = ""
    activity: str = ""
    enabled: str = ""
    status: str = ""
    restarts: int = 0
    pid: int = 0

    @property
    def installed(self) -> bool:
        """Whether there is such a unit."""
        return self.load == "loaded"

    @property
    def active(self) -> bool:
        """Whether it has said that it is ready."""
        return self.activity == "active"

    @property
    def side(self) -> str:
        """Which half of the instrument it is."""
        return self.name.removeprefix("latent-resonance-").removesuffix(".service")


def state_of(unit: str) -> State:
    """Asks systemd; may be asked by anybody."""
    command = ["systemctl", "show", unit, *(f"--property={key}" for key in KEYS)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return State(unit)
    return state_from(unit, done.stdout)


def state_from(unit: str, shown: str) -> State:
    """What `systemctl show` wrote."""
    said = {key: value for key, _, value in (line.partition("=") for line in shown.splitlines())}
    return State(
        unit,
        said.get("LoadState", ""),
        said.get("ActiveState", ""),
        said.get("UnitFileState", ""),
        said.get("StatusText", ""),
        int(said.get("NRestarts") or 0),
        int(said.get("MainPID") or 0),
    )


def check_units(*states: State) -> Check:
    """Whether it starts with the machine, runs, and how it last failed."""
    missing = [state.side for state in states if not state.installed]
    if missing:
        detail = f"not installed: {', '.join(missing)}; it does not start with the machine"
        return Check("units", WARN, detail, INSTALL)
    detail = "; ".join(_described(state) for state in states)
    if not all(state.enabled == "enabled" for state in states):
        return Check("units", WARN, detail, "sudo systemctl enable latent-resonance.target")
    if all(state.active for state in states):
        return Check("units", OK, detail)
    remedy = "sudo systemctl start latent-resonance.target; see journalctl -u 'latent-resonance-*'"
    return Check("units", FAIL, detail, remedy)


def _described(state: State) -> str:
    words = f"{state.side} {state.activity}, {state.restarts} restarts"
    last = last_failure(state.name) if state.restarts or not state.active else ""
    return f"{words}, last failure {last}" if last else words


def last_failure(unit: str) -> str:
    """When and of what, from the journal; empty if it knows none, or may not be read."""
    command = ["journalctl", "--unit", unit, "--grep=Failed with result", "--lines=1"]
    found = ran([*command, "--output=short-iso", "--no-pager", "--quiet"], PATIENCE_S)
    when, _, rest = found.line.partition(" ")
    _, marker, result = rest.partition("Failed with result ")
    return f"{result.strip(chr(39) + '.')} at {when}" if found.code == 0 and marker else ""


def check_permissions(paths: list[Path]) -> Check:
    """Whether the eye and the voice, who are nobody in particular, can read what they need."""
    hidden = [path for path in paths if any(path.is_relative_to(folder) for folder in HIDDEN)]
    closed = [path for path in paths if path not in hidden and not readable_by_all(path)]
    if closed:
        names = ", ".join(map(str, closed))
        return Check("permissions", FAIL, f"only some may read {names}", f"sudo chmod a+rX {names}")
    if hidden:
        detail = f"units may not look into people's folders: {', '.join(map(str, hidden))}"
        return Check("permissions", WARN, detail, "keep it in /srv, and say so in the settings")
    names = ", ".join(map(str, paths))
    return Check("permissions", OK, f"everybody may read {names}" if names else "nothing needs any")


def readable_by_all(path: Path) -> bool:
    """A file with all of its folders."""
    real = path.resolve()
    folders = [*real.parents, real] if real.is_dir() else list(real.parents)
    may_read = bool(real.stat().st_mode & stat.S_IROTH) or not real.is_file()
    return may_read and all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
