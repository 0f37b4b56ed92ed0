"""Where images come from: USB cameras, the Raspberry Pi's CSI cameras, and clips.

The only module that imports cv2. In the eye's process a camera is opened, read and closed by the
reader's thread; offline a clip is read wherever it is needed. In: `settings.camera`. Out:
`Image`s, RGB with the time they were taken.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.container import missing_bytes
from latent_resonance.eye.camera.rate_limit import RateLimit

# OpenCV reads these when it is imported: no warnings of its own on stderr, and a USB camera that
# has stopped sending holds a read for two seconds, not ten.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")

import cv2  # after the environment it reads

MAX_SIDE = 1280  # pixels; a face that matters is large enough in a picture of this size
_NS = 1_000_000_000
_OLDEST_STAMP_NS = _NS  # a driver's timestamp further back than this is of another clock
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

cv2.setNumThreads(1)  # scaling one image is not worth waking the other cores

Pixels = NDArray[np.uint8]


class CameraError(LatentResonanceError):
    """A camera or a clip cannot be opened or read; the message says which and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One picture.

    Attributes
    ----------
    pixels
        Shape (height, width, 3), uint8, RGB, the longest side at most `LONGEST_SIDE`.
    time_ns
        CLOCK_MONOTONIC in nanoseconds; of a clip read offline, its own time from 0.
    """

    pixels: Pixels
    time_ns: int


class Camera(Protocol):
    """Anything that images come from, at its own pace.

    Attributes
    ----------
    patience_s
        A `read` that takes longer hangs.
    may_stand_still
        Whether it may give the same image again; a sensor never does.
    """

    timeout_s: float
    may_repeat: bool

    def read(self) -> Image:
        """Wait for the next image; raise `CameraError` when there will be none."""

    def close(self) -> None:
        """Give the device back."""


class V4l2Camera:
    """A camera that Linux drives itself: USB cameras, capture cards, HDMI adapters.

    Raises
    ------
    CameraError
        If there is no such camera, or another program has it.
    """

    timeout_s = 5.0  # OpenCV gives up after two
    may_repeat = False

    def __init__(self, device: Path, settings: CameraSettings) -> None:
        self._device, self._rate_limit = device, RateLimit(settings.images_per_s)
        self._capture = cv2.VideoCapture()
        with self._camera_errors():
            opened = self._capture.open(str(device), cv2.CAP_V4L2)
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.width)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.height)
            self._capture.set(cv2.CAP_PROP_FPS, settings.images_per_s)
        if not opened:
            raise CameraError(
                f"no camera at {device}; plug it in, end what else uses it, or set camera.source"
            )

    def read(self) -> Image:
        """Wait for the next image, two seconds at most; one too many is not even decoded."""
        with self._camera_errors():
            while arrived := self._capture.grab():
                if self._rate_limit.accepts(time.monotonic_ns()):
                    arrived, pixels = self._capture.retrieve()
                    break
            if arrived:
                return Image(rgb_from_bgr(pixels), self._timestamp_ns())
        raise CameraError(f"the camera at {self._device} sends no more images; see its cable")

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()

    @contextlib.contextmanager
    def _camera_errors(self) -> Iterator[None]:
        """A driver that answers nonsense makes OpenCV raise, as do pixels without colours."""
        try:
            yield
        except cv2.error as error:
            raise CameraError(
                f"the camera at {self._device} answers nonsense; plug it in anew ({error.err})"
            ) from error

    def _timestamp_ns(self) -> int:
        """When the driver says that the image was taken, or now if it does not say."""
        now_ns = time.monotonic_ns()
        stamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return stamp_ns if 0 <= now_ns - stamp_ns < _OLDEST_STAMP_NS else now_ns


class ClipCamera:
    """A video file that plays round and round at its own pace, as if it were a camera."""

    timeout_s = 60.0  # a film may be slow
    may_repeat = True

    def __init__(self, path: Path, images_per_s: float) -> None:
        self._path, self._rate_limit = path, RateLimit(images_per_s)
        self._images = images_of_clip(path)
        self._start_ns = self._last_ns = time.monotonic_ns()
        self._pause_ns = round(_NS / images_per_s)  # between two rounds

    def read(self) -> Image:
        """Wait until the next image is due."""
        image = self._next()
        while not self._rate_limit.accepts(image.time_ns):
            image = self._next()
        time.sleep(max(image.time_ns - time.monotonic_ns(), 0) / _NS)
        return image

    def _next(self) -> Image:
        """The next image, whenever it is due, on the clock of the machine."""
        image = next(self._images, None)
        if image is None:
            self._images = images_of_clip(self._path)
            self._start_ns = max(self._last_ns + self._pause_ns, time.monotonic_ns())
            image = next(self._images)  # there is one: images_of_clip has looked
        self._last_ns = self._start_ns + image.time_ns
        return Image(image.pixels, self._last_ns)

    def close(self) -> None:
        """Nothing is held that the interpreter does not give back by itself."""


class RotatedCamera:
    """A camera that hangs on its side or upside down, its images turned clockwise by `degrees`."""

    def __init__(self, camera: Camera, degrees: int) -> None:
        self._camera, self._degrees = camera, degrees
        self.timeout_s, self.may_repeat = camera.timeout_s, camera.may_repeat

    def read(self) -> Image:
        """Wait for the next image."""
        return rotated(self._camera.read(), self._degrees)

    def close(self) -> None:
        """Give the device back."""
        self._camera.close()


def images_of_clip(path: Path) -> Iterator[Image]:
    """Every image of a video file, as fast as it can be read, with the clip's own times.

    Raises
    ------
    CameraError
        At once, if the file is missing, empty, cut off, not a video or without images.
    """
    images = _images(_opened(path))
    first = next(images, None)
    if first is None:
        raise CameraError(f"{path} holds no image that can be read; choose another clip")
    return itertools.chain((first,), images)


def duration_of_clip_s(path: Path) -> float | None:
    """The length that a video file declares, in seconds; None if it declares none.

    Raises
    ------
    CameraError
        If the file is missing, empty, cut off or not a video.
    """
    capture = _opened(path)
    images, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return images / rate if images > 0 and rate > 0 else None


def rgb_from_bgr(bgr: Pixels) -> Pixels:
    """OpenCV's own order of colours to RGB, no larger than the tracker needs."""
    return downscaled(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def rgb_from_i420(planes: Pixels, width: int) -> Pixels:
    """Planar YUV 4:2:0, shape (height × 3/2, stride), to RGB without the padding of its rows."""
    return downscaled(np.ascontiguousarray(cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)[:, :width]))


