"""When the voice generates a spectrogram: at regular intervals, and at once when z leaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import face, settings_of

from latent_resonance.face_state import FeatureVector
from latent_resonance.link.correction import Correction
from latent_resonance.link.requests import Pair
from latent_resonance.pack import open_pack
from latent_resonance.voice.synthesis.latent import Latent, Target
from latent_resonance.voice.synthesis.networks import NetworkError
from latent_resonance.voice.synthesis.schedule import SOONEST_S, GenerationSchedule
from latent_resonance.voice.synthesis.spectrogram_generator import SpectrogramGenerator

TICK_S = 1 / 256
INTERVAL_S = 1 / 8
TICKS = 8  # between two images: some 30 a second


class Regressor:
    """z is how far the mouth is open, in every dimension; it can be made to fail."""

    def __init__(self, latent_dim: int = 8) -> None:
        self.latent_dim, self.runs, self.fails = latent_dim, 0, False

    def z_of(self, features: FeatureVector) -> Latent:
        self.runs += 1
        if self.fails:
            raise NetworkError("z: no memory")
        return np.full(self.latent_dim, features[0], np.float32)

    def spectrogram_of(self, _z: Latent) -> np.ndarray:
        raise AssertionError("the target needs no spectrogram")


def target_of(mouth_open: float) -> Target:
    return Target(np.full(8, mouth_open, np.float32))


def times_due_s(mouths: list[float]) -> list[float]:
    """When a spectrogram is due, for images with the mouth this far open."""
    schedule = GenerationSchedule()
    targets = [target_of(mouth) for mouth in mouths]
    times_s = [tick * TICK_S for tick in range(len(mouths) * TICKS)]
    return [
        time_s
        for tick, time_s in enumerate(times_s)
        if schedule.due(targets[tick // TICKS], time_s, INTERVAL_S)
    ]


def test_a_resting_face_gets_spectrograms_at_regular_intervals() -> None:
    assert times_due_s([0.2] * 40) == [i * INTERVAL_S for i in range(10)]


def test_a_slow_face_gets_spectrograms_at_regular_intervals_too() -> None:
    assert times_due_s(list(np.linspace(0, 1, 80))) == [i * INTERVAL_S for i in range(20)]


def test_a_mouth_that_opens_gets_a_spectrogram_with_the_image_that_shows_it() -> None:
    opens_s = 10 * TICKS * TICK_S  # between two spectrograms
    times = times_due_s([0.0] * 10 + [0.8] * 20)
    assert opens_s in times
    assert np.all(np.diff(times[times.index(opens_s) :]) == INTERVAL_S)


def test_a_face_that_never_rests_leaves_the_generator_time() -> None:
    times = times_due_s([0.0, 0.9] * 20)
    assert np.diff(times).min() >= SOONEST_S - 1e-9


def test_after_a_pause_it_does_not_make_up_for_lost_time() -> None:
    schedule, target = GenerationSchedule(), target_of(0.0)
    assert schedule.due(target, 0.0, INTERVAL_S)
    assert schedule.due(target, 10.0, INTERVAL_S)
    assert not schedule.due(target, 10.0 + INTERVAL_S / 2, INTERVAL_S)
    assert schedule.due(target, 10.0 + INTERVAL_S, INTERVAL_S)


@pytest.fixture
def generator(pack_folder: Path) -> SpectrogramGenerator:
    pack = open_pack(pack_folder)
    networks = Regressor(pack.latent_dim)
    return SpectrogramGenerator(pack, networks, settings_of(pack_folder), seed=0)


def test_the_regressor_runs_once_per_set_of_features(generator: SpectrogramGenerator) -> None:
    for image in [face(mouth_open=i / 10) for i in range(10)]:
        targets = [generator.target_of(image) for _ in range(TICKS)]
        assert all(target is targets[0] for target in targets)
    assert generator.networks.runs == 10


def test_a_regressor_that_fails_leaves_the_last_target(generator: SpectrogramGenerator) -> None:
    before = generator.target_of(face(mouth_open=0.1))
    generator.networks.fails = True
    assert generator.target_of(face(mouth_open=0.9)) is before
    assert generator.fault == "z: no memory"


def test_a_correction_that_makes_z_leap_gets_a_spectrogram_at_once(
    generator: SpectrogramGenerator,
) -> None:
    schedule, still = GenerationSchedule(), face(mouth_open=0.5)
    assert schedule.due(generator.target_of(still), 0.0, INTERVAL_S)
    assert not schedule.due(generator.target_of(still), 0.04, INTERVAL_S)
    z = np.random.default_rng(0).standard_normal(generator.networks.latent_dim)
    generator.correction = Correction((Pair(still, z.astype(np.float32)),))
    assert schedule.due(generator.target_of(still), 0.05, INTERVAL_S)
    assert not schedule.due(generator.target_of(still), 0.1, INTERVAL_S)


def test_a_held_z_that_leaps_gets_a_spectrogram_at_once(generator: SpectrogramGenerator) -> None:
    schedule, still = GenerationSchedule(), face(mouth_open=0.5)
    held = np.full(generator.networks.latent_dim, 2.0, np.float32)
    assert schedule.due(generator.target_of(still), 0.0, INTERVAL_S)
    assert schedule.due(generator.target_of(still, held), 0.05, INTERVAL_S)
    assert not schedule.due(generator.target_of(still, held.copy()), 0.1, INTERVAL_S)
    assert schedule.due(generator.target_of(still), 0.11, INTERVAL_S)
    assert generator.networks.runs == 1


def test_a_pack_with_another_latent_dim_gets_a_spectrogram_at_once() -> None:
    schedule = GenerationSchedule()
    assert schedule.due(target_of(0.5), 0.0, INTERVAL_S)
    assert schedule.due(Target(np.zeros(128, np.float32)), SOONEST_S, INTERVAL_S)
