"""What a check is, and how something dangerous is tried out: in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

OK, WARN, FAIL = "ok", "warn", "fail"
PATIENCE_S = 60.0  # for one probe; a Pi with a cold SD card needs ten


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: str  # OK, WARN or FAIL
    detail: str  # what was found
    remedy: str = ""  # what to do about it; empty if all is well

    def as_dict(self) -> dict[str, str]:
        """For programs."""
        return asdict(self)

    def as_text(self) -> str:
        """For people: one line, and one more for the remedy."""
        line = f"{self.verdict:<5} {self.name:<11} {self.detail}"
        return f"{line}\n{'':18}→ {self.remedy}" if self.remedy else line


@dataclass(frozen=True)
class Finding:
    """How a probe ended."""

    code: int  # exit code; below 0 the signal that killed it, as in subprocess
    line: str  # what it said last


def judged(name: str, found: Finding, otherwise: str, remedy: str) -> Check:
    """A finding as a check: well if it ended well, `otherwise` if not."""
    if found.code == 0:
        return Check(name, OK, found.line)
    return Check(name, otherwise, found.line, remedy)


def probe(name: str, config: Path | None, patience_s: float = PATIENCE_S) -> Finding:
    """Tries something out in a process of its own."""
    command = [sys.executable, "-m", "latent_resonance.doctor.probes", name]
    return ran([*command, str(config)] if config else command, patience_s)


def ran(command: list[str], patience_s: float) -> Finding:
    """Runs a program; a program that is missing or hangs has failed."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=patience_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding(1, f"no answer within {patience_s:g} s")
    except OSError as error:
        return Finding(1, f"{command[0]}: {error.strerror}")
    said = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return Finding(done.returncode, _last(said, done.returncode))


def _last(said: list[str], code: int) -> str:
    if code < 0:
        return f"died of {signal.Signals(-code).name}"
    return said[-1] if said else f"said nothing (exit code {code})"
