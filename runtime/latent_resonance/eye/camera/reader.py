"""Keeps a camera open and provides its newest image.

Runs on a daemon thread of the eye's process, so that the loop continues when a driver hangs. In: a
function that opens the camera. Out: the newest image, each at most once, or the error if there is
none.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from latent_resonance.eye.camera.camera import Camera, CameraError
from latent_resonance.eye.camera.frame_checks import FreezeDetector
from latent_resonance.eye.camera.image import Image

RETRY_S = 0.5  # between two attempts to open a camera
JOIN_S = 0.2  # a thread that hangs in a driver is abandoned after this
OPEN_TIMEOUT_S = 10.0  # opening or closing a camera that takes longer counts as hung
FIRST_CALL_TIMEOUT_S = 15.0  # for every call until this process has had its first image


@dataclass(frozen=True, slots=True)
class DriverCall:
    """A call to the driver in progress, and its time limit."""

    start_s: float
    timeout_s: float


NO_DRIVER_CALL = DriverCall(0.0, math.inf)
T = TypeVar("T")


class CameraReader:
    """Reads on its own thread and reopens the camera whenever it is lost.

    Parameters
    ----------
    open_camera
        Opens the camera, or raises `CameraError`.
    log
        Called once when the camera is lost or absent, and once when it is back.
    paused
        Start with the camera closed.

    Attributes
    ----------
    error
        Why there are no images; None while there are, or before the first attempt.
    failed_attempts
        How often opening or reading the camera failed.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        log: Callable[[str], None],
        *,
        paused: bool = False,
    ) -> None:
        self._open_camera, self._log = open_camera, log
        self._newest: Image | None = None
        self._condition, self._stopping = threading.Condition(), threading.Event()
        self._freeze_detector, self._had_image = FreezeDetector(), False
        self._call = NO_DRIVER_CALL
        self._active = threading.Event()
        self.set_paused(paused)
        self.error: str | None = None
        self.failed_attempts = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def is_hung(self) -> bool:
        """Whether a driver call exceeds its time limit or the thread has died."""
        call = self._call
        return time.monotonic() - call.start_s > call.timeout_s or not self._thread.is_alive()

    @property
    def paused(self) -> bool:
        """Whether the camera is closed intentionally."""
        return not self._active.is_set()

    def set_paused(self, paused: bool) -> None:
        """Close the camera, as outside opening hours, or reopen it."""
        (self._active.clear if paused else self._active.set)()

    def take(self, timeout_s: float) -> Image | None:
        """The newest image not taken yet; None if none arrives within `timeout_s`."""
        with self._condition:
            self._condition.wait_for(lambda: self._newest is not None, timeout_s)
            image, self._newest = self._newest, None
        return image

    def close(self) -> None:
        """Stop the thread and release the camera, unless its driver hangs."""
        self._stopping.set()
        self._active.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._active.wait()
            if self._stopping.is_set():  # close() sets both events
                return
            try:
                self._read_until_lost()
            except CameraError as error:
                self._report_error(str(error))
                self._stopping.wait(RETRY_S)

    def _read_until_lost(self) -> None:
        camera = self._call_driver(self._open_camera, OPEN_TIMEOUT_S)
        self._freeze_detector.reopened()
        try:
            while self._active.is_set() and not self._stopping.is_set():
                image = self._call_driver(camera.read, camera.timeout_s)
                if camera.may_repeat or self._freeze_detector.step(image, time.monotonic()):
                    self._publish(image)
        finally:
            self._call_driver(camera.close, OPEN_TIMEOUT_S)

    def _call_driver(self, call: Callable[[], T], timeout_s: float) -> T:
        """Call a driver, which may hang, under a time limit that `is_hung` checks."""
        self._call = DriverCall(
            time.monotonic(), timeout_s if self._had_image else max(timeout_s, FIRST_CALL_TIMEOUT_S)
        )
        try:
            return call()
        finally:
            self._call = NO_DRIVER_CALL

    def _publish(self, image: Image) -> None:
        self._had_image = True
        with self._condition:
            self._newest = image
            self._condition.notify()
        if self.error is not None:
            self.error = None
            self._log("the camera is back")

    def _report_error(self, message: str) -> None:
        if self.error is None:
            self._log(f"{message} (retrying)")
        self.error = message
        self.failed_attempts += 1
