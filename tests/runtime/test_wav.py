"""The WAV file of a recording, and how it goes on beyond 4 GiB."""

from __future__ import annotations

import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.audio.wav import BYTES, WAV_HEADER, WavFile


@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_recording_is_a_wav_with_the_samples_that_were_written(
    tmp_path: Path, n_channels: int
) -> None:
    file = WavFile(tmp_path / "take.wav", 48_000, n_channels)
    block = np.full((n_channels, 100), 0.5, np.float32)
    file.write(block[0] if n_channels == 1 else block)
    file.close()
    with wave.open(str(tmp_path / "take.wav")) as read:
        assert (read.getnchannels(), read.getframerate()) == (n_channels, 48_000)
        assert read.getnframes() == 100
        samples = np.frombuffer(read.readframes(100), "<i2") / 32767
    assert np.abs(samples - 0.5).max() < 1e-4


def test_a_recording_beyond_4_gib_goes_on_as_rf64(tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    file = WavFile(path, 48_000, 2)
    os.truncate(path, WAV_HEADER.size + 2**32)  # sparse: takes no space
    file.file.seek(0, os.SEEK_END)
    file.write(np.zeros((2, 8), np.float32))
    file.close()
    with path.open("rb") as written:
        head = written.read(WAV_HEADER.size)
    assert head[:4] == b"RF64"
    assert head[8:16] == b"WAVEds64"
    riff_bytes, data_bytes, n_samples = struct.unpack_from("<QQQ", head, 20)
    assert data_bytes == 2**32 + 8 * 2 * BYTES
    assert riff_bytes == path.stat().st_size - 8
    assert n_samples == data_bytes // (2 * BYTES)
    assert head[-8:-4] == b"data"
    path.unlink()
