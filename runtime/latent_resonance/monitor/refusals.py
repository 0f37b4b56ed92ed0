"""What the monitor has refused: counted by boundary and reason, and logged in one line a minute.

Pure. In: every refusal. Out: counts for metrics and the staff page, and a line that is due. The
journal grows no faster under attack than in peace.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable

LINE_S = 60.0  # between two lines about refusals
LINES_PER_MINUTE = 20  # of the monitor altogether
MAX_REASONS = 32  # for each boundary; the rest is OTHER
OTHER = "other"


class Refusals:
    """Counts refusals.

    Attributes
    ----------
    counts : since the start, by (boundary, reason)
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._unlogged: Counter[tuple[str, str]] = Counter()
        self._last_address, self._due_s = "", -math.inf

    def count(self, boundary: str, reason: str, address: str = "") -> None:
        """Count one refusal.

        Parameters
        ----------
        boundary : http, connection, page or osc
        reason : one of few; an unbounded text counts as OTHER
        address : of the peer
        """
        key = (boundary, reason)
        if key not in self.counts and self._reasons(boundary) >= MAX_REASONS:
            key = (boundary, OTHER)
        self.counts[key] += 1
        self._unlogged[key] += 1
        self._last_address = address or self._last_address

    def line(self, now_s: float) -> str | None:
        """The line that is due now: what was refused since the last; None at most times."""
        if not self._unlogged or now_s < self._due_s:
            return None
        named = ", ".join(f"{n} × {' '.join(key)}" for key, n in self._unlogged.most_common(4))
        text = f"refused {self._unlogged.total()}: {named}; last from {self._last_address:.60}"
        self._unlogged.clear()
        self._due_s = now_s + LINE_S
        return text

    def _reasons(self, boundary: str) -> int:
        return sum(key[0] == boundary for key in self.counts)


class BoundedLog:
    """A log of at most LINES_PER_MINUTE lines; says how many it has left out. Any thread.

    Parameters
    ----------
    log : writes a line
    clock : seconds, monotonic
    """

    def __init__(
        self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._clock = log, clock
        self._minute, self._lines, self._left_out = -math.inf, 0, 0
        self._lock = threading.Lock()  # paho logs on its own thread

    def __call__(self, line: str) -> None:
        """Write a line, or count it."""
        with self._lock:
            self._begin_minute()
            self._lines += 1
            if self._lines <= LINES_PER_MINUTE:
                self._log(line)
            else:
                self._left_out += 1

    def _begin_minute(self) -> None:
        minute = math.floor(self._clock() / 60.0)
        if minute == self._minute:
            return
        if self._left_out:
            self._log(f"{self._left_out} lines of the minute before were left out")
        self._minute, self._lines, self._left_out = minute, 0, 0
