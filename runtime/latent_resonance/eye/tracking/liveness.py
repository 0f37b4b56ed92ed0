"""Tells a living face from a portrait: no person stands so still that nothing changes about them.

A small stateful stage in the eye's loop or offline. In: landmarks. Out: whether the face has
changed since it last counted as changed. A person who stands as still as they can sways by some
millimetres and blinks; a photograph, seen through the noise of a camera, does neither.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CHANGE = 0.006  # of the region's side: about 1.5 mm
SMOOTHING_S = 0.25  # averages the noise of the landmarks, but not a blink or a sway
SETTLING_S = 0.5  # after a start, until the region fits the face
# Eye corners, temples, chin, nose, mouth, lids and brows.
POINTS = np.array(
    [33, 263, 234, 454, 152, 4, 168, 61, 291, 13, 14, 17, 159, 145, 386, 374, 105, 334, 55, 285]
)


class Liveness:
    """Notices any change of a face: its place, size, pose or expression."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the face."""
        self._points: FloatArray | None = None
        self._reference: FloatArray | None = None
        self._start_s = self._last_s = 0.0

    def step(self, landmarks: FloatArray, side: float, now_s: float) -> bool:
        """Whether the face has changed since the last time that this was true.

        Parameters
        ----------
        landmarks
            Shape (478, 3), pixels.
        side
            Of the region around the face, pixels.
        """
        points = landmarks[POINTS, :2]
        if self._points is None:
            self._points, self._start_s = points, now_s
        weight = -math.expm1(-(now_s - self._last_s) / SMOOTHING_S)
        self._points, self._last_s = self._points + weight * (points - self._points), now_s
        if now_s - self._start_s < SETTLING_S:
            return False
        if self._reference is None:
            self._reference = self._points
        moved = np.linalg.norm(self._points - self._reference, axis=1).max()
        if moved < CHANGE * side:
            return False
        self._reference = self._points
        return True
