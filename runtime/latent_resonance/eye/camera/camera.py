"""Cameras, clips and the image operations of OpenCV.

The eye's only module that imports cv2. Live, a camera is opened, read and closed by the reader's
thread; offline, a clip is read on the caller's thread. In: `settings.camera`. Out: `Image`s, RGB
with their capture times.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.clip_loss import ClipLoss, Repetition
from latent_resonance.eye.camera.container import counts_images, is_still_picture, missing_bytes
from latent_resonance.eye.camera.rate_limit import RateLimit
from latent_resonance.linux.device_access import forbidden, forbidden_message

# OpenCV reads these when it is imported: no warnings on stderr, and a read from a USB camera that
# has stopped sending blocks for two seconds, not ten.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")

import cv2  # after the environment it reads

MAX_SIDE = 1280  # pixels; a visitor's face is large enough in an image of this size
SMALL = 640, 480  # pixels; a size that every camera has, at its full rate
RAW_BYTES_PER_S = 24e6  # of uncompressed images that USB 2 transfers; beyond, they come fewer
_RAW_BYTES = 2  # of an uncompressed pixel (YUYV)
_MIN_RATE = 2 / 3  # of the requested rate; a camera slower than this sends smaller images instead
_NS = 1_000_000_000
_MAX_AGE_NS = _NS  # a driver's timestamp older than this comes from another clock
_MAX_ASPECT = 8.0  # of one pixel; a container that declares more is mistaken
_MAX_UNREADABLE = 300  # images in a row, after which a clip is over whatever it declares
_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

cv2.setNumThreads(1)  # scaling one image is not worth waking the other cores

Pixels = NDArray[np.uint8]


class CameraError(LatentResonanceError):
    """A camera or clip cannot be opened or read; the message says which and what to do."""


class ClipWarning(UserWarning):
    """A part of a clip cannot be read; the message says how much."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """One image of a camera or clip.

    Attributes
    ----------
    pixels
        Shape (height, width, 3), uint8, RGB, the longer side at most `MAX_SIDE`.
    time_ns
        CLOCK_MONOTONIC in nanoseconds; for a clip read offline, the clip's own time from 0.
    """

    pixels: Pixels
    time_ns: int


class Camera(Protocol):
    """A source of images at its own rate.

    Attributes
    ----------
    timeout_s
        A `read` that takes longer counts as hung.
    may_repeat
        Whether it may return the same image again; a working sensor never does.
    """

    timeout_s: float
    may_repeat: bool

    def read(self) -> Image:
        """Wait for the next image; raise `CameraError` if there will be none."""

    def close(self) -> None:
        """Release the device."""


class V4l2Camera:
    """A Video4Linux device: USB camera, capture card, HDMI adapter.

    Images that USB 2 cannot transfer raw are requested as MJPG. A camera without MJPG sends what it
    has, and one that is slow at the requested size sends `SMALL` images.

    Raises
    ------
    CameraError
        If there is no such camera or another program is using it.
    """

    timeout_s = 5.0  # OpenCV times out after 2 s
    may_repeat = False

    def __init__(self, device: Path, settings: CameraSettings) -> None:
        self._device, self._rate_limit = device, RateLimit(settings.images_per_s)
        self._capture = cv2.VideoCapture()
        with self._camera_errors():
            opened = self._capture.open(str(device), cv2.CAP_V4L2)
            if opened:
                self._request_format(settings)
        if forbidden([device]):
            raise CameraError(forbidden_message([device]))
        if not opened:
            raise CameraError(
                f"no camera at {device}; plug it in, close other programs that use it, or set "
                "camera.source"
            )

    def read(self) -> Image:
        """Wait up to 2 s for the next image; images above the rate limit are not decoded.

        In place of a damaged JPEG, OpenCV returns the previous image.
        """
        with self._camera_errors():
            while received := self._capture.grab():
                if self._rate_limit.accepts(time.monotonic_ns()):
                    received, pixels = self._capture.retrieve()
                    break
            if received:
                return Image(rgb_from_bgr(pixels), self._timestamp_ns())
        raise CameraError(f"the camera at {self._device} sends no more images; check its cable")

    def close(self) -> None:
        """Release the device."""
        self._capture.release()

    def _request_format(self, settings: CameraSettings) -> None:
        width, height, rate = settings.width, settings.height, settings.images_per_s
        if is_compressed(width, height, rate):
            self._request("MJPG", (width, height), rate)
        else:
            self._request(None, (width, height), rate)
        actual_rate = self._capture.get(cv2.CAP_PROP_FPS)
        if width * height > math.prod(SMALL) and 0 < actual_rate < _MIN_RATE * rate:
            self._request("YUYV", SMALL, rate)

    def _request(self, fourcc: str | None, size: tuple[int, int], images_per_s: float) -> None:
        """Ask the driver, which chooses the nearest that it has.

        The format comes first: a size that it does not have in the old one would be changed.
        """
        if fourcc is not None:
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        self._capture.set(cv2.CAP_PROP_FPS, images_per_s)

    @contextlib.contextmanager
    def _camera_errors(self) -> Iterator[None]:
        """Convert OpenCV's errors, caused by invalid data from the driver, to `CameraError`."""
        try:
            yield
        except cv2.error as error:
            raise CameraError(
                f"the camera at {self._device} sends invalid data; unplug it and plug it in again "
                f"({error.err})"
            ) from error

    def _timestamp_ns(self) -> int:
        """The driver's capture time, or now if it gives no plausible one."""
        now_ns = time.monotonic_ns()
        timestamp_ns = round(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return timestamp_ns if 0 <= now_ns - timestamp_ns < _MAX_AGE_NS else now_ns


class ClipCamera:
    """A video file that plays in a loop at its own rate, as if it were a camera."""

    timeout_s = 60.0  # a clip may have a low frame rate
    may_repeat = True

    def __init__(self, path: Path, images_per_s: float) -> None:
        self._path, self._rate_limit = path, RateLimit(images_per_s)
        self._images = images_of_clip(path)
        self._start_ns = self._last_ns = time.monotonic_ns()
        self._gap_ns = round(_NS / images_per_s)  # from the clip's last image to its first

    def read(self) -> Image:
        """Wait until the next image is due."""
        image = self._next()
        while not self._rate_limit.accepts(image.time_ns):
            image = self._next()
        time.sleep(max(image.time_ns - time.monotonic_ns(), 0) / _NS)
        return image

    def _next(self) -> Image:
        """The next image without waiting, its time on CLOCK_MONOTONIC."""
        image = next(self._images, None)
        if image is None:
            self._images = images_of_clip(self._path)
            self._start_ns = max(self._last_ns + self._gap_ns, time.monotonic_ns())
            image = next(self._images)  # images_of_clip guarantees one
        self._last_ns = self._start_ns + image.time_ns
        return Image(image.pixels, self._last_ns)

    def close(self) -> None:
        """Nothing to release: the capture is released with its iterator."""


class RotatedCamera:
    """A camera mounted sideways or upside down; its images are rotated clockwise by `degrees`."""

    def __init__(self, camera: Camera, degrees: int) -> None:
        self._camera, self._degrees = camera, degrees
        self.timeout_s, self.may_repeat = camera.timeout_s, camera.may_repeat

    def read(self) -> Image:
        """Wait for the next image."""
        return rotated(self._camera.read(), self._degrees)

    def close(self) -> None:
        """Release the device."""
        self._camera.close()


def images_of_clip(path: Path) -> Iterator[Image]:
    """Every image of a video file, as fast as it can be read, with the clip's own times.

    A damaged image is left out, and a `ClipWarning` at the end says how many were, or where the
    clip stands still. Pixels that are not square are made so.

    Raises
    ------
    CameraError
        Immediately, if the file is missing, empty, truncated, not a video, a still picture or
        without images, or interlaced; at the end, if every image is black.
    """
    images = _images(path, _open(path))
    first = list(itertools.islice(images, 2))
    if not first:
        raise CameraError(f"{path} contains no readable image; choose another clip")
    if len(first) == 1 and is_still_picture(path):
        raise CameraError(f"{path} is a still picture; a clip has two images or more")
    if (
        len(first) == 2
        and np.array_equal(first[0].pixels, first[1].pixels)
        and not _is_converted(path, first[0])
    ):
        raise _not_converted(path)
    return itertools.chain(first, images)


def duration_of_clip_s(path: Path) -> float | None:
    """The duration that a video file declares, in seconds; None if it declares none.

    Raises
    ------
    CameraError
        If the file is missing, empty, truncated or not a video.
    """
    capture = _open(path)
    images, rate = _declared_images(path, capture), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return images / rate if images > 0 and rate > 0 else None


def is_compressed(width: int, height: int, images_per_s: float) -> bool:
    """Whether USB 2 can transfer such images only as MJPG."""
    return width * height * _RAW_BYTES * images_per_s > RAW_BYTES_PER_S


def jpeg_of(pixels: Pixels) -> bytes:
    """An RGB image as the JPEG that a camera would send."""
    sampling = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422]
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), sampling)[1].tobytes()


