"""A room to see in: a camera that does what it is told, the eye behind it, and who listens."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import cv2
import numpy as np
from tests.support import faces
from tests.support.pulse_server import PATIENCE

from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FaceReceiver, FaceState
from latent_resonance.gallery.visit import Presence
from latent_resonance.score import attract_score
from latent_resonance.voice.child_process import EYE, EyeProcess

BACK_S = 3.0 * PATIENCE  # from the camera's return to the visitor's
GONE_S = 6.0 * PATIENCE  # from a fault to the attract mode
EVER_S = 60.0  # MediaPipe starts slowly on a busy machine
UPRIGHT = re.compile(r"seeing, \d+ images/s")
SETTINGS = "camera: {source: C920}\neye: {memory_mib: 450}\n"


class Camera:
    """A camera that does what it is told, and can be unplugged."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def does(self, what: str, number: int = 0) -> None:
        """See fakecam.c for what it can do; another number is another /dev/video."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{number} {what}")
        beside.replace(self._file)

    def is_pulled_out(self) -> None:
        self._file.unlink()


class Gallery:
    """A camera, the eye, the part of the voice that knows who plays, and an ear for systemd's."""

    def __init__(self, folder: Path, camera: Camera) -> None:
        self.camera = camera
        self.screen = folder / "screen"
        self.screen.touch()
        config = folder / "settings.yaml"
        config.write_text(SETTINGS)
        self.voice = FaceReceiver(folder / "face.sock")
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.systemd.bind(str(folder / "notify"))
        self.notified: list[str] = []
        self.complaints: list[str] = []
        to_screen = ("sh", "-c", f'exec "$0" "$@" 2>>{self.screen}')
        self.eye = EyeProcess(
            folder / "face.sock", config, self.complaints.append, (*to_screen, *EYE)
        )
        self.presence = Presence(attract_score(Settings()))
        self.latest: FaceState | None = None
        self.heard = 0
        self.start_s = 0.0

    def play(self) -> None:
        """One turn of the voice's loop."""
        state = self.voice.receive(0.02)
        if state is not None:
            self.latest = state
            self.heard += 1
        self.presence.step(self.latest, time.monotonic_ns())
        self.eye.poll(time.monotonic(), self.heard)
        try:
            while True:
                self.notified.append(self.systemd.recv(1024).decode())
        except BlockingIOError:
            return

    def play_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.play()

    def until(self, *, visited: bool, within_s: float = EVER_S) -> float:
        """Seconds until the voice plays for a visitor, or by itself."""
        began_s = time.monotonic()
        while self.presence.has_visitor is not visited:
            self.play()
            took_s = time.monotonic() - began_s
            assert took_s < within_s, f"visited is still {not visited}; {self.said()}"
        return time.monotonic() - began_s

    def until_seen(self, there: bool, within_s: float = EVER_S) -> None:
        """Until a face is seen, or none: sooner than a visit ends."""
        end_s = time.monotonic() + within_s
        while self.presence.face_present is not there:
            self.play()
            assert time.monotonic() < end_s, f"there is still {not there}; {self.said()}"

    def until_said(self, what: str, within_s: float = EVER_S) -> None:
        end_s = time.monotonic() + within_s
        while what not in self.said():
            self.play()
            assert time.monotonic() < end_s, f"{what!r} was not said; {self.said()}"

    def until_upright(self) -> None:
        """Until systemd is told that it sees, and nothing of a camera upside down."""
        end_s = time.monotonic() + EVER_S
        while not (self.statuses() and UPRIGHT.fullmatch(self.statuses()[-1])):
            self.play()
            assert time.monotonic() < end_s, f"it is still turned; {self.statuses()}"

    def said(self) -> str:
        return self.screen.read_text()

    def forget(self) -> None:
        """What was said so far is of no interest."""
        self.screen.write_text("")
        self.notified.clear()
        self.complaints.clear()

    def statuses(self) -> list[str]:
        return [line.removeprefix("STATUS=") for line in self.notified if "STATUS=" in line]

    def close(self) -> None:
        self.eye.close()
        self.voice.close()
        self.systemd.close()


def write_images(path: Path) -> Path:
    """The photograph as a webcam sends it: two pixels share a colour (YUYV)."""
    images = []
    for picture in faces.drifting(faces.photograph(), 30):
        y, u, v = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV))
        colours = np.stack([u[:, ::2], v[:, ::2]], axis=2).reshape(y.shape)
        images.append(np.stack([y, colours], axis=2).tobytes())
    path.write_bytes(b"".join(images))
    return path
