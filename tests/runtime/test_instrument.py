"""What is dreamed, and how often."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.support.audio_measures import face, settings_of

from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.instrument import SpectrogramGenerator
from latent_resonance.voice.synthesis.latent import Latent
from latent_resonance.voice.synthesis.networks import Networks, open_networks


class CountingNetworks:
    """The real networks, and how many spectrograms they made."""

    def __init__(self, networks: Networks) -> None:
        self.networks, self.made = networks, 0

    def z_of(self, features: np.ndarray) -> Latent:
        return self.networks.z_of(features)

    def spectrogram_of(self, z: Latent) -> np.ndarray:
        self.made += 1
        return self.networks.spectrogram_of(z)


def dreamer_of(folder: Path) -> SpectrogramGenerator:
    settings, pack = settings_of(folder), open_pack(folder)
    networks = CountingNetworks(open_networks(pack, settings.inference))
    return SpectrogramGenerator(pack, networks, settings, seed=0)


def test_a_z_that_rests_is_not_dreamed_again(pack_folder: Path) -> None:
    generator, still = dreamer_of(pack_folder), face(stillness=1.0)
    for _ in range(300):
        shown = generator.step(still, 0.1)
    made = generator.networks.made
    for _ in range(50):
        assert generator.step(still, 0.1) is shown
    assert generator.networks.made == made < 300


def test_a_face_that_moves_is_dreamed_every_time(pack_folder: Path) -> None:
    generator = dreamer_of(pack_folder)
    for i in range(20):
        generator.step(face(mouth_open=i / 20, head_yaw=i / 20), 0.1)
    assert generator.networks.made == 20
