"""The bounded sample queue between the synthesis thread and the output process: a pipe.

The kernel holds the samples: writer and reader may be two processes, either may be killed at
any time, and the contents stay complete and in order. Samples are mono float32.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import time
from collections.abc import Callable

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray

BYTES = 4  # a float32
MAX_PIPE_BYTES = 1 << 20  # what Linux allows every user (fs.pipe-max-size)


class Ring:
    """Bounded queue of samples with one writer and one reader.

    Attributes
    ----------
    capacity : maximum number of samples; may be changed at any time
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a user with many pipes gets less, which is enough
            fcntl.fcntl(self.write_fd, fcntl.F_SETPIPE_SZ, MAX_PIPE_BYTES)
        # Each block may leave half a page unused.
        self.max_samples = int(fcntl.fcntl(self.write_fd, fcntl.F_GETPIPE_SZ)) // BYTES // 2

    @property
    def available(self) -> int:
        """Samples that can be pulled."""
        packed = fcntl.ioctl(self.read_fd, termios.FIONREAD, b"\0\0\0\0")
        n_bytes: int = struct.unpack("i", packed)[0]
        return n_bytes // BYTES

    @property
    def space(self) -> int:
        """Samples that can be pushed."""
        return min(self.capacity, self.max_samples) - self.available

    @property
    def empty(self) -> bool:
        """Whether there is nothing to pull."""
        return self.available == 0

    def push(self, block: FloatArray) -> None:
        """Append a block; the caller has checked `space`."""
        os.write(self.write_fd, np.ascontiguousarray(block, np.float32).data)

    def pull(self, out: FloatArray) -> int:
        """Fill `out` with as many samples as there are; return their number."""
        try:
            return os.readv(self.read_fd, [out.data]) // BYTES if len(out) else 0
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.read_fd)
        os.close(self.write_fd)


def wait_for_space(ring: Ring, length: int, sample_rate: int, stop: Callable[[], bool]) -> bool:
    """Sleep until a block of this length can be pushed; return False if `stop` returns True."""
    while (missing := length - ring.space) > 0:
        if stop():
            return False
        time.sleep(missing / sample_rate + 5e-4)
    return True
