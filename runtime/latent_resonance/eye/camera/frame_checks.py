"""Checks for images that arrive but show nothing: repeated or black ones.

Sensor noise makes all images of a working camera different. An image that equals the previous one
byte for byte is a repeat, and a camera that sends only repeats has frozen. Black images may repeat
indefinitely: a covered lens on a camera with noise reduction is no fault. In: images. Out: whether
they can be used.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.image import Image, Pixels

FROZEN_S = 3.0  # a camera may repeat images in dim light, but not for this long
BLACK = 32  # of 255; above the noise of a covered sensor, below any light in a room
_SUBSAMPLE = slice(None, None, 16)  # every 16th row and column: a check in microseconds


class FreezeDetector:
    """Distinguishes new images from repeats."""

    def __init__(self) -> None:
        self._last: Pixels | None = None
        self._repeated_since_s: float | None = None

    def reopened(self) -> None:
        """Restart the timeout of `FROZEN_S` after the camera was reopened."""
        self._repeated_since_s = None

    def step(self, image: Image, now_s: float) -> bool:
        """Whether the image differs from the last one, or is black.

        Raises
        ------
        CameraError
            If all images for `FROZEN_S` were repeats.
        """
        last, self._last = self._last, image.pixels
        if last is None or not identical(image.pixels, last) or is_black(image.pixels):
            self._repeated_since_s = None
            return True
        if self._repeated_since_s is None:
            self._repeated_since_s = now_s
        if now_s - self._repeated_since_s >= FROZEN_S:
            raise CameraError(
                "the camera has frozen and repeats one image; unplug it and plug it in again"
            )
        return False


def identical(one: Pixels, other: Pixels) -> bool:
    """Whether two images are equal byte for byte."""
    candidate = np.array_equal(one[_SUBSAMPLE, _SUBSAMPLE], other[_SUBSAMPLE, _SUBSAMPLE])
    return candidate and np.array_equal(one, other)


def is_black(pixels: Pixels) -> bool:
    """Whether 99 % of an image's values are below `BLACK`."""
    return bool(np.percentile(pixels[_SUBSAMPLE, _SUBSAMPLE], 99) < BLACK)
