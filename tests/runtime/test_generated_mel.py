"""Generated bands in the picture: at the level and at the time of their sound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latent_resonance.audio.brightness import GENERATED, SOUND, brightness
from latent_resonance.audio.generated_mel import (
    GeneratedColumn,
    GeneratedMel,
    band_means,
    generated_levels,
)
from latent_resonance.audio.griffin_lim import StreamingGriffinLim
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    mel_frequencies,
    mel_power,
    window,
)
from latent_resonance.audio.streaming_mel import StreamingMel

GEOMETRY = Geometry()
PICTURE = replace(GEOMETRY, n_mels=256)
RANGE_DB = 80.0
TONE_HZ = 1000.0
BAND = int(np.argmin(np.abs(mel_frequencies(PICTURE)[1:-1] - TONE_HZ)))


def tone_column(amplitude: float, gain: float = 1.0, latency: int = 0) -> GeneratedColumn:
    """A column of a spectrogram that has one tone."""
    samples = np.arange(GEOMETRY.n_fft) / GEOMETRY.sample_rate
    tone = amplitude * np.sin(2 * np.pi * TONE_HZ * samples)
    return GeneratedColumn(mel_amplitude(tone), gain, latency, GEOMETRY)


def mel_amplitude(frame: FloatArray) -> FloatArray:
    spectrum = np.fft.rfft(frame * window(GEOMETRY)).astype(np.complex64)
    return np.sqrt(mel_power(spectrum, GEOMETRY))


def tone_that_begins(n_hops: int, begins_at: int) -> FloatArray:
    samples = np.arange(n_hops * GEOMETRY.hop_length)
    tone = 0.1 * np.sin(2 * np.pi * TONE_HZ * samples / GEOMETRY.sample_rate)
    return np.where(samples >= begins_at * GEOMETRY.hop_length, tone, 0.0).astype(np.float32)


def test_a_generated_tone_has_the_level_of_its_sound() -> None:
    column = tone_column(0.1)
    sound = StreamingMel(PICTURE, RANGE_DB)
    audible = sound.column(tone_that_begins(8, 0))
    shown = generated_levels(column, PICTURE, RANGE_DB)
    level_db = RANGE_DB / 255
    assert abs(int(shown[BAND]) - int(audible[BAND])) * level_db < 1.0
    assert np.abs(shown.astype(int) - audible.astype(int)).mean() * level_db < 1.0


def test_a_gain_moves_the_level_by_as_many_decibels() -> None:
    full, softer = (generated_levels(tone_column(0.1, g), PICTURE, RANGE_DB) for g in (1.0, 0.1))
    assert (int(full[BAND]) - int(softer[BAND])) * RANGE_DB / 255 == pytest.approx(20.0, abs=0.5)


def test_while_the_output_is_silent_nothing_generated_is_shown() -> None:
    mel = GeneratedMel(PICTURE, RANGE_DB)
    for _ in range(30):
        shown = mel.column([tone_column(0.5)])
    assert shown.max() > 100
    assert mel.column([tone_column(0.5, gain=0.0)]).max() == 0


def test_a_generated_tone_begins_in_the_same_column_as_its_sound() -> None:
    n_hops, hop, n_fft = 60, GEOMETRY.hop_length, GEOMETRY.n_fft
    tone = np.pad(tone_that_begins(n_hops, 20), n_fft // 2)
    phase = StreamingGriffinLim(GEOMETRY, look_ahead=3, iterations=4, momentum=0.5, seed=0)
    sound, generated = StreamingMel(PICTURE, RANGE_DB), GeneratedMel(PICTURE, RANGE_DB)
    audible, shown = [], []
    for start in range(0, n_hops * hop, hop):
        frame = tone[start : start + n_fft]
        magnitude = np.abs(np.fft.rfft(frame * window(GEOMETRY))).astype(np.float32)
        audible.append(sound.column(phase.push(magnitude))[BAND])
        column = GeneratedColumn(mel_amplitude(frame), 1.0, phase.latency_samples, GEOMETRY)
        shown.append(generated.column([column])[BAND])
    begins = [int(np.argmax(np.array(levels) > 140)) for levels in (audible, shown)]
    assert begins[0] > 20
    assert abs(begins[0] - begins[1]) <= 1


def test_until_the_first_column_sounds_nothing_generated_is_shown() -> None:
    mel = GeneratedMel(PICTURE, RANGE_DB)
    assert mel.column([tone_column(0.5, latency=6000)]).max() == 0


def test_bands_are_averaged_and_those_above_the_source_are_dark() -> None:
    wider = replace(PICTURE, f_max_hz=20_000.0)
    means = band_means(GEOMETRY, wider)
    above = mel_frequencies(wider)[1:-1] > 1.02 * GEOMETRY.f_max_hz
    assert above.any()
    assert np.all(means[above] == 0.0)
    assert np.allclose(means[~above].sum(axis=1), 1.0)
    assert np.allclose(band_means(GEOMETRY, GEOMETRY), np.eye(GEOMETRY.n_mels))


def test_a_generated_band_is_dim_until_it_is_in_the_sound() -> None:
    levels = np.arange(256, dtype=np.uint8)
    silent = np.zeros_like(levels)
    behind, revealed = brightness(silent, levels), brightness(levels, levels)
    assert (revealed == SOUND).all()
    assert (behind == GENERATED).all()
    assert np.all(behind[32:] <= 0.6 * revealed[32:])
    assert np.all(behind[32:] >= 0.4 * revealed[32:])


def test_silence_is_black_and_brightness_increases_with_the_level() -> None:
    assert SOUND[0] == GENERATED[0] == 0
    assert SOUND[-1] == 255
    assert np.all(np.diff(SOUND.astype(int)) >= 0)
