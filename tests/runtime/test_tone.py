"""The time-domain stages: filter, leveller and limiter, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyloudnorm
import pytest
import scipy.signal

from latent_resonance.config.settings import BandPass as BandPassSettings
from latent_resonance.voice.synthesis.band_pass import BandPass
from latent_resonance.voice.synthesis.leveller import Leveller, MakeUpGain
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


def tone_of() -> Tone:
    return Tone(
        RATE,
        band_pass=BandPassSettings(),
        loudness_lufs=-20,
        expected_db=-24,
        volume_db=0,
        ceiling_dbtp=-1,
    )


def gain_db(frequency_hz: float, openness: float, **settings: object) -> float:
    """Of the band-pass, at one frequency."""
    tone = np.sin(2 * np.pi * frequency_hz * np.arange(RATE) / RATE).astype(np.float32)
    band_pass = BandPass(RATE, BandPassSettings.model_validate(settings))
    out = in_blocks(lambda block: band_pass.process(block, openness), tone, 512)
    return float(10 * np.log10(2 * np.mean(np.square(out[RATE // 2 :]))))


def test_a_closed_mouth_is_dark_and_not_mute() -> None:
    assert gain_db(200.0, 0.0) == pytest.approx(0.0, abs=0.5)
    assert gain_db(8000.0, 0.0) == pytest.approx(-14.0, abs=1.0)


def test_an_open_mouth_lifts_what_lies_high_above_what_lies_low() -> None:
    assert gain_db(3500.0, 1.0) == pytest.approx(24.0, abs=1.0)
    assert gain_db(100.0, 1.0) == pytest.approx(-14.0, abs=1.5)


@pytest.mark.parametrize("pitch_hz", [200.0, 400.0, 550.0])
def test_an_open_mouth_lowers_the_pitches_of_a_voice(pitch_hz: float) -> None:
    """Otherwise a note lower than that of the closed mouth would leave the sound as dark."""
    assert gain_db(pitch_hz, 1.0) < -4.0
    assert gain_db(pitch_hz, 0.0) == pytest.approx(0.0, abs=1.5)


@pytest.mark.parametrize("openness", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("upper_hz", [900.0, 3000.0, 16_000.0])
def test_nothing_is_played_far_above_the_upper_end(upper_hz: float, openness: float) -> None:
    flat = {"presence_db": 0.0, "bass_db": 0.0, "closed_db": 0.0}
    settings = {"output": (200.0, upper_hz)} | flat
    assert gain_db(upper_hz, openness, **settings) == pytest.approx(-3.0, abs=0.5)
    assert gain_db(1.3 * upper_hz, openness, **settings) < -9.0


def test_the_band_pass_can_be_switched_off() -> None:
    flat = {"presence_db": 0.0, "bass_db": 0.0, "closed_db": 0.0}
    for frequency_hz in (100.0, 1000.0, 8000.0):
        assert gain_db(frequency_hz, 0.3, **flat) == pytest.approx(0.0, abs=0.3)


@pytest.mark.parametrize("openness", [0.0, 0.4, 1.0])
def test_an_opening_mouth_changes_the_colour_and_not_the_loudness(openness: float) -> None:
    rng = np.random.default_rng(0)
    sound = np.cumsum(rng.standard_normal(8 * RATE)).astype(np.float32)  # as dark as a cello
    sound = (0.1 * (sound - np.convolve(sound, np.ones(999) / 999, "same"))).astype(np.float32)
    tone = tone_of()
    out = in_blocks(lambda block: tone.process(block, openness), sound, 512)[-2 * RATE :]
    loudness_lufs = pyloudnorm.Meter(RATE).integrated_loudness(out.astype(np.float64))
    assert loudness_lufs == pytest.approx(-20.0, abs=1.0)


def test_the_make_up_gain_rests_in_silence() -> None:
    make_up = MakeUpGain(RATE)
    for _ in range(50):
        make_up.process(np.zeros(512, np.float32), 0.0)
    assert make_up.gain_db == 0.0


def test_an_openness_that_jumps_makes_no_click() -> None:
    tone = (0.3 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)
    band_pass = BandPass(RATE, BandPassSettings())
    openings = iter([0.0, 1.0, 0.1, 0.8] * 30)
    out = in_blocks(lambda block: band_pass.process(block, next(openings)), tone, 512)
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
    tone = tone_of()
    sound = bursts()
    first = in_blocks(lambda b: tone.process(b, 0.5), sound, 512)
    tone.reset()
    assert np.array_equal(in_blocks(lambda b: tone.process(b, 0.5), sound, 512), first)
