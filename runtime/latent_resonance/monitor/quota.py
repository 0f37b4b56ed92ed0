"""Bounds on what peers may hold open at once: connections, and pages. Pure.

A quarter of the total is this machine's alone, so that no load from the network keeps staff and
health checks on the machine out, and no prefix may hold more than a quarter.
"""

from __future__ import annotations

from collections import Counter

from latent_resonance.monitor.addresses import THIS_MACHINE

SHARE = 4  # a quarter


class Quota:
    """What is open, by prefix (see `addresses.prefix_of`).

    Parameters
    ----------
    total : bound for all together

    Attributes
    ----------
    per_prefix, network : bounds for one prefix, and for all but this machine
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.per_prefix, self.network = max(1, total // SHARE), total - total // SHARE
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Number of those open."""
        return self._open.total()

    def admits(self, prefix: str) -> bool:
        """Whether one more may be opened."""
        if self.count >= self.total:
            return False
        return prefix == THIS_MACHINE or not (self.exhausted_by(prefix) or self._network_full())

    def exhausted_by(self, prefix: str) -> bool:
        """Whether the prefix holds all that one may."""
        return prefix != THIS_MACHINE and self._open[prefix] >= self.per_prefix

    def open(self, prefix: str) -> None:
        """Count one more."""
        self._open[prefix] += 1

    def close(self, prefix: str) -> None:
        """Count one less."""
        self._open[prefix] -= 1
        if self._open[prefix] <= 0:
            del self._open[prefix]

    def _network_full(self) -> bool:
        return self.count - self._open[THIS_MACHINE] >= self.network
