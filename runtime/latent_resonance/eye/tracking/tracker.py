"""The tracker interface: finds the faces in successive images.

Implemented by `mediapipe_tracker` and `onnx`; `select` chooses one. In: `Image`s with increasing
times. Out: `Face`s with landmarks in pixels and pose.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.eye.camera.camera import Image

BUNDLE, DETECTOR, MESH = "face_landmarker.task", "face_detector.onnx", "face_landmarks.onnx"
FULL_RANGE, BLENDSHAPES = "face_detector_full_range.onnx", "face_blendshapes.onnx"
MODELS = {  # file in models/ -> sha256; MediaPipe's file, and the ONNX files that export/ derives
    BUNDLE: "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    DETECTOR: "25e2d1daba46a4d404945e3425b8d11aaae05aa414e6944de6eb73bcf8d20c39",
    MESH: "d8c7d8b5718164108e5c4dbe4456d128032a123bf8f0497bb7dff69c3adf48c9",
    FULL_RANGE: "bba458009b5ef280e9113e00f5a50cd009b91553d8d189ceddefc15323e333b0",
    BLENDSHAPES: "647f4076468076213388386749acedf4e892168927dd6047858a38eb99d58639",
}


class TrackerError(LatentResonanceError):
    """A tracker cannot run here; the message says what is missing."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one image.

    Attributes
    ----------
    landmarks
        Shape (478, 3), pixels: x to the image's right, y down, z away from the camera.
    rotation
        Shape (3, 3): from the head's own frame (x to the image's right when it faces the camera,
        y up, z towards the camera) to the camera's, without scale.
    """

    landmarks: NDArray[np.float64]
    rotation: NDArray[np.float64]


class Tracker(Protocol):
    """Follows faces from image to image."""

    def find(self, image: Image) -> list[Face]:
        """The faces in an image, in no particular order.

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
