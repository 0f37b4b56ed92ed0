"""What a tracker is: it follows one visitor's face from image to image.

`face_tracker` is the tracker; it finds people with one network and follows one of them with a
`Landmarker`: MediaPipe's, or that of `onnx`; `select` chooses. In: `Image`s with increasing times.
Out: a `Face` with landmarks in pixels, pose and blendshapes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.tracking.roi import Roi

BUNDLE = "face_landmarker.task"
FULL_RANGE, MESH = "face_detector_full_range.onnx", "face_landmarks.onnx"
BLENDSHAPES = "face_blendshapes.onnx"
MODELS = {  # file in models/ -> sha256; MediaPipe's file, and the ONNX files that export/ derives
    BUNDLE: "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    MESH: "d424ec721caa7c7292e770912dc1eabdcd143b4947a254c818f264f0e203fe46",
    FULL_RANGE: "bba458009b5ef280e9113e00f5a50cd009b91553d8d189ceddefc15323e333b0",
    BLENDSHAPES: "647f4076468076213388386749acedf4e892168927dd6047858a38eb99d58639",
}


class TrackerError(LatentResonanceError):
    """A tracker cannot run here; the message says what is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """The visitor's face in one image.

    Attributes
    ----------
    landmarks
        Shape (478, 3), pixels: x to the image's right, y down, z away from the camera.
    rotation
        Shape (3, 3): from the head's own frame (x to the image's right when it faces the camera,
        y up, z towards the camera) to the camera's, without scale.
    blendshapes
        Shape (52,), 0 to 1, see `onnx.blendshapes`; of this image or the one before.
    visitor
        Counts the people who were followed: another number is another person.
    """

    landmarks: NDArray[np.float64]
    rotation: NDArray[np.float64]
    blendshapes: NDArray[np.float32]
    visitor: int = 0


class Landmarker(Protocol):
    """Finds the landmarks of one face, and follows it."""

    def start(self, roi: Roi) -> None:
        """Follow the face in this region, from the next image on."""

    def find(self, image: Image) -> NDArray[np.float64] | None:
        """The landmarks, as in `Face`; None once the face is lost.

        Raises
        ------
        TrackerError
            If it fails; it does not recover.
        """

    def close(self) -> None:
        """Release its resources."""


class Tracker(Protocol):
    """Follows one visitor from image to image."""

    def find(self, image: Image) -> Face | None:
        """The visitor's face, if there is a visitor and their face is visible.

        Raises
        ------
        TrackerError
            If it fails; it does not recover.
        """

    def has_face(self, image: Image) -> bool:
        """Whether any face is in an image; only while no face is followed.

        Raises
        ------
        TrackerError
            If it fails; it does not recover.
        """

    def close(self) -> None:
        """Release its resources."""


def checked_model(path: Path) -> bytes:
    """The content of one of the `MODELS`.

    Raises
    ------
    TrackerError
        The file is missing or its checksum is wrong.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrackerError(
            f"the face model {path}: {error.strerror}; check it out again"
        ) from error
    if hashlib.sha256(data).hexdigest() != MODELS[path.name]:
        raise TrackerError(f"the face model {path} is damaged (wrong sha256); check it out again")
    return data
