"""The interval between two columns, and the columns between them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from tests.support.spectrograms import GEOMETRY, harmonic, harmonic_sound, noise

from latent_resonance.audio.spectrogram import (
    FloatArray,
    loop_to_spectrogram,
    mel_frequencies,
    pixels_to_amplitude,
)
from latent_resonance.voice.synthesis.pitch_glide import PitchGlide

GLIDE = PitchGlide(GEOMETRY)
HZ = mel_frequencies(GEOMETRY)[1:-1]


def column(spectrogram: FloatArray, frame: int = 100) -> FloatArray:
    return np.ascontiguousarray(pixels_to_amplitude(spectrogram[:, frame], GEOMETRY.range_db))


def noises(count: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Pairs of columns of different noises, ten of each two of them."""
    for first, second in pairwise(map(noise, range(count))):
        for frame in range(0, GEOMETRY.n_frames, 52):
            yield column(first, frame), column(second, frame)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(196.0, 220.0), (220.0, 147.0), (98.0, 147.0), (130.0, 260.0)]
)
def test_the_interval_between_two_notes_is_found(from_hz: float, to_hz: float) -> None:
    found = GLIDE.interval(column(harmonic(from_hz)), column(harmonic(to_hz)))
    assert found == pytest.approx(np.log2(to_hz / from_hz), abs=0.02)


def test_the_interval_does_not_depend_on_the_level() -> None:
    loud, soft = column(harmonic(196.0, 0.3)), column(harmonic(262.0, 0.003))
    assert GLIDE.interval(loud, soft) == pytest.approx(np.log2(262 / 196), abs=0.02)


def test_a_note_and_itself_are_no_interval_apart() -> None:
    note = column(harmonic(311.0))
    assert GLIDE.interval(note, note) == 0.0


def test_between_noise_and_noise_there_is_seldom_an_interval() -> None:
    found = [GLIDE.interval(a, b) for a, b in noises(12)]
    assert found.count(0.0) >= 0.8 * len(found)


def test_an_interval_that_was_found_is_still_found_while_noise_hides_the_note() -> None:
    low, high = column(harmonic(196.0)), column(harmonic(262.0, 0.006))
    hidden = np.sqrt(np.square(high) + np.square(column(noise(7))))
    octaves = float(np.log2(262.0 / 196.0))
    assert GLIDE.interval(low, hidden) == 0.0
    assert GLIDE.interval(low, hidden, near=octaves) == pytest.approx(octaves, abs=0.05)


def test_an_interval_that_was_found_ends_with_the_notes() -> None:
    found = [GLIDE.interval(a, b, near=0.4) for a, b in noises(12)]
    assert found.count(0.0) >= 0.7 * len(found)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(98.0, 147.0), (82.0, 123.0)])
def test_a_note_whose_third_partials_are_loudest_is_not_taken_for_the_twelfth_above(
    from_hz: float, to_hz: float
) -> None:
    sound = harmonic_sound(from_hz, 0.02) + harmonic_sound(3.0 * from_hz, 0.02)
    found = GLIDE.interval(column(loop_to_spectrogram(sound, GEOMETRY)), column(harmonic(to_hz)))
    assert found == pytest.approx(np.log2(to_hz / from_hz), abs=0.02)


def test_silence_has_no_interval_to_anything() -> None:
    silence, note = np.zeros(512, np.float32), column(harmonic(196.0))
    assert GLIDE.interval(silence, silence) == 0.0
    assert GLIDE.interval(silence, note) == 0.0
    assert GLIDE.interval(note, silence) == 0.0


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_half_way_the_lowest_partial_is_half_way(share: float) -> None:
    low, high = column(harmonic(196.0)), column(harmonic(294.0))
    octaves = GLIDE.interval(low, high)
    between = GLIDE.between(low, high, share, octaves)
    found_hz = HZ[np.argmax(between[HZ < 350])]
    assert found_hz == pytest.approx(196.0 * (294.0 / 196.0) ** share, rel=0.02)


@pytest.mark.parametrize("octaves", [-0.6, 0.0, 0.6])
def test_the_ends_of_a_glide_are_the_columns_themselves(octaves: float) -> None:
    a, b = column(harmonic(196.0)), column(noise(0))
    np.testing.assert_allclose(GLIDE.between(a, b, 0.0, octaves), a, atol=1e-7)
    np.testing.assert_allclose(GLIDE.between(a, b, 1.0, octaves), b, atol=1e-7)


def test_many_frames_are_warped_as_each_alone() -> None:
    a, b = (np.random.default_rng(seed).random((5, 512), np.float32) for seed in (0, 1))
    together = GLIDE.between(a, b, 0.3, 0.4)
    alone = [GLIDE.between(one, other, 0.3, 0.4) for one, other in zip(a, b, strict=True)]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-6)
