"""Parts of a loop: a generator that gives them saves work and changes nothing in the sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face, settings_of

from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.pack import Pack, open_pack
from latent_resonance.voice.synthesis.instrument import Instrument
from latent_resonance.voice.synthesis.latent import Latent
from latent_resonance.voice.synthesis.loop_frames import cuts_a_rest, evening_margin, frames_of
from latent_resonance.voice.synthesis.loop_span import LoopSpan, whole_loop
from latent_resonance.voice.synthesis.networks import Networks, load_networks

MODELS = Path(__file__).parents[2] / "models"
HOPS_PER_STEP = 9


@pytest.fixture(scope="module")
def pack() -> Pack:
    return open_pack(MODELS / "cello")


@pytest.fixture(scope="module")
def networks(pack: Pack) -> Networks:
    return load_networks(pack, settings_of(pack.folder).inference)


class WholeLoops:
    """The same networks, without parts."""

    step = None

    def __init__(self, networks: Networks) -> None:
        self.z_of, self.spectrogram_of = networks.z_of, networks.spectrogram_of


class RecordedSpans:
    """The same networks; records the length of what is generated."""

    def __init__(self, networks: Networks, n_frames: int) -> None:
        self.networks, self.n_frames, self.step = networks, n_frames, networks.step
        self.lengths: list[int] = []

    def z_of(self, features: np.ndarray) -> Latent:
        return self.networks.z_of(features)

    def spectrogram_of(self, z: Latent) -> FloatArray:
        self.lengths.append(self.n_frames)
        return self.networks.spectrogram_of(z)

    def part_of(self, z: Latent, span: LoopSpan) -> FloatArray:
        self.lengths.append(span.length)
        return self.networks.part_of(z, span)


def z_of(pack: Pack, seed: int) -> Latent:
    return np.random.default_rng(seed).standard_normal(pack.latent_dim).astype(np.float32)


def moving(n: int, shaken: bool) -> Iterator[np.ndarray]:
    """A face that speaks, shakes its head twice or not at all, and then rests."""
    for i in range(n):
        phase = i / 90
        turning = 2.0 if shaken and (200 < i < 260 or 300 < i < 320) else 0.0
        mouth = 0.5 + 0.4 * np.sin(2 * np.pi * phase) if i < 350 else 0.2
        yield face(
            mouth_open=mouth, mouth_width=0.3 + 0.1 * phase * (i < 350), yaw_velocity=turning
        )


def columns_of(instrument: Instrument, n_hops: int, *, shaken: bool) -> FloatArray:
    """The columns (n_hops, n_mels) of amplitudes that become sound."""
    columns = []
    for i, features in enumerate(moving(n_hops, shaken)):
        if i % HOPS_PER_STEP == 0:
            instrument.generate(features, HOPS_PER_STEP * instrument.pack.geometry.hop_s)
        instrument.hop(features, iterations=1)
        columns.append(instrument.synthesiser.generated)
    return np.array(columns)


@pytest.mark.parametrize("first", [0, 8, 256, 504])
def test_a_part_has_the_frames_of_the_whole(pack: Pack, networks: Networks, first: int) -> None:
    z, n_frames = z_of(pack, first), pack.geometry.n_frames
    whole = networks.spectrogram_of(z)
    for length in (8, 96):
        part = networks.part_of(z, LoopSpan(first, length, n_frames))
        expected = np.roll(whole, -first, axis=1)[:, :length]
        np.testing.assert_allclose(part, expected, atol=1e-5)


def test_a_part_is_evened_out_like_the_whole(pack: Pack, networks: Networks) -> None:
    geometry, span = pack.geometry, LoopSpan(488, 96, pack.geometry.n_frames)
    spectrogram = networks.spectrogram_of(z_of(pack, 1))
    whole = frames_of(spectrogram, geometry, pack.level_reference_db)
    pixels = np.roll(spectrogram, -span.first, axis=1)[:, : span.length]
    part = frames_of(pixels, geometry, pack.level_reference_db, span)
    assert part.span == span.within(evening_margin(geometry))
    places = np.arange(part.span.first, part.span.first + part.span.length) % geometry.n_frames
    np.testing.assert_allclose(part.amplitude, whole.amplitude[places], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(part.power, whole.power[places], rtol=1e-3, atol=1e-9)


def in_parts_and_whole(
    pack: Pack, networks: Networks, *, shaken: bool
) -> tuple[FloatArray, FloatArray]:
    settings = settings_of(pack.folder)
    in_parts, whole = (
        columns_of(Instrument(pack, each, settings, seed=0), n_hops=450, shaken=shaken)
        for each in (networks, WholeLoops(networks))
    )
    assert whole.max() > 0.1
    return in_parts, whole


@pytest.mark.slow
def test_parts_change_nothing_in_what_is_played(pack: Pack, networks: Networks) -> None:
    in_parts, whole = in_parts_and_whole(pack, networks, shaken=False)
    np.testing.assert_allclose(in_parts, whole, atol=1e-5)


@pytest.mark.slow
def test_a_head_that_starts_to_shake_within_a_morph_changes_hardly_anything(
    pack: Pack, networks: Networks
) -> None:
    in_parts, whole = in_parts_and_whole(pack, networks, shaken=True)
    assert np.abs(in_parts - whole).sum() < 0.03 * whole.sum()


@pytest.mark.slow
def test_a_moving_face_gets_parts_and_a_still_one_the_whole_once() -> None:
    pack = open_pack(MODELS / "voices")  # no rests: a part that ends in one is not enough
    settings = settings_of(pack.folder)
    recorded = RecordedSpans(load_networks(pack, settings.inference), pack.geometry.n_frames)
    calm = {"latent": settings.latent.model_copy(update={"jitter": 0.0, "glide_s": 0.01})}
    instrument = Instrument(pack, recorded, settings.model_copy(update=calm), seed=0)
    columns_of(instrument, n_hops=300, shaken=True)
    assert max(recorded.lengths) < pack.geometry.n_frames
    assert np.mean(recorded.lengths) < 0.3 * pack.geometry.n_frames
    for _ in range(900):
        instrument.generate(face(mouth_open=0.2), 0.1)
        instrument.hop(face(mouth_open=0.2), iterations=1)
    assert recorded.lengths[-1] == pack.geometry.n_frames
    assert recorded.lengths.count(pack.geometry.n_frames) == 1


def test_a_part_that_cuts_a_rest_is_not_enough(pack: Pack, networks: Networks) -> None:
    geometry, level_db = pack.geometry, pack.level_reference_db
    spectrogram = networks.spectrogram_of(z_of(pack, 1))
    assert not cuts_a_rest(spectrogram, geometry, level_db - 20.0)
    for end in (0, -evening_margin(geometry) - 1, -1):
        cut = spectrogram.copy()
        cut[:, end] = -1.0
        assert cuts_a_rest(cut, geometry, level_db)


def test_a_rest_within_a_part_is_bridged_as_in_the_whole(pack: Pack, networks: Networks) -> None:
    geometry, span = pack.geometry, LoopSpan(488, 96, pack.geometry.n_frames)
    spectrogram = np.roll(networks.spectrogram_of(z_of(pack, 1)), -span.first, axis=1)
    spectrogram[:, [0, 95]], spectrogram[:, 40:60] = spectrogram.max(), -1.0
    evened = {"level_db": pack.level_reference_db, "longest_rest": 9.0}
    whole = frames_of(np.roll(spectrogram, span.first, axis=1), geometry, **evened)
    part = frames_of(spectrogram[:, : span.length], geometry, span=span, **evened)
    places = np.arange(part.span.first, part.span.first + part.span.length)
    np.testing.assert_allclose(part.amplitude, whole.frames(places), rtol=1e-3, atol=1e-7)
    assert part.amplitude[28:48].max(axis=1).min() > 0.0


def test_a_playhead_that_outruns_its_part_holds_the_last_frame(
    pack: Pack, networks: Networks
) -> None:
    settings = settings_of(pack.folder)
    instrument = Instrument(pack, networks, settings, seed=0)
    loop = instrument.synthesiser.pairs[0].loop
    features = face(mouth_open=0.9)
    for seconds in (0.1, 0.1):
        instrument.generate(features, seconds)
        instrument.hop(features, iterations=1)
    span = loop.newest.span
    assert not span.is_whole
    columns = [loop.column(1.0) for _ in range(span.length + 60)]
    np.testing.assert_array_equal(columns[-1], columns[-30])
    assert columns[-1].max() > 0.0


def test_spans_know_what_is_ahead() -> None:
    span = LoopSpan(500, 40, 512)
    assert span.ahead(500.0) == 39.0
    assert span.ahead(10.5) == 16.5
    assert span.ahead(40.0) == 0.0
    assert span.ahead(499.0) == 0.0
    assert whole_loop(512).ahead(499.0) == float("inf")
    assert span.within(4) == LoopSpan(504, 32, 512)
    assert whole_loop(512).within(4) == whole_loop(512)
