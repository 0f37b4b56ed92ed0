"""Follows a face with the landmark network alone: each image's region is that of the last one.

Runs in the eye's loop, or offline on the caller's thread. In: `Image`s. Out: landmarks, as
MediaPipe's Face Landmarker returns them in VIDEO mode for one face: smoothed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.one_euro import OneEuroFilter, paper_factor
from latent_resonance.eye.tracking.onnx.detector import ImageNetwork
from latent_resonance.eye.tracking.onnx.face_mesh import landmarks_in_image, probability
from latent_resonance.eye.tracking.roi import Roi, crop, roi_from_landmarks

FloatArray = NDArray[np.float64]

# Of `LandmarksSmoothingCalculator` in MediaPipe's `FaceLandmarkerGraph`; the unit of speed is the
# size of the face.
MIN_CUTOFF_HZ, BETA, DERIVATIVE_CUTOFF_HZ = 0.05, 80.0, 1.0
_NS = 1_000_000_000


class OnnxLandmarker:
    """Implements `Landmarker`.

    Parameters
    ----------
    mesh
        The landmark network.
    min_confidence
        The lowest presence score of a face, 0 to 1.
    """

    def __init__(self, mesh: ImageNetwork, min_confidence: float) -> None:
        self._mesh, self._min_confidence = mesh, min_confidence
        self._roi: Roi | None = None
        self._filter = OneEuroFilter(MIN_CUTOFF_HZ, BETA, DERIVATIVE_CUTOFF_HZ, paper_factor)
        self._last_ns = 0

    def start(self, roi: Roi) -> None:
        """Follow the face in this region, from the next image on."""
        self._roi = roi
        self._filter.reset()

    def find(self, image: Image) -> FloatArray | None:
        """The landmarks, shape (478, 3); None once the face is lost.

        Raises
        ------
        TrackerError
            If ONNX Runtime fails.
        """
        roi, self._roi = self._roi, None
        if roi is None:
            return None
        raw, presence = self._mesh.run(crop(image.pixels, roi, self._mesh.side, repeat_edge=True))
        is_face = probability(presence) > self._min_confidence  # False for NaN
        if not (is_face and np.isfinite(raw).all()):
            return None
        landmarks = landmarks_in_image(raw, roi)
        self._roi = roi_from_landmarks(landmarks)  # not smoothed: it must not lag behind
        return self._smoothed(landmarks, image.time_ns)

    def _smoothed(self, landmarks: FloatArray, time_ns: int) -> FloatArray:
        dt_s, self._last_ns = (time_ns - self._last_ns) / _NS, time_ns
        return self._filter.step(landmarks, dt_s, size(landmarks))

    def close(self) -> None:
        """Forget the face."""
        self._roi = None


def size(landmarks: FloatArray) -> float:
    """The mean of the width and height of a face, pixels; at least one pixel."""
    return max(float(np.ptp(landmarks[:, :2], axis=0).mean()), 1.0)
