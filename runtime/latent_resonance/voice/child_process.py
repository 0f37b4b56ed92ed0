"""The eye as a child of the voice: started, watched, started again.

Used by `perform` on its main thread; under systemd the eye is a unit of its own. Of the
eye the voice knows no more than this: a process, and the socket that it writes to.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from latent_resonance.linux.process_usage import Usage, usage_of

EYE = (sys.executable, "-m", "latent_resonance", "eye", "--child")
# Before it is started again, and again: at once for one that saw, later and later for one that
# cannot even start, down to an effort nobody hears.
PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
STEADY_S = 30.0  # after so long its failures are forgotten
START_S = 60.0  # it may say nothing for so long at first; a cold SD card is slow
SILENT_S = 5.0  # later it says something every tenth of a second, be it "nobody"
AFRESH = 75  # exit code of an eye that asks for this and has said why
HOPELESS = (2, 78)  # exit codes that another try will not change: usage, not allowed to see


class EyeProcess:
    """Keeps one eye running; says once when it has ended and why."""

    def __init__(
        self,
        socket_path: Path,
        config: Path | None,
        log: Callable[[str], None],
        program: tuple[str, ...] = EYE,
    ) -> None:
        self.log = log
        self.command = [*program, "--socket", str(socket_path)]
        # Settings that become wrong later must not end it: it says so, and looks at the file.
        self.command += ["--config", str(config), "--unattended"] if config else []
        self.failures = 0
        self.usage = Usage(0.0, 0.0)
        self.started_s = 0.0
        self.next_start_s: float | None = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self._heard = 0
        self._heard_s: float | None = None  # when this process last said something
        self._silenced = False

    def poll(self, now_s: float, heard: int | None = None) -> None:
        """Starts the eye if it is time to; notices if it has ended or fallen silent.

        Parameters
        ----------
        heard
            How many states have arrived in all; None if nobody counts.
        """
        if self.process is None:
            if self.next_start_s is not None and now_s >= self.next_start_s:
                self._start(now_s, heard or 0)
            return
        code = self.process.poll()
        if code is not None:
            self._ended(code, now_s)
        elif heard is not None:
            self._listen(heard, now_s)

    def ask_to_leave(self) -> None:
        """SIGTERM, without waiting; notes its figures while it is still there."""
        if self.process is not None and self.process.poll() is None:
            self._measure()
            self.process.terminate()

    def close(self) -> None:
        """Makes sure that it is gone."""
        self.ask_to_leave()
        if self.process is not None:
            try:
                self.process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def figures(self, seconds: float) -> str:
        """Its share of a core over the seconds given, and its memory."""
        share = 100 * self.usage.cpu_s / max(seconds, 1e-3)
        return f"eye {share:.0f} % of a core, {self.usage.resident_mib:.0f} MiB"

    def _start(self, now_s: float, heard: int) -> None:
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        self.started_s = now_s
        self._heard, self._heard_s, self._silenced = heard, None, False

    def _listen(self, heard: int, now_s: float) -> None:
        """An eye that was stopped or hangs says nothing more; only SIGKILL reaches it for sure."""
        if heard != self._heard:
            self._heard, self._heard_s = heard, now_s
        silent_s = now_s - (self.started_s if self._heard_s is None else self._heard_s)
        if silent_s > (START_S if self._heard_s is None else SILENT_S) and not self._silenced:
            assert self.process is not None
            self._silenced = True
            self.process.kill()

    def _ended(self, code: int, now_s: float) -> None:
        if now_s - self.started_s > STEADY_S:
            self.failures = 0
        self.process = None
        if code in HOPELESS:
            self.next_start_s = None
            self.log("the eye cannot see here; playing the score without it")
            return
        if self.failures == 0:
            cause = "it said nothing more" if self._silenced else _cause(code)
            self.log(f"the eye has ended ({cause}); starting it again, playing on")
        self.next_start_s = now_s + PAUSES_S[min(self.failures, len(PAUSES_S) - 1)]
        self.failures += 1

    def _measure(self) -> None:
        usage = usage_of(self.process.pid) if self.process else None
        self.usage = usage or self.usage


def _cause(code: int) -> str:
    if code == AFRESH:
        return "it asked for a fresh start"
    if code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGILL:
        return "illegal instruction: a library is not made for this processor; see the doctor"
    if code == -signal.SIGALRM:
        return "it hung"
    return f"signal {-code}"
