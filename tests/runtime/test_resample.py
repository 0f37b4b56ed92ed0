"""Resampling: accuracy, latency, aliasing, and independence of the block length."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.resample import Resampler


def sine(frequency_hz: float, seconds: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * seconds).astype(np.float32)


def in_blocks(resampler: Resampler, sound: np.ndarray, length: int) -> np.ndarray:
    blocks = [sound[i : i + length] for i in range(0, len(sound), length)]
    return np.concatenate([resampler.process(block) for block in blocks])


@pytest.mark.parametrize("to_rate", [44_100, 32_000, 96_000, 192_000])
@pytest.mark.parametrize("frequency_hz", [60.0, 997.0, 12_000.0])
def test_a_sine_is_resampled_to_ninety_decibels(to_rate: int, frequency_hz: float) -> None:
    resampler = Resampler(48_000, to_rate)
    output = in_blocks(resampler, sine(frequency_hz, np.arange(48_000) / 48_000), 512)
    assert abs(len(output) - to_rate) <= 1
    seconds = np.arange(len(output)) / to_rate - resampler.delay / 48_000
    error = (output - sine(frequency_hz, seconds))[1000:-1000]
    assert 20 * np.log10(np.sqrt(2 * np.mean(np.square(error)))) < -90
    assert resampler.delay / 48_000 <= 1e-3


def test_frequencies_above_the_lower_nyquist_do_not_alias() -> None:
    output = in_blocks(Resampler(48_000, 32_000), sine(17_500.0, np.arange(48_000) / 48_000), 512)
    assert 20 * np.log10(np.std(output[1000:-1000])) < -80


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 37, 512, 4096])
def test_the_block_length_changes_no_sample(length: int) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, 8192).astype(np.float32)
    whole = Resampler(48_000, 44_100).process(noise)
    resampler = Resampler(48_000, 44_100)
    assert np.array_equal(in_blocks(resampler, noise, length), whole)
    resampler.reset()
    assert np.array_equal(in_blocks(resampler, noise, length), whole)
