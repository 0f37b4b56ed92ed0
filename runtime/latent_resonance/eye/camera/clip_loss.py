"""How many images of a clip are missing, and whether it stands still where it should not.

A decoder leaves out what it cannot read, and OpenCV repeats the last image where it cannot convert
one; neither says so. In: each image with its time. Out: a sentence at the clip's end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_REGULAR = 0.9  # of the intervals are one image long, or the clip has no rate of its own
_TAIL_IMAGES, _TAIL_SHARE = 10, 0.1  # by which sound may be longer than the images
_REPEATED = 15  # images in a row; a codec seldom repeats a camera's image even once
_STEP = 16  # pixels, and rows, of which one is compared first


class ClipLoss:
    """The images that a clip lacks, from their number and their times.

    Parameters
    ----------
    declared : images by the container; 0 if it declares none
    images_per_s : by the container
    is_exact : whether `declared` is a count, rather than estimated from the duration
    """

    def __init__(self, declared: int, images_per_s: float, *, is_exact: bool) -> None:
        self.declared, self.images_per_s, self.is_exact = declared, images_per_s, is_exact
        self.count = self.unreadable = 0
        self._regular = self._skipped = 0
        self._time_s: float | None = None

    def add(self, time_s: float) -> None:
        """Count an image, at a time from the clip's beginning."""
        if self._time_s is not None:
            step = round((time_s - self._time_s) * self.images_per_s)
            self._regular += step == 1
            self._skipped += max(step - 1, 0)
        self._time_s = time_s
        self.count += 1

    @property
    def missing(self) -> int:
        """Images that are missing as far as can be known."""
        if self.is_exact:
            return max(self.unreadable, self.declared - self.count)
        if self._regular < _REGULAR * (self.count - 1):
            return self.unreadable
        return max(self.unreadable, self._skipped + self._tail())

    def _tail(self) -> int:
        """Images between the last one and the declared end, unless these may be sound alone."""
        tail = self.declared - 1 - round((self._time_s or 0.0) * self.images_per_s)
        return tail if tail > max(_TAIL_IMAGES, _TAIL_SHARE * self.declared) else 0


class Repetition:
    """The longest run of images that are equal in every pixel, and not black.

    Attributes
    ----------
    longest : images in it
    start_s : time of its first image
    """

    def __init__(self) -> None:
        self.longest, self.start_s = 0, 0.0
        self._last: NDArray[np.uint8] | None = None
        self._run, self._run_start_s = 1, 0.0

    def add(self, pixels: NDArray[np.uint8], time_s: float) -> None:
        """Compare an image with the one before."""
        is_equal = self._last is not None and _equal(pixels, self._last)
        self._run, self._run_start_s = (
            (self._run + 1, self._run_start_s) if is_equal else (1, time_s)
        )
        self._last = pixels
        if self._run > self.longest:
            self.longest, self.start_s = self._run, self._run_start_s

    @property
    def is_suspicious(self) -> bool:
        """Whether it is longer than what a camera sends."""
        return self.longest >= _REPEATED


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two images are equal and not black; fast where they are not."""
    sample = one[::_STEP, ::_STEP]
    if not np.array_equal(sample, other[::_STEP, ::_STEP]):
        return False
    return bool(sample.any()) and np.array_equal(one, other)
