"""Clips: video files that are read as fast as possible, or played as if they were cameras.

Offline, a clip is read on the caller's thread. A path goes in; out come `Image`s, RGB with the
clip's own times.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.clip_loss import ClipLoss, Repetition
from latent_resonance.eye.camera.clip_times import ClipTimes
from latent_resonance.eye.camera.container import counts_images, is_still_picture, missing_bytes
from latent_resonance.eye.camera.image import Image, Pixels, rgb_from_bgr, squared
from latent_resonance.eye.camera.opencv import cv2
from latent_resonance.eye.camera.rate_limit import RateLimit

_NS = 1_000_000_000
_MAX_ASPECT = 8.0  # of one pixel; a container that declares more is mistaken
_MAX_UNREADABLE = 300  # images in a row, after which a clip is over whatever it declares


class ClipWarning(UserWarning):
    """A part of a clip cannot be read; the message says how much."""


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


def images_of_clip(path: Path) -> Iterator[Image]:
    """Every image of a video file, as fast as it can be read, with the clip's own times.

    A damaged image is left out, and a `ClipWarning` at the end says how many were, where the clip
    stands still, or that it holds no times. Pixels that are not square are made so.

    Raises
    ------
    CameraError
        Immediately, if the file is missing, empty, truncated, not a video, a still picture or
        without images, or interlaced; at the end, if every image is black.
    """
    capture = _open(path)
    coding = _coding(capture)
    images = _images(path, capture)
    first = list(itertools.islice(images, 2))
    if not first:
        raise CameraError(
            f"{path} has no image that OpenCV can decode ({coding}); convert it first: "
            f"ffmpeg -i {path.name} -c:v libx264 -pix_fmt yuv420p converted.mp4"
        )
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


def _coding(capture: cv2.VideoCapture) -> str:
    """The four characters by which a container names the coding of its images, such as av01."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    name = code.to_bytes(4, "little").decode("ascii", "replace").strip("\0 ")
    return name if name.isprintable() and name else "unknown coding"


def _images(path: Path, capture: cv2.VideoCapture) -> Iterator[Image]:
    times, seen = ClipTimes(capture.get(cv2.CAP_PROP_FPS)), None
    aspect = _pixel_aspect(capture)
    try:
        for pixels in _decoded(path, capture):
            seen = bool(seen or pixels.any())
            time_ns = times.add(capture.get(cv2.CAP_PROP_POS_MSEC))
            yield Image(rgb_from_bgr(squared(pixels, aspect)), time_ns)
    finally:
        capture.release()
    if seen is False:
        raise _not_converted(path)
    if times.are_assumed:
        warnings.warn(
            f"{path} holds no times of its images; taken at {times.rate:g} a second. If that is "
            f"wrong: ffmpeg -r RATE -i {path.name} -c copy {path.stem}.mp4",
            ClipWarning,
            stacklevel=2,
        )


def _is_converted(path: Path, first: Image) -> bool:
    """Whether OpenCV has written an image into its buffer, rather than left what was there.

    It does not say that a conversion has failed. A second capture decodes the same image, but
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


def _decoded(path: Path, capture: cv2.VideoCapture) -> Iterator[Pixels]:
    """The pixels of every image that can be decoded, up to the end that the container declares."""
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
    if loss.missing and loss.count:  # with no image at all it is the coding
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
    """Width of a pixel over its height, in the image as it is returned."""
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
