"""Rests of a loop that are too long are bridged; short ones, and those that are meant, stay."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spectrograms import GEOMETRY

from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import Loop
from latent_resonance.voice.synthesis.frame_power import frame_power
from latent_resonance.voice.synthesis.loop_frames import frames_of
from latent_resonance.voice.synthesis.rests import bridge_rests
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop

LEVEL_DB = -20.0


def bridged(levels: list[float], longest: float = 2.0) -> list[float]:
    """Frames of one band, of which those at 0 are rests."""
    amplitude = np.array(levels, np.float32)[:, None]
    bridge_rests(amplitude, amplitude[:, 0] == 0.0, longest)
    return [round(float(each), 3) for each in amplitude[:, 0]]


def test_a_long_rest_becomes_a_cross_fade_from_the_frame_before_to_the_one_after() -> None:
    assert bridged([1, 4, 0, 0, 0, 8, 2]) == [1, 4, 5, 6, 7, 8, 2]


def test_a_rest_over_the_seam_is_bridged_too() -> None:
    assert bridged([0, 0, 8, 1, 4, 0]) == [6, 7, 8, 1, 4, 5]


def test_a_note_that_is_alone_in_its_loop_is_held() -> None:
    assert bridged([0, 0, 3, 0, 0]) == [3, 3, 3, 3, 3]


@pytest.mark.parametrize("levels", [[1, 0, 0, 2, 1], [2, 1, 3], [0, 0, 0, 0]])
def test_short_rests_and_loops_without_sound_or_without_rest_stay(levels: list[float]) -> None:
    assert bridged(levels) == levels


def with_rest(first: int, length: int) -> FloatArray:
    """A note, a rest, and another note until the loop begins again."""
    spectrogram = np.full((GEOMETRY.n_mels, GEOMETRY.n_frames), -1.0, np.float32)
    half = GEOMETRY.n_frames // 2
    spectrogram[[100, 141, 187], :half] = spectrogram[[122, 166, 233], half:] = 0.6
    spectrogram[:, np.arange(first, first + length) % GEOMETRY.n_frames] = -1.0
    return spectrogram


def levels_db(spectrogram: FloatArray, longest_rest_s: float = 0.1) -> FloatArray:
    """Of the columns of a loop as it is played, once round at most."""
    loop = SpectrogramLoop(GEOMETRY, Loop(longest_rest_s=longest_rest_s), LEVEL_DB)
    longest = longest_rest_s / GEOMETRY.hop_s
    loop.receive(frames_of(spectrogram, GEOMETRY, LEVEL_DB, longest_rest=longest))
    loop.morph = 1.0
    columns = np.array([loop.column(1.0) for _ in range(GEOMETRY.n_frames)])
    return 10.0 * np.log10(frame_power(columns, GEOMETRY) + 1e-9)


@pytest.mark.parametrize(("first", "length"), [(200, 100), (500, 60), (256, 12)])
def test_nothing_soft_is_played_where_a_loop_rests(first: int, length: int) -> None:
    played = levels_db(with_rest(first, length))
    assert played.min() > np.median(played) - 4.0


def test_a_rest_that_is_meant_is_silent() -> None:
    played = levels_db(with_rest(200, 100), longest_rest_s=60.0)
    assert np.sum(played < np.median(played) - 40.0) == pytest.approx(100, abs=3)
