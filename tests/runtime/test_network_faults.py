"""A network that fails while it plays: the last good picture stays, and the fault is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face, settings_of

from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.instrument import Dreamer, Synthesiser
from latent_resonance.voice.synthesis.latent import Latent
from latent_resonance.voice.synthesis.networks import NetworkError, Networks, open_networks

NAN, INFINITY = float("nan"), float("inf")


class FailingNetworks:
    """The real networks, until told to give something else."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.z: float | Exception | None = None
        self.picture: float | Exception | None = None

    def z_of(self, features: np.ndarray) -> Latent:
        return _instead(self.z, self.networks.z_of(features))

    def spectrogram_of(self, z: Latent) -> np.ndarray:
        return _instead(self.picture, self.networks.spectrogram_of(z))


def _instead(fault: float | Exception | None, good: np.ndarray) -> np.ndarray:
    if isinstance(fault, Exception):
        raise fault
    if fault is None:
        return good
    bad = good.copy()
    bad[..., :3] = fault
    return bad


@pytest.fixture
def dreamer(pack_folder: Path) -> Dreamer:
    settings, pack = settings_of(pack_folder), open_pack(pack_folder)
    networks = FailingNetworks(open_networks(pack, settings.inference))
    return Dreamer(pack, networks, settings, seed=0)


MOVING = [face(mouth_open=i / 40, head_yaw=i / 40) for i in range(40)]
FAULTS = [NAN, INFINITY, -INFINITY, 7.0, NetworkError("out of memory")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_picture_that_is_none_leaves_the_last_good_one_and_says_why(
    dreamer: Dreamer, fault: float | Exception
) -> None:
    for features in MOVING[:10]:
        good = dreamer.step(features, 0.1)
    assert dreamer.fault is None
    dreamer.networks.picture = fault
    for features in MOVING[10:20]:
        assert dreamer.step(features, 0.1) is good
    assert dreamer.fault
    dreamer.networks.picture = None
    assert dreamer.step(MOVING[20], 0.1) is not good


@pytest.mark.parametrize("fault", [NAN, INFINITY, NetworkError("out of memory")], ids=str)
def test_a_z_that_is_none_does_not_stay_in_the_glide(
    dreamer: Dreamer, fault: float | Exception
) -> None:
    for features in MOVING[:10]:
        dreamer.step(features, 0.1)
    dreamer.networks.z = fault
    for features in MOVING[10:20]:
        assert np.isfinite(dreamer.step(features, 0.1)).all()
    assert dreamer.fault
    dreamer.networks.z = None
    before = dreamer.step(MOVING[20], 0.1)
    assert np.isfinite(dreamer.z).all()
    assert dreamer.step(MOVING[39], 0.1) is not before


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_a_picture_of_one_colour_is_not_played(dreamer: Dreamer, level: float) -> None:
    good = dreamer.step(MOVING[0], 0.1)
    dreamer.networks.spectrogram_of = lambda _z: np.full_like(good, level)
    assert dreamer.step(MOVING[39], 0.1) is good
    assert "everywhere" in dreamer.fault


def test_a_network_that_never_works_is_silence_and_no_crash(
    dreamer: Dreamer, pack_folder: Path
) -> None:
    dreamer.networks.picture = NAN
    synthesiser = Synthesiser(open_pack(pack_folder), settings_of(pack_folder), seed=0)
    for features in MOVING:
        synthesiser.receive(dreamer.step(features, 0.1))
        block = synthesiser.hop(features)
        assert np.isfinite(block).all()
        assert np.abs(block).max() < 1e-3


def test_whatever_is_in_a_picture_the_sound_keeps_below_the_ceiling(pack_folder: Path) -> None:
    settings, chance = settings_of(pack_folder), np.random.default_rng(5)
    synthesiser = Synthesiser(open_pack(pack_folder), settings, seed=0)
    ceiling = 10 ** (settings.output.ceiling_dbtp / 20)
    for _ in range(12):
        picture = chance.choice([-1.0, 1.0], (512, 512)).astype(np.float32)
        synthesiser.receive(picture)
        for _ in range(8):
            assert np.abs(synthesiser.hop(MOVING[39])).max() <= ceiling


def test_a_session_that_fails_is_a_network_error_not_a_crash(pack_folder: Path) -> None:
    networks = open_networks(open_pack(pack_folder), settings_of(pack_folder).inference)
    with pytest.raises(NetworkError, match="spectrogram"):
        networks.spectrogram_of(np.zeros(5, np.float32))
