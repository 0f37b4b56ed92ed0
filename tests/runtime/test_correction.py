"""Correction by examples: at an example its z, far from all the regressor's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latent_resonance.face_state import FEATURES, clip_features, neutral_features
from latent_resonance.link.correction import Correction
from latent_resonance.link.requests import Pair, Request
from latent_resonance.voice.remote_control import RemoteControl

DIM = 8
MOUTH, MOTION = FEATURES.index("mouth_open"), FEATURES.index("motion")
FACES = arrays(np.float32, len(FEATURES), elements=st.floats(-1, 1, width=32)).map(clip_features)


def z_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


def face(**values: float) -> np.ndarray:
    features = neutral_features()
    for name, value in values.items():
        features[FEATURES.index(name)] = value
    return features


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@given(FACES, FACES)
def test_at_an_example_z_points_to_its_z(first: np.ndarray, second: np.ndarray) -> None:
    pairs = (Pair(first, z_of(1)), Pair(second, z_of(2)))
    if np.abs(first - second)[:9].max() < 0.05:
        return
    corrected = Correction(pairs).corrected(first, z_of(3))
    assert cosine(corrected, z_of(1)) > 0.999


def test_far_from_every_example_z_is_unchanged() -> None:
    correction = Correction((Pair(face(mouth_open=1.0, brow_tension=1.0), z_of(1)),))
    z = z_of(3)
    assert correction.corrected(face(head_yaw=1.0), z) is z


@given(FACES)
def test_z_keeps_its_norm(features: np.ndarray) -> None:
    correction = Correction((Pair(face(), z_of(1)), Pair(face(mouth_open=0.5), z_of(2))))
    corrected = correction.corrected(features, z_of(3))
    assert np.linalg.norm(corrected) == pytest.approx(np.linalg.norm(z_of(3)), rel=1e-3)


def test_small_movements_between_examples_change_z_little() -> None:
    pairs = (Pair(face(), z_of(1)), Pair(face(mouth_open=0.6), z_of(2)))
    correction = Correction(pairs)
    corrected = [correction.corrected(face(mouth_open=m), z_of(3)) for m in np.linspace(0, 1, 400)]
    steps = np.linalg.norm(np.diff(corrected, axis=0), axis=1)
    assert steps.max() < 0.06 * np.linalg.norm(z_of(3))


def test_velocities_do_not_matter() -> None:
    correction = Correction((Pair(face(), z_of(1)),))
    still, moving = face(), face(motion=1.0, yaw_velocity=5.0, mouth_velocity=-9.0)
    assert np.allclose(correction.corrected(still, z_of(3)), correction.corrected(moving, z_of(3)))


def test_the_remote_control_gives_a_correction_for_this_pack_while_it_is_on() -> None:
    remote = RemoteControl()
    remote.apply(Request("pairs", (Pair(face(), z_of(1)),)), 0.0)
    assert remote.correction(DIM) is not None
    assert remote.correction(DIM + 1) is None
    remote.apply(Request("correcting", False), 0.0)
    assert remote.correction(DIM) is None
    remote.apply(Request("correcting", True), 0.0)
    remote.apply(Request("pairs", ()), 0.0)
    assert remote.correction(DIM) is None
