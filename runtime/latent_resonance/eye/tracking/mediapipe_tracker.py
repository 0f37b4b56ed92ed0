"""Finds faces in images with MediaPipe's Face Landmarker.

The only module that imports mediapipe. Runs in the eye's loop, or offline on the caller's thread.
In: `Image`s with increasing times. Out: `Face`s with landmarks in pixels and pose.
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
# MediaPipe imports these for plots and audio, which the eye does not use: 40 MiB and 1 s.
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
        # MediaPipe requires strictly increasing whole milliseconds.
        self._last_ms = max(image.time_ns // _NS_PER_MS, self._last_ms + 1)
        mp_image = self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=image.pixels
        )
        try:
            result = self._landmarker.detect_for_video(mp_image, self._last_ms)
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
        """Close MediaPipe; an instance that has failed cannot be closed and is abandoned."""
        try:
            self._landmarker.close()
        except RuntimeError:
            # Its destructor would close it again and block forever.
            self._landmarker._handle = None  # noqa: SLF001  MediaPipe has no public way


def _is_valid_pose(matrix: NDArray[np.float32]) -> bool:
    """Whether a transformation is finite and not degenerate, as of a face collapsed to a line."""
    return bool(np.isfinite(matrix).all() and np.linalg.det(matrix[:3, :3]) > 0)


def _rotation(matrix: NDArray[np.float32]) -> NDArray[np.float64]:
    """The rotation of a 4 × 4 transformation, without its scale."""
    scaled = matrix[:3, :3].astype(np.float64)
    return np.asarray(scaled / np.cbrt(np.linalg.det(scaled)))


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
    except OSError as error:  # libmediapipe.so is loaded here, not at the import
        raise TrackerError(
            f"MediaPipe cannot start ({error}); sudo apt install libegl1 libgles2"
        ) from error


def _import_mediapipe() -> ModuleType:
    with _stub_modules(_UNUSED):
        import mediapipe
    module: ModuleType = mediapipe
    return module


@contextlib.contextmanager
def _stub_modules(names: tuple[str, ...]) -> Iterator[None]:
    """Put empty modules into `sys.modules` for `names` that are not imported yet."""
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
    """Discard the startup log of MediaPipe's C++ code; its errors raise exceptions."""
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
