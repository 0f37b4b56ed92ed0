"""How often the generator runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.support.audio_measures import face, settings_of

from latent_resonance.config.settings import Latent as LatentSettings
from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.latent import Latent
from latent_resonance.voice.synthesis.loop_span import LoopSpan
from latent_resonance.voice.synthesis.networks import Networks, load_networks
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator


class CountingNetworks:
    """The real networks, with a count of the spectrograms."""

    def __init__(self, networks: Networks) -> None:
        self.networks, self.made, self.step = networks, 0, networks.step

    def z_of(self, features: np.ndarray) -> Latent:
        return self.networks.z_of(features)

    def spectrogram_of(self, z: Latent) -> np.ndarray:
        self.made += 1
        return self.networks.spectrogram_of(z)

    def part_of(self, z: Latent, span: LoopSpan) -> np.ndarray:
        self.made += 1
        return self.networks.part_of(z, span)


def generator_of(folder: Path) -> SpectrogramGenerator:
    settings = settings_of(folder).model_copy(update={"latent": LatentSettings(drift=0)})
    pack = open_pack(folder)
    networks = CountingNetworks(load_networks(pack, settings.inference))
    return SpectrogramGenerator(pack, networks, settings, seed=0)


def test_a_z_at_rest_needs_no_new_spectrogram(pack_folder: Path) -> None:
    generator, still = generator_of(pack_folder), face(stillness=1.0)
    for _ in range(300):
        spectrogram = generator.step(still, 0.1)
    made = generator.networks.made
    for _ in range(50):
        assert generator.step(still, 0.1) is spectrogram
    assert generator.networks.made == made < 300


def test_a_moving_face_gets_a_new_spectrogram_each_time(pack_folder: Path) -> None:
    generator = generator_of(pack_folder)
    for i in range(20):
        generator.step(face(mouth_open=i / 20, head_yaw=i / 20), 0.1)
    assert generator.networks.made == 20
