"""Which frames of a loop there are: all, or those around the playhead.

Pure. A generator that can generate a part of a loop does less than half the work for it. While z
moves, there is a new loop before the playhead has come to the end of the part.
"""

from __future__ import annotations

from typing import NamedTuple


class LoopSpan(NamedTuple):
    """`length` frames of a loop of `n_frames`, from frame `first` on, past its end if need be."""

    first: int
    length: int
    n_frames: int

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole loop."""
        return self.length == self.n_frames

    def ahead(self, position: float) -> float:
        """Frames from a position to the last frame; infinite for a whole loop, 0 outside."""
        if self.is_whole:
            return float("inf")
        return max(self.length - 1 - (position - self.first) % self.n_frames, 0.0)

    def within(self, margin: int) -> LoopSpan:
        """The same without some frames at both ends; a whole loop has no ends."""
        if self.is_whole:
            return self
        first = (self.first + margin) % self.n_frames
        return LoopSpan(first, self.length - 2 * margin, self.n_frames)


def whole_loop(n_frames: int) -> LoopSpan:
    """All frames of a loop."""
    return LoopSpan(0, n_frames, n_frames)
