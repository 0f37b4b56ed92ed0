"""The bounded ring between the synthesis thread and whatever empties it: a pipe.

The kernel keeps it: the writer and the reader may be two processes, either may be killed at
any instant, and what is in it stays whole and in order. Samples are mono float32.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import threading
import time
from collections.abc import Callable

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray

BYTES = 4  # a float32
LARGEST_PIPE = 1 << 20  # bytes, what Linux allows anybody (fs.pipe-max-size)


class Ring:
    """Bounded queue of samples, one writer and one reader.

    Attributes
    ----------
    capacity : samples that it may hold; may be changed at any time
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # a user with many pipes gets less, which will do
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, LARGEST_PIPE)
        # Blocks may leave each page half filled.
        self.largest = fcntl.fcntl(self.writing, fcntl.F_GETPIPE_SZ) // BYTES // 2

    @property
    def waiting(self) -> int:
        """Samples that may be pulled."""
        answer = fcntl.ioctl(self.reading, termios.FIONREAD, b"\0\0\0\0")
        return struct.unpack("i", answer)[0] // BYTES

    @property
    def space(self) -> int:
        """Samples that may be pushed."""
        return min(self.capacity, self.largest) - self.waiting

    @property
    def empty(self) -> bool:
        """Nothing is left to pull."""
        return self.waiting == 0

    def push(self, block: FloatArray) -> None:
        """Appends a block; the writer has looked at `space` first."""
        os.write(self.writing, np.ascontiguousarray(block, np.float32))

    def pull(self, out: FloatArray) -> int:
        """Fills `out` as far as there are samples; returns how many."""
        try:
            return os.readv(self.reading, [out]) // BYTES if len(out) else 0
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Gives the pipe back."""
        os.close(self.reading)
        os.close(self.writing)


def wait_for_space(ring: Ring, length: int, sample_rate: int, stop: Callable[[], bool]) -> bool:
    """Sleeps until a block of this length may be pushed; False if told to stop before."""
    while (missing := length - ring.space) > 0:
        if stop():
            return False
        time.sleep(missing / sample_rate + 5e-4)
    return True


def feed(ring: Ring, block: FloatArray, sample_rate: int, stop: threading.Event) -> bool:
    """Pushes a block as soon as there is space; False if told to stop before."""
    if not wait_for_space(ring, len(block), sample_rate, stop.is_set):
        return False
    ring.push(block)
    return True
