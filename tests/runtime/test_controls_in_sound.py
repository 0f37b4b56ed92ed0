"""The four controls, measured on the samples."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import (
    RATE,
    centroid_hz,
    face,
    flatness,
    peak_hz,
    play,
    settings_of,
)
from tests.support.spectrograms import held_tone

from latent_resonance.pack import find_pack, open_pack
from latent_resonance.voice.synthesis.controls import ControlGlide
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

POSES: tuple[dict[str, float], ...] = (
    {},
    {"head_yaw": 0.4},
    {"head_yaw": -0.4},
    {"head_pitch": 0.3},
    {"head_pitch": -0.3},
    {"brow_raise": 0.7},
    {"mouth_width": 0.6},
)


@pytest.fixture(params=["tiny", "cello"])
def any_pack(request: pytest.FixtureRequest, pack_folder: Path) -> Path:
    """The pack of the tests, and the default one."""
    return pack_folder if request.param == "tiny" else find_pack("cello")


@pytest.mark.slow
def test_an_open_mouth_at_least_doubles_the_spectral_centroid(any_pack: Path) -> None:
    closed = centroid_hz(play(any_pack, face()))
    opened = centroid_hz(play(any_pack, face(mouth_open=0.8, jaw_open=0.7)))
    assert opened >= 2.0 * closed


@pytest.mark.slow
def test_an_open_mouth_brightens_the_cello_from_every_pose() -> None:
    ratios = []
    for pose in POSES:
        closed = centroid_hz(play(find_pack("cello"), face(**pose)))
        opened = face(mouth_open=0.8, jaw_open=0.7, **pose)
        ratios.append(centroid_hz(play(find_pack("cello"), opened)) / closed)
    assert min(ratios) >= 2.0


@pytest.mark.slow
def test_a_tense_brow_raises_the_spectral_flatness(any_pack: Path) -> None:
    resting = flatness(play(any_pack, face(mouth_open=0.8)))
    tense = flatness(play(any_pack, face(mouth_open=0.8, brow_tension=0.8)))
    assert tense > 3.0 * resting


@pytest.mark.slow
def test_stillness_lowers_the_flatness_below_the_resting_value() -> None:
    resting = flatness(play(find_pack("cello"), face(mouth_open=0.8)))
    still = flatness(play(find_pack("cello"), face(mouth_open=0.8, stillness=1.0)))
    assert still < 0.8 * resting


def test_z_comes_to_rest_on_a_pure_anchor_when_still(pack_folder: Path) -> None:
    settings, pack = settings_of(pack_folder), open_pack(pack_folder)
    generator = SpectrogramGenerator(
        pack, load_networks(pack, settings.inference), settings, seed=0
    )
    for _ in range(110):  # less than the drift waits
        generator.step(face(stillness=1.0, brow_tension=0.5), 0.1)
    distance = np.linalg.norm(pack.anchors - generator.z, axis=1).min()
    assert distance < 1e-2 * np.linalg.norm(pack.anchors[0])


@cache
def tempo_and_pitch(pack_folder: Path, yaw_velocity: float) -> tuple[float, float]:
    """(swells a second, Hz of the partial) of the held tone while the head turns."""
    pack = open_pack(pack_folder)
    synthesiser = Synthesiser(pack, settings_of(pack_folder), seed=0)
    synthesiser.receive(held_tone(pack.geometry, beats=8))
    features = face(mouth_open=0.8, yaw_velocity=yaw_velocity)
    hops, swell = [], []
    for _ in range(750):
        hops.append(synthesiser.hop(features))
        swell.append(np.square(synthesiser.generated).sum())  # without the ripples of turning
    envelope = np.sqrt(swell[200:])
    spectrum = np.abs(np.fft.rfft(envelope - envelope.mean(), 4096))
    beats_hz = float(np.argmax(spectrum) / 4096 / pack.geometry.hop_s)
    return beats_hz, peak_hz(np.concatenate(hops)[2 * RATE :], 1100.0, within=0.4)


@pytest.mark.slow
@pytest.mark.parametrize("yaw_velocity", [0.9, 1.6, -2.5])
def test_a_turning_head_changes_the_tempo_and_not_the_pitch(
    pack_folder: Path, yaw_velocity: float
) -> None:
    glide = ControlGlide(settings_of(pack_folder).controls)
    rate = glide.step(face(yaw_velocity=yaw_velocity), 100.0).rate
    slow_hz, resting_pitch_hz = tempo_and_pitch(pack_folder, 0.0)
    fast_hz, turning_pitch_hz = tempo_and_pitch(pack_folder, yaw_velocity)
    assert rate > 1.5
    assert fast_hz / slow_hz == pytest.approx(rate, rel=0.06)
    assert turning_pitch_hz == pytest.approx(resting_pitch_hz, rel=0.01)


def test_controls_do_not_depend_on_how_repeated_they_are_stepped(pack_folder: Path) -> None:
    controls = settings_of(pack_folder).controls
    coarse, fine = ControlGlide(controls), ControlGlide(controls)
    moved = face(mouth_open=0.5, brow_tension=0.6, yaw_velocity=1.0, stillness=0.5)
    once = coarse.step(moved, 0.1)
    for _ in range(10):
        repeated = fine.step(moved, 0.01)
    for name in ("rate", "turning", "openness", "noise", "clarity"):
        assert getattr(repeated, name) == pytest.approx(getattr(once, name), rel=1e-6)