def rgb_from_jpeg(data: bytes) -> Pixels:
    """A JPEG as OpenCV decodes the images of a camera: BGR first."""
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return rgb_from_bgr(bgr)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """The image at another size."""
    return cast("Pixels", cv2.resize(pixels, (width, height)))


def rgb_from_bgr(bgr: cv2.typing.MatLike) -> Pixels:
    """BGR pixels, OpenCV's channel order, to RGB, downscaled to `MAX_SIDE`."""
    return downscaled(cast("Pixels", cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)))


def rgb_from_i420(planes: Pixels, width: int) -> Pixels:
    """Planar YUV 4:2:0, shape (height × 3/2, stride), to RGB without the row padding."""
    padded = cast("Pixels", cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420))
    return downscaled(np.ascontiguousarray(padded[:, :width]))


def rotated(image: Image, degrees: int) -> Image:
    """The image rotated clockwise by 90, 180 or 270 degrees."""
    return Image(cast("Pixels", cv2.rotate(image.pixels, _ROTATIONS[degrees])), image.time_ns)


def warped(pixels: Pixels, matrix: NDArray[np.float64], side: int, *, repeat_edge: bool) -> Pixels:
    """An affine warp to a square of `side` pixels, with bilinear interpolation.

    Source positions are rounded to 1/32 pixel, as in MediaPipe. Landmarks then differ from
    MediaPipe's by 0.001 % of the distance between the eyes; with the exact positions of
    `cv2.warpAffine` they differ by 0.05 %.

    Parameters
    ----------
    matrix
        Shape (2, 3): from pixels of the result to pixels of the source.
    repeat_edge
        Repeat the edge pixels outside the source; otherwise it is black there.
    """
    steps = np.arange(side, dtype=np.float32)
    x_axis, y_axis, origin = matrix.T.astype(np.float32)[..., None]  # each (2, 1): x and y
    x, y = (x_axis * steps)[:, None] + (y_axis * steps + origin)[..., None]
    border = cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT
    integers, fractions = cv2.convertMaps(x, y, cv2.CV_16SC2)
    result = cv2.remap(pixels, integers, fractions, cv2.INTER_LINEAR, borderMode=border)
    return cast("Pixels", result)


