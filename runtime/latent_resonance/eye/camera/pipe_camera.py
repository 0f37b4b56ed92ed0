"""A camera behind a program that writes raw YUV 4:2:0 images into a pipe.

Opened, read and closed by the reader's thread. In: bytes. Out: `Image`s.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.image import Image, rgb_from_i420

STALL_S = 2.0  # without a byte for this long, the camera counts as stalled
START_S = 10.0  # time limit for the first image
TERMINATE_S = 0.3  # after this, the program is killed


@dataclass(frozen=True)
class PipeProgram:
    """A program that writes images.

    Attributes
    ----------
    command : its command line, given the file descriptor that it writes to
    on_stdout : whether that is its standard output, which it uses for nothing else
    row_multiple : bytes; each luma row is padded to a multiple of this
    check : what to do if it sends no images
    package : what to do if it cannot run
    """

    command: Callable[[int], list[str]]
    on_stdout: bool
    row_multiple: int
    check: str
    package: str


class PipeCamera:
    """Reads the images that a program writes.

    Raises
    ------
    CameraError
        If the program cannot run.
    """

    timeout_s = START_S + 2.0  # `read` raises before this
    may_repeat = False

    def __init__(self, program: PipeProgram, width: int, height: int) -> None:
        self._program, self._width = program, width
        stride = -(-width // program.row_multiple) * program.row_multiple
        self._planes = np.empty((height * 3 // 2, stride), np.uint8)
        self._stall_s = START_S
        self._pipe, self._process = _start(program)

    def read(self) -> Image:
        """Wait for the next image; its time is that of its first byte."""
        remaining, time_ns = memoryview(self._planes.data).cast("B"), 0
        while remaining:
            count = self._read_some(remaining)
            time_ns = time_ns or time.monotonic_ns()
            remaining = remaining[count:]
        self._stall_s = STALL_S
        return Image(rgb_from_i420(self._planes, self._width), time_ns)

    def close(self) -> None:
        """Terminate the program; kill it if it does not exit."""
        os.close(self._pipe)
        self._process.terminate()
        try:
            self._process.wait(TERMINATE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read_some(self, into: memoryview) -> int:
        if not select.select([self._pipe], [], [], self._stall_s)[0]:
            raise CameraError(
                f"the CSI camera has sent nothing for {self._stall_s:.0f} s; check its cable"
            )
        count = os.readv(self._pipe, [into])
        if not count:
            raise CameraError(f"the CSI camera sends no images; {self._program.check}")
        return count


def _start(program: PipeProgram) -> tuple[int, subprocess.Popen[bytes]]:
    """(the pipe to read from, the running program)."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    command = program.command(writing)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=writing if program.on_stdout else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=() if program.on_stdout else (writing,),
        )
    except OSError as error:
        os.close(reading)
        raise CameraError(
            f"{command[0]} cannot run ({error.strerror}); {program.package}"
        ) from error
    finally:
        os.close(writing)
    return reading, process
