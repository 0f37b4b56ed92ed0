"""Face mesh: from the landmark network's output to points in the image.

Pure. In: the raw landmarks and the `Roi` that the network was given. Out: points in pixels of the
image. The network follows Y. Kartynnik, A. Ablavatski, I. Grishchenko and M. Grundmann, "Real-time
Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019, arXiv 1907.06724, and for the
irises arXiv 2006.11341; the projection is MediaPipe's `SingleFaceLandmarksDetectorGraph`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.tracking.roi import Roi, to_image

FloatArray = NDArray[np.float64]

SIDE = 256  # pixels of the network's input, and the unit of its landmarks


def probability(logit: NDArray[np.float32]) -> float:
    """The presence score, 0 to 1, from its logit; NaN stays NaN."""
    return float(1 / (1 + np.exp(-np.clip(np.float64(logit), -80.0, 80.0))))


def landmarks_in_image(raw: NDArray[np.float32], roi: Roi) -> FloatArray:
    """The landmarks in pixels of the image, shape (478, 3).

    Parameters
    ----------
    raw
        Shape (478, 3), pixels of the network's input; z has the scale of x.
    """
    points = raw.astype(np.float64) / SIDE
    return np.column_stack([to_image(roi, points[:, :2]), points[:, 2] * roi.width])
