"""Reports the eye's state: readiness, watchdog and a status line for systemd, problems to the log.

A small stateful stage in the eye's live loop. In: the result of each step. Out: notifications to
systemd (`Notifier`), and log messages about what a person should fix. No image content.
"""

from __future__ import annotations

from collections.abc import Callable

from latent_resonance.config.load import shortened
from latent_resonance.eye.camera.frame_checks import is_black
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.camera.reader import CameraReader
from latent_resonance.linux.systemd import Notifier

STATUS_EVERY_S = 1.0
BLACK_S = 3.0  # a visitor may cover the lens for a moment in passing
BLACK = "the images are black; take off the lens cap or turn on a light"
UPSIDE_DOWN = "the camera is upside down, its images are rotated; set camera.rotation"


class StatusReporter:
    """Reports to systemd and to the log.

    Parameters
    ----------
    notifier
        The connection to systemd, if there is one.
    log
        Called once for each problem.

    Attributes
    ----------
    refused
        The error in the settings file, set by the loop; empty if it is valid.
    closed_because
        Why the camera is closed, set by the loop; empty if it is not.
    """

    def __init__(self, notifier: Notifier, log: Callable[[str], None]) -> None:
        self._notifier, self._log = notifier, log
        self._images = self._failed_attempts = 0
        self._status_s: float | None = None
        self._lit_s: float | None = None
        self._black = self._upside_down = False
        self.refused = self.closed_because = ""

    def step(
        self, image: Image | None, reader: CameraReader, *, upside_down: bool, now_s: float
    ) -> None:
        """Report one step of the loop, with or without an image."""
        if image is not None:
            self._images += 1
        attempted = reader.failed_attempts != self._failed_attempts
        self._failed_attempts = reader.failed_attempts
        if image is not None or reader.paused or attempted:
            self._notifier.ready()
            self._notifier.alive()
        if self._status_s is None:
            self._status_s = now_s
        if attempted or now_s - self._status_s >= STATUS_EVERY_S:
            self._check_image(image, upside_down=upside_down, now_s=now_s)
            rate = self._images / max(now_s - self._status_s, STATUS_EVERY_S)
            self._images, self._status_s = 0, now_s
            refused = f"; settings refused: {shortened(self.refused)}" if self.refused else ""
            self._notifier.status(self._status(reader, rate) + refused)

    def _check_image(self, image: Image | None, *, upside_down: bool, now_s: float) -> None:
        if upside_down and not self._upside_down:
            self._log(UPSIDE_DOWN)
        self._upside_down = upside_down
        if image is None or self._lit_s is None or not is_black(image.pixels):
            self._lit_s = now_s
        black = now_s - self._lit_s >= BLACK_S
        if black and not self._black:
            self._log(BLACK)
        self._black = black

    def _status(self, reader: CameraReader, rate: float) -> str:
        if reader.paused:
            return self.closed_because
        if reader.error is not None:
            return f"no camera: {reader.error.partition(';')[0]}; looking for it"
        state = BLACK if self._black else "seeing"
        return f"{state}, {rate:.0f} images/s" + (f"; {UPSIDE_DOWN}" if self._upside_down else "")
