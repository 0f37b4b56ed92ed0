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
    region_around,
)
from latent_resonance.eye.tracking.onnx.pose import rotation_of
from latent_resonance.eye.tracking.onnx.roi import (
    Region,
    cut_out,
    region_of,
    to_image,
    united,
    whole,
)
from latent_resonance.eye.tracking.onnx.session import DETECTOR, MESH, Network
from latent_resonance.eye.tracking.tracker import Face


class Runs(Protocol):
    """A network: a square picture in, two arrays out."""

    side: int

    def run(self, picture: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Its outputs for a picture of shape (side, side, 3)."""


class LightTracker:
    """Follows faces with two small networks.

    Parameters
    ----------
    detector, mesh
        The networks: where faces are, and what one is like.
    """

    def __init__(self, detector: Runs, mesh: Runs, settings: EyeSettings) -> None:
        self._detector, self._mesh = detector, mesh
        self._least, self._places = settings.min_confidence, settings.max_faces
        self._followed: list[Region] = []

    def find(self, image: Image) -> list[Face]:
        """The faces in an image, in no particular order.

        Raises
        ------
        TrackerError
            If ONNX Runtime fails.
        """
        regions = self._followed
        if len(regions) < self._places:
            regions = united(regions, self._detected(image.pixels), self._least)[: self._places]
        seen = [face for each in regions if (face := self._face(image.pixels, each)) is not None]
        self._followed = [region_around(face.landmarks) for face in seen]
        return seen

    def close(self) -> None:
        """Forget whom it followed; the networks go with it."""
        self._followed = []

    def _detected(self, pixels: Pixels) -> list[Region]:
        height, width = pixels.shape[:2]
        everything = whole(width, height)
        picture = cut_out(pixels, everything, self._detector.side, repeat_edge=False)
        found = to_image(everything, detections(*self._detector.run(picture), self._least))
        return [region_of(each[LOW], each[HIGH], each[EYES]) for each in found[: self._places]]

    def _face(self, pixels: Pixels, region: Region) -> Face | None:
        """The face in a region, if there is one."""
        height, width = pixels.shape[:2]
        picture = cut_out(pixels, region, self._mesh.side, repeat_edge=True)
        raw, presence = self._mesh.run(picture)
        if not (probability(presence) > self._least and np.isfinite(raw).all()):  # NaN is nobody
            return None
        landmarks = landmarks_in_image(raw, region, width, height)
        rotation = rotation_of(landmarks, width, height)
        return None if rotation is None else Face(landmarks, rotation)


def open_light_tracker(models: Path, settings: EyeSettings) -> LightTracker:
    """The tracker on the networks in the models' folder.

    Raises
    ------
    TrackerError
        One is missing or damaged.
    """
    return LightTracker(Network(models, DETECTOR), Network(models, MESH), settings)
