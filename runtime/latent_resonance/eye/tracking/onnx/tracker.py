"""The light tracker: detects new faces and tracks known ones.

Runs in the eye's loop, or offline on the caller's thread. In: `Image`s with increasing times. Out:
`Face`s, as MediaPipe's Face Landmarker returns them in VIDEO mode without its smoothing.
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
    """A network with a square input image and two output arrays."""

    side: int

    def run(self, patch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Its outputs for an image of shape (side, side, 3)."""


class OnnxTracker:
    """Tracks faces with two small networks.

    Parameters
    ----------
    detector, mesh
        The networks for detection and for landmarks.
    """

    def __init__(self, detector: FaceNetwork, mesh: FaceNetwork, settings: EyeSettings) -> None:
        self._detector, self._mesh = detector, mesh
        self._min_confidence, self._max_faces = settings.min_confidence, settings.max_faces
        self._rois: list[Roi] = []

    def find(self, image: Image) -> list[Face]:
        """The faces in an image, in no particular order.

        Raises
        ------
        TrackerError
            If ONNX Runtime fails.
        """
        rois = self._rois
        if len(rois) < self._max_faces:
            merged = merge_rois(rois, self._detect(image.pixels), self._min_confidence)
            rois = merged[: self._max_faces]
        faces = [face for roi in rois if (face := self._face(image.pixels, roi)) is not None]
        self._rois = [roi_from_landmarks(face.landmarks) for face in faces]
        return faces

    def close(self) -> None:
        """Forget the tracked faces."""
        self._rois = []

    def _detect(self, pixels: Pixels) -> list[Roi]:
        height, width = pixels.shape[:2]
        whole = letterbox(width, height)
        patch = crop(pixels, whole, self._detector.side, repeat_edge=False)
        found = to_image(whole, detections(*self._detector.run(patch), self._min_confidence))
        return [
            roi_from_box(face[LOW], face[HIGH], face[EYES]) for face in found[: self._max_faces]
        ]

    def _face(self, pixels: Pixels, roi: Roi) -> Face | None:
        """The face in an ROI, if there is one."""
        height, width = pixels.shape[:2]
        patch = crop(pixels, roi, self._mesh.side, repeat_edge=True)
        raw, presence = self._mesh.run(patch)
        is_face = probability(presence) > self._min_confidence  # False for NaN
        if not (is_face and np.isfinite(raw).all()):
            return None
        landmarks = landmarks_in_image(raw, roi, width, height)
        rotation = head_rotation(landmarks, width, height)
        return None if rotation is None else Face(landmarks, rotation)


def open_onnx_tracker(models: Path, settings: EyeSettings) -> OnnxTracker:
    """Open the tracker with the networks in the models folder.

    Raises
    ------
    TrackerError
        A network is missing or damaged.
    """
    return OnnxTracker(Network(models, DETECTOR), Network(models, MESH), settings)
