"""Which images are looked at when a camera sends more than the settings ask for. Pure.

Many USB cameras know a single rate, and a clip has its own. On a small machine each image too many
is heat, and a core that the sound could have.
"""

from __future__ import annotations

SLACK = 1.1  # a camera that is a little quicker than it was asked to be is not thinned
_NS = 1_000_000_000


class RateLimit:
    """Keeps images at no more than SLACK times a rate, however unevenly they come.

    The virtual scheduling algorithm of ITU-T I.371 (1993), with half an interval of tolerance.
    """

    def __init__(self, images_per_s: float) -> None:
        self._interval_ns = round(_NS / (SLACK * images_per_s))
        self._expected_ns = 0

    def accepts(self, now_ns: int) -> bool:
        """Whether to look at the image that comes now, on a clock that never turns back."""
        if now_ns < self._expected_ns - self._interval_ns // 2:
            return False
        self._expected_ns = max(now_ns, self._expected_ns) + self._interval_ns
        return True
