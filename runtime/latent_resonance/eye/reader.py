"""Keeps a camera open and its newest image at hand, whatever the camera does.

One daemon thread in the eye's process: it may hang in a driver for as long as it likes, the eye's
loop goes on. In: a way to open the camera. Out: the newest image, each at most once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from latent_resonance.eye.camera import Camera, CameraError, Image

PAUSE_S = 0.5  # between two tries to open a camera
LEAVE_S = 0.2  # a thread that hangs in a driver is left behind after this


class CameraReader:
    """Reads on a thread of its own; opens the camera again whenever it is lost.

    Parameters
    ----------
    open_camera
        Opens the camera, or raises `CameraError`.
    say
        Told once when the camera is lost or absent, and once when it is back.
    """

    def __init__(self, open_camera: Callable[[], Camera], say: Callable[[str], None]) -> None:
        self._open_camera, self._say = open_camera, say
        self._newest: Image | None = None
        self._fresh, self._leaving = threading.Condition(), threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Image | None:
        """The newest image that was not taken yet; None if none comes within `timeout_s`."""
        with self._fresh:
            self._fresh.wait_for(lambda: self._newest is not None, timeout_s)
            image, self._newest = self._newest, None
        return image

    def close(self) -> None:
        """Give the camera back, if it lets go."""
        self._leaving.set()
        self._thread.join(LEAVE_S)

    def _run(self) -> None:
        while not self._leaving.is_set():
            try:
                self._read_until_lost()
            except CameraError as error:
                self._complain(str(error))
                self._leaving.wait(PAUSE_S)

    def _read_until_lost(self) -> None:
        camera = self._open_camera()
        try:
            while not self._leaving.is_set():
                self._put(camera.read())
        finally:
            camera.close()

    def _put(self, image: Image) -> None:
        with self._fresh:
            self._newest = image
            self._fresh.notify()
        if self._complained:
            self._complained = False
            self._say("the camera is there")

    def _complain(self, message: str) -> None:
        if not self._complained:
            self._complained = True
            self._say(f"{message} (looking for it all the while)")