def with_margins(pixels: Pixels, above: int, below: int, before: int, behind: int) -> Pixels:
    """A copy of the image with its edge pixels repeated, so many times on each side."""
    margins = above, below, before, behind
    return cast("Pixels", cv2.copyMakeBorder(pixels, *margins, cv2.BORDER_REPLICATE))


def downscaled(pixels: Pixels, side: int = MAX_SIDE) -> Pixels:
    """The image, downscaled if its longer side exceeds `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cast("Pixels", cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _open(path: Path) -> cv2.VideoCapture:
    try:
        missing = missing_bytes(path) if path.stat().st_size else None
    except OSError as error:
        raise CameraError(f"{path}: {error.strerror}; give the path of a video file") from error
    if missing is None:
        raise CameraError(f"{path} is empty; copy it again")
    if missing:
        raise CameraError(f"{path} is truncated, {missing} bytes are missing; copy it again")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise CameraError(f"{path} is not a readable video; use MP4, MKV or the like")
    return capture


def _declared_images(path: Path, capture: cv2.VideoCapture) -> int:
    """How many images the container declares; 0 if it declares none, or more than it has bytes."""
    declared = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return declared if 0 < declared <= path.stat().st_size else 0


def _images(path: Path, capture: cv2.VideoCapture) -> Iterator[Image]:
    time_ns, shortest_ns, seen = -1, _NS // 1000, False
    aspect = _pixel_aspect(capture)
    try:
        for pixels in _pictures(path, capture):
            timestamp_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            # Some files repeat a time, or jump back at an edit.
            time_ns = timestamp_ns if timestamp_ns > time_ns else time_ns + shortest_ns
            seen = seen or bool(pixels.any())
            yield Image(rgb_from_bgr(squared(pixels, aspect)), time_ns)
    finally:
        capture.release()
    if time_ns >= 0 and not seen:
        raise _not_converted(path)


def _is_converted(path: Path, first: Image) -> bool:
    """Whether OpenCV has written a picture into its buffer, rather than left what was there.

    It does not say that a conversion has failed. A second capture decodes the same picture, but
    has another buffer, with other contents.
    """
    again = next(_images(path, _open(path)), None)
    return again is not None and np.array_equal(again.pixels, first.pixels)


def _not_converted(path: Path) -> CameraError:
    return CameraError(
        f"{path} shows nothing; OpenCV cannot convert interlaced video, so {_convert(path)}"
    )


def _convert(path: Path) -> str:
    return f"convert it first: ffmpeg -i {path.name} -vf yadif deinterlaced.mp4"


def _pictures(path: Path, capture: cv2.VideoCapture) -> Iterator[Pixels]:
    """Every picture that can be decoded, up to the end that the container declares."""
    declared, rate = _declared_images(path, capture), capture.get(cv2.CAP_PROP_FPS)
    loss = ClipLoss(declared, rate, is_exact=counts_images(path))
    repetition, failed = Repetition(), 0
    while failed <= max(min(declared - loss.count - loss.unreadable, _MAX_UNREADABLE), 0):
        received, pixels = capture.read()
        if not received:
            failed += 1
            continue
        loss.unreadable, failed = loss.unreadable + failed, 0
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        loss.add(time_s)
        repetition.add(cast("Pixels", pixels), time_s)
        yield cast("Pixels", pixels)
    if loss.missing:
        lost = f"{loss.missing} of {loss.count + loss.missing} images cannot be read"
        warnings.warn(f"{path}: {lost}; copy the clip again", ClipWarning, stacklevel=2)
    if repetition.is_suspicious:
        warnings.warn(
            f"{path}: {repetition.longest} images from {repetition.start_s:.1f} s on are the same, "
            f"as where OpenCV cannot convert interlaced video; if so, {_convert(path)}",
            ClipWarning,
            stacklevel=2,
        )


def _pixel_aspect(capture: cv2.VideoCapture) -> float:
    """Width of a pixel over its height, in the picture as it is returned."""
    numerator, denominator = (
        capture.get(key) for key in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN)
    )
    if numerator <= 0 or denominator <= 0:
        return 1.0
    aspect = numerator / denominator
    if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        return 1.0
    on_its_side = capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180 == 90
    return 1 / aspect if on_its_side else aspect


def squared(pixels: Pixels, aspect: float) -> Pixels:
    """The image with square pixels, stretched in the direction in which they are longer."""
    height, width = pixels.shape[:2]
    if aspect > 1:
        return resized(pixels, round(width * aspect), height)
    return pixels if aspect == 1 else resized(pixels, width, round(height / aspect))
