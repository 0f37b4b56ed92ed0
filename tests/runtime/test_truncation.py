"""Truncation pulls what faces play towards the neutral face's sound; by default it does nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face, settings_of

from latent_resonance.config.settings import Inference
from latent_resonance.config.settings import Latent as LatentSettings
from latent_resonance.face_state import neutral_features
from latent_resonance.link.correction import Correction
from latent_resonance.link.requests import Pair
from latent_resonance.pack import PackError, open_pack
from latent_resonance.voice.synthesis.networks import load_networks
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator

FACES = [face(mouth_open=1.0), face(head_yaw=0.6, brow_tension=1.0), face(mouth_width=0.5)]


def generator_of(folder: Path, truncation: float | None = None) -> SpectrogramGenerator:
    latent = LatentSettings(truncation=truncation)
    settings = settings_of(folder).model_copy(update={"latent": latent})
    pack = open_pack(folder)
    return SpectrogramGenerator(pack, load_networks(pack, Inference()), settings, seed=0)


def targets(generator: SpectrogramGenerator) -> np.ndarray:
    return np.stack([generator.target_of(features).z for features in FACES])


def untouched(generator: SpectrogramGenerator) -> np.ndarray:
    return np.stack([generator.networks.z_of(features) for features in FACES])


def test_by_default_z_and_anchors_are_the_packs_bit_for_bit(pack_folder: Path) -> None:
    generator = generator_of(pack_folder)
    assert targets(generator).tobytes() == untouched(generator).tobytes()
    assert generator.glide.anchors.tobytes() == open_pack(pack_folder).anchors.tobytes()


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.6])
def test_distances_from_the_neutral_faces_z_are_multiplied(
    pack_folder: Path, amount: float
) -> None:
    generator = generator_of(pack_folder, amount)
    centre = generator.networks.z_of(neutral_features())
    expected = centre + amount * (untouched(generator) - centre)
    np.testing.assert_allclose(targets(generator), expected, atol=1e-5)
    anchors = centre + amount * (open_pack(pack_folder).anchors - centre)
    np.testing.assert_allclose(generator.glide.anchors, anchors, atol=1e-5)


def test_at_zero_every_face_plays_the_same_spectrogram(pack_folder: Path) -> None:
    generator = generator_of(pack_folder, 0.0)
    first, *others = (generator.step(features, 10.0).copy() for features in FACES[::2])
    assert np.abs(first - others).max() < 1e-3
    wild = generator_of(pack_folder, 1.0)
    first, *others = (wild.step(features, 10.0).copy() for features in FACES[::2])
    assert np.abs(first - others).max() > 0.05


def test_the_packs_own_number_counts_unless_the_settings_have_one(
    make_pack: Callable[..., Path],
) -> None:
    folder = make_pack(truncation=0.5)
    assert generator_of(folder).truncation.amount == 0.5
    assert generator_of(folder, 1.2).truncation.amount == 1.2
    assert targets(generator_of(folder, 1.0)).tobytes() == untouched(generator_of(folder)).tobytes()


def test_a_held_z_and_an_example_given_on_site_stay_what_they_are(pack_folder: Path) -> None:
    generator = generator_of(pack_folder, 0.3)
    z = np.linspace(-1, 1, 8).astype(np.float32)
    assert generator.target_of(FACES[0], held=z).z is z
    generator.correction = Correction((Pair(FACES[0], z),))
    found = generator.target_of(FACES[0]).z
    cosine = found @ z / np.linalg.norm(found) / np.linalg.norm(z)
    assert cosine == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("truncation", [-0.1, 2.5, "calm", float("nan")])
def test_a_number_outside_its_range_is_refused_with_the_rule(
    truncation: object, make_pack: Callable[..., Path]
) -> None:
    with pytest.raises(PackError, match="truncation"):
        open_pack(make_pack(truncation=truncation))
