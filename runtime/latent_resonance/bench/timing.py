"""How long something takes: again and again for some seconds, by the clock and of the processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AT_LEAST = 3  # times, however long one takes


@dataclass(frozen=True)
class Times:
    """How long each of n calls took.

    Attributes
    ----------
    wall_s : (n,) seconds, CLOCK_MONOTONIC
    cpu_s : (n,) seconds of processor time, of all threads of the process
    """

    wall_s: NDArray[np.float64]
    cpu_s: NDArray[np.float64]

    @property
    def mean_cpu_s(self) -> float:
        """Processor time of a call in the long run."""
        return float(np.mean(self.cpu_s))

    @property
    def usual_wall_s(self) -> float:
        """The median by the clock."""
        return float(np.median(self.wall_s))

    @property
    def usual_cpu_s(self) -> float:
        """The median of processor time, which other programs hardly change."""
        return float(np.median(self.cpu_s))


def times_of(work: Callable[[], object], seconds: float, *, warm_up: int = 1) -> Times:
    """Times of `work`, called until the seconds are over, after some calls that do not count."""
    for _ in range(warm_up):
        work()
    pairs: list[tuple[float, float]] = []
    end_s = time.monotonic() + seconds
    while len(pairs) < AT_LEAST or time.monotonic() < end_s:
        wall_s, cpu_s = time.monotonic(), time.process_time()
        work()
        pairs.append((time.monotonic() - wall_s, time.process_time() - cpu_s))
    wall, cpu = np.array(pairs).T
    return Times(wall, cpu)
