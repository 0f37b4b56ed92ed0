"""Follows a face with MediaPipe's Face Landmarker, in a window around the face.

The only module that imports mediapipe. Runs in the eye's loop, or offline on the caller's thread.
In: `Image`s with increasing times. Out: landmarks in pixels of the image.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Image, Pixels
from latent_resonance.eye.tracking.roi import Roi, roi_from_landmarks
from latent_resonance.eye.tracking.tracker import BUNDLE, TrackerError, checked_model
from latent_resonance.eye.tracking.window import Window
from latent_resonance.linux.native_log import quiet_stderr

if TYPE_CHECKING:
    from mediapipe.tasks.python.vision import FaceLandmarker

_NS_PER_MS = 1_000_000
# MediaPipe imports these for plots and audio, which the eye does not use: 40 MiB and 1 s.
_UNUSED = ("matplotlib", "matplotlib.pyplot", "sounddevice", "cv2")


class MediaPipeLandmarker:
    """Implements `Landmarker` with the Face Landmarker in VIDEO mode, on the CPU, for one face.

    Its own detector sees faces that fill a good part of what it is given; so it is given a
    `Window`, in which every face does.

    Raises
    ------
    TrackerError
        If the model or a library that MediaPipe needs is missing or damaged.
    """

    def __init__(self, models: Path, min_confidence: float) -> None:
        self._mediapipe = _import_mediapipe()
        with quiet_stderr():
            self._landmarker = _landmarker(
                self._mediapipe, checked_model(models / BUNDLE), min_confidence
            )
        self._window: Window | None = None
        self._last_ms = -1

    def start(self, roi: Roi) -> None:
        """Follow the face in this region, from the next image on."""
        self._window = Window(roi)

    def find(self, image: Image) -> NDArray[np.float64] | None:
        """The landmarks, shape (478, 3); None once the face is lost.

        Raises
        ------
        TrackerError
            If MediaPipe fails; it does not recover.
        """
        window = self._window
        if window is None:
            return None
        points = self.detect(window.cut(image.pixels), image.time_ns)
        if points is None:
            self._window = None
            return None
        landmarks = points * window.side + (window.left, window.top, 0.0)
        window.follow(roi_from_landmarks(landmarks))
        return landmarks

    def detect(self, patch: Pixels, time_ns: int) -> NDArray[np.float64] | None:
        """The landmarks, from 0 to 1 along the sides of an image, by MediaPipe alone.

        Raises
        ------
        TrackerError
            If MediaPipe fails; it does not recover.
        """
        # MediaPipe requires strictly increasing whole milliseconds.
        self._last_ms = max(time_ns // _NS_PER_MS, self._last_ms + 1)
        mp_image = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=patch)
        try:
            result = self._landmarker.detect_for_video(mp_image, self._last_ms)
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise TrackerError(f"MediaPipe failed on an image: {reason}") from error
        if not result.face_landmarks:
            return None
        points = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]])
        return points if np.isfinite(points).all() else None

    def close(self) -> None:
        """Close MediaPipe; an instance that has failed cannot be closed and is abandoned."""
        try:
            self._landmarker.close()
        except RuntimeError:
            # Its destructor would close it again and block forever.
            self._landmarker._handle = None  # noqa: SLF001  MediaPipe has no public way


def _landmarker(mediapipe: ModuleType, model: bytes, min_confidence: float) -> FaceLandmarker:
    options = mediapipe.tasks.vision.FaceLandmarkerOptions(
        base_options=mediapipe.tasks.BaseOptions(
            model_asset_buffer=model, delegate=mediapipe.tasks.BaseOptions.Delegate.CPU
        ),
        running_mode=mediapipe.tasks.vision.RunningMode.VIDEO,
        num_faces=1,
        min_face_detection_confidence=min_confidence,
        min_face_presence_confidence=min_confidence,
        min_tracking_confidence=min_confidence,
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
