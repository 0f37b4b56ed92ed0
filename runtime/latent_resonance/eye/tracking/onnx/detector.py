"""Finds the faces in a whole image with BlazeFace's full-range network.

Runs in the eye's loop, or offline on the caller's thread; both trackers use it, since MediaPipe's
Face Landmarker has only the short-range network, which sees no face beyond a metre. In: an image.
Out: the region of each face. What it finds may not be a face: the landmark network decides.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Pixels, downscaled
from latent_resonance.eye.tracking.onnx.blazeface import EYES, HIGH, LOW, detections
from latent_resonance.eye.tracking.roi import Roi, roi_from_box, square

# A second look at a face that the landmark network has accepted: seen in the middle of a window of
# these sides of its region, real faces score 0.7 to 0.9, and what texture made both networks take
# for a face at most 0.6.
CONFIRM_SIDES, CONFIRM_SCORE = 2.5, 0.65
CONFIRM_DISTANCE, CONFIRM_RATIO = 0.35, 1.6  # of the region's side; as a ratio of sides
MAX_ANGLE = math.radians(135.0)  # a face turned further is upside down: see `orientation`


class ImageNetwork(Protocol):
    """A network with a square input image and two output arrays."""

    side: int

    def run(self, patch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Its outputs for an image of shape (side, side, 3)."""


class FaceDetector:
    """Finds faces, those who lie included.

    Parameters
    ----------
    network
        BlazeFace's full-range network.
    min_score
        The lowest score of a face, 0 to 1.
    max_faces
        How many are returned at most: those with the highest scores.
    """

    def __init__(self, network: ImageNetwork, min_score: float, max_faces: int) -> None:
        self._network, self._min_score, self._max_faces = network, min_score, max_faces
        self._square = np.zeros((network.side, network.side, 3), np.uint8)

    def find(self, pixels: Pixels) -> list[Roi]:
        """The regions of the faces in an image, the highest score first.

        Raises
        ------
        TrackerError
            If ONNX Runtime fails.
        """
        return self._find(pixels, self._min_score)[: self._max_faces]

    def confirms(self, pixels: Pixels, roi: Roi) -> bool:
        """Whether there is a face in a region also if the image around it is all that is seen.

        Raises
        ------
        TrackerError
            If ONNX Runtime fails.
        """
        height, width = pixels.shape[:2]
        reach = CONFIRM_SIDES * roi.width / 2
        left, top = max(int(roi.x - reach), 0), max(int(roi.y - reach), 0)
        right, bottom = min(math.ceil(roi.x + reach), width), min(math.ceil(roi.y + reach), height)
        if right <= left or bottom <= top:
            return False
        found = self._find(pixels[top:bottom, left:right], CONFIRM_SCORE)
        return any(_is_there(replace(each, x=each.x + left, y=each.y + top), roi) for each in found)

    def _find(self, pixels: Pixels, min_score: float) -> list[Roi]:
        side = self._network.side
        small = downscaled(pixels, side)
        height, width = small.shape[:2]
        top, left = (side - height) // 2, (side - width) // 2
        self._square[:] = 0
        self._square[top : top + height, left : left + width] = small
        raw = self._network.run(self._square)
        found = detections(*raw, min_score) * side - (left, top)
        scale = pixels.shape[1] / width, pixels.shape[0] / height
        rois = [square(roi_from_box(face[LOW], face[HIGH], face[EYES])) for face in found * scale]
        return [roi for roi in rois if abs(roi.angle) < MAX_ANGLE]


def _is_there(found: Roi, roi: Roi) -> bool:
    """Whether a face is found where it was expected, and about as large."""
    apart = math.hypot(found.x - roi.x, found.y - roi.y) / roi.width
    return apart < CONFIRM_DISTANCE and 1 / CONFIRM_RATIO < found.width / roi.width < CONFIRM_RATIO
