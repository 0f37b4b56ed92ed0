"""A test rig: a fake camera, the eye behind it, and stand-ins for the voice and systemd."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from tests.support import faces
from tests.support.timing import PATIENCE

from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.image import Pixels, jpeg_of
from latent_resonance.face_state import FaceReceiver, FaceState
from latent_resonance.gallery.visit import Presence
from latent_resonance.score import attract_score
from latent_resonance.voice.child_process import EYE, EyeProcess

RETURN_S = 3.0 * PATIENCE  # from the camera's return to the visitor's
LEAVE_S = 6.0 * PATIENCE  # from a fault to the attract mode
START_S = 60.0  # MediaPipe starts slowly on a busy machine
UPRIGHT = re.compile(r"seeing, \d+ images/s")
LARGE_SIZE, JPEG_BYTES = (1280, 720), 512 * 1024  # as in fakecam.c
SETTINGS = "camera: {source: C920}\neye: {memory_mib: 450}\n"


class Camera:
    """The controls of the fake camera, which can also be unplugged."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def set_mode(self, mode: str, number: int = 0) -> None:
        """Set one of the modes of fakecam.c; `number` is that of /dev/video."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text(f"{number} {mode}")
        temporary.replace(self._file)

    def unplug(self) -> None:
        self._file.unlink()


class EyeRig:
    """A camera, the eye, the voice's presence detection, and systemd's notification socket."""

    def __init__(self, folder: Path, camera: Camera) -> None:
        self.camera = camera
        self.log_file = folder / "screen"
        self.log_file.touch()
        config = folder / "settings.yaml"
        config.write_text(SETTINGS)
        self.voice = FaceReceiver(folder / "face.sock")
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.systemd.bind(str(folder / "notify"))
        self.notified: list[str] = []
        self.supervisor_log: list[str] = []
        to_screen = ("sh", "-c", f'exec "$0" "$@" 2>>{self.log_file}')
        self.eye = EyeProcess(
            folder / "face.sock", config, self.supervisor_log.append, (*to_screen, *EYE)
        )
        self.presence = Presence(attract_score(Settings()))
        self.newest_state: FaceState | None = None
        self.n_received = 0
        self.start_s = 0.0

    def step(self) -> None:
        """One step of the voice's loop."""
        state = self.voice.receive(0.02)
        if state is not None:
            self.newest_state = state
            self.n_received += 1
        self.presence.step(self.newest_state, time.monotonic_ns())
        self.eye.poll(time.monotonic(), self.n_received)
        try:
            while True:
                self.notified.append(self.systemd.recv(1024).decode())
        except BlockingIOError:
            return

    def run_for(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.step()

    def wait_for_visit(self, *, visited: bool, within_s: float = START_S) -> float:
        """Seconds until the voice plays for a visitor, or by itself."""
        start_s = time.monotonic()
        while self.presence.has_visitor is not visited:
            self.step()
            took_s = time.monotonic() - start_s
            assert took_s < within_s, f"visited is still {not visited}; {self.log_text()}"
        return time.monotonic() - start_s

    def wait_for_face(self, present: bool, within_s: float = START_S) -> None:
        """Wait until a face is present, or none; sooner than a visit ends."""
        end_s = time.monotonic() + within_s
        while self.presence.face_present is not present:
            self.step()
            assert time.monotonic() < end_s, f"there is still {not present}; {self.log_text()}"

    def wait_for_log(self, text: str, within_s: float = START_S) -> None:
        end_s = time.monotonic() + within_s
        while text not in self.log_text():
            self.step()
            assert time.monotonic() < end_s, f"{text!r} was not logged; {self.log_text()}"

    def wait_for_upright(self) -> None:
        """Wait until the status reports no inverted camera."""
        end_s = time.monotonic() + START_S
        while not (self.statuses() and UPRIGHT.fullmatch(self.statuses()[-1])):
            self.step()
            assert time.monotonic() < end_s, f"it is still inverted; {self.statuses()}"

    def log_text(self) -> str:
        return self.log_file.read_text()

    def clear_log(self) -> None:
        """Discard all messages so far."""
        self.log_file.write_text("")
        self.notified.clear()
        self.supervisor_log.clear()

    def statuses(self) -> list[str]:
        return [line.removeprefix("STATUS=") for line in self.notified if "STATUS=" in line]

    def close(self) -> None:
        self.eye.close()
        self.voice.close()
        self.systemd.close()


def write_images(path: Path) -> Path:
    """The photograph in a webcam's format: two pixels share their chroma (YUYV)."""
    images = []
    for image in faces.drifting(faces.photograph(), 30):
        y, u, v = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YUV))
        chroma = np.stack([u[:, ::2], v[:, ::2]], axis=2).reshape(y.shape)
        images.append(np.stack([y, chroma], axis=2).tobytes())
    path.write_bytes(b"".join(images))
    return path


def write_jpegs(path: Path, damaged: Callable[[int], bool] = lambda _: False) -> Path:
    """The photograph as the MJPG of a webcam, 1280 × 720, in slots of the size in fakecam.c."""
    slots = []
    for i, image in enumerate(faces.drifting(faces.photograph(), 6)):
        large = cv2.resize(image, LARGE_SIZE)
        data = jpeg_of(cast("Pixels", large))
        slots.append((bytes(len(data)) if damaged(i) else data).ljust(JPEG_BYTES, b"\0"))
    path.write_bytes(b"".join(slots))
    return path
