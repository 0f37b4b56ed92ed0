"""Cameras: the protocol, Video4Linux devices, and cameras that are mounted sideways.

A camera is opened, read and closed by the reader's thread. In: `settings.camera`. Out: `Image`s,
RGB with their capture times.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.image import Image, rgb_from_bgr, rotated
from latent_resonance.eye.camera.opencv import cv2
from latent_resonance.eye.camera.rate_limit import RateLimit
from latent_resonance.linux.device_access import forbidden, forbidden_message

SMALL = 640, 480  # pixels; a size that every camera has, at its full rate
RAW_BYTES_PER_S = 24e6  # of uncompressed images that USB 2 transfers; beyond, they come fewer
_RAW_BYTES = 2  # of an uncompressed pixel (YUYV)
_MIN_RATE = 2 / 3  # of the requested rate; a camera slower than this sends smaller images instead
_MAX_AGE_NS = 1_000_000_000  # a driver's timestamp older than this comes from another clock


class CameraError(LatentResonanceError):
    """A camera or clip cannot be opened or read; the message says which and what to do."""


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


def is_compressed(width: int, height: int, images_per_s: float) -> bool:
    """Whether USB 2 can transfer such images only as MJPG."""
    return width * height * _RAW_BYTES * images_per_s > RAW_BYTES_PER_S
