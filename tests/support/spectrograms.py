"""Spectrograms whose sound is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    loop_to_spectrogram,
)

GEOMETRY = Geometry()


def held_tone(geometry: Geometry, beats: int) -> FloatArray:
    """A spectrogram of one partial at band 150 that swells `beats` times per loop."""
    spectrogram = np.full((geometry.n_mels, geometry.n_frames), -1.0, np.float32)
    frames = np.arange(geometry.n_frames)
    swell = 0.15 * np.cos(2 * np.pi * beats * frames / geometry.n_frames)
    for offset, level in ((-1, 0.4), (0, 0.6), (1, 0.4)):
        spectrogram[150 + offset] = level + swell
    return spectrogram


def harmonic_sound(pitch_hz: float, level: float = 0.1) -> FloatArray:
    """One loop of partials up to 8 kHz, falling by 6 dB an octave: (loop_length,)."""
    time_s = np.arange(GEOMETRY.loop_length) / GEOMETRY.sample_rate
    partials = np.arange(1, int(8000 / pitch_hz) + 1)
    sound: NDArray[np.float64] = sum(
        level / k * np.sin(2 * np.pi * k * pitch_hz * time_s + k * k) for k in partials
    )
    return sound.astype(np.float32)


def harmonic(pitch_hz: float, level: float = 0.1) -> FloatArray:
    """The spectrogram of `harmonic_sound`."""
    return loop_to_spectrogram(harmonic_sound(pitch_hz, level), GEOMETRY)


def noise(seed: int) -> FloatArray:
    """The spectrogram of white noise."""
    sound = np.random.default_rng(seed).normal(0.0, 0.05, GEOMETRY.loop_length)
    return loop_to_spectrogram(sound.astype(np.float32), GEOMETRY)
