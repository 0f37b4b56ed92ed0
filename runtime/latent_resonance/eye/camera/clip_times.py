"""The times of a clip's images: as its container states them, rising in any case."""

from __future__ import annotations

_NS = 1_000_000_000
_SHORTEST_NS = 1_000_000  # after an image whose time is stated again, or lies behind it
_USUAL_RATE = 25.0  # images/s


class ClipTimes:
    """Makes times that rise from those that are stated: some repeat, or jump back at an edit.

    A bare stream, without a container, states the same for all: its images then follow each other
    at `rate`.

    Parameters
    ----------
    rate : images/s, as OpenCV gives it; 0 if that is unknown
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate if rate > 0 else _USUAL_RATE
        self.has_times = False  # one that differs from the first
        self._first_ms: float | None = None
        self._last_ns = -1

    @property
    def are_assumed(self) -> bool:
        """Whether there was more than one image, and their times are all the same."""
        return self._last_ns > 0 and not self.has_times

    def add(self, stated_ms: float) -> int:
        """The time of the next image in ns."""
        if self._first_ms is None:
            self._first_ms = stated_ms
        self.has_times = self.has_times or stated_ms != self._first_ms
        step_ns = _SHORTEST_NS if self.has_times else round(_NS / self.rate)
        earliest_ns = self._last_ns + step_ns if self._last_ns >= 0 else 0
        self._last_ns = max(round(stated_ms * 1e6), earliest_ns)
        return self._last_ns
