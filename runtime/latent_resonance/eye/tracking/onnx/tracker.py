"""The light tracker: detect where no face is followed yet, and follow.

Lives in the eye's loop (offline: in the caller's). In: `Image`s with rising times. Out: `Face`s, as
MediaPipe's Face Landmarker gives them in VIDEO mode without its own smoothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Eye as EyeSettings
from latent_resonance.eye.camera.camera import Image, Pixels
from latent_resonance.eye.tracking.onnx.blazeface import EYES, HIGH, LOW, detections
from latent_resonance.eye.tracking.onnx.face_mesh import (
    landmarks_in_image,
    probability,
    roi_from_landmarks,
)
from latent_resonance.eye.tracking.onnx.pose import head_rotation
from latent_resonance.eye.tracking.onnx.roi import (
    Roi,
    crop,
    letterbox,
    merge_rois,
    roi_from_box,
    to_image,
)
from latent_resonance.eye.tracking.onnx.session import DETECTOR, MESH, Network
from latent_resonance.eye.tracking.tracker import Face


class FaceNetwork(Protocol):
    """A network: a square picture in, two arrays out."""

    side: int

    def run(self, patch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Its outputs for a picture of shape (side, side, 3)."""


class OnnxTracker:
    """Follows faces with two small networks.

    Parameters
    ----------
    detector, mesh
        The networks: where faces are, and what one is like.
    """

    def __init__(self, detector: FaceNetwork, mesh: FaceNetwork, settings: EyeSettings) -> None:
        self._detector, self._mesh = detector, mesh
        self._min_confidence, self._places = settings.min_confidence, settings.max_faces
        self._rois: list[Roi] = []

    def find(self, image: Image) -> list[Face]:
        """The faces in an image, in no particular order.

        Raises
        ------
        TrackerError
            If ONNX Runtime fails.
        """
        rois = self._rois
        if len(rois) < self._places:
            rois = merge_rois(rois, self._detect(image.pixels), self._min_confidence)[
                : self._places
            ]
        seen = [face for each in rois if (face := self._face(image.pixels, each)) is not None]
        self._rois = [roi_from_landmarks(face.landmarks) for face in seen]
        return seen

    def close(self) -> None:
        """Forget whom it followed; the networks go with it."""
        self._rois = []

    def _detect(self, pixels: Pixels) -> list[Roi]:
        height, width = pixels.shape[:2]
        everything = letterbox(width, height)
        patch = crop(pixels, everything, self._detector.side, repeat_edge=False)
        found = to_image(everything, detections(*self._detector.run(patch), self._min_confidence))
        return [roi_from_box(each[LOW], each[HIGH], each[EYES]) for each in found[: self._places]]

    def _face(self, pixels: Pixels, roi: Roi) -> Face | None:
        """The face in a region, if there is one."""
        height, width = pixels.shape[:2]
        patch = crop(pixels, roi, self._mesh.side, repeat_edge=True)
        raw, presence = self._mesh.run(patch)
        if not (
            probability(presence) > self._min_confidence and np.isfinite(raw).all()
        ):  # NaN is nobody
            return None
        landmarks = landmarks_in_image(raw, roi, width, height)
        rotation = head_rotation(landmarks, width, height)
        return None if rotation is None else Face(landmarks, rotation)


def open_onnx_tracker(models: Path, settings: EyeSettings) -> OnnxTracker:
    """The tracker on the networks in the models' folder.

    Raises
    ------
    TrackerError
        One is missing or damaged.
    """
    return OnnxTracker(Network(models, DETECTOR), Network(models, MESH), settings)
