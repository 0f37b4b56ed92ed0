"""The monitor as a child of the voice: started by `perform --monitor`, and started again.

Used on the voice's main thread; under systemd the monitor is a unit of its own. What it does or
suffers never reaches the sound.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MONITOR = (sys.executable, "-m", "latent_resonance", "monitor", "--child")
PAUSES_S = (1.0, 5.0, 30.0, 60.0)  # before it is started again, and again
STEADY_S = 30.0  # after so long its failures are forgotten
LEAVING_S = 2.0
HOPELESS = 2  # exit code of wrong usage or a missing extra: another try changes nothing


class MonitorProcess:
    """Keeps one monitor running; says once when it has ended and why."""

    def __init__(
        self,
        socket_path: Path,
        config: Path | None,
        log: Callable[[str], None],
        program: tuple[str, ...] = MONITOR,
    ) -> None:
        self.log = log
        self.command = [*program, "--socket", str(socket_path)]
        self.command += ["--config", str(config)] if config else []
        self.process: subprocess.Popen[bytes] | None = None
        self.failures, self.started_s = 0, 0.0
        self.next_start_s: float | None = 0.0

    def poll(self, now_s: float) -> None:
        """Starts it if it is time to; notices if it has ended."""
        if self.process is None:
            if self.next_start_s is not None and now_s >= self.next_start_s:
                self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
                self.started_s = now_s
        elif (code := self.process.poll()) is not None:
            self._ended(code, now_s)

    def close(self) -> None:
        """Makes sure that it is gone."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _ended(self, code: int, now_s: float) -> None:
        self.process = None
        if code == HOPELESS:
            self.next_start_s = None
            self.log("the monitor cannot run here; playing on without it")
            return
        self.failures = 0 if now_s - self.started_s > STEADY_S else self.failures
        self.next_start_s = now_s + PAUSES_S[min(self.failures, len(PAUSES_S) - 1)]
        if self.failures == 0:
            self.log("the monitor has ended; starting it again, playing on")
        self.failures += 1
