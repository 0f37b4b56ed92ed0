"""What faces do to z: how far each feature moves it, and which anchors held faces find. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import neutral_features
from latent_resonance_export.regressor.real_movement import REAL_P95, moved

FloatArray = NDArray[np.float32]
RegressorFunction = Callable[[FloatArray], FloatArray]  # (n, 16) -> (n, latent_dim)


def reaches(regressor: RegressorFunction) -> dict[str, float]:
    """Root mean square distance of z from rest, with each feature at its REAL_P95.

    In units of the prior: two random z are 1.41 apart.
    """
    z = regressor(np.stack([neutral_features(), *(moved(name) for name in REAL_P95)]))
    distances = np.sqrt(np.square(z[1:] - z[0]).mean(axis=1))
    return {name: float(distance) for name, distance in zip(REAL_P95, distances, strict=True)}


def anchor_shares(z: FloatArray, anchors: FloatArray) -> NDArray[np.float64]:
    """The share of z (n, latent_dim) nearest to each anchor by angle, as played: (n_anchors,)."""
    unit = anchors / (np.linalg.norm(anchors, axis=1, keepdims=True) + 1e-9)
    nearest = (z @ unit.T).argmax(axis=1)
    return np.bincount(nearest, minlength=len(anchors)) / len(z)
