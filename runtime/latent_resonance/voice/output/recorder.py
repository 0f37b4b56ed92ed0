"""Record the output: a queue to a thread that may block on the disk.

In: the hops of the synthesis thread. Out: a WAV. A disk that is full, slow or gone ends the
recording, never the sound.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance.audio.channels import spread
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.audio.wav import WavFile
from latent_resonance.linux.atomic_file import atomic_path

DISK_TIMEOUT_S = 3.0  # to finish a recording
QUEUE_S = 20.0  # of sound that the queue holds for a slow disk
POLL_S = 0.1


class Recording:
    """A WAV file that is being recorded.

    Parameters
    ----------
    path : file to write, or an open descriptor
    sample_rate : Hz
    block_s : duration of each offered block, seconds
    n_channels : of the file, whatever the voice has at the moment
    """

    def __init__(
        self,
        path: Path | int,
        sample_rate: int,
        block_s: float,
        log: Callable[[str], None],
        n_channels: int = 1,
    ) -> None:
        self.file: WavFile | None = WavFile(path, sample_rate, n_channels)
        self.sample_rate, self.log, self.n_channels = sample_rate, log, n_channels
        self.pending: queue.Queue[FloatArray] = queue.Queue(max(1, int(QUEUE_S / block_s)))
        self.overflowed = False
        self.active = True
        self.n_written = self.n_gaps = self.n_silent = 0

    @property
    def seconds(self) -> float:
        """Duration so far, gaps included."""
        return self.n_written / self.sample_rate

    def offer(self, block: FloatArray) -> None:
        """Queue a block without blocking (synthesis thread)."""
        if self.file is not None and not self.overflowed:
            try:
                self.pending.put_nowait(block)
            except queue.Full:
                self.overflowed = True

    def fill_gap(self, seconds: float) -> None:
        """Queue the silence that the speaker played because nothing was ready (main thread)."""
        n = round(seconds * self.sample_rate)
        self.n_gaps, self.n_silent = self.n_gaps + 1, self.n_silent + n
        self.offer(np.zeros(n, np.float32))

    def summary(self) -> str:
        """Duration, and what it does not hold, in words."""
        if not self.n_gaps:
            return f"{self.seconds:.1f} s"
        silent_s = self.n_silent / self.sample_rate
        return f"{self.seconds:.1f} s, {silent_s:.2f} s in {self.n_gaps} gaps filled with silence"

    def write_next(self) -> None:
        """Write the next queued block (recording thread)."""
        try:
            block = self.pending.get(timeout=POLL_S)
        except queue.Empty:
            if self.overflowed and self.file is not None:
                self._abort("the disk is too slow")
            return
        if self.file is None:
            return
        try:
            self.file.write(spread(block, self.n_channels))
            self.n_written += block.shape[-1]
        except OSError as error:
            self._abort(error.strerror or str(error))

    def close(self) -> None:
        """Write the queued blocks and complete the file."""
        while self.file is not None and not self.pending.empty():
            self.write_next()
        self._close_file()

    def _abort(self, reason: str) -> None:
        self._close_file()
        self.log(f"the recording has ended ({reason}), {self.seconds:.1f} s are kept; playing on")

    def _close_file(self) -> None:
        """Close the file; its header can be completed in place even on a full disk."""
        file, self.file = self.file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self.log(f"the recording could not be completed ({error.strerror or error})")


@contextmanager
def recorded(
    path: Path | None,
    geometry: Geometry,
    start: Callable[[Recording], threading.Thread],
    log: Callable[[str], None],
    n_channels: int = 1,
) -> Iterator[None]:
    """Record the output inside the `with` block, if there is a path.

    Parameters
    ----------
    start : starts a thread that calls `write_next` while the recording is `active`
    n_channels : of the file

    Raises
    ------
    OutputFileError
        The file cannot be created.
    """
    if path is None:
        yield
        return
    with atomic_path(path) as temporary:
        recording = Recording(temporary, geometry.sample_rate, geometry.hop_s, log, n_channels)
        thread = start(recording)
        try:
            yield
        finally:
            recording.active = False
            thread.join(DISK_TIMEOUT_S)
            recording.close()
            log(f"{path}: {recording.summary()}")
