"""Finds faces in images with MediaPipe's Face Landmarker.

The only module that imports mediapipe; lives in the eye's loop (offline: in the caller's). In:
`Image`s with rising times. Out: `Face`s, the landmarks of each in pixels and its pose.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Eye as EyeSettings
from latent_resonance.eye.camera.camera import Image
from latent_resonance.eye.tracking.tracker import BUNDLE, Face, TrackerError, checked_model

if TYPE_CHECKING:
    from mediapipe.tasks.python.vision import FaceLandmarker

_NS_PER_MS = 1_000_000
# MediaPipe imports these for pictures and microphones that we never make: 40 MiB and a second.
_UNUSED = ("matplotlib", "matplotlib.pyplot", "sounddevice", "cv2")


class MediaPipeTracker:
    """MediaPipe's Face Landmarker in VIDEO mode, on the CPU, without blendshapes.

    Raises
    ------
    TrackerError
        If the model or a library that MediaPipe needs is missing or damaged.
    """

    def __init__(self, models: Path, settings: EyeSettings) -> None:
        self._mediapipe = _import_mediapipe()
        with _quiet_stderr():
            self._landmarker = _landmarker(
                self._mediapipe, checked_model(models / BUNDLE), settings
            )
        self._last_ms = -1

    def find(self, image: Image) -> list[Face]:
        """The faces in an image, in no particular order.

        Raises
        ------
        TrackerError
            If MediaPipe fails; it does not recover.
        """
        # MediaPipe takes whole milliseconds, and ends if one comes twice.
        self._last_ms = max(image.time_ns // _NS_PER_MS, self._last_ms + 1)
        patch = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=image.pixels
        )
        try:
            result = self._landmarker.detect_for_video(patch, self._last_ms)
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise TrackerError(f"MediaPipe failed on an image: {reason}") from error
        height, width = image.pixels.shape[:2]
        size = np.array([width, height, width], np.float64)
        return [
            Face(np.array([(p.x, p.y, p.z) for p in points]) * size, _rotation(matrix))
            for points, matrix in zip(
                result.face_landmarks, result.facial_transformation_matrixes, strict=True
            )
            if _is_valid_pose(matrix)
        ]

    def close(self) -> None:
        """Let MediaPipe go; one that has failed cannot be closed and is left where it is."""
        try:
            self._landmarker.close()
        except RuntimeError:
            # Its destructor would try once more, and wait for ever.
            self._landmarker._handle = None  # type: ignore[assignment]  # noqa: SLF001


def _is_valid_pose(matrix: NDArray[np.float32]) -> bool:
    """Whether a transformation has numbers and a size; a face crushed to a line has not."""
    return bool(np.isfinite(matrix).all() and np.linalg.det(matrix[:3, :3]) > 0)


def _rotation(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """The upper left of a 4 × 4 transformation without its scale."""
    rotated = matrix[:3, :3].astype(np.float64)
    return rotated / np.cbrt(np.linalg.det(rotated))


def _landmarker(mediapipe: ModuleType, model: bytes, settings: EyeSettings) -> FaceLandmarker:
    options = mediapipe.tasks.vision.FaceLandmarkerOptions(
        base_options=mediapipe.tasks.BaseOptions(
            model_asset_buffer=model, delegate=mediapipe.tasks.BaseOptions.Delegate.CPU
        ),
        running_mode=mediapipe.tasks.vision.RunningMode.VIDEO,
        num_faces=settings.max_faces,
        min_face_detection_confidence=settings.min_confidence,
        min_face_presence_confidence=settings.min_confidence,
        min_tracking_confidence=settings.min_confidence,
        output_facial_transformation_matrixes=True,
    )
    try:
        return mediapipe.tasks.vision.FaceLandmarker.create_from_options(options)
    except OSError as error:  # libmediapipe.so is opened here, not at the import
        raise TrackerError(
            f"MediaPipe cannot start ({error}); sudo apt install libegl1 libgles2"
        ) from error


def _import_mediapipe() -> ModuleType:
    with _stub_modules(_UNUSED):
        import mediapipe
    return mediapipe


@contextlib.contextmanager
def _stub_modules(names: tuple[str, ...]) -> Iterator[None]:
    """Let empty modules answer to `names` for a while, where the real ones are not there yet."""
    missing = [name for name in names if name not in sys.modules]
    sys.modules.update({name: ModuleType(name) for name in missing})
    for name in missing:
        folder, _, module = name.rpartition(".")
        if folder:
            setattr(sys.modules[folder], module, sys.modules[name])
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep what MediaPipe's C++ writes while it starts from the screen; errors raise anyway."""
    sys.stderr.flush()
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)
