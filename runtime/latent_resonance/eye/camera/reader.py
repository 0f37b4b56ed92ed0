"""Keeps a camera open and its newest image at hand, whatever the camera does.

One daemon thread in the eye's process: it may hang in a driver for as long as it likes, the eye's
loop goes on. In: a way to open the camera. Out: the newest image, each at most once, and what is
the matter when there is none.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from latent_resonance.eye.camera.camera import Camera, CameraError, Image
from latent_resonance.eye.camera.frame_checks import FreezeDetector

RETRY_S = 0.5  # between two tries to open a camera
LEAVE_S = 0.2  # a thread that hangs in a driver is left behind after this
OPEN_TIMEOUT_S = 10.0  # a camera that takes longer to be opened or closed hangs
FIRST_CALL_TIMEOUT_S = 15.0  # the same, and for a read, while this process has seen nothing yet


@dataclass(frozen=True, slots=True)
class DriverCall:
    """What the thread asked of a driver, and for how long it may take."""

    start_s: float
    timeout_s: float


NO_DRIVER_CALL = DriverCall(0.0, math.inf)
T = TypeVar("T")


class CameraReader:
    """Reads on a thread of its own; opens the camera again whenever it is lost.

    Parameters
    ----------
    open_camera
        Opens the camera, or raises `CameraError`.
    say
        Told once when the camera is lost or absent, and once when it is back.
    asleep
        Begin with the camera closed.

    Attributes
    ----------
    trouble
        Why there are no images, in words; None while there are, or before the first look.
    looks
        How often a camera was looked for in vain.
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
        self._novelty, self._had_image = FreezeDetector(), False
        self._call = NO_DRIVER_CALL
        self._active = threading.Event()
        self.set_paused(paused)
        self.error: str | None = None
        self.failed_attempts = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def is_hung(self) -> bool:
        """Whether a driver has not answered for longer than it may, or the thread is gone."""
        call = self._call
        return time.monotonic() - call.start_s > call.timeout_s or not self._thread.is_alive()

    @property
    def paused(self) -> bool:
        """Whether the camera is closed on purpose."""
        return not self._active.is_set()

    def set_paused(self, paused: bool) -> None:
        """Close the camera, as outside opening hours, or look again."""
        (self._active.clear if paused else self._active.set)()

    def take(self, timeout_s: float) -> Image | None:
        """The newest image that was not taken yet; None if none comes within `timeout_s`."""
        with self._condition:
            self._condition.wait_for(lambda: self._newest is not None, timeout_s)
            image, self._newest = self._newest, None
        return image

    def close(self) -> None:
        """Give the camera back, if it lets go."""
        self._stopping.set()
        self._active.set()
        self._thread.join(LEAVE_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._active.wait()
            if self._stopping.is_set():  # woken only to leave
                return
            try:
                self._read_until_lost()
            except CameraError as error:
                self._report_error(str(error))
                self._stopping.wait(RETRY_S)

    def _read_until_lost(self) -> None:
        camera = self._call_driver(self._open_camera, OPEN_TIMEOUT_S)
        self._novelty.reopened()
        try:
            while self._active.is_set() and not self._stopping.is_set():
                image = self._call_driver(camera.read, camera.timeout_s)
                if camera.may_repeat or self._novelty.step(image, time.monotonic()):
                    self._publish(image)
        finally:
            self._call_driver(camera.close, OPEN_TIMEOUT_S)

    def _call_driver(self, call: Callable[[], T], timeout_s: float) -> T:
        """Ask something of a driver, which may hang."""
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
            self._log("the camera is there")

    def _report_error(self, message: str) -> None:
        if self.error is None:
            self._log(f"{message} (looking for it all the while)")
        self.error = message
        self.failed_attempts += 1
