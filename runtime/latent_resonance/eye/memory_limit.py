"""Limits the eye's memory: a process that leaks is restarted.

Used by the eye's loop. In: this process's memory. Out: nothing, or `RestartRequiredError`, after
which the process exits cleanly and its supervisor starts a new one.
"""

from __future__ import annotations

import os

from latent_resonance import LatentResonanceError
from latent_resonance.linux.process_usage import read_usage

EXIT_RESTART = 75  # sysexits.h, EX_TEMPFAIL: another try will help
CHECK_EVERY_S = 2.0


class RestartRequiredError(LatentResonanceError):
    """The process cannot go on, but a new one could; the message says why."""

    exit_code = EXIT_RESTART


class MemoryLimit:
    """Checks the process's resident memory, because MediaPipe or a driver may leak."""

    def __init__(self, limit_mib: float) -> None:
        self._limit_mib, self._next_s = limit_mib, 0.0

    def step(self, now_s: float) -> None:
        """Check every `CHECK_EVERY_S`.

        Raises
        ------
        RestartRequiredError
            If the process uses more than its limit.
        """
        if now_s < self._next_s:
            return
        self._next_s = now_s + CHECK_EVERY_S
        usage = read_usage(os.getpid())
        if usage is not None and usage.resident_mib > self._limit_mib:
            raise RestartRequiredError(
                f"uses {usage.resident_mib:.0f} MiB, more than eye.memory_mib allows "
                f"({self._limit_mib:.0f}); restarting"
            )
