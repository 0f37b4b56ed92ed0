"""Where a face is in an image, as an upright or turned rectangle, and pictures cut out of it.

Pure, but for OpenCV's warping. In and out: `Region`s in pixels of the image. The rules are those of
MediaPipe's calculators, named at each function (mediapipe/calculators/util and …/tensor).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.camera import Pixels, warped

FloatArray = NDArray[np.float64]

MARGIN = 1.5  # RectTransformationCalculator's scale: a face that moves stays within


@dataclass(frozen=True, slots=True)
class Roi:
    """A rectangle that may be turned.

    Attributes
    ----------
    x, y
        Its middle.
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


def letterbox(width: int, height: int) -> Roi:
    """The square around a whole image: nothing is lost when it is scaled (a letterbox)."""
    side = max(width, height)
    return Roi(width / 2, height / 2, side, side)


def roi_from_box(low: FloatArray, high: FloatArray, eyes: FloatArray) -> Roi:
    """The region around a box whose upper edge is parallel to the eyes.

    `DetectionsToRectsCalculator` and `RectTransformationCalculator`.

    Parameters
    ----------
    low, high
        Shape (2,), opposite corners of the upright box.
    eyes
        Shape (2, 2): the eye at the image's left, and the other one.
    """
    (x, y), (width, height) = (low + high) / 2, (high - low) * MARGIN
    across, down = eyes[1] - eyes[0]
    return Roi(x, y, width, height, float(np.arctan2(down, across)))


def to_image(roi: Roi, points: FloatArray) -> FloatArray:
    """Points (…, 2) of a region, from 0 at its first to 1 at its last corner, in the image.

    `LandmarkProjectionCalculator`, in the pixels of the image.
    """
    return (points - 0.5) @ _axes(roi).T + (roi.x, roi.y)


def crop(pixels: Pixels, roi: Roi, side: int, *, repeat_edge: bool) -> Pixels:
    """The region of an image, shape (side, side, 3).

    `ImageToTensorCalculator` on the CPU: bilinear, corner upon corner.

    Parameters
    ----------
    repeat_edge
        Whether what lies outside of the image looks like its edge; else it is black.
    """
    corner = to_image(roi, np.zeros(2))
    from_patch = np.column_stack([_axes(roi) / side, corner])
    return warped(pixels, from_patch, side, repeat_edge=repeat_edge)


def _axes(roi: Roi) -> FloatArray:
    """The region's width and height as arrows in the image, the columns of a (2, 2)."""
    cosine, sine = np.cos(roi.angle), np.sin(roi.angle)
    return np.array(
        [
            [cosine * roi.width, -sine * roi.height],
            [sine * roi.width, cosine * roi.height],
        ]
    )


def iou(one: Roi, other: Roi) -> float:
    """The intersection over the union of two regions as if neither were turned, 0 to 1."""
    across = _overlap_1d(one.x, one.width, other.x, other.width)
    down = _overlap_1d(one.y, one.height, other.y, other.height)
    common = across * down
    union = one.width * one.height + other.width * other.height - common
    return common / union if union > 0 else 0.0


def _overlap_1d(one: float, one_length: float, other: float, other_length: float) -> float:
    end = min(one + one_length / 2, other + other_length / 2)
    return max(end - max(one - one_length / 2, other - other_length / 2), 0.0)


def merge_rois(followed: list[Roi], found: list[Roi], max_iou: float) -> list[Roi]:
    """The regions of both, each face once: of two that overlap by more the later one.

    `AssociationNormRectCalculator`: what has just been found replaces what was followed.
    """
    kept: list[Roi] = []
    for roi in (*followed, *found):
        kept = [each for each in kept if iou(roi, each) <= max_iou]
        kept.append(roi)
    return kept
