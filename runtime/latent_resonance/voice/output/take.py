"""A take of the sound, for the staff: recorded into a file that the monitor has opened.

The voice of an installation can open no file for writing. In: the hops of the synthesis thread,
requests. Out: a WAV, on a thread of its own. A take ends by a request, at its limit, or with its
disk; the sound goes on.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections.abc import Callable
from functools import partial

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.audio.wav import BYTES
from latent_resonance.link.requests import MAX_TAKE_BYTES, Request
from latent_resonance.voice.output.recorder import Recording

END_TIMEOUT_S = 1.0  # to complete the file when the performance ends


class Take:
    """At most one take at a time.

    Parameters
    ----------
    start : starts a thread that calls a function once
    """

    def __init__(
        self,
        geometry: Geometry,
        start: Callable[[Callable[[], None]], threading.Thread],
        log: Callable[[str], None],
    ) -> None:
        self._geometry, self._start, self._log = geometry, start, log
        self._recording: Recording | None = None  # written by the recording thread
        self._thread: threading.Thread | None = None  # written by the telemetry thread
        self._ending = threading.Event()

    @property
    def seconds(self) -> float | None:
        """Seconds recorded so far; None while nothing is recorded."""
        recording = self._recording
        return None if recording is None else recording.seconds

    def apply(self, request: Request, n_channels: int) -> None:
        """Begin or end a take (telemetry thread); a second one is refused while one is recorded."""
        if not request.value:
            self._ending.set()
        elif request.file is None:
            return  # nothing to record into
        elif self._thread is not None and self._thread.is_alive():
            os.close(request.file)
        else:
            self._ending.clear()
            limit_s = min(request.value, MAX_TAKE_BYTES / self._bytes_per_s(n_channels))
            self._thread = self._start(partial(self._record, request.file, n_channels, limit_s))

    def offer(self, block: FloatArray) -> None:
        """Queue a block without blocking (synthesis thread)."""
        recording = self._recording
        if recording is not None:
            recording.offer(block)

    def fill_gap(self, seconds: float) -> None:
        """Queue the silence that the speaker played because nothing was ready (main thread)."""
        recording = self._recording
        if recording is not None:
            recording.fill_gap(seconds)

    def close(self) -> None:
        """End the take, and wait a moment for its file."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(END_TIMEOUT_S)

    def _bytes_per_s(self, n_channels: int) -> int:
        return BYTES * n_channels * self._geometry.sample_rate

    def _record(self, file: int, n_channels: int, limit_s: float) -> None:
        """Record until the end of the take (recording thread)."""
        recording = self._open(file, n_channels)
        if recording is None:
            return
        self._recording = recording
        try:
            while not self._ending.is_set() and recording.file and recording.seconds < limit_s:
                recording.write_next()
        finally:
            recording.close()
            self._recording = None
        self._log(f"a take has been recorded: {recording.summary()}")

    def _open(self, file: int, n_channels: int) -> Recording | None:
        if not _is_writable_file(file):  # such as a pipe, which could block: no monitor of ours
            os.close(file)
            return None
        geometry = self._geometry
        try:
            return Recording(file, geometry.sample_rate, geometry.hop_s, self._log, n_channels)
        except OSError as error:
            self._log(f"no take can be recorded ({error.strerror or error}); playing on")
            return None


def _is_writable_file(file: int) -> bool:
    """Whether a descriptor is of a regular file, and open for writing."""
    writable = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)
    return writable and stat.S_ISREG(os.fstat(file).st_mode)
