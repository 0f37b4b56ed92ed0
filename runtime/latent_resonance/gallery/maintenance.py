"""What the staff may do to the machine: change settings, restart a part, read the journal.

The vocabulary is fixed, and a request has nothing else to choose: no unit, no path, no option.
Under systemd the monitor has no right to any of it: it writes a request into its own folder, and a
unit that the file starts carries it out as root and writes an answer into a folder of its own
(`docs/decisions/034-the-staff-page-requests-what-root-does.md`). Elsewhere the monitor is the
user's own process and changes the settings itself.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latent_resonance import LatentResonanceError
from latent_resonance.config.edit import EditError, edit_settings, editable_values

REQUEST = "request"  # file in the folder of the monitor
FOLDER_VARIABLE = "LATENT_RESONANCE_MAINTENANCE"  # folder of the answers, set in the unit
ANSWER = "answer.json"  # file in the folder of the unit
MAX_BYTES = 32 * 1024  # of a request
MAX_LINES = 100  # of the journal
COMMAND_TIMEOUT_S = 20.0
RESTARTS = {
    "eye": ("systemctl", "--no-block", "restart", "latent-resonance-eye.service"),
    "voice": ("systemctl", "--no-block", "restart", "latent-resonance-voice.service"),
    "machine": ("systemctl", "--no-block", "reboot"),
}
JOURNAL = (
    *("journalctl", "--quiet", "--no-pager", "--no-hostname", "--output=short-iso"),
    *(f"--lines={MAX_LINES}", "--unit=latent-resonance-*"),
)
Run = Callable[[tuple[str, ...]], str]


class MaintenanceError(LatentResonanceError):
    """A request cannot be carried out; the message says why."""


@dataclass(frozen=True)
class Job:
    """One request.

    Attributes
    ----------
    name : chosen by the monitor; the answer repeats it
    kind : settings, restart, journal or read
    value : settings by key, or what to restart
    """

    name: str
    kind: str
    value: Any = None

    def encode(self) -> bytes:
        """The request as a file."""
        return json.dumps({"name": self.name, "kind": self.kind, "value": self.value}).encode()


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes
    ----------
    error : why it was not carried out; empty if it was
    lines : of the journal
    settings : editable keys with their values, as YAML
    """

    name: str
    error: str = ""
    lines: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def parse_job(content: object) -> Job:
    """Validate the JSON of a request.

    Raises
    ------
    MaintenanceError
        It is none of the vocabulary.
    """
    if not isinstance(content, dict) or set(content) != {"name", "kind", "value"}:
        raise MaintenanceError("a request should have name, kind and value")
    name, kind, value = content["name"], content["kind"], content["value"]
    if not (isinstance(name, str) and len(name) <= 64):
        raise MaintenanceError("name should be text of at most 64 characters")
    if not isinstance(kind, str) or kind not in CHECKS or not CHECKS[kind](value):
        raise MaintenanceError(
            f"{kind!r:.20} with {value!r:.40} is no request; the kinds are {', '.join(CHECKS)}"
        )
    return Job(name, kind, value)


def _are_settings(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


CHECKS: dict[str, Callable[[object], bool]] = {
    "settings": _are_settings,
    "restart": lambda value: isinstance(value, str) and value in RESTARTS,
    "journal": lambda value: value is None,
    "read": lambda value: value is None,
}


def carry_out(job: Job, config: Path, run: Run) -> Answer:
    """Carry out a request.

    Parameters
    ----------
    config : the settings file
    run : runs a command and returns its output
    """
    try:
        if job.kind == "settings":
            edit_settings(config, job.value)
        elif job.kind == "restart":
            run(RESTARTS[job.value])
        elif job.kind == "journal":
            return Answer(job.name, lines=tuple(run(JOURNAL).splitlines()[-MAX_LINES:]))
        return Answer(job.name, settings=editable_values(config))
    except (EditError, MaintenanceError, OSError) as error:
        return Answer(job.name, error=str(error))


def run_command(command: tuple[str, ...]) -> str:
    """The output of a command.

    Raises
    ------
    MaintenanceError
        It fails, or does not end in time.
    """
    program = shutil.which(command[0], path="/usr/bin:/bin") or command[0]
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_TIMEOUT_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise MaintenanceError(f"{command[0]} failed: {error.stderr.strip():.200}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MaintenanceError(f"{command[0]} cannot be run ({error})") from error
    return done.stdout


def serve_request(requests: Path, answers: Path, config: Path, run: Run = run_command) -> None:
    """Take the request in a folder that another user writes, and answer it (as root).

    Nothing in that folder is followed or trusted: it may hold links, pipes or folders.
    """
    data = _taken(requests / REQUEST)
    if data is None:
        return
    try:
        answer = carry_out(parse_job(json.loads(data)), config, run)
    except (MaintenanceError, ValueError, RecursionError) as error:
        answer = Answer("", error=f"no request: {error}"[:200])
    _write_answer(answers / ANSWER, answer)


def _taken(path: Path) -> bytes | None:
    """The content of a regular file, which is removed; None if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        _remove(path)
        return None
    try:
        status = os.fstat(descriptor)
        regular = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        return os.read(descriptor, MAX_BYTES) if regular else None
    finally:
        os.close(descriptor)
        _remove(path)


def _remove(path: Path) -> None:
    """Remove whatever it is, so that it does not start the unit again."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def _write_answer(path: Path, answer: Answer) -> None:
    """Into the unit's own folder, which the monitor only reads."""
    beside = path.with_suffix(".new")
    content = {"name": answer.name, "error": answer.error, "settings": dict(answer.settings)}
    beside.write_text(json.dumps(content | {"lines": answer.lines}))
    beside.chmod(0o640)
    beside.replace(path)
