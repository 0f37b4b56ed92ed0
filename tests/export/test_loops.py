"""Seamless loops of recordings."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
from latent_resonance_export.dataset.loops import (
    close_loop,
    fade_length,
    level_below_peak,
    normalise_peak,
    spectrogram_at_peak,
    sustain,
)

SMALL = Geometry(n_fft=1024, win_length=1024, hop_length=256, n_mels=64, n_frames=64)


def tone(length: int, cycles: float, level: float = 0.2) -> np.ndarray:
    turn = np.arange(length) * 2 * np.pi / SMALL.loop_length
    return (level * np.sin(cycles * turn)).astype(np.float32)


def steps(loop: np.ndarray) -> tuple[float, float]:
    """(step from the last sample to the first, largest step elsewhere)."""
    return abs(float(loop[0] - loop[-1])), float(np.abs(np.diff(loop)).max())


def test_close_loop_removes_the_seam() -> None:
    cut_anywhere = tone(SMALL.loop_length + fade_length(SMALL), 100.37)
    seam, elsewhere = steps(cut_anywhere[: SMALL.loop_length])
    assert seam > 2 * elsewhere, "the test needs a sound with a seam"
    seam, elsewhere = steps(close_loop(cut_anywhere, SMALL.loop_length))
    assert seam <= elsewhere


def test_close_loop_changes_only_the_beginning() -> None:
    audio = np.random.default_rng(1).normal(size=SMALL.loop_length + 500).astype(np.float32)
    loop = close_loop(audio, SMALL.loop_length)
    np.testing.assert_array_equal(loop[500:], audio[500 : SMALL.loop_length])
    assert loop.shape == (SMALL.loop_length,)


def test_the_seam_is_as_loud_as_the_rest() -> None:
    rng = np.random.default_rng(2)
    loops = [
        close_loop(rng.normal(size=SMALL.loop_length + 1000), SMALL.loop_length) for _ in range(200)
    ]
    power = np.mean(np.square(loops), axis=0)
    assert power[:1000].mean() == pytest.approx(power[1000:].mean(), rel=0.02)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.62, 0.99, 1.0, 1.05])
def test_a_short_sound_fills_the_loop_without_a_gap_or_a_seam(share: float) -> None:
    fade = fade_length(SMALL)
    short = tone(int(share * SMALL.loop_length), 100.37)
    loop = sustain(short, SMALL.loop_length, fade)
    assert loop.shape == (SMALL.loop_length,)
    seam, _ = steps(loop)
    assert seam <= 1.5 * np.abs(np.diff(short)).max()
    rng = np.random.default_rng(3)
    noise = [rng.normal(size=len(short)) for _ in range(100)]
    power = np.mean(np.square([sustain(n, SMALL.loop_length, fade) for n in noise]), axis=0)
    by_block = power[: len(power) // 64 * 64].reshape(64, -1).mean(axis=1)
    assert by_block == pytest.approx(np.ones(64), abs=0.1)


def test_spectrogram_at_peak_equals_that_of_the_normalised_loop() -> None:
    loop = tone(SMALL.loop_length, 90) + tone(SMALL.loop_length, 400, 0.003)
    for peak_db in (-9.0, 0.0):
        expected = loop_to_spectrogram(normalise_peak(loop, SMALL, peak_db), SMALL)
        spectrogram = spectrogram_at_peak(level_below_peak(loop, SMALL), peak_db, SMALL)
        np.testing.assert_allclose(spectrogram, expected, atol=2e-3)
        assert spectrogram.max() == pytest.approx(1 + peak_db * 2 / SMALL.range_db, abs=1e-4)


def test_loud_and_quiet_takes_give_the_same_spectrogram() -> None:
    loud, quiet = (tone(SMALL.loop_length, 90, level) for level in (0.9, 1e-4))
    np.testing.assert_allclose(
        normalise_peak(loud, SMALL, -6.0), normalise_peak(quiet, SMALL, -6.0), atol=1e-5
    )
    np.testing.assert_allclose(
        spectrogram_at_peak(level_below_peak(loud, SMALL), -6.0, SMALL),
        spectrogram_at_peak(level_below_peak(quiet, SMALL), -6.0, SMALL),
        atol=1e-3,
    )


def test_silence_stays_silence() -> None:
    silence = np.zeros(SMALL.loop_length, np.float32)
    assert not normalise_peak(silence, SMALL, 0.0).any()
    assert np.isfinite(level_below_peak(silence, SMALL)).all()
