"""Blocks of several channels: every stage treats each as it treats one, with a common gain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from latent_resonance.audio.channels import mix, spread, spread_gains
from latent_resonance.audio.loudness import MAX_LUFS, MOMENTARY_S, Fader, KWeighting, LoudnessWindow
from latent_resonance.audio.reference_tone import ReferenceTone
from latent_resonance.audio.resample import Resampler
from latent_resonance.voice.synthesis.band_pass import BandPass
from latent_resonance.voice.synthesis.leveller import Leveller
from latent_resonance.voice.synthesis.limiter import Limiter
from latent_resonance.voice.synthesis.tone import Tone

RATE, HOP = 48_000, 512
Process = Callable[[np.ndarray], np.ndarray]


def noise(n_channels: int, seconds: float = 1.0, level: float = 0.1, seed: int = 0) -> np.ndarray:
    """Uncorrelated noise: (n_channels, n)."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((n_channels, int(seconds * RATE)))).astype(np.float32)


def in_blocks(process: Process, sound: np.ndarray) -> np.ndarray:
    blocks = [sound[..., i : i + HOP] for i in range(0, sound.shape[-1], HOP)]
    return np.concatenate([process(block) for block in blocks], axis=-1)


def power(sound: np.ndarray) -> float:
    """Of all channels together."""
    return float(np.square(sound, dtype=np.float64).sum() / sound.shape[-1])


def tone_of(**changes: float) -> Tone:
    settings = {"loudness_lufs": -18.0, "expected_db": -24.0, "volume_db": 0.0}
    return Tone(RATE, **settings | {"ceiling_dbtp": -1.0} | changes)


def band_pass() -> Process:
    stage = BandPass(RATE)
    return lambda block: stage.process(block, 3000.0)


def fader() -> Process:
    stage = Fader(RATE)
    return lambda block: stage.process(block, -6.0)


def resampler() -> Process:
    return Resampler(RATE, 44_100).process


@pytest.mark.parametrize("make", [band_pass, fader, resampler])
def test_a_stage_gives_each_channel_what_it_gives_it_alone(make: Callable[[], Process]) -> None:
    sound = noise(3)
    together = in_blocks(make(), sound)
    alone = [in_blocks(make(), channel) for channel in sound]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_peak_in_one_channel_lowers_all_channels_alike() -> None:
    sound = np.full((2, RATE), 0.1, np.float32)
    sound[0, 20_000:20_100] = 4.0
    out = in_blocks(Limiter(-1.0).process, sound)[:, 1000:]
    assert np.abs(out).max() < 10 ** (-1.0 / 20)
    assert out[1].min() == pytest.approx(0.1 * out[0].max() / 4.0, rel=0.05)
    assert out[1, 5000] == pytest.approx(0.1)


def momentary_lufs(sound: np.ndarray) -> list[float]:
    """Loudness of all channels together, in every full window of 400 ms."""
    meters, window = [KWeighting(RATE) for _ in sound], LoudnessWindow(RATE, MOMENTARY_S)
    levels = []
    for i in range(0, sound.shape[-1] - HOP, HOP):
        each = [meter.energy(row[i : i + HOP]) for meter, row in zip(meters, sound, strict=True)]
        levels.append(window.add(sum(each), HOP))
    return levels[int(MOMENTARY_S * RATE / HOP) + 1 :]


@pytest.mark.parametrize("n_channels", [1, 2, 8])
@pytest.mark.parametrize("level", [0.1, 1.0])
def test_the_loudness_of_all_channels_together_is_capped(n_channels: int, level: float) -> None:
    tone = tone_of(volume_db=12.0)
    out = in_blocks(lambda b: tone.process(b, 16_000.0), noise(n_channels, 4.0, level))
    assert MAX_LUFS - 3.0 < max(momentary_lufs(out)) <= MAX_LUFS


@pytest.mark.parametrize("n_channels", [1, 2, 8])
def test_all_channels_together_are_levelled_to_the_target(n_channels: int) -> None:
    leveller = Leveller(RATE, loudness_lufs=-18.0, expected_db=-24.0)
    out = in_blocks(leveller.process, noise(n_channels, 8.0))
    assert momentary_lufs(out)[-1] == pytest.approx(-18.0, abs=0.6)


def test_a_stage_goes_on_when_the_number_of_channels_changes() -> None:
    tone = tone_of()
    for n_channels in (1, 2, 1, 4):
        sound = noise(n_channels)
        out = in_blocks(lambda b: tone.process(b, 2000.0), sound if n_channels > 1 else sound[0])
        assert np.isfinite(out).all()
        assert power(out) > 1e-4


@pytest.mark.parametrize(("n_sources", "n_channels"), [(1, 2), (1, 8), (2, 1), (4, 2), (3, 8)])
def test_fewer_or_more_channels_keep_every_source_and_the_power(
    n_sources: int, n_channels: int
) -> None:
    sound = noise(n_sources) if n_sources > 1 else noise(1)[0]
    out = spread(sound, n_channels)
    assert out.shape[:-1] == (() if n_channels == 1 else (n_channels,))
    assert 10 * np.log10(power(out) / power(sound)) == pytest.approx(0.0, abs=0.1)
    assert (np.abs(spread_gains(n_sources, n_channels)).sum(axis=0) > 0).all()


def test_a_mono_block_is_its_own_mix_and_its_own_spread() -> None:
    block = noise(1)[0]
    assert mix(block) is block
    assert spread(block, 1) is block


@pytest.mark.parametrize("n_channels", [2, 8])
def test_the_reference_tone_has_the_same_power_on_any_number_of_channels(n_channels: int) -> None:
    def played(block: np.ndarray) -> float:
        tone = ReferenceTone(RATE, HOP)
        blocks = [tone.process(block, 0.0, enabled=True) for _ in range(60)]
        return power(np.concatenate(blocks[30:], axis=-1))

    silence = np.zeros((n_channels, HOP), np.float32)
    assert played(silence) == pytest.approx(played(silence[0]), rel=1e-3)
