"""The bounded sample queue between the synthesis thread and the output process: a pipe.

The kernel holds the samples: writer and reader may be two processes, either may be killed at
any time, and the contents stay complete and in order. A frame has one float32 sample for each
channel; lengths are in frames.
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
    """Bounded queue of frames with one writer and one reader.

    Attributes
    ----------
    capacity : maximum number of frames; may be changed at any time
    n_channels : samples of a frame; changed by `restart`
    """

    def __init__(self, capacity: int, n_channels: int = 1) -> None:
        self.capacity, self.n_channels = capacity, n_channels
        self.read_fd, self.write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a user with many pipes gets less, which is enough
            fcntl.fcntl(self.write_fd, fcntl.F_SETPIPE_SZ, MAX_PIPE_BYTES)
        # Each block may leave half a page unused.
        self.max_samples = int(fcntl.fcntl(self.write_fd, fcntl.F_GETPIPE_SZ)) // BYTES // 2

    @property
    def available(self) -> int:
        """Frames that can be pulled."""
        packed = fcntl.ioctl(self.read_fd, termios.FIONREAD, b"\0\0\0\0")
        n_bytes: int = struct.unpack("i", packed)[0]
        return n_bytes // (BYTES * self.n_channels)

    @property
    def space(self) -> int:
        """Frames that can be pushed."""
        return min(self.capacity, self.max_samples // self.n_channels) - self.available

    @property
    def empty(self) -> bool:
        """Whether there is nothing to pull."""
        return self.available == 0

    def push(self, block: FloatArray) -> None:
        """Append a block (n,), or (n_channels, n) if there are several channels.

        The caller has checked `space`.
        """
        os.write(self.write_fd, np.ascontiguousarray(block.T, np.float32).data.cast("B"))

    def pull(self, out: FloatArray) -> int:
        """Fill `out`, (n * n_channels,) interleaved, as far as possible; return the frames read."""
        try:
            n_bytes = os.readv(self.read_fd, [out.data]) if len(out) else 0
        except BlockingIOError:
            return 0
        return n_bytes // (BYTES * self.n_channels)

    def restart(self, n_channels: int) -> None:
        """Empty the ring, for frames of another number of channels; no other thread may push."""
        scratch = np.zeros(self.max_samples, np.float32)
        while self.pull(scratch):
            pass
        self.n_channels = n_channels

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