def rotated(image: Image, degrees: int) -> Image:
    """The image turned clockwise by 90, 180 or 270 degrees."""
    return Image(cv2.rotate(image.pixels, _TURNS[degrees]), image.time_ns)


def warped(pixels: Pixels, matrix: NDArray[np.float64], side: int, *, repeat_edge: bool) -> Pixels:
    """A square picture of `side` pixels, each taken bilinearly from where the matrix leads it.

    To a 32nd of a pixel: with exact places, as `cv2.warpAffine` takes them, a face's landmarks are
    0.05 % of the distance between its eyes from MediaPipe's, so they are 0.001 %.

    Parameters
    ----------
    matrix
        Shape (2, 3): from the pixels of the picture to those of the image.
    repeat_edge
        Whether what lies outside of the image looks like its edge; else it is black.
    """
    steps = np.arange(side, dtype=np.float32)
    across, down, start = matrix.T.astype(np.float32)[..., None]  # each (2, 1): x and y
    x, y = (across * steps)[:, None] + (down * steps + start)[..., None]
    border = cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT
    positions = cv2.convertMaps(x, y, cv2.CV_16SC2)
    return cv2.remap(pixels, *positions, cv2.INTER_LINEAR, borderMode=border)


def downscaled(pixels: Pixels) -> Pixels:
    """The image, made smaller if its longest side is above `LONGEST_SIDE`."""
    height, width = pixels.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _opened(path: Path) -> cv2.VideoCapture:
    try:
        missing = missing_bytes(path) if path.stat().st_size else None
    except OSError as error:
        raise CameraError(f"{path}: {error.strerror}; give the path of a video file") from error
    if missing is None:
        raise CameraError(f"{path} is empty; copy it again")
    if missing:
        raise CameraError(f"{path} was cut off, {missing} bytes are missing; copy it again")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise CameraError(f"{path} is not a video that can be read; give an MP4, MKV or the like")
    return capture


def _images(capture: cv2.VideoCapture) -> Iterator[Image]:
    time_ns, shortest_ns = -1, _NS // 1000
    try:
        while True:
            arrived, pixels = capture.read()
            if not arrived:
                return
            stamp_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            # Some files repeat a time, or turn it back at an edit.
            time_ns = stamp_ns if stamp_ns > time_ns else time_ns + shortest_ns
            yield Image(rgb_from_bgr(pixels), time_ns)
    finally:
        capture.release()
