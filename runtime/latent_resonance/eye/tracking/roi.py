"""Regions of interest: rotated rectangles around faces, and crops of them.

Pure. In and out: `Roi`s in pixels of the image. The rules are those of MediaPipe's calculators,
named at each function (mediapipe/calculators/util and …/tensor).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Pixels, warped

FloatArray = NDArray[np.float64]

EYE_CORNERS = [33, 263]  # landmarks: the outer corners, the image's left first
MARGIN = 1.5  # RectTransformationCalculator's scale: a moving face stays inside


@dataclass(frozen=True, slots=True)
class Roi:
    """A region of interest: a rectangle that may be rotated.

    Attributes
    ----------
    x, y
        Its centre.
    width, height
        Pixels, along its own axes.
    angle
        rad, clockwise.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0


def roi_from_box(low: FloatArray, high: FloatArray, eyes: FloatArray) -> Roi:
    """The ROI around a box, with its upper edge parallel to the eyes.

    `DetectionsToRectsCalculator` and `RectTransformationCalculator`.

    Parameters
    ----------
    low, high
        Shape (2,), opposite corners of the upright box.
    eyes
        Shape (2, 2): the eye at the image's left, then the other one.
    """
    (x, y), (width, height) = (low + high) / 2, (high - low) * MARGIN
    across, down = eyes[1] - eyes[0]
    return Roi(x, y, width, height, float(np.arctan2(down, across)))


def roi_from_landmarks(landmarks: FloatArray) -> Roi:
    """The ROI for the next image: a square around the landmarks, rotated like the eyes.

    Parameters
    ----------
    landmarks
        Shape (478, 3), pixels.
    """
    points = landmarks[:, :2]
    around = roi_from_box(points.min(axis=0), points.max(axis=0), points[EYE_CORNERS])
    return square(around)


def square(roi: Roi) -> Roi:
    """The square about the same centre with the longer of both sides."""
    side = max(roi.width, roi.height)
    return Roi(roi.x, roi.y, side, side, roi.angle)


def to_image(roi: Roi, points: FloatArray) -> FloatArray:
    """Points (…, 2) from ROI coordinates, 0 to 1 along its sides, to pixels of the image.

    `LandmarkProjectionCalculator`.
    """
    return (points - 0.5) @ _axes(roi).T + (roi.x, roi.y)


def crop(pixels: Pixels, roi: Roi, side: int, *, repeat_edge: bool) -> Pixels:
    """The ROI of an image, shape (side, side, 3).

    `ImageToTensorCalculator` on the CPU: bilinear, with aligned corners.

    Parameters
    ----------
    repeat_edge
        Repeat the edge pixels outside the image; otherwise it is black there.
    """
    corner = to_image(roi, np.zeros(2))
    from_patch = np.column_stack([_axes(roi) / side, corner])
    return warped(pixels, from_patch, side, repeat_edge=repeat_edge)


def _axes(roi: Roi) -> FloatArray:
    """The ROI's width and height as vectors in the image, the columns of a (2, 2)."""
    cosine, sine = np.cos(roi.angle), np.sin(roi.angle)
    return np.array(
        [
            [cosine * roi.width, -sine * roi.height],
            [sine * roi.width, cosine * roi.height],
        ]
    )
