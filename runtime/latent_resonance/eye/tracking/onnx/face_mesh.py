"""Face mesh: from the landmark network's output to points in the image, and to the next ROI.

Pure. In: the raw landmarks and the `Roi` that the network was given. Out: points in pixels of the
image. The network follows Y. Kartynnik, A. Ablavatski, I. Grishchenko and M. Grundmann, "Real-time
Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019, arXiv 1907.06724, and for the
irises arXiv 2006.11341; the projection is MediaPipe's `SingleFaceLandmarksDetectorGraph`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.tracking.onnx.roi import Roi, roi_from_box, to_image

FloatArray = NDArray[np.float64]

SIDE = 256  # pixels of the network's input, and the unit of its landmarks
EYE_CORNERS = [33, 263]  # the outer ones, the image's left first


def probability(logit: NDArray[np.float32]) -> float:
    """The presence score, 0 to 1, from its logit; NaN stays NaN."""
    return float(1 / (1 + np.exp(-np.clip(np.float64(logit), -80.0, 80.0))))


def landmarks_in_image(raw: NDArray[np.float32], roi: Roi, width: int, height: int) -> FloatArray:
    """The landmarks in pixels of an image of `width` × `height`, shape (478, 3).

    Parameters
    ----------
    raw
        Shape (478, 3), pixels of the network's input; z has the scale of x.
    """
    points = raw.astype(np.float64) / SIDE
    depth = points[:, 2] * _depth_scale(roi, width, height)
    return np.column_stack([to_image(roi, points[:, :2]), depth])


def _depth_scale(roi: Roi, width: int, height: int) -> float:
    """Pixels per unit of z: the ROI's width, measured as MediaPipe does.

    `LandmarkProjectionCalculator` takes the length of the ROI's upper edge in an image whose sides
    are both 1. So in an image that is not square, a tilted face is deeper than an upright one. This
    is a flaw, but the features and their ranges depend on it.
    """
    x, y = np.cos(roi.angle), np.sin(roi.angle) * width / height
    return roi.width * float(np.hypot(x, y))


def roi_from_landmarks(landmarks: FloatArray) -> Roi:
    """The ROI for the next image: a square around the landmarks, rotated like the eyes."""
    points = landmarks[:, :2]
    around = roi_from_box(points.min(axis=0), points.max(axis=0), points[EYE_CORNERS])
    side = max(around.width, around.height)
    return Roi(around.x, around.y, side, side, around.angle)
