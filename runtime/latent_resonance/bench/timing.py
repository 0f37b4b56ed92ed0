"""Time repeated calls: wall-clock and processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MIN_CALLS = 3  # however long one takes


@dataclass(frozen=True)
class Times:
    """Durations of n calls.

    Attributes
    ----------
    wall_s : (n,) seconds, CLOCK_MONOTONIC
    cpu_s : (n,) seconds of processor time, all threads of the process
    """

    wall_s: NDArray[np.float64]
    cpu_s: NDArray[np.float64]

    @property
    def mean_cpu_s(self) -> float:
        """Mean processor time of a call."""
        return float(np.mean(self.cpu_s))

    @property
    def median_wall_s(self) -> float:
        """Median wall-clock time of a call."""
        return float(np.median(self.wall_s))

    @property
    def median_cpu_s(self) -> float:
        """Median processor time of a call, which other programs hardly change."""
        return float(np.median(self.cpu_s))


def times_of(work: Callable[[], object], seconds: float, *, warm_up: int = 1) -> Times:
    """Time calls of `work` for some seconds, after `warm_up` calls that are not timed."""
    for _ in range(warm_up):
        work()
    pairs: list[tuple[float, float]] = []
    end_s = time.monotonic() + seconds
    while len(pairs) < MIN_CALLS or time.monotonic() < end_s:
        wall_s, cpu_s = time.monotonic(), time.process_time()
        work()
        pairs.append((time.monotonic() - wall_s, time.process_time() - cpu_s))
    wall, cpu = np.array(pairs).T
    return Times(wall, cpu)
