"""The WAV file that a performance is recorded to."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray

BYTES = 2  # of a sample
# RIFF, a chunk with room for sizes of 64 bits, the format, and the head of the data.
WAV_HEADER = struct.Struct("<4sI4s 4sIQQQI 4sIHHIIHH 4sI")
FORMAT = slice(12, 14)  # channels and sample rate, of the fields of a header
SIZES_BYTES = 28  # of the second chunk
MAX_RIFF_BYTES = 0xFFFF_FFFF  # a longer file is RF64 (EBU Tech 3306)


class WavFile:
    """Writer of a 16-bit WAV with triangular dither of one step from a fixed seed.

    The header is written first and completed in place, so that a full disk leaves a
    playable file.

    Parameters
    ----------
    path : file to write, or an open descriptor, which it then closes
    sample_rate : Hz
    """

    def __init__(self, path: Path | int, sample_rate: int, n_channels: int = 1) -> None:
        self.rng = np.random.default_rng(0)
        self.sample_rate, self.n_channels = sample_rate, n_channels
        self.file = open(path, "wb", buffering=0)  # noqa: PTH123, SIM115  or a descriptor
        self.file.write(_wav_header(0, sample_rate, n_channels))

    def write(self, block: FloatArray) -> None:
        """Append samples in -1..1: (n,) for one channel, else (n_channels, n)."""
        dither = self.rng.random((2, *block.shape), dtype=np.float32)
        steps = np.rint(block * 32767.0 + dither[0] - dither[1])
        data = memoryview(np.clip(steps, -32768, 32767).T.astype("<i2").tobytes())
        while data:  # a disk that fills up writes a part before it reports an error
            data = data[self.file.write(data) :]

    def close(self) -> None:
        """Complete the header with the number of bytes on disk, and close the file."""
        try:
            _complete_header(self.file, self.sample_rate, self.n_channels)
        finally:
            self.file.close()


def wav_seconds(path: Path) -> float:
    """Seconds that a file of `WavFile` holds, whether or not its header is complete.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or has no such header.
    """
    with path.open("rb") as file:
        n_channels, sample_rate = _format_of(file.read(WAV_HEADER.size))
        n_bytes = os.fstat(file.fileno()).st_size - WAV_HEADER.size
    return n_bytes / (BYTES * n_channels * sample_rate)


def complete_wav(path: Path) -> None:
    """Complete the header of a file whose writer may have ended without.

    Raises
    ------
    OSError, ValueError
        It cannot be written, or has no header of `WavFile`.
    """
    with path.open("r+b", buffering=0) as file:
        n_channels, sample_rate = _format_of(file.read(WAV_HEADER.size))
        _complete_header(file, sample_rate, n_channels)


def _format_of(head: bytes) -> tuple[int, int]:
    """(channels, sample rate) of a header, both above zero."""
    if len(head) == WAV_HEADER.size and head[8:12] == b"WAVE":
        n_channels, sample_rate = WAV_HEADER.unpack(head)[FORMAT]
        if n_channels and sample_rate:
            return n_channels, sample_rate
    raise ValueError("no header of a recording")


def _complete_header(file: io.FileIO, sample_rate: int, n_channels: int) -> None:
    """Write the header for the whole frames that the file holds."""
    n_bytes = os.fstat(file.fileno()).st_size - WAV_HEADER.size
    n_bytes -= n_bytes % (BYTES * n_channels)
    file.seek(0)
    file.write(_wav_header(n_bytes, sample_rate, n_channels))


def _wav_header(n_bytes: int, sample_rate: int, n_channels: int) -> bytes:
    """RIFF header, format chunk (PCM, 16 bits), and header of a data chunk of `n_bytes`.

    Beyond 4 GiB it is RF64: the 32-bit sizes are all ones, and the chunk that is JUNK in a shorter
    file, so that its place is there, holds them with 64 bits.
    """
    frame = BYTES * n_channels
    format_chunk = (b"fmt ", 16, 1, n_channels, sample_rate, frame * sample_rate, frame, 8 * BYTES)
    riff_bytes = WAV_HEADER.size - 8 + n_bytes
    if riff_bytes > MAX_RIFF_BYTES:
        head = (b"RF64", MAX_RIFF_BYTES, b"WAVE")
        sizes = (b"ds64", SIZES_BYTES, riff_bytes, n_bytes, n_bytes // frame, 0)
        return WAV_HEADER.pack(*head, *sizes, *format_chunk, b"data", MAX_RIFF_BYTES)
    head, sizes = (b"RIFF", riff_bytes, b"WAVE"), (b"JUNK", SIZES_BYTES, 0, 0, 0, 0)
    return WAV_HEADER.pack(*head, *sizes, *format_chunk, b"data", n_bytes)
