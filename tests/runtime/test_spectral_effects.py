"""What the face does to one frame of a spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spectrograms import GEOMETRY, harmonic

from latent_resonance.audio.loudness import k_power
from latent_resonance.audio.spectrogram import FloatArray, pixels_to_amplitude
from latent_resonance.voice.synthesis.controls import Controls
from latent_resonance.voice.synthesis.spectral_effects import SpectralEffects

N_HOPS = 100  # four periods of the ripples
BINS_HZ = np.arange(GEOMETRY.n_bins) * GEOMETRY.sample_rate / GEOMETRY.n_fft
LOUDNESS = k_power(BINS_HZ, GEOMETRY.sample_rate)


@pytest.fixture(scope="module")
def turning() -> FloatArray:
    """Magnitudes (N_HOPS, n_bins) of a held note while the head turns fast."""
    controls = Controls(rate=1.0, turning=1.0, openness=0.0, noise=0.0, clarity=0.0)
    note = np.ascontiguousarray(pixels_to_amplitude(harmonic(196.0)[:, 100], GEOMETRY.range_db))
    effects = SpectralEffects(GEOMETRY, seed=0)
    return np.stack([effects.step(note, controls) for _ in range(N_HOPS)])


def level_db(magnitudes: FloatArray, near_hz: float) -> FloatArray:
    """Of the partial at a frequency, in each frame."""
    partial = np.abs(BINS_HZ - near_hz) < 40.0
    return 10.0 * np.log10(np.square(magnitudes[:, partial]).sum(axis=1))


def test_a_turning_head_leaves_a_held_note_as_loud_as_it_is(turning: FloatArray) -> None:
    loudness_db = 10.0 * np.log10(np.square(turning) @ LOUDNESS)
    assert np.ptp(loudness_db) < 0.5


@pytest.mark.parametrize("lower_hz", [196.0, 392.0, 784.0])
def test_a_turning_head_moves_the_partials_against_each_other(
    turning: FloatArray, lower_hz: float
) -> None:
    apart_db = level_db(turning, 2.0 * lower_hz) - level_db(turning, lower_hz)
    assert np.ptp(apart_db) > 15.0
