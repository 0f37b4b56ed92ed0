"""The Raspberry Pi's CSI cameras, through a pipe from `rpicam-vid`.

OpenCV cannot open them on a current Pi, and picamera2 does not install in a virtual environment.
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

PROGRAMS = ("rpicam-vid", "libcamera-vid")  # the current name, and the one before 2024
ROW_MULTIPLE = 64  # bytes; the image processor pads each luma row to a multiple of this
STALL_S = 2.0  # without a byte for this long, the camera counts as stalled
START_S = 10.0  # time limit for the first image
TERMINATE_S = 0.3  # after this, the program is killed


class RpicamCamera:
    """Reads the images that an `rpicam-vid` process writes.

    Raises
    ------
    CameraError
        If the program is not installed or cannot run.
    """

    timeout_s = START_S + 2.0  # `read` raises before this
    may_repeat = False

    def __init__(self, settings: CameraSettings) -> None:
        # 4:2:0 chroma covers two rows and two columns, so both sizes are even.
        self._width, self._height = settings.width & ~1, settings.height & ~1
        stride = -(-self._width // ROW_MULTIPLE) * ROW_MULTIPLE
        self._planes = np.empty((self._height * 3 // 2, stride), np.uint8)
        self._stall_s = START_S
        self._process = _start(_command(settings, self._width, self._height))

    def read(self) -> Image:
        """Wait for the next image; its time is that of its first byte."""
        assert self._process.stdout is not None
        remaining, time_ns = memoryview(self._planes.data).cast("B"), 0
        while remaining:
            count = self._read_some(self._process.stdout, remaining)
            time_ns = time_ns or time.monotonic_ns()
            remaining = remaining[count:]
        self._stall_s = STALL_S
        return Image(rgb_from_i420(self._planes, self._width), time_ns)

    def close(self) -> None:
        """Terminate the program; kill it if it does not exit."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.terminate()
        try:
            self._process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_some(self, pipe: IO[bytes], into: memoryview) -> int:
        if not select.select([pipe], [], [], self._stall_s)[0]:
            raise CameraError(
                f"the CSI camera has sent nothing for {self._stall_s:.0f} s; check its cable"
            )
        count = pipe.readinto(into)  # type: ignore[attr-defined]  # an unbuffered pipe has it
        if not count:
            raise CameraError(
                "the CSI camera sends no images; check that `rpicam-hello` finds it and that no "
                "other program is using it"
            )
        return int(count)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    """The running program, with its images on an unbuffered pipe."""
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
    rate = ["--framerate", f"{settings.images_per_s:g}", "--timeout", "0"]
    return [program, "--codec", "yuv420", *size, *rate, "--nopreview", "--flush", "--output", "-"]
