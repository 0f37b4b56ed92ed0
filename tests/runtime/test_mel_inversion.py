"""Mel bands back to FFT bins: what a round trip loses."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spectrograms import GEOMETRY, harmonic_sound

from latent_resonance.audio.griffin_lim import griffin_lim
from latent_resonance.audio.mel_inversion import (
    mel_interpolation,
    mel_to_amplitude,
    spectrogram_to_magnitude,
)
from latent_resonance.audio.spectrogram import (
    FloatArray,
    loop_to_spectrogram,
    magnitude_scale,
    mel_filterbank,
    mel_power,
    pixels_to_amplitude,
    stft_circular,
)
from latent_resonance.bench.phase import convergence_db


def error_db(found: FloatArray, true: FloatArray) -> float:
    return float(20 * np.log10(np.linalg.norm(found - true) / np.linalg.norm(true)))


@pytest.mark.parametrize("pitch_hz", [98.0, 196.0, 392.0])
def test_a_tone_comes_back_closer_than_by_interpolation(pitch_hz: float) -> None:
    sound = harmonic_sound(pitch_hz)
    true = np.abs(stft_circular(sound, GEOMETRY)) * magnitude_scale(GEOMETRY)
    mel = pixels_to_amplitude(loop_to_spectrogram(sound, GEOMETRY), GEOMETRY.range_db)
    interpolated = mel_interpolation(GEOMETRY) @ mel
    inverted = mel_to_amplitude(mel, GEOMETRY)
    assert error_db(inverted, true) < error_db(interpolated, true) - 4.0


@pytest.mark.slow
@pytest.mark.parametrize(("pitch_hz", "limit_db"), [(98.0, -28.0), (196.0, -26.0)])
def test_the_magnitudes_of_a_tone_are_those_of_a_sound(pitch_hz: float, limit_db: float) -> None:
    spectrogram = loop_to_spectrogram(harmonic_sound(pitch_hz), GEOMETRY)
    magnitude = spectrogram_to_magnitude(spectrogram, GEOMETRY)
    assert convergence_db(griffin_lim(magnitude, GEOMETRY), magnitude, GEOMETRY) < limit_db


def test_the_mel_bands_of_the_result_are_those_that_were_given() -> None:
    power = mel_power(stft_circular(harmonic_sound(220.0), GEOMETRY), GEOMETRY)[:, :8]
    power = np.maximum(power, 1e-6)
    amplitude = mel_to_amplitude(np.sqrt(power), GEOMETRY)
    found = mel_filterbank(GEOMETRY) @ np.square(amplitude)
    audible = power > power.max() * 1e-3
    apart_db = np.abs(10 * np.log10(found[audible] / power[audible]))
    assert np.percentile(apart_db, 90) < 1.0  # the lowest bands share bins


def test_one_column_gives_what_it_gives_among_others() -> None:
    mel = np.random.default_rng(0).random((512, 5), np.float32)
    together = mel_to_amplitude(mel, GEOMETRY)
    alone = np.stack([mel_to_amplitude(column, GEOMETRY) for column in mel.T], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_silence_stays_silent_and_finite() -> None:
    assert np.abs(mel_to_amplitude(np.zeros(512, np.float32), GEOMETRY)).max() < 1e-7


def test_full_scale_in_every_band_is_finite() -> None:
    amplitude = mel_to_amplitude(np.ones(512, np.float32), GEOMETRY)
    assert np.isfinite(amplitude).all()
    assert amplitude.max() < 3.0
