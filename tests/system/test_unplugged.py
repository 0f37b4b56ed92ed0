"""The real eye with a camera that is pulled out, plugged in again and freezes.

The camera is `fakev4l.c`: it stands where Linux does, below OpenCV, and plays a photograph.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import faces
import numpy as np
import pytest

from latent_resonance.face_state import FaceReceiver

SOURCE = Path(__file__).with_name("fakev4l.c")
PATIENCE_S = 40.0  # MediaPipe starts slowly on a busy machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass(frozen=True)
class Plug:
    """The cable of the camera: a file that is there while it is plugged in."""

    file: Path

    def put_in(self) -> None:
        self.file.write_text("plug")

    def pull_out(self) -> None:
        self.file.unlink()

    def freeze(self) -> None:
        self.file.write_text("stall")


@dataclass(frozen=True)
class Watching:
    """An eye at work, its camera's cable, what it tells the voice and where it talks to people."""

    process: subprocess.Popen[bytes]
    plug: Plug
    voice: FaceReceiver
    screen: Path

    def until(self, *, present: bool) -> None:
        """Wait until a state says that somebody, or nobody, is there."""
        end_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < end_s:
            assert self.process.poll() is None, self.said()
            state = self.voice.receive(0.2)
            if state is not None and state.present is present:
                return
        pytest.fail(f"no state with present = {present} in {PATIENCE_S:.0f} s; {self.said()}")

    def said(self) -> str:
        return self.screen.read_text()


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    """The eye, looking at /dev/video0 while it is not plugged in yet."""
    plug, path, screen = Plug(tmp_path / "plug"), tmp_path / "eye.sock", tmp_path / "said"
    environment = os.environ | {
        "LD_PRELOAD": str(compiled(tmp_path)),
        "FAKECAM_RAW": str(write_images(tmp_path / "images.yuyv")),
        "FAKECAM_CTL": str(plug.file),
    }
    voice = FaceReceiver(path)
    command = [sys.executable, "-m", "latent_resonance", "eye", "--socket", str(path)]
    with screen.open("wb") as stderr:
        process = subprocess.Popen(command, env=environment, stderr=stderr)
    try:
        yield Watching(process, plug, voice, screen)
    finally:
        process.kill()
        process.wait()
        voice.close()


def compiled(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler is not installed: apt install gcc libc6-dev")
    library = folder / "fakev4l.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


def write_images(path: Path) -> Path:
    """The photograph as a webcam sends it: two pixels share a colour (YUYV)."""
    images = []
    for picture in faces.drifting(faces.photograph(), 30):
        y, u, v = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV))
        colours = np.stack([u[:, ::2], v[:, ::2]], axis=2).reshape(y.shape)
        images.append(np.stack([y, colours], axis=2).tobytes())
    path.write_bytes(b"".join(images))
    return path


def test_a_camera_may_come_late_go_and_come_back(watching: Watching) -> None:
    watching.until(present=False)
    assert "no camera at /dev/video0" in watching.said()
    watching.plug.put_in()
    watching.until(present=True)
    watching.plug.pull_out()
    watching.until(present=False)
    watching.plug.put_in()
    watching.until(present=True)
    watching.process.send_signal(signal.SIGTERM)
    assert watching.process.wait(timeout=10) == 0
    said = watching.said()
    assert said.count("the camera is there") == 2
    assert "Traceback" not in said


def test_a_camera_that_freezes_is_nobody_and_then_opened_again(watching: Watching) -> None:
    watching.plug.put_in()
    watching.until(present=True)
    watching.plug.freeze()
    watching.until(present=False)
    watching.plug.put_in()
    watching.until(present=True)
    assert "Traceback" not in watching.said()
