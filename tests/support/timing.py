"""Time in tests: a clock that the test sets, and waiting until a condition holds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

# Factor on time limits, for a busy machine.
PATIENCE = float(os.environ.get("LATENT_RESONANCE_TEST_PATIENCE", "2"))


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def until(true: Callable[[], object], within_s: float, what: str) -> float:
    """Wait until a condition holds; return how long it took."""
    began_s = time.monotonic()
    while not true():
        took_s = time.monotonic() - began_s
        assert took_s < within_s, f"not within {within_s:.1f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began_s
