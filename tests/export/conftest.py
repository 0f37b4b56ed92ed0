"""Fixtures of the export tests: tiny datasets and the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.forked_command import run_forked

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.dataset.dataset import Clip, Dataset, open_dataset, write_dataset
from latent_resonance_export.dataset.loops import normalise_peak

N_CLIPS = 8


def looped_tones(n: int, geometry: Geometry) -> list[np.ndarray]:
    """Harmonic tones of a whole number of periods, so that they loop."""
    turn = np.arange(geometry.loop_length) * 2 * np.pi / geometry.loop_length
    swell = 0.6 + 0.4 * np.cos(turn)
    tones = []
    for i in range(n):
        cycles = 600 + 137 * i
        partials = [np.sin(cycles * k * turn) / k**1.2 for k in range(1, 9)]
        tones.append((0.3 * swell * sum(partials)).astype(np.float32))
    return tones


def melody(seconds: float, sample_rate: int, seed: int) -> np.ndarray:
    """Notes of a few partials at random pitches, lengths and levels: (n,) float32."""
    rng = np.random.default_rng(seed)
    notes, length = [], 0
    while length < seconds * sample_rate:
        n = int(rng.uniform(0.15, 0.7) * sample_rate)
        turn = np.arange(n) * 2 * np.pi * 110 * 2 ** rng.uniform(0, 3) / sample_rate
        partials = sum(np.sin(k * turn) * rng.uniform(0.2, 1) / k for k in range(1, 7))
        notes.append(rng.uniform(0.05, 0.2) * partials * np.hanning(n) ** 0.3)
        length += n
    return np.concatenate(notes)[: int(seconds * sample_rate)].astype(np.float32)


@pytest.fixture(scope="session")
def play() -> Callable[[float, int, int], np.ndarray]:
    """See `melody`."""
    return melody


def write_tones(folder: Path, geometry: Geometry) -> Path:
    """Write eight looped tones, two of them held out."""
    tones = looped_tones(N_CLIPS, geometry)
    levels = np.linspace(-9.0, 0.0, N_CLIPS)
    spectrograms = (
        loop_to_spectrogram(normalise_peak(tone, geometry, level), geometry)
        for tone, level in zip(tones, levels, strict=True)
    )
    clips = [
        Clip(f"tone {i}", 0.0, "CC0-1.0", "the tests", held_out=i >= N_CLIPS - 2)
        for i in range(N_CLIPS)
    ]
    write_dataset(spectrograms, clips, folder, geometry, about={"sounds": "sums of sines"})
    return folder


@pytest.fixture(scope="session")
def dataset_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight looped tones in the default geometry, two of them held out."""
    return write_tones(tmp_path_factory.mktemp("datasets") / "tones", Geometry())


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> Dataset:
    return open_dataset(dataset_folder)


@pytest.fixture(scope="session")
def workshop() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs an export command; none may show a traceback."""

    def run(
        *arguments: object, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = run_forked(
            "latent_resonance_export", *arguments, timeout_s=150, cwd=cwd, **environment
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def tiny_spectrograms(n: int, side: int = 64, seed: int = 3) -> np.ndarray:
    """A few partials of random pitch with one swell per loop: (n, side, side) in [-1, 1]."""
    rng = np.random.default_rng(seed)
    pitch, turn = rng.uniform(5, 15, (n, 1, 1)), rng.uniform(0, 2 * np.pi, (n, 1, 1))
    band = np.arange(side)[:, None]
    from_partial = np.abs((band + pitch / 2) % pitch - pitch / 2)
    lines = np.exp(-np.square(from_partial)) * np.exp(-band / 25) * (band > pitch / 2)
    swell = 0.6 + 0.4 * np.cos(np.arange(side) * 2 * np.pi / side + turn)
    return (2 * lines * swell - 1 + 0.02 * rng.random((n, side, side))).astype(np.float32)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty spectrograms of 64 × 64, eight of them held out, for training in seconds."""
    folder = tmp_path_factory.mktemp("datasets") / "tiny"
    geometry = Geometry(n_fft=1024, win_length=1024, hop_length=256, n_mels=64, n_frames=64)
    clips = [Clip(f"tone {i}", 0.0, "CC0-1.0", "the tests", held_out=i >= 32) for i in range(40)]
    write_dataset(tiny_spectrograms(40), clips, folder, geometry, about={"sounds": "lines"})
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Dataset:
    return open_dataset(tiny_folder)
