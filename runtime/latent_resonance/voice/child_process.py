"""Child processes of the voice, eye and monitor: start them, watch them, restart them.

Used by `perform` on its main thread; nothing here blocks but `close`. Under systemd, eye and
monitor are units of their own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from latent_resonance.linux.process_usage import Usage, read_usage

EYE = (sys.executable, "-m", "latent_resonance", "eye", "--child")
MONITOR = (sys.executable, "-m", "latent_resonance", "monitor", "--child")
STEADY_S = 30.0  # after which earlier failures of a process no longer count
START_TIMEOUT_S = 60.0  # for the eye's first state: a cold SD card is slow
SILENCE_TIMEOUT_S = 5.0  # later it sends ten states a second, with a face or without
RESTART_REQUESTED = 75  # exit code of an eye that asks to be restarted and has logged why


class ChildProcess:
    """Keeps one process running; logs once when it has ended, and restarts it after a delay.

    The delay grows with each failure, so that a process that cannot start costs next to nothing.
    """

    NAME: ClassVar[str]
    RESTART_DELAYS_S: ClassVar[tuple[float, ...]]
    FATAL_CODES: ClassVar[tuple[int, ...]]  # exit codes that another try does not change
    FATAL_MESSAGE: ClassVar[str]
    EXIT_TIMEOUT_S: ClassVar[float]  # from SIGTERM to SIGKILL

    def __init__(self, command: list[str], log: Callable[[str], None]) -> None:
        self.command, self.log = command, log
        self.process: subprocess.Popen[bytes] | None = None
        self.failures, self.started_s = 0, 0.0
        self.next_start_s: float | None = 0.0

    def poll(self, now_s: float) -> None:
        """Start the process if it is time to; notice if it has ended."""
        if self.process is None:
            if self.next_start_s is not None and now_s >= self.next_start_s:
                self._start(now_s)
        elif (code := self.process.poll()) is not None:
            self._ended(code, now_s)

    def _start(self, now_s: float) -> None:
        self.started_s = now_s
        try:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        except OSError as error:  # too little memory, too few file descriptors
            self._retry(f"the {self.NAME} cannot be started ({error.strerror})", now_s)

    def terminate(self) -> None:
        """Send SIGTERM without waiting."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def close(self) -> None:
        """Terminate the process; kill it if it does not exit in time."""
        self.terminate()
        if self.process is not None:
            try:
                self.process.wait(self.EXIT_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _ended(self, code: int, now_s: float) -> None:
        self.process = None
        if code in self.FATAL_CODES:
            self.next_start_s = None
            self.log(self.FATAL_MESSAGE)
            return
        if now_s - self.started_s > STEADY_S:
            self.failures = 0
        self._retry(f"the {self.NAME} has ended{self._cause(code)}", now_s)

    def _retry(self, reason: str, now_s: float) -> None:
        if self.failures == 0:
            self.log(f"{reason}; starting it again, playing on")
        self.next_start_s = (
            now_s + self.RESTART_DELAYS_S[min(self.failures, len(self.RESTART_DELAYS_S) - 1)]
        )
        self.failures += 1

    def _cause(self, _code: int) -> str:
        return ""


class EyeProcess(ChildProcess):
    """The eye; killed and restarted too when it stops sending states."""

    NAME = "eye"
    # At once for an eye that was running, ever later for one that cannot start.
    RESTART_DELAYS_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
    FATAL_CODES = (2, 78)  # usage; not allowed to run
    FATAL_MESSAGE = "the eye cannot run here; playing the score without it"
    EXIT_TIMEOUT_S = 0.5

    def __init__(
        self,
        socket_path: Path,
        config: Path | None,
        log: Callable[[str], None],
        program: tuple[str, ...] = EYE,
    ) -> None:
        command = [*program, "--socket", str(socket_path)]
        # Settings that become invalid later must not end it: it reports them and watches the file.
        command += ["--config", str(config), "--unattended"] if config else []
        super().__init__(command, log)
        self.usage = Usage(0.0, 0.0)
        self._n_received = 0
        self._last_received_s: float | None = None  # from this process
        self._hung = False

    def poll(self, now_s: float, n_received: int | None = None) -> None:
        """Start the eye if it is time to; notice if it has ended or stopped sending.

        Parameters
        ----------
        n_received : number of states that have arrived so far; None if it is not known
        """
        process = self.process
        super().poll(now_s)
        if self.process is not process:
            self._n_received, self._last_received_s, self._hung = n_received or 0, None, False
        elif process is not None and n_received is not None:
            self._check_sending(process, n_received, now_s)

    def terminate(self) -> None:
        """Send SIGTERM without waiting; measure the usage while the process exists."""
        if self.process is not None and self.process.poll() is None:
            self.usage = read_usage(self.process.pid) or self.usage
        super().terminate()

    def usage_text(self, seconds: float) -> str:
        """Its share of a core over the seconds given, and its memory."""
        share = 100 * self.usage.cpu_s / max(seconds, 1e-3)
        return f"eye {share:.0f} % of a core, {self.usage.resident_mib:.0f} MiB"

    def _check_sending(
        self, process: subprocess.Popen[bytes], n_received: int, now_s: float
    ) -> None:
        """Kill an eye that is stopped or hangs; only SIGKILL is sure to end it."""
        if n_received != self._n_received:
            self._n_received, self._last_received_s = n_received, now_s
        if self._last_received_s is None:
            timed_out = now_s - self.started_s > START_TIMEOUT_S
        else:
            timed_out = now_s - self._last_received_s > SILENCE_TIMEOUT_S
        if timed_out and not self._hung:
            self._hung = True
            process.kill()

    def _cause(self, code: int) -> str:
        return f" ({'it stopped sending' if self._hung else _cause_of(code)})"


class MonitorProcess(ChildProcess):
    """The monitor; whatever happens to it, the sound goes on."""

    NAME = "monitor"
    RESTART_DELAYS_S = (1.0, 5.0, 30.0, 60.0)
    FATAL_CODES = (2,)  # usage, or a package that is not installed
    FATAL_MESSAGE = "the monitor cannot run here; playing on without it"
    EXIT_TIMEOUT_S = 0.5

    def __init__(
        self,
        socket_path: Path,
        config: Path | None,
        log: Callable[[str], None],
        program: tuple[str, ...] = MONITOR,
    ) -> None:
        command = [*program, "--socket", str(socket_path)]
        command += ["--config", str(config)] if config else []
        super().__init__(command, log)


def _cause_of(code: int) -> str:
    if code == RESTART_REQUESTED:
        return "it requested a restart"
    if code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGILL:
        return "illegal instruction: a library is not made for this processor; see the doctor"
    if code == -signal.SIGALRM:
        return "it hung"
    return f"signal {-code}"
