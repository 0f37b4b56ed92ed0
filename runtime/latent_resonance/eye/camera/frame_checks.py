"""What can be wrong with images that do arrive: always the same one, or nothing but black.

Pure, but for the last image. A sensor has noise, so no two of its images are equal to the byte: an
image that is equal to the one before shows nothing new, and a camera that sends no other has
frozen. Only black may be equal for ever, since a capped lens in a camera that removes noise is
black and not a fault of the camera's. In: images. Out: whether they can be used.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.eye.camera.camera import CameraError, Image, Pixels

FROZEN_S = 3.0  # a camera may repeat images in dim light, but not for so long
BLACK = 32  # of 255; a capped sensor's noise stays below, any light in a room does not
_SUBSAMPLE = slice(None, None, 16)  # a look at every 16th row and column costs some microseconds


class FreezeDetector:
    """Tells images that are new from one that is sent again and again."""

    def __init__(self) -> None:
        self._last: Pixels | None = None
        self._repeated_since_s: float | None = None

    def reopened(self) -> None:
        """The camera was opened anew: it has `FROZEN_S` again to show something else."""
        self._repeated_since_s = None

    def step(self, image: Image, now_s: float) -> bool:
        """Whether the image shows anything that the last one did not.

        Raises
        ------
        CameraError
            If there has been nothing new for `FROZEN_S`.
        """
        last, self._last = self._last, image.pixels
        if last is None or not identical(image.pixels, last) or is_black(image.pixels):
            self._repeated_since_s = None
            return True
        if self._repeated_since_s is None:
            self._repeated_since_s = now_s
        if now_s - self._repeated_since_s >= FROZEN_S:
            raise CameraError(
                "the camera has frozen, it sends the same image over and over; plug it in anew"
            )
        return False


def identical(one: Pixels, other: Pixels) -> bool:
    """Whether two images are equal to the byte."""
    glance = np.array_equal(one[_SUBSAMPLE, _SUBSAMPLE], other[_SUBSAMPLE, _SUBSAMPLE])
    return glance and np.array_equal(one, other)


def is_black(pixels: Pixels) -> bool:
    """Whether an image has no light in it, but for one pixel in a hundred."""
    return bool(np.percentile(pixels[_SUBSAMPLE, _SUBSAMPLE], 99) < BLACK)
