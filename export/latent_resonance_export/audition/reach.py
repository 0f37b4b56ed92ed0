"""What faces do to z: how far each feature moves it, and which anchors held faces find. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance_export.regressor.real_movement import REAL_P95, moved
from latent_resonance_export.regressor.synthetic_motion import compose_movement

FloatArray = NDArray[np.float32]
RegressorFunction = Callable[[FloatArray], FloatArray]  # (n, 16) -> (n, latent_dim)
COMPOSED_S = 600.0
MOVING = np.array(["velocity" in name or name == "motion" for name in FEATURES])


def reaches(regressor: RegressorFunction) -> dict[str, float]:
    """Root mean square distance of z from rest, with each feature at its REAL_P95.

    In units of the prior: two random z are 1.41 apart.
    """
    z = regressor(np.stack([neutral_features(), *(moved(name) for name in REAL_P95)]))
    distances = np.sqrt(np.square(z[1:] - z[0]).mean(axis=1))
    return {name: float(distance) for name, distance in zip(REAL_P95, distances, strict=True)}


def composed_faces(n: int, seed: int) -> FloatArray:
    """Rows of COMPOSED_S of composed movement, evenly spaced: (n, 16)."""
    movement = compose_movement(COMPOSED_S, seed + 1)
    faces: FloatArray = movement[np.linspace(0, len(movement), n, endpoint=False).astype(int)]
    return faces


def held(faces: FloatArray) -> FloatArray:
    """The same faces, but held still: (n, 16)."""
    still = np.where(MOVING, np.float32(0), faces)
    still[:, FEATURES.index("stillness")] = 1.0
    return still


def anchor_shares(z: FloatArray, anchors: FloatArray) -> NDArray[np.float64]:
    """The share of z (n, latent_dim) nearest to each anchor by angle, as played: (n_anchors,)."""
    unit = anchors / (np.linalg.norm(anchors, axis=1, keepdims=True) + 1e-9)
    nearest = (z @ unit.T).argmax(axis=1)
    return np.bincount(nearest, minlength=len(anchors)) / len(z)
