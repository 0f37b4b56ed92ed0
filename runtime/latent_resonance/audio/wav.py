"""The WAV file that a performance is recorded to."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray

WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class WavFile:
    """Writer of a mono 16-bit WAV with triangular dither of one step from a fixed seed.

    The header is written first and completed in place, so that a full disk leaves a
    playable file.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.rng = np.random.default_rng(0)
        self.sample_rate = sample_rate
        self.file = path.open("wb", buffering=0)
        self.file.write(_wav_header(0, sample_rate))

    def write(self, block: FloatArray) -> None:
        """Append samples in -1..1."""
        dither = self.rng.random((2, len(block)), dtype=np.float32)
        steps = np.rint(block * 32767.0 + dither[0] - dither[1])
        data = memoryview(np.clip(steps, -32768, 32767).astype("<i2").tobytes())
        while data:  # a disk that fills up writes a part before it reports an error
            data = data[self.file.write(data) :]

    def close(self) -> None:
        """Complete the header with the number of bytes on disk, and close the file."""
        try:
            n_bytes = (os.fstat(self.file.fileno()).st_size - WAV_HEADER.size) & ~1
            self.file.seek(0)
            self.file.write(_wav_header(n_bytes, self.sample_rate))
        finally:
            self.file.close()


def _wav_header(n_bytes: int, sample_rate: int) -> bytes:
    """RIFF header, format chunk (PCM, mono, 16 bits), and header of a data chunk of `n_bytes`."""
    format_chunk = (b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return WAV_HEADER.pack(b"RIFF", 36 + n_bytes, b"WAVE", *format_chunk, b"data", n_bytes)
