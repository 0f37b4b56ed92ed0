"""The loop: seam, morph, rests and levels."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spectrograms import GEOMETRY, harmonic, held_tone

from latent_resonance.audio.spectrogram import FloatArray, mel_frequencies
from latent_resonance.config.settings import Loop
from latent_resonance.voice.synthesis.frame_power import frame_power
from latent_resonance.voice.synthesis.loop_frames import frames_of
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop

HZ = mel_frequencies(GEOMETRY)[1:-1]
HOP_S = GEOMETRY.hop_s


def loop_of(spectrogram: FloatArray, **settings: object) -> SpectrogramLoop:
    """A loop that plays a spectrogram, its first morph done."""
    loop = SpectrogramLoop(GEOMETRY, Loop.model_validate(settings))
    loop.receive(frames_of(spectrogram, GEOMETRY))
    loop.morph = 1.0
    return loop


def flat(level: float) -> FloatArray:
    return np.full((GEOMETRY.n_mels, GEOMETRY.n_frames), level, np.float32)


def with_rest(length: int) -> FloatArray:
    """A held note with a rest of some frames from frame 100 on."""
    spectrogram = harmonic(196.0).copy()
    spectrogram[:, 100 : 100 + length] = -1.0
    return spectrogram


def longest_silence_s(loop: SpectrogramLoop, hops: int = 1200, rate: float = 1.0) -> float:
    power = np.array([np.square(loop.column(rate)).sum() for _ in range(hops)])
    quiet = power < power.max() * 1e-3
    longest = run = 0
    for each in quiet:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return longest * HOP_S


def test_the_loop_has_no_seam() -> None:
    loop = loop_of(held_tone(GEOMETRY, beats=3), morph_s=0.0)
    level_db = np.array([20 * np.log10(loop.column(1.3).max()) for _ in range(1200)])
    assert np.abs(np.diff(level_db)).max() < 0.8


def test_a_morph_that_is_replaced_goes_on_from_where_it_is() -> None:
    loop = loop_of(flat(0.2))
    levels = []
    for i in range(60):
        if i in (20, 26):
            loop.receive(frames_of(flat(0.9 if i == 26 else -0.8), GEOMETRY))
        levels.append(float(loop.column(1.0)[0]))
    assert np.abs(np.diff(levels)).max() < max(levels) / (0.15 / HOP_S)
    assert levels[-1] == pytest.approx(frames_of(flat(0.9), GEOMETRY).amplitude[0, 0], rel=1e-5)


@pytest.mark.parametrize("rate", [0.0, 1.0, 4.0])
def test_a_pitch_on_the_way_goes_on_from_where_it_is(rate: float) -> None:
    loop = loop_of(harmonic(196.0), morph_s=0.5)
    pitches_hz = []
    for i in range(80):
        if i in (5, 25):
            loop.receive(frames_of(harmonic(262.0 if i == 5 else 147.0), GEOMETRY))
        column = loop.column(rate)
        pitches_hz.append(HZ[np.argmax(column * (HZ < 280))])
    semitones = np.abs(12 * np.diff(np.log2(pitches_hz)))
    assert max(pitches_hz) > 205.0
    assert pitches_hz[-1] == pytest.approx(147.0, abs=5.0)
    assert semitones.max() < 1.6  # two mel bands


def test_a_spectrogram_that_comes_again_changes_nothing() -> None:
    once, again = (loop_of(harmonic(196.0), morph_s=0.5) for _ in range(2))
    for i in range(100):
        if i == 20:
            again.receive(frames_of(harmonic(196.0), GEOMETRY))
        np.testing.assert_array_equal(again.column(1.0), once.column(1.0))


CHORDS = ((100, 141, 187), (122, 166, 233), (90, 130, 210))


def chord(bands: tuple[int, ...]) -> FloatArray:
    spectrogram = flat(-1.0)
    spectrogram[bands, :] = 0.6
    return spectrogram


def test_half_way_between_two_chords_both_are_audible() -> None:
    loop = loop_of(chord(CHORDS[0]), morph="blend")
    loop.receive(frames_of(chord(CHORDS[1]), GEOMETRY))
    columns = np.array([loop.column(1.0) for _ in range(14)])
    power_db = 10 * np.log10(frame_power(columns, GEOMETRY))
    assert power_db.max() - power_db.min() < abs(power_db[-1] - power_db[0]) + 0.1
    assert (columns[7][[100, 122]] > 0.3 * columns[0][100]).all()


@pytest.mark.parametrize("morph", ["blend", "glide"])
def test_a_face_that_moves_on_and_on_takes_no_level_away(morph: str) -> None:
    chords = [frames_of(chord(bands), GEOMETRY) for bands in CHORDS]
    loop = loop_of(chord(CHORDS[0]), morph=morph)
    powers = []
    for i in range(60):
        if i % 5 == 0:  # long before the last morph is done
            loop.receive(chords[i // 5 % len(chords)])
        powers.append(float(frame_power(loop.column(1.0), GEOMETRY)))
    ends = [frames.power.mean() for frames in chords]
    assert 0.98 * min(ends) < min(powers)
    assert max(powers) < 1.02 * max(ends)


@pytest.mark.parametrize("length", [20, 100, 400])
@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_no_rest_is_longer_than_the_settings_say(length: int, rate: float) -> None:
    assert longest_silence_s(loop_of(with_rest(length)), rate=rate) <= 0.1


def test_a_rest_that_is_meant_can_be_kept() -> None:
    loop = loop_of(with_rest(100), longest_rest_s=60.0)
    assert longest_silence_s(loop) == pytest.approx(100 * HOP_S, abs=3 * HOP_S)


def test_a_loop_without_rests_is_played_at_the_given_rate() -> None:
    loop = loop_of(held_tone(GEOMETRY, beats=8))
    for _ in range(100):
        loop.column(1.5)
    assert loop.playhead.position == pytest.approx(150.0)


def test_a_silent_loop_goes_round_too() -> None:
    loop = loop_of(flat(-1.0))
    for _ in range(100):
        loop.column(1.0)
    assert loop.playhead.position == pytest.approx(100.0)


def test_loud_and_soft_spectrograms_are_played_at_about_one_level() -> None:
    powers = [
        frames_of(harmonic(196.0, level), GEOMETRY, level_db=-20.0).power.mean()
        for level in (0.04, 0.08, 0.15)
    ]
    assert 10 * np.log10(max(powers) / min(powers)) == pytest.approx(11.5 / 8, abs=0.1)
    assert abs(10 * np.log10(powers[1]) + 20.0) < 2.0


def test_near_silence_is_not_raised_to_the_level_of_a_sound() -> None:
    soft = harmonic(196.0, 0.0005)
    plain, evened = (frames_of(soft, GEOMETRY, level_db=level).amplitude for level in (None, -20.0))
    audible = plain > 0.0
    assert 20 * np.log10((evened[audible] / plain[audible]).max()) == pytest.approx(20.0, abs=0.1)
    assert frames_of(flat(-1.0), GEOMETRY, level_db=-20.0).power.max() == 0.0
