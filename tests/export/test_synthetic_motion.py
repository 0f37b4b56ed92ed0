"""Movement to learn from: composed, and recorded as scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latent_resonance.face_state import FEATURE_RANGES, FEATURES, FaceState
from latent_resonance.score import RATE_HZ, ScoreError, write_score
from latent_resonance_export.regressor.example_faces import FACES, neutral_face, typical_faces
from latent_resonance_export.regressor.model import RegressorError
from latent_resonance_export.regressor.recorded_motion import HELD_OUT_SHARE, read_movement
from latent_resonance_export.regressor.synthetic_motion import compose_movement

LOW, HIGH = np.array([FEATURE_RANGES[name] for name in FEATURES]).T


def write(path: Path, seconds: float, present: slice = slice(None), seed: int = 0) -> np.ndarray:
    """A score of composed movement; returns its features."""
    features = compose_movement(seconds, seed)
    there = np.zeros(len(features), bool)
    there[present] = True
    write_score(
        path,
        (
            FaceState(i, round(i * 1e9 / RATE_HZ), bool(there[i]), row)
            for i, row in enumerate(features)
        ),
    )
    return features


def test_composed_movement_repeats_by_its_seed_and_differs_by_it() -> None:
    first = compose_movement(30, 1)
    assert np.array_equal(first, compose_movement(30, 1))
    assert not np.array_equal(first, compose_movement(30, 2))


def test_composed_movement_keeps_the_ranges_and_moves_every_feature() -> None:
    track = compose_movement(120, 3)
    assert (track >= LOW).all()
    assert (track <= HIGH).all()
    assert (np.ptp(track, axis=0) > 0.05).all()


def test_composed_velocities_are_those_of_what_moves() -> None:
    track = compose_movement(60, 3)
    yaw = track[:, FEATURES.index("head_yaw")]
    velocity = track[:, FEATURES.index("yaw_velocity")]
    assert np.allclose(np.gradient(yaw, 1 / RATE_HZ), velocity, atol=0.02)


def test_a_composed_face_rests_and_is_still_then() -> None:
    track = compose_movement(60, 3)
    motion, still = (track[:, FEATURES.index(name)] for name in ("motion", "stillness"))
    assert still.max() > 0.9
    assert still.min() < 0.05
    assert motion[still > 0.9].max() < 0.1


def test_typical_faces_begin_with_the_still_one_and_are_all_different() -> None:
    faces = typical_faces()
    assert len(faces) == len(FACES) == 12
    assert np.array_equal(faces[0], neutral_face())
    assert len(np.unique(faces, axis=0)) == len(faces)
    assert ((faces >= LOW) & (faces <= HIGH)).all()


def test_a_score_s_movement_is_learnt_but_for_its_last_fifth(tmp_path: Path) -> None:
    features = write(tmp_path / "a.csv", 10)
    recorded = read_movement([tmp_path / "a.csv"])
    assert len(recorded.training) == round(len(features) * (1 - HELD_OUT_SHARE))
    together = np.concatenate([recorded.training, recorded.held_out])
    assert np.allclose(together, features, atol=1e-3)
    assert recorded.seconds == pytest.approx(10, abs=0.1)


def test_a_folder_is_all_its_scores_in_the_order_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", 4, seed=1)
    write(tmp_path / "a.csv", 3, seed=2)
    (tmp_path / "notes.txt").write_text("no score")
    recorded = read_movement([tmp_path])
    assert recorded.names == ("a.csv", "b.csv")
    assert recorded.seconds == pytest.approx(7, abs=0.1)


def test_moments_without_a_face_are_no_movement(tmp_path: Path) -> None:
    features = write(tmp_path / "a.csv", 10, slice(60, 120))
    recorded = read_movement([tmp_path / "a.csv"])
    assert recorded.seconds == pytest.approx(2, abs=0.1)
    assert np.allclose(recorded.training[0], features[60], atol=1e-3)


def test_what_is_no_movement_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(RegressorError, match=r"no .*gone\.csv: latent-resonance features"):
        read_movement([tmp_path / "gone.csv"])
    with pytest.raises(RegressorError, match="holds no score"):
        read_movement([tmp_path])
    (tmp_path / "no.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(ScoreError, match=r"no\.csv: no column time_s"):
        read_movement([tmp_path / "no.csv"])
    (tmp_path / "no.csv").write_text("")
    with pytest.raises(ScoreError, match="at least two rows"):
        read_movement([tmp_path])


def test_a_score_in_which_nobody_is_seen_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 5, slice(0, 10))
    with pytest.raises(RegressorError, match=r"present for 0\.3 s, at least 1 s"):
        read_movement([tmp_path / "a.csv"])
