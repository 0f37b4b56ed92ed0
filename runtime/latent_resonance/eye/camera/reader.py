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
from latent_resonance.eye.camera.frame_checks import Novelty

PAUSE_S = 0.5  # between two tries to open a camera
LEAVE_S = 0.2  # a thread that hangs in a driver is left behind after this
OPEN_S = 10.0  # a camera that takes longer to be opened or closed hangs
NEVER_SEEN_S = 15.0  # the same, and for a read, while this process has seen nothing yet


@dataclass(frozen=True, slots=True)
class Call:
    """What the thread asked of a driver, and for how long it may take."""

    began_s: float
    patience_s: float


NO_CALL = Call(0.0, math.inf)
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
        asleep: bool = False,
    ) -> None:
        self._open_camera, self._log = open_camera, log
        self._newest: Image | None = None
        self._fresh, self._leaving = threading.Condition(), threading.Event()
        self._novelty, self._ever_seen = Novelty(), False
        self._call = NO_CALL
        self._awake = threading.Event()
        self.sleep(asleep)
        self.trouble: str | None = None
        self.looks = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def hangs(self) -> bool:
        """Whether a driver has not answered for longer than it may, or the thread is gone."""
        call = self._call
        return time.monotonic() - call.began_s > call.patience_s or not self._thread.is_alive()

    @property
    def asleep(self) -> bool:
        """Whether the camera is closed on purpose."""
        return not self._awake.is_set()

    def sleep(self, asleep: bool) -> None:
        """Close the camera, as outside opening hours, or look again."""
        (self._awake.clear if asleep else self._awake.set)()

    def take(self, timeout_s: float) -> Image | None:
        """The newest image that was not taken yet; None if none comes within `timeout_s`."""
        with self._fresh:
            self._fresh.wait_for(lambda: self._newest is not None, timeout_s)
            image, self._newest = self._newest, None
        return image

    def close(self) -> None:
        """Give the camera back, if it lets go."""
        self._leaving.set()
        self._awake.set()
        self._thread.join(LEAVE_S)

    def _run(self) -> None:
        while not self._leaving.is_set():
            self._awake.wait()
            if self._leaving.is_set():  # woken only to leave
                return
            try:
                self._read_until_lost()
            except CameraError as error:
                self._complain(str(error))
                self._leaving.wait(PAUSE_S)

    def _read_until_lost(self) -> None:
        camera = self._asked(self._open_camera, OPEN_S)
        self._novelty.reopened()
        try:
            while self._awake.is_set() and not self._leaving.is_set():
                image = self._asked(camera.read, camera.patience_s)
                if camera.may_stand_still or self._novelty.step(image, time.monotonic()):
                    self._put(image)
        finally:
            self._asked(camera.close, OPEN_S)

    def _asked(self, call: Callable[[], T], patience_s: float) -> T:
        """Ask something of a driver, which may hang."""
        self._call = Call(
            time.monotonic(), patience_s if self._ever_seen else max(patience_s, NEVER_SEEN_S)
        )
        try:
            return call()
        finally:
            self._call = NO_CALL

    def _put(self, image: Image) -> None:
        self._ever_seen = True
        with self._fresh:
            self._newest = image
            self._fresh.notify()
        if self.trouble is not None:
            self.trouble = None
            self._log("the camera is there")

    def _complain(self, message: str) -> None:
        if self.trouble is None:
            self._log(f"{message} (looking for it all the while)")
        self.trouble = message
        self.looks += 1
