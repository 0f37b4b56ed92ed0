"""Networks that fail during playback: the last valid spectrogram stays, and the fault is logged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face, settings_of

from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.latent import Latent
from latent_resonance.voice.synthesis.loop_span import LoopSpan
from latent_resonance.voice.synthesis.networks import NetworkError, Networks, load_networks
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

NAN, INFINITY = float("nan"), float("inf")


class FailingNetworks:
    """The real networks, with faults injected on demand."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.z: float | Exception | None = None
        self.spectrogram: float | Exception | None = None
        self.step = networks.step

    def z_of(self, features: np.ndarray) -> Latent:
        return _inject(self.z, self.networks.z_of(features))

    def spectrogram_of(self, z: Latent) -> np.ndarray:
        return _inject(self.spectrogram, self.networks.spectrogram_of(z))

    def part_of(self, z: Latent, span: LoopSpan) -> np.ndarray:
        return _inject(self.spectrogram, self.networks.part_of(z, span))


def _inject(fault: float | Exception | None, good: np.ndarray) -> np.ndarray:
    if isinstance(fault, Exception):
        raise fault
    if fault is None:
        return good
    faulty = good.copy()
    faulty[..., :3] = fault
    return faulty


@pytest.fixture
def generator(pack_folder: Path) -> SpectrogramGenerator:
    settings, pack = settings_of(pack_folder), open_pack(pack_folder)
    networks = FailingNetworks(load_networks(pack, settings.inference))
    return SpectrogramGenerator(pack, networks, settings, seed=0)


MOVING = [face(mouth_open=i / 40, head_yaw=i / 40) for i in range(40)]
FAULTS = [NAN, INFINITY, -INFINITY, 7.0, NetworkError("out of memory")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_an_invalid_spectrogram_leaves_the_last_valid_one_and_a_reason(
    generator: SpectrogramGenerator, fault: float | Exception
) -> None:
    for features in MOVING[:10]:
        good = generator.step(features, 0.1)
    assert generator.fault is None
    generator.networks.spectrogram = fault
    for features in MOVING[10:20]:
        assert generator.step(features, 0.1) is good
    assert generator.fault
    generator.networks.spectrogram = None
    assert generator.step(MOVING[20], 0.1) is not good


@pytest.mark.parametrize("fault", [NAN, INFINITY, NetworkError("out of memory")], ids=str)
def test_an_invalid_z_does_not_remain_in_the_glide(
    generator: SpectrogramGenerator, fault: float | Exception
) -> None:
    for features in MOVING[:10]:
        generator.step(features, 0.1)
    generator.networks.z = fault
    for features in MOVING[10:20]:
        assert np.isfinite(generator.step(features, 0.1)).all()
    assert generator.fault
    generator.networks.z = None
    before = generator.step(MOVING[20], 0.1)
    assert np.isfinite(generator.z).all()
    assert generator.step(MOVING[39], 0.1) is not before


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_a_constant_spectrogram_is_not_played(
    generator: SpectrogramGenerator, level: float
) -> None:
    good = generator.step(MOVING[0], 0.1)
    generator.networks.spectrogram_of = lambda _z: np.full_like(good, level)
    assert generator.step(MOVING[39], 0.1) is good
    assert "everywhere" in generator.fault


def test_a_network_that_never_works_gives_silence(
    generator: SpectrogramGenerator, pack_folder: Path
) -> None:
    generator.networks.spectrogram = NAN
    synthesiser = Synthesiser(open_pack(pack_folder), settings_of(pack_folder), seed=0)
    for features in MOVING:
        synthesiser.receive(generator.step(features, 0.1))
        block = synthesiser.hop(features)
        assert np.isfinite(block).all()
        assert np.abs(block).max() < 1e-3


def test_no_spectrogram_exceeds_the_ceiling(pack_folder: Path) -> None:
    settings, rng = settings_of(pack_folder), np.random.default_rng(5)
    synthesiser = Synthesiser(open_pack(pack_folder), settings, seed=0)
    ceiling = 10 ** (settings.output.ceiling_dbtp / 20)
    for _ in range(12):
        spectrogram = rng.choice([-1.0, 1.0], (512, 512)).astype(np.float32)
        synthesiser.receive(spectrogram)
        for _ in range(8):
            assert np.abs(synthesiser.hop(MOVING[39])).max() <= ceiling


def test_a_session_that_fails_raises_a_network_error(pack_folder: Path) -> None:
    networks = load_networks(open_pack(pack_folder), settings_of(pack_folder).inference)
    with pytest.raises(NetworkError, match="spectrogram"):
        networks.spectrogram_of(np.zeros(5, np.float32))
