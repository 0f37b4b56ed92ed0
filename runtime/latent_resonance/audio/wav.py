"""Files that appear whole or not at all, and the WAV that a performance is recorded to."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import FloatArray

WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class OutputFileError(LatentResonanceError):
    """A file cannot be written; the message says which and why."""


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; renamed to `path` only if all went well.

    Raises
    ------
    OutputFileError
        The folder is missing or unwritable, or the disk is full; nothing is left behind.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():  # a folder, or a device such as /dev/null
            raise OutputFileError(f"{path}: is there and is no file; name another")
        beside.touch()
        yield beside
        beside.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise OutputFileError(
            f"{path}: cannot be written ({reason}); check the folder, its rights and the space left"
        ) from error
    finally:
        beside.unlink(missing_ok=True)


class WavFile:
    """A mono 16-bit WAV, dithered (triangular, one step), the same samples every time.

    Its header is there from the first and completed in place, so a disk that fills up leaves
    a file that can be played.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.rng = np.random.default_rng(0)
        self.sample_rate = sample_rate
        self.file = path.open("wb", buffering=0)
        self.file.write(_wav_header(0, sample_rate))

    def write(self, block: FloatArray) -> None:
        """Appends samples in -1..1."""
        dither = self.rng.random((2, len(block)), dtype=np.float32)
        steps = np.rint(block * 32767.0 + dither[0] - dither[1])
        rest = memoryview(np.clip(steps, -32768, 32767).astype("<i2").tobytes())
        while rest:  # the last bytes of a disk are taken before it says that it is full
            rest = rest[self.file.write(rest) :]

    def close(self) -> None:
        """Completes the header with what is really there."""
        try:
            n_bytes = (os.fstat(self.file.fileno()).st_size - WAV_HEADER.size) & ~1
            self.file.seek(0)
            self.file.write(_wav_header(n_bytes, self.sample_rate))
        finally:
            self.file.close()


def _wav_header(n_bytes: int, sample_rate: int) -> bytes:
    """RIFF, one format chunk (PCM, mono, 16 bits), and the head of `n_bytes` of samples."""
    form = (b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return WAV_HEADER.pack(b"RIFF", 36 + n_bytes, b"WAVE", *form, b"data", n_bytes)
