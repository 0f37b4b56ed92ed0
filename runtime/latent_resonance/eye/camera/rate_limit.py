"""Drops images when a camera sends more than the settings ask for. Pure.

Many USB cameras support a single rate, and a clip has its own. On a small machine every extra image
costs heat, and processor time that the sound needs.
"""

from __future__ import annotations

SLACK = 1.1  # no image is dropped from a camera slightly faster than the requested rate
_NS = 1_000_000_000


class RateLimit:
    """Accepts images at no more than SLACK times a rate, however unevenly they arrive.

    The virtual scheduling algorithm of ITU-T I.371 (1993), with half an interval of tolerance.
    """

    def __init__(self, images_per_s: float) -> None:
        self._interval_ns = round(_NS / (SLACK * images_per_s))
        self._expected_ns = 0

    def accepts(self, now_ns: int) -> bool:
        """Whether to process an image that arrives at `now_ns` on a monotonic clock."""
        if now_ns < self._expected_ns - self._interval_ns // 2:
            return False
        self._expected_ns = max(now_ns, self._expected_ns) + self._interval_ns
        return True
