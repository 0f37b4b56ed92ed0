"""The time-domain stages: filter, leveller and limiter, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyloudnorm
import pytest
import scipy.signal

from latent_resonance.voice.synthesis.band_pass import BandPass
from latent_resonance.voice.synthesis.leveller import Leveller
from latent_resonance.voice.synthesis.limiter import Limiter
from latent_resonance.voice.synthesis.tone import Tone

RATE = 48_000


def in_blocks(
    process: Callable[[np.ndarray], np.ndarray], sound: np.ndarray, size: int
) -> np.ndarray:
    return np.concatenate([process(sound[i : i + size]) for i in range(0, len(sound), size)])


def bursts(seconds: float = 1.0, limit_hz: float = 16_000.0) -> np.ndarray:
    """Noise below limit_hz with bursts far above full scale."""
    rng = np.random.default_rng(1)
    sos = scipy.signal.butter(8, limit_hz, fs=RATE, output="sos")
    noise = scipy.signal.sosfilt(sos, rng.standard_normal(int(seconds * RATE)))
    loud = np.where(rng.random(len(noise) // 480).repeat(480) > 0.8, 3.0, 0.2)
    return (noise[: len(loud)] * loud).astype(np.float32)


@pytest.mark.parametrize("size", [37, 100, 512, 4096])
def test_the_limiter_gives_the_same_samples_in_blocks_of_any_size(size: int) -> None:
    sound = bursts()
    whole = Limiter(-1.0).process(sound)
    assert np.array_equal(in_blocks(Limiter(-1.0).process, sound, size), whole)


def test_nothing_leaves_the_limiter_above_the_ceiling_even_between_samples() -> None:
    out = in_blocks(Limiter(-1.0).process, bursts(2.0), 512)
    between = scipy.signal.resample_poly(out.astype(np.float64), 16, 1)
    assert 20 * np.log10(np.abs(out).max()) <= -1.0
    assert 20 * np.log10(np.abs(between[1600:-1600]).max()) <= -1.0


def test_a_quiet_sound_passes_the_limiter_unchanged_after_its_delay() -> None:
    sound = (0.1 * np.sin(np.arange(RATE) * 0.05)).astype(np.float32)
    limiter = Limiter(-1.0)
    out = in_blocks(limiter.process, sound, 512)
    assert np.array_equal(out[limiter.delay :], sound[: len(out) - limiter.delay])


@pytest.mark.parametrize("cutoff_hz", [350.0, 2000.0, 12_000.0])
def test_the_band_pass_is_three_decibels_down_at_its_cutoff(cutoff_hz: float) -> None:
    levels = []
    for frequency_hz in (max(cutoff_hz / 4, 120.0), cutoff_hz, cutoff_hz * 1.8):
        tone = np.sin(2 * np.pi * frequency_hz * np.arange(RATE) / RATE).astype(np.float32)
        band_pass = BandPass(RATE, cutoff_hz)
        out = np.concatenate(
            [band_pass.process(tone[i : i + 512], cutoff_hz) for i in range(0, RATE, 512)]
        )
        levels.append(10 * np.log10(2 * np.mean(np.square(out[RATE // 2 :]))))
    assert levels[0] == pytest.approx(0.0, abs=0.3)
    assert levels[1] == pytest.approx(-3.0, abs=0.4)
    assert levels[2] < -18.0


def test_a_cutoff_that_jumps_makes_no_click() -> None:
    tone = (0.3 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)
    band_pass = BandPass(RATE)
    cutoffs = [350.0, 16_000.0, 500.0, 9000.0] * 30
    out = np.concatenate(
        [band_pass.process(tone[i * 512 : i * 512 + 512], c) for i, c in enumerate(cutoffs[:93])]
    )
    bend = np.abs(np.diff(out, 2))[1000:]
    smooth = 0.3 * (2 * np.pi * 200 / RATE) ** 2
    assert bend.max() < 12 * smooth


def test_the_leveller_reaches_its_target_and_holds_its_gain_in_silence() -> None:
    rng = np.random.default_rng(0)
    leveller = Leveller(RATE, loudness_lufs=-20.0, expected_db=-20.0)
    for gain in (0.01, 0.4):
        sound = (gain * rng.standard_normal(12 * RATE)).astype(np.float32)
        out = in_blocks(leveller.process, sound, 512)[-RATE:]
        meter = pyloudnorm.Meter(RATE)
        assert meter.integrated_loudness(out.astype(np.float64)) == pytest.approx(-20.0, abs=0.5)
    held = leveller.gain_db
    in_blocks(leveller.process, np.zeros(5 * RATE, np.float32), 512)
    assert leveller.gain_db == pytest.approx(held, abs=0.1)


def test_after_reset_the_tone_gives_the_same_bits() -> None:
    tone = Tone(RATE, loudness_lufs=-20, expected_db=-24, volume_db=0, ceiling_dbtp=-1)
    sound = bursts()
    first = in_blocks(lambda b: tone.process(b, 3000.0), sound, 512)
    tone.reset()
    assert np.array_equal(in_blocks(lambda b: tone.process(b, 3000.0), sound, 512), first)
