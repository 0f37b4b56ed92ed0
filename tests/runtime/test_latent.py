"""z glides, jitters and comes to rest, at any step length."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.config.settings import Latent
from latent_resonance.voice.synthesis.controls import Controls
from latent_resonance.voice.synthesis.latent import LatentGlide, nearest_anchor
from latent_resonance.voice.synthesis.spectrogram_generator import MOVED

ANCHORS = np.eye(4, 8, dtype=np.float32) * 3.0
QUIET = Controls(rate=1.0, turning=0.0, openness=0.0, noise=0.0, clarity=0.0)
STILL = Controls(rate=1.0, turning=0.0, openness=0.0, noise=0.0, clarity=1.0)
TENSE = Controls(rate=1.0, turning=0.0, openness=0.0, noise=1.0, clarity=0.0)


def test_the_glide_is_the_same_at_any_step() -> None:
    target = np.ones(8, np.float32)
    coarse, fine = (LatentGlide(ANCHORS, Latent(), seed=0) for _ in range(2))
    once = coarse.step(target, QUIET, 0.2)
    for _ in range(20):
        repeated = fine.step(target, QUIET, 0.01)
    assert repeated == pytest.approx(once, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("dt_s", [0.01, 0.1])
def test_tension_jitters_z_by_the_amount_set_at_any_step(dt_s: float) -> None:
    glide = LatentGlide(ANCHORS, Latent(jitter=0.5), seed=0)
    target = np.zeros(8, np.float32)
    path = np.array([glide.step(target, TENSE, dt_s) for _ in range(int(200 / dt_s))])
    assert path[len(path) // 10 :].std() == pytest.approx(0.5, rel=0.1)


def test_without_tension_there_is_no_jitter() -> None:
    glide = LatentGlide(ANCHORS, Latent(), seed=0)
    path = np.array([glide.step(ANCHORS[0], QUIET, 0.1) for _ in range(200)])
    assert np.ptp(path[-50:], axis=0).max() < 1e-5


def still_path(glide: LatentGlide, seconds: float, dt_s: float = 0.1) -> np.ndarray:
    """z every dt_s of a face that is held near the first anchor."""
    return np.array([glide.step(ANCHORS[0], STILL, dt_s) for _ in range(int(seconds / dt_s))])


def test_a_held_face_drifts_through_neighbours_of_its_anchor_and_rests_at_each() -> None:
    path = still_path(LatentGlide(ANCHORS, Latent(drift=0.3), seed=0), 600)
    away = np.sqrt(np.square(path - ANCHORS[0]).mean(axis=1))
    assert away[:119].max() < 1e-5  # a loop, and more, before the first step
    rests = path[119 + 115 :: 120]  # at the end of each stay
    assert np.sqrt(np.square(rests - ANCHORS[0]).mean()) == pytest.approx(0.3, rel=0.15)
    assert np.abs(rests.mean(axis=0) - ANCHORS[0]).max() < 0.2
    assert np.abs(np.diff(rests, axis=0)).max(axis=1).min() > 0.1  # no neighbour twice in a row
    assert np.abs(np.diff(path, axis=0)).max() < 0.1  # slowly


def test_a_held_face_that_has_arrived_leaves_z_alone_most_of_the_time() -> None:
    path = still_path(LatentGlide(ANCHORS, Latent(), seed=0), 120)
    moves = np.abs(np.diff(path, axis=0)).max(axis=1) > MOVED
    assert 0 < moves.mean() < 0.6


def test_a_drift_of_zero_is_off_and_a_movement_begins_it_anew() -> None:
    assert (
        np.ptp(still_path(LatentGlide(ANCHORS, Latent(drift=0), seed=0), 60)[20:], axis=0).max()
        < 1e-5
    )
    glide = LatentGlide(ANCHORS, Latent(), seed=0)
    still_path(glide, 30)
    for _ in range(100):
        z = glide.step(ANCHORS[0], QUIET, 0.1)
    assert np.abs(z - ANCHORS[0]).max() < 1e-3
    assert np.abs(still_path(glide, 7) - ANCHORS[0]).max() < 1e-3


def test_the_nearest_anchor_is_the_one_in_the_same_direction() -> None:
    z = np.zeros(8, np.float32)
    z[2] = 0.1
    assert np.array_equal(nearest_anchor(z, ANCHORS), ANCHORS[2])


def test_a_still_face_rests_at_a_further_anchor_and_at_the_packs_own_once_it_is_removed() -> None:
    further = np.eye(8, dtype=np.float32)[7] * 3.0
    face = ANCHORS[0] + 2 * further

    def rest(anchors: tuple[np.ndarray, ...]) -> np.ndarray:
        glide = LatentGlide(ANCHORS, Latent(drift=0.0), seed=0)
        glide.add_anchors((further, further[:4]))  # one is for another pack
        glide.add_anchors(anchors)
        return [glide.step(face, STILL, 0.1) for _ in range(300)][-1]

    assert rest((further,)) == pytest.approx(further, abs=1e-3)
    assert rest(()) == pytest.approx(ANCHORS[0], abs=1e-3)


def test_the_same_seed_gives_the_same_path() -> None:
    paths = []
    for _ in range(2):
        glide = LatentGlide(ANCHORS, Latent(), seed=5)
        paths.append([glide.step(ANCHORS[1], TENSE, 0.1).tobytes() for _ in range(20)])
    assert paths[0] == paths[1]
