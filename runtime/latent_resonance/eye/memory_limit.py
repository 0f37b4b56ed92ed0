"""When an eye is better replaced by a fresh one: a process that leaks, hangs or fails.

Used by the eye's loop. In: this process's memory. Out: nothing, or `StartAfreshError`, after which
the process ends in order and whoever supervises it starts another.
"""

from __future__ import annotations

import os

from latent_resonance import LatentResonanceError
from latent_resonance.linux.process_usage import read_usage

EXIT_RESTART = 75  # sysexits.h, EX_TEMPFAIL: another try will help
CHECK_EVERY_S = 2.0


class RestartRequiredError(LatentResonanceError):
    """The process can see no further, another one can; the message says why."""

    exit_code = EXIT_RESTART


class MemoryLimit:
    """Watches the process's own resident memory; MediaPipe and drivers are not ours to mend."""

    def __init__(self, limit_mib: float) -> None:
        self._limit_mib, self._next_s = limit_mib, 0.0

    def step(self, now_s: float) -> None:
        """Look, now and then.

        Raises
        ------
        StartAfreshError
            If the process holds more than its limit.
        """
        if now_s < self._next_s:
            return
        self._next_s = now_s + CHECK_EVERY_S
        usage = read_usage(os.getpid())
        if usage is not None and usage.resident_mib > self._limit_mib:
            raise RestartRequiredError(
                f"holds {usage.resident_mib:.0f} MiB, more than eye.memory_mib allows "
                f"({self._limit_mib:.0f}); starting afresh"
            )
