"""Blocks of several channels: every stage treats each as it treats one, with a common gain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face, settings_of
from tests.support.instruments import open_instrument
from tests.support.spectrograms import GEOMETRY, harmonic

from latent_resonance.audio.channels import mix, spread, spread_gains
from latent_resonance.audio.loudness import MAX_LUFS, MOMENTARY_S, Fader, KWeighting, LoudnessWindow
from latent_resonance.audio.mel_inversion import spectrogram_to_magnitude
from latent_resonance.audio.reference_tone import ReferenceTone
from latent_resonance.audio.resample import Resampler
from latent_resonance.config.output import Output
from latent_resonance.config.settings import BandPass as BandPassSettings
from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.band_pass import BandPass
from latent_resonance.voice.synthesis.channel_pair import ChannelPair, channel_pairs
from latent_resonance.voice.synthesis.crossfade import CrossFade
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.leveller import Leveller
from latent_resonance.voice.synthesis.limiter import Limiter
from latent_resonance.voice.synthesis.panning import pan_gains
from latent_resonance.voice.synthesis.synthesiser import Synthesiser
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
    settings |= {"ceiling_dbtp": -1.0} | changes
    return Tone(RATE, band_pass=BandPassSettings(), **settings)


def band_pass() -> Process:
    stage = BandPass(RATE, BandPassSettings())
    return lambda block: stage.process(block, 0.5)


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
    out = in_blocks(lambda b: tone.process(b, 1.0), noise(n_channels, 4.0, level))
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
        out = in_blocks(lambda b: tone.process(b, 0.2), sound if n_channels > 1 else sound[0])
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


def synthesiser_of(folder: Path, n_channels: int, **output: object) -> Synthesiser:
    settings = settings_of(folder).model_copy(update={"output": Output(**output)})
    synthesiser = Synthesiser(open_pack(folder), settings, seed=0, n_channels=n_channels)
    synthesiser.receive(rising_tones(synthesiser.pairs[0].n_frames))
    return synthesiser


def rising_tones(n_frames: int) -> np.ndarray:
    """A spectrogram (n_mels, n_frames) of partials that rise through the loop."""
    band, frame = np.mgrid[0:512, 0:n_frames]
    return np.clip(1.2 * np.cos(0.25 * band - 0.1 * frame) - 0.4, -1, 1).astype(np.float32)


def sound_of(synthesiser: Synthesiser, seconds: float = 3.0, **features: float) -> np.ndarray:
    held = face(**{"mouth_open": 1.0} | features)
    hops = [synthesiser.hop(held) for _ in range(int(seconds * RATE / HOP))]
    return np.concatenate(hops, axis=-1)[..., RATE:]


@pytest.fixture(scope="module")
def mono(pack_folder: Path) -> np.ndarray:
    """The voice on one channel."""
    return sound_of(synthesiser_of(pack_folder, 1))


@pytest.mark.slow
@pytest.mark.parametrize("n_channels", [2, 3, 6])
def test_any_number_of_channels_is_as_loud_as_one(
    pack_folder: Path, mono: np.ndarray, n_channels: int
) -> None:
    sound = sound_of(synthesiser_of(pack_folder, n_channels))
    assert mono.ndim == 1
    assert sound.shape == (n_channels, *mono.shape)
    assert 10 * np.log10(power(sound) / power(mono)) == pytest.approx(0.0, abs=0.5)


def test_two_channels_of_the_voice_are_uncorrelated_and_alike_in_level(pack_folder: Path) -> None:
    left, right = sound_of(synthesiser_of(pack_folder, 2))
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02
    assert 10 * np.log10(power(left) / power(right)) == pytest.approx(0.0, abs=0.2)
    assert 10 * np.log10(power(left + right) / (2 * power(left))) == pytest.approx(0.0, abs=0.2)


@pytest.mark.slow
def test_pairs_start_apart_in_the_loop_and_stay_there_after_a_reset(pack_folder: Path) -> None:
    synthesiser = synthesiser_of(pack_folder, 5)
    assert [pair.n_channels for pair in synthesiser.pairs] == [2, 2, 1]
    first = sound_of(synthesiser)
    synthesiser.reset()
    synthesiser.receive(rising_tones(synthesiser.pairs[0].n_frames))
    np.testing.assert_array_equal(sound_of(synthesiser), first)
    assert np.abs(np.corrcoef(first)[np.triu_indices(5, 1)]).max() < 0.7


def partial_hz(pair: ChannelPair, magnitude: np.ndarray) -> float:
    """Frequency of a single partial on two channels in quadrature, after half a second."""
    hops = [pair.phase.push(magnitude) for _ in range(RATE // HOP)]
    left, right = np.concatenate(hops, axis=-1)[:, RATE // 2 :].astype(np.float64)
    turning = left + 1j * right
    return float(np.angle(np.vdot(turning[:-1], turning[1:])) * RATE / (2 * np.pi))


def test_pairs_drift_apart_as_far_up_as_down(pack_folder: Path) -> None:
    magnitude = spectrogram_to_magnitude(harmonic(5000.0)[:, 100:101], GEOMETRY)[:, 0]
    alone, lower, higher = (
        partial_hz(pair, magnitude)
        for n_channels in (2, 4)
        for pair in channel_pairs(GEOMETRY, settings_of(pack_folder), 0, n_channels)
    )
    assert lower - alone == pytest.approx(-0.2, abs=0.05)
    assert higher - alone == pytest.approx(0.2, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("yaw", "loud", "soft"), [(0.6, 0, 1), (-0.6, 1, 0)])
def test_the_sound_follows_the_head_if_asked(
    pack_folder: Path, yaw: float, loud: int, soft: int
) -> None:
    still = sound_of(synthesiser_of(pack_folder, 2), head_yaw=yaw)
    assert 10 * np.log10(power(still[0]) / power(still[1])) == pytest.approx(0.0, abs=0.2)
    moved = sound_of(synthesiser_of(pack_folder, 2, follow_yaw=True), head_yaw=yaw)
    assert power(moved[loud]) > 100 * power(moved[soft])
    assert 10 * np.log10(power(moved) / power(still)) == pytest.approx(0.0, abs=0.5)


@pytest.mark.parametrize("n_channels", [2, 3, 8])
@pytest.mark.parametrize("position", [-1.0, -0.3, 0.0, 1.0])
def test_panning_keeps_the_power(n_channels: int, position: float) -> None:
    assert np.square(pan_gains(position, n_channels)).sum() == pytest.approx(n_channels)


def test_a_voice_is_stereo_only_where_the_device_is(pack_folder: Path) -> None:
    instrument = open_instrument(settings_of(pack_folder))
    neutral = face()
    assert instrument.hop(neutral, 1, device_channels=1).shape == (HOP,)
    assert instrument.hop(neutral, 1, device_channels=2).shape == (2, HOP)
    assert instrument.hop(neutral, 1, device_channels=8).shape == (2, HOP)
    assert instrument.hop(neutral, 1, device_channels=1).shape == (HOP,)


def test_a_cross_fade_joins_instruments_with_different_channels(pack_folder: Path) -> None:
    def with_channels(channels: object) -> Instrument:
        output = Output(channels=channels)
        settings = settings_of(pack_folder).model_copy(update={"output": output})
        return open_instrument(settings)

    before, after = with_channels("mono"), with_channels(4)
    cross_fade, held = CrossFade(before), face(mouth_open=1.0)
    for instrument in (before, after):
        instrument.generate(held, 1.0)
    for _ in range(100):
        cross_fade.hop(before, held, 0)
    blocks = [cross_fade.hop(after, held, 0) for _ in range(100)]
    assert blocks[0].shape == (4, HOP)
    steps = np.abs(np.diff(np.concatenate(blocks[:2], axis=1)))
    assert steps.max() < 0.1
    assert cross_fade.previous is None
