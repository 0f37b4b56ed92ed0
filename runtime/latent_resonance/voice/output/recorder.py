"""What is played, also written: a queue to a thread that may wait for the disk.

In: the hops of the synthesis thread. Out: a WAV. A disk that is full, slow or gone ends the
recording, never the sound.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.audio.wav import WavFile, written_beside

DISK_PATIENCE_S = 3.0  # for the end of a recording
PATIENCE_S = 20.0  # of sound that a slow disk may keep waiting
POLL_S = 0.1


class Recording:
    """One take.

    Parameters
    ----------
    path : where to write
    sample_rate : Hz
    block_s : seconds in each block that is offered
    """

    def __init__(
        self, path: Path, sample_rate: int, block_s: float, log: Callable[[str], None]
    ) -> None:
        self.file: WavFile | None = WavFile(path, sample_rate)
        self.sample_rate, self.log = sample_rate, log
        self.waiting: queue.Queue[FloatArray] = queue.Queue(max(1, int(PATIENCE_S / block_s)))
        self.late = False
        self.under_way = True
        self.written = 0  # samples

    def offer(self, block: FloatArray) -> None:
        """Takes a block, and never waits (synthesis thread)."""
        if self.file is not None and not self.late:
            try:
                self.waiting.put_nowait(block)
            except queue.Full:
                self.late = True

    def write_some(self) -> None:
        """Writes what has been offered (recording thread)."""
        try:
            block = self.waiting.get(timeout=POLL_S)
        except queue.Empty:
            if self.late and self.file is not None:
                self._end("the disk is too slow")
            return
        if self.file is None:
            return
        try:
            self.file.write(block)
            self.written += len(block)
        except OSError as error:
            self._end(error.strerror or str(error))

    def close(self) -> None:
        """Writes the rest and completes the file."""
        while self.file is not None and not self.waiting.empty():
            self.write_some()
        self._complete()

    def _end(self, reason: str) -> None:
        self._complete()
        seconds = self.written / self.sample_rate
        self.log(f"the recording has ended ({reason}), {seconds:.1f} s are kept; playing on")

    def _complete(self) -> None:
        """Closes the file; on a full disk its header can still be put right in place."""
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
) -> Iterator[None]:
    """Records what is played in the meantime, if there is a path to.

    Parameters
    ----------
    start : lets a thread `write_some` as long as the recording is `under_way`

    Raises
    ------
    OutputFileError
        The file cannot be made.
    """
    if path is None:
        yield
        return
    with written_beside(path) as beside:
        recording = Recording(beside, geometry.sample_rate, geometry.hop_s, log)
        thread = start(recording)
        try:
            yield
        finally:
            recording.under_way = False
            thread.join(DISK_PATIENCE_S)
            recording.close()
