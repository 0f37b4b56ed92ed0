"""A recording holds every sample that was played, and says what it holds."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.voice.output.recorder import Recording, recorded

RATE, HOP = 48_000, 512
TONE = np.full(HOP, 0.5, np.float32)


def samples_of(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def test_a_gap_is_silence_in_its_place_and_is_counted(tmp_path: Path) -> None:
    logged: list[str] = []
    recording = Recording(tmp_path / "take.wav", RATE, HOP / RATE, logged.append)
    recording.offer(TONE)
    recording.fill_gap(0.05)
    recording.offer(TONE)
    recording.close()
    taken = samples_of(tmp_path / "take.wav")
    assert len(taken) == 2 * HOP + 2400
    np.testing.assert_allclose(taken[HOP : HOP + 2400], 0.0, atol=1e-4)
    assert np.abs(taken[[0, HOP - 1, HOP + 2400, -1]]).min() > 0.4
    assert recording.summary() == "0.1 s, 0.05 s in 1 gaps filled with silence"


@pytest.mark.parametrize(("n_hops", "length"), [(0, "0.0 s"), (94, "1.0 s")])
def test_at_its_end_the_file_and_its_length_are_named(
    tmp_path: Path, n_hops: int, length: str
) -> None:
    logged: list[str] = []
    offered: list[Recording] = []

    def start(recording: Recording) -> threading.Thread:
        offered.append(recording)
        thread = threading.Thread(target=recording.write_next)
        thread.start()
        return thread

    path = tmp_path / "take.wav"
    with recorded(path, Geometry(), start, logged.append):
        for _ in range(n_hops):
            offered[0].offer(TONE)
    assert logged == [f"{path}: {length}"]
    assert len(samples_of(path)) == n_hops * HOP


def test_without_a_path_nothing_is_recorded(tmp_path: Path) -> None:
    def start(_recording: Recording) -> threading.Thread:
        raise AssertionError

    with recorded(None, Geometry(), start, print):
        pass
    assert not list(tmp_path.iterdir())
