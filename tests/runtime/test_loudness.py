"""Loudness: measurement by the standard, levelling to a target, and the hard limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import scipy.signal
from tests.support.audio_measures import RATE, face, play, settings_of

from latent_resonance.audio.loudness import (
    MAX_DBTP,
    MAX_LUFS,
    MOMENTARY_S,
    KWeighting,
    LoudnessCap,
    LoudnessWindow,
    k_gain,
)
from latent_resonance.config.settings import BandPass, Settings
from latent_resonance.gallery.visit import Presence
from latent_resonance.pack import open_pack
from latent_resonance.score import attract_score
from latent_resonance.voice.quiet_hours import quiet_settings
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance.voice.synthesis.tone import Tone

Sound = np.ndarray
BLOCK = 512
PART_S = 30.0  # longer than any period of the sounds below; twelve of these are six minutes
# Table 1 and 2 of BS.1770-4: numerators and denominators at 48 kHz.
STANDARD = (
    (
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1, -1.69065929318241, 0.73248077421585],
    ),
    ([1.0, -2.0, 1.0], [1, -1.99004745483398, 0.99007225036621]),
)


def momentary_lufs(sound: Sound) -> Sound:
    """Loudness of every 400 ms, ten a second, K-weighted by pyloudnorm's own filters."""
    weighted = sound.astype(np.float64)
    for stage in pyloudnorm.Meter(RATE)._filters.values():
        weighted = stage.passband_gain * scipy.signal.lfilter(stage.b, stage.a, weighted)
    sums = np.concatenate([[0.0], np.cumsum(np.square(weighted))])
    window = int(MOMENTARY_S * RATE)
    power = (sums[window :: RATE // 10] - sums[: -window : RATE // 10]) / window
    return -0.691 + 10 * np.log10(power + 1e-12)


def true_peak_db(sound: Sound) -> float:
    """Four-fold oversampled, as BS.1770-4 does, wherever it comes near its highest sample."""
    highest = float(np.abs(sound).max())
    parts = np.array_split(sound, max(1, len(sound) // RATE))
    near = [part for part in parts if np.abs(part).max() > 0.8 * highest]
    between = [scipy.signal.resample_poly(part, 4, 1)[80:-80] for part in near]
    return float(20 * np.log10(max(np.abs(part).max() for part in between)))


def integrated_lufs(sound: Sound) -> float:
    return float(pyloudnorm.Meter(RATE).integrated_loudness(sound.astype(np.float64)))


def in_blocks(process: Callable[[Sound], Sound], sound: Sound) -> Sound:
    return np.concatenate([process(sound[i : i + BLOCK]) for i in range(0, len(sound), BLOCK)])


def noise(seconds: float, seed: int = 0) -> Sound:
    return np.random.default_rng(seed).standard_normal(int(seconds * RATE)).astype(np.float32)


def test_k_weighting_matches_the_tables_of_the_standard() -> None:
    ours = k_gain(RATE, 4097)[:-1]
    theirs = np.ones(4096, complex)
    for numerator, denominator in STANDARD:
        theirs = theirs * scipy.signal.freqz(numerator, denominator, worN=4096)[1]
    difference_db = 20 * np.log10(np.abs(ours[4:] / theirs[4:]))
    assert np.abs(difference_db).max() < 0.001  # from 23 Hz upwards


@pytest.mark.parametrize("hz", [50.0, 440.0, 997.0, 3000.0, 12_000.0])
@pytest.mark.parametrize("length", [100, 512, 4096])
def test_the_loudness_of_a_tone_matches_pyloudnorm(hz: float, length: int) -> None:
    tone = (0.1 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)).astype(np.float32)
    k_weighting, window = KWeighting(RATE), LoudnessWindow(RATE, MOMENTARY_S)
    for i in range(0, len(tone), length):
        block = tone[i : i + length]
        measured_lufs = window.add(k_weighting.energy(block), len(block))
    assert measured_lufs == pytest.approx(integrated_lufs(tone), abs=0.15)


def test_a_full_scale_tone_of_997_hz_measures_minus_3_lufs() -> None:
    """BS.1770-4's own calibration."""
    tone = np.sin(2 * np.pi * 997 * np.arange(RATE) / RATE).astype(np.float32)
    k_weighting, window = KWeighting(RATE), LoudnessWindow(RATE, MOMENTARY_S)
    for i in range(0, RATE, BLOCK):
        measured_lufs = window.add(
            k_weighting.energy(tone[i : i + BLOCK]), len(tone[i : i + BLOCK])
        )
    assert measured_lufs == pytest.approx(-3.01, abs=0.02)


def tone_of(**changes: float) -> Tone:
    defaults = {
        "loudness_lufs": -18.0,
        "expected_db": -20.0,
        "volume_db": 0.0,
        "ceiling_dbtp": -1.0,
    }
    return Tone(RATE, band_pass=BandPass(), **(defaults | changes))


@pytest.mark.parametrize("target", [-40.0, -23.0, -18.0])
@pytest.mark.parametrize("gain", [0.03, 0.1, 0.5])
def test_any_sound_is_levelled_to_the_target(target: float, gain: float) -> None:
    sos = scipy.signal.butter(2, 3000.0, fs=RATE, output="sos")
    sound = (gain * scipy.signal.sosfilt(sos, noise(16.0))).astype(np.float32)
    tone = tone_of(loudness_lufs=target)
    out = in_blocks(lambda block: tone.process(block, 1.0), sound)
    assert integrated_lufs(out[10 * RATE :]) == pytest.approx(target, abs=0.5)


def quiet_and_bursts(seconds: float) -> Sound:
    gate = np.random.default_rng(1).random(int(seconds * 4)) > 0.7
    return noise(seconds) * np.repeat(np.where(gate, 3.0, 0.003), RATE // 4).astype(np.float32)


def clicks(seconds: float) -> Sound:
    sound = np.zeros(int(seconds * RATE), np.float32)
    sound[:: RATE // 7] = 20.0
    return sound


def beating_tones(seconds: float) -> Sound:
    t = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
    return (np.sin(2 * np.pi * 11_999 * t) + np.sin(2 * np.pi * 12_000.3 * t)).astype(np.float32)


def long_silences(seconds: float) -> Sound:
    on = np.arange(int(seconds * RATE)) // (20 * RATE) % 2
    return noise(seconds, 2) * on.astype(np.float32) * np.float32(5.0)


def square(seconds: float) -> Sound:
    return np.sign(np.sin(2 * np.pi * 57.3 * np.arange(int(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def swell(seconds: float) -> Sound:
    t = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
    return noise(seconds, 3) * (10.0 ** (2.5 * np.sin(2 * np.pi * t / 9.0) - 1.5)).astype(
        np.float32
    )


SOUNDS = (quiet_and_bursts, clicks, beating_tones, long_silences, square, swell)
# Settings that are unreasonable but valid.
SETTINGS = ({"volume_db": 12.0, "loudness_lufs": -16.0}, {"volume_db": 12.0, "expected_db": -60.0})


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("settings", SETTINGS, ids=["loudest", "misjudged"])
@pytest.mark.parametrize("make_sound", SOUNDS, ids=lambda make_sound: make_sound.__name__)
def test_minutes_of_extreme_sound_exceed_neither_limit(
    make_sound: Callable[[float], Sound], settings: dict[str, float]
) -> None:
    tone, sound = tone_of(**settings), make_sound(PART_S)
    openings = np.random.default_rng(4).random(len(sound) // BLOCK // 50 + 1)
    blocks = range(0, len(sound), BLOCK)
    out = np.concatenate(
        [tone.process(sound[i : i + BLOCK], openings[i // BLOCK // 50]) for i in blocks]
    )
    assert np.isfinite(out).all()
    assert momentary_lufs(out).max() <= MAX_LUFS
    assert true_peak_db(out) <= MAX_DBTP
    assert momentary_lufs(out).max() > MAX_LUFS - 16  # and it is not simply silent


def test_without_the_limit_the_same_settings_are_far_too_loud() -> None:
    """The test above can fail."""
    tone = tone_of(**SETTINGS[0])
    tone.cap.process = lambda block: block
    out = in_blocks(lambda block: tone.process(block, 1.0), swell(30.0))
    assert momentary_lufs(out).max() > MAX_LUFS + 4


def test_the_limit_does_not_change_quiet_sound() -> None:
    quiet = noise(3.0) * np.float32(0.03)
    cap = LoudnessCap(RATE)
    assert np.array_equal(in_blocks(cap.process, quiet), quiet)


def random_faces(seconds: float) -> list[Sound]:
    """Features that jump between their limits, one set per hop."""
    rng = np.random.default_rng(5)
    faces = []
    while len(faces) < seconds * RATE / BLOCK:
        features = face(
            mouth_open=rng.choice([0.0, 1.0]),
            brow_tension=rng.choice([0.0, 1.0]),
            yaw_velocity=rng.choice([0.0, 10.0]),
            stillness=rng.choice([0.0, 0.0, 1.0]),
            head_yaw=rng.uniform(-1.5, 1.5),
            mouth_width=rng.uniform(-1.0, 1.0),
            brow_raise=rng.uniform(0.0, 1.0),
        )
        faces += [features] * int(rng.integers(1, 120))
    return faces


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("volume_db", [0.0, 12.0])
def test_random_faces_exceed_neither_limit_and_are_near_the_target(
    pack_folder: Path, volume_db: float
) -> None:
    settings = settings_of(pack_folder)
    output = settings.output.model_copy(update={"volume_db": volume_db})
    sound = play_faces(
        pack_folder, settings.model_copy(update={"output": output}), random_faces(20.0)
    )
    assert momentary_lufs(sound).max() <= MAX_LUFS
    assert true_peak_db(sound) <= MAX_DBTP
    if volume_db == 0.0:
        target = settings.output.loudness_lufs
        assert target - 8 < integrated_lufs(sound[5 * RATE :]) < target + 1


def play_faces(folder: Path, settings: Settings, faces: list[Sound]) -> Sound:
    """Play one face per hop on an instrument."""
    pack = open_pack(folder)
    instrument = Instrument(pack, load_networks(pack, settings.inference), settings, seed=0)
    hops = []
    for i, features in enumerate(faces):
        if i % 10 == 0:
            instrument.generate(features, 10 * pack.geometry.hop_s)
        hops.append(instrument.hop(features, 2))
    return np.concatenate(hops)


@pytest.mark.slow
def test_an_open_and_a_closed_mouth_are_near_the_target_loudness(pack_folder: Path) -> None:
    target = Settings().output.loudness_lufs
    opened = integrated_lufs(play(pack_folder, face(mouth_open=0.8), 4.0))
    closed = integrated_lufs(play(pack_folder, face(), 4.0))
    assert opened == pytest.approx(target, abs=1.5)
    assert closed == pytest.approx(target, abs=1.5)


@pytest.mark.slow
def test_quiet_hours_are_quieter_darker_and_without_noise(pack_folder: Path) -> None:
    settings = settings_of(pack_folder)
    faces = [face(mouth_open=0.8, brow_tension=0.8)] * 450
    loud, soft = (
        play_faces(pack_folder, s, faces)[2 * RATE :] for s in (settings, quiet_settings(settings))
    )
    assert integrated_lufs(soft) == pytest.approx(-30.0, abs=3.0)
    assert integrated_lufs(soft) < integrated_lufs(loud) - 6
    high = scipy.signal.butter(6, 6000.0, "highpass", fs=RATE, output="sos")
    above = [np.mean(np.square(scipy.signal.sosfilt(high, s))) for s in (loud, soft)]
    assert above[1] < 0.01 * above[0]


def test_the_attract_mode_is_quieter_than_a_visitor_at_every_moment() -> None:
    presence = Presence(attract_score(Settings()))
    for second in range(200):
        presence.step(None, second * 1_000_000_000)
        assert presence.gain_db <= -3.0
