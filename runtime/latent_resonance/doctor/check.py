"""Results of checks, and probes that run in a process of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

OK, WARN, FAIL = "ok", "warn", "fail"
PROBE_TIMEOUT_S = 60.0  # a Pi with a cold SD card needs ten


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    verdict: str  # OK, WARN or FAIL
    detail: str  # what was found
    remedy: str = ""  # what to do about it; empty if nothing

    def as_dict(self) -> dict[str, str]:
        """The fields, for JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """One line for people, and a second one with the remedy."""
        line = f"{self.verdict:<5} {self.name:<11} {self.detail}"
        return f"{line}\n{'':18}→ {self.remedy}" if self.remedy else line


@dataclass(frozen=True)
class ProbeResult:
    """How a probe or a program ended."""

    code: int  # exit code; below 0 the signal that killed it, as in subprocess
    line: str  # the last line that it printed


def check_from_result(name: str, result: ProbeResult, verdict: str, remedy: str) -> Check:
    """OK if the probe succeeded, else `verdict` with the remedy."""
    if result.code == 0:
        return Check(name, OK, result.line)
    return Check(name, verdict, result.line, remedy)


def run_probe(
    name: str,
    config: Path | None,
    timeout_s: float = PROBE_TIMEOUT_S,
    *,
    shows_progress: bool = False,
) -> ProbeResult:
    """Run a probe of `probes.py` in its own process, which may crash or hang.

    Parameters
    ----------
    shows_progress : let people read its standard error while it runs
    """
    command = [sys.executable, "-m", "latent_resonance.doctor.probes", name]
    command += [str(config)] if config else []
    return run_command(command, timeout_s, stderr=None if shows_progress else subprocess.PIPE)


def run_command(
    command: list[str], timeout_s: float, *, stderr: int | None = subprocess.PIPE
) -> ProbeResult:
    """Run a program; a missing program or a timeout is a failure."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbeResult(1, f"no answer within {timeout_s:g} s")
    except OSError as error:
        return ProbeResult(1, f"{command[0]}: {error.strerror}")
    lines = (done.stdout.strip() or (done.stderr or "").strip()).splitlines()
    return ProbeResult(done.returncode, _last_line(lines, done.returncode))


def _last_line(lines: list[str], code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return lines[-1] if lines else f"no output (exit code {code})"
