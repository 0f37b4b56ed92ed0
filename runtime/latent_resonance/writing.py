"""Files that appear whole or not at all, and the WAV that a performance is recorded to."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.spectrogram import FloatArray


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
    """A mono 16-bit WAV, dithered (triangular, one step), the same samples every time."""

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.chance = np.random.default_rng(0)
        self.file = wave.open(str(path), "wb")  # noqa: SIM115 - closed by close()
        self.file.setparams((1, 2, sample_rate, 0, "NONE", ""))

    def write(self, block: FloatArray) -> None:
        """Appends samples in -1..1."""
        dither = self.chance.random((2, len(block)), dtype=np.float32)
        steps = np.rint(block * 32767.0 + dither[0] - dither[1])
        self.file.writeframesraw(np.clip(steps, -32768, 32767).astype("<i2").tobytes())

    def close(self) -> None:
        """Completes the header."""
        self.file.close()
