"""The Raspberry Pi's CSI cameras, through a pipe from `rpicam-vid`.

OpenCV cannot open these on a current Pi, and picamera2 does not install in a virtual environment.
Opened, read and closed by the reader's thread. In: raw YUV 4:2:0 on a pipe. Out: `Image`s.
"""

from __future__ import annotations

import select
import shutil
import subprocess
import time
from typing import IO

import numpy as np

from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.camera import CameraError, Image, rgb_from_i420

PROGRAMS = ("rpicam-vid", "libcamera-vid")  # its name today, and before 2024
ROW_MULTIPLE = 64  # bytes; the image processor pads each row of brightness up to this
SILENCE_S = 2.0  # without a byte for so long, the camera counts as stuck
START_S = 10.0  # but its first image may take this long
LEAVE_S = 0.3


class RpicamCamera:
    """One `rpicam-vid`, and the images that it writes.

    Raises
    ------
    CameraError
        If the program is not installed or cannot run.
    """

    timeout_s = START_S + 2.0  # it gives up by itself before
    may_repeat = False

    def __init__(self, settings: CameraSettings) -> None:
        # 4:2:0 shares each colour between two rows and two columns.
        self._width, self._height = settings.width & ~1, settings.height & ~1
        stride = -(-self._width // ROW_MULTIPLE) * ROW_MULTIPLE
        self._planes = np.empty((self._height * 3 // 2, stride), np.uint8)
        self._timeout_s = START_S
        self._process = _started(_command(settings, self._width, self._height))

    def read(self) -> Image:
        """Wait for the next image; the time is that of its first byte."""
        assert self._process.stdout is not None
        waiting, time_ns = memoryview(self._planes).cast("B"), 0
        while waiting:
            count = self._read_some(self._process.stdout, waiting)
            time_ns = time_ns or time.monotonic_ns()
            waiting = waiting[count:]
        self._timeout_s = SILENCE_S
        return Image(rgb_from_i420(self._planes, self._width), time_ns)

    def close(self) -> None:
        """End the program, kindly at first."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.terminate()
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_some(self, pipe: IO[bytes], into: memoryview) -> int:
        if not select.select([pipe], [], [], self._timeout_s)[0]:
            raise CameraError(
                f"the CSI camera has sent nothing for {self._timeout_s:.0f} s; see its cable"
            )
        count = pipe.readinto(into)  # type: ignore[attr-defined]  # an unbuffered pipe has it
        if not count:
            raise CameraError(
                "the CSI camera sends no images; see that `rpicam-hello` finds it and that no "
                "other program has it"
            )
        return int(count)


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    """The program, its images on an unbuffered pipe."""
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
    except OSError as error:
        raise CameraError(
            f"{command[0]} cannot run ({error.strerror}); sudo apt install rpicam-apps-lite"
        ) from error


def _command(settings: CameraSettings, width: int, height: int) -> list[str]:
    program = next((name for name in PROGRAMS if shutil.which(name)), None)
    if program is None:
        raise CameraError("rpicam-vid is not installed; sudo apt install rpicam-apps-lite")
    size = ["--width", str(width), "--height", str(height)]
    pace = ["--framerate", f"{settings.images_per_s:g}", "--timeout", "0"]
    return [program, "--codec", "yuv420", *size, *pace, "--nopreview", "--flush", "--output", "-"]
