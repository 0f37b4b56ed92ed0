"""Pitch is read from a mel spectrogram as it is."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.regressor.pitch import pitch_of_loop

GEOMETRY = Geometry(n_frames=64)
TURN = np.arange(GEOMETRY.loop_length) * 2 * np.pi / GEOMETRY.loop_length


def picture(pitch_hz: float, harmonics: range = range(1, 13)) -> tuple[np.ndarray, float]:
    """A harmonic tone near a pitch that closes on itself, and its pitch in truth."""
    cycles = round(pitch_hz * GEOMETRY.loop_s)
    tone = sum(np.sin(cycles * k * TURN + k * k) / k for k in harmonics)
    samples = (0.2 * tone).astype(np.float32)
    return loop_to_spectrogram(samples, GEOMETRY), cycles / GEOMETRY.loop_s


@pytest.mark.parametrize("pitch_hz", [70, 98, 147, 220, 330, 523, 880, 1500])
def test_a_tone_s_pitch_is_found_within_half_a_semitone(pitch_hz: float) -> None:
    pixels, truth = picture(pitch_hz)
    assert abs(12 * np.log2(pitch_of_loop(pixels, GEOMETRY) / truth)) < 0.5


def test_a_tone_without_its_fundamental_keeps_its_pitch() -> None:
    pixels, truth = picture(150, range(2, 13))
    assert abs(12 * np.log2(pitch_of_loop(pixels, GEOMETRY) / truth)) < 0.5


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(GEOMETRY.loop_length).astype(np.float32)
    assert np.isnan(pitch_of_loop(loop_to_spectrogram(0.1 * noise, GEOMETRY), GEOMETRY))
    silence = np.full((GEOMETRY.n_mels, GEOMETRY.n_frames), -1.0, np.float32)
    assert np.isnan(pitch_of_loop(silence, GEOMETRY))


def test_a_rest_in_the_loop_does_not_change_its_pitch() -> None:
    pixels, truth = picture(220)
    pixels[:, ::3] = -1.0
    assert abs(12 * np.log2(pitch_of_loop(pixels, GEOMETRY) / truth)) < 0.5
