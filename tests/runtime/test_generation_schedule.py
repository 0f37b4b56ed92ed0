"""When the voice dreams: evenly, and at once when a face leaps."""

from __future__ import annotations

import numpy as np
from tests.support.audio_measures import face

from latent_resonance.face_state import FeatureVector
from latent_resonance.voice.synthesis.networks import NetworkError
from latent_resonance.voice.synthesis.schedule import SOONEST_S, GenerationSchedule

TICK_S = 1 / 256
PICTURE_S = 1 / 8
TICKS = 8  # between two images: some 30 a second


class Regressor:
    """z is how far the mouth is open, in every dimension; it may fail."""

    def __init__(self) -> None:
        self.asked, self.fails = 0, False

    def z_of(self, features: FeatureVector) -> np.ndarray:
        self.asked += 1
        if self.fails:
            raise NetworkError("z: no memory")
        return np.full(8, features[0], np.float32)

    def spectrogram_of(self, _z: np.ndarray) -> np.ndarray:
        raise AssertionError("a pace asks for no picture")


def dreams_s(mouths: list[float], regressor: Regressor | None = None) -> list[float]:
    """When it is time to dream, for images with the mouth so far open."""
    pace, regressor = GenerationSchedule(), regressor or Regressor()
    images = [face(mouth_open=mouth) for mouth in mouths]
    times_s = [tick * TICK_S for tick in range(len(mouths) * TICKS)]
    return [
        time_s
        for tick, time_s in enumerate(times_s)
        if pace.due(regressor, images[tick // TICKS], time_s, PICTURE_S)
    ]


def test_a_face_that_rests_is_dreamed_at_an_even_pace() -> None:
    assert dreams_s([0.2] * 40) == [i * PICTURE_S for i in range(10)]


def test_a_face_that_moves_slowly_is_dreamed_at_an_even_pace_too() -> None:
    assert dreams_s(list(np.linspace(0, 1, 80))) == [i * PICTURE_S for i in range(20)]


def test_a_mouth_that_opens_is_dreamed_with_the_image_that_shows_it() -> None:
    opens_s = 10 * TICKS * TICK_S  # between two pictures
    times = dreams_s([0.0] * 10 + [0.8] * 20)
    assert opens_s in times
    assert np.all(np.diff(times[times.index(opens_s) :]) == PICTURE_S)


def test_a_face_that_never_rests_does_not_dream_without_pause() -> None:
    times = dreams_s([0.0, 0.9] * 20)
    assert np.diff(times).min() >= SOONEST_S - 1e-9


def test_each_image_is_asked_about_once() -> None:
    regressor = Regressor()
    dreams = len(dreams_s([0.2] * 40, regressor))
    assert regressor.asked <= 40 + dreams


def test_a_regressor_that_fails_leaves_the_even_pace() -> None:
    regressor = Regressor()
    regressor.fails = True
    assert dreams_s([0.0, 0.9] * 20, regressor) == [i * PICTURE_S for i in range(10)]


def test_after_a_pause_it_does_not_make_up_for_lost_time() -> None:
    pace, regressor = GenerationSchedule(), Regressor()
    still = face()
    assert pace.due(regressor, still, 0.0, PICTURE_S)
    assert pace.due(regressor, still, 10.0, PICTURE_S)
    assert not pace.due(regressor, still, 10.0 + PICTURE_S / 2, PICTURE_S)
    assert pace.due(regressor, still, 10.0 + PICTURE_S, PICTURE_S)
