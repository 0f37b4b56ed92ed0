"""Correct the regressor by examples given on site: near an example its z, else the regressor's.

Pure; runs on the generate thread, once per image, and in the monitor, which shows the shares. In:
features and the regressor's z. Out: z.

Interpolation of scattered pairs by inverse distances within a Gaussian reach of each: Shepard 1968
("A two-dimensional interpolation function for irregularly-spaced data"), localised as by radial
basis functions (Broomhead & Lowe 1988).
"""

from __future__ import annotations

import numpy as np

from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.link.requests import FloatArray, Pair

# The features that identify a pose, and the distance at which an example's weight falls to 0.6.
# Velocities are left out: a face that gives an example is held still, one that plays is not.
REACH = {
    "mouth_open": 0.2,
    "mouth_width": 0.3,
    "jaw_open": 0.2,
    "brow_raise": 0.25,
    "brow_tension": 0.25,
    "eye_open": 0.4,
    "head_yaw": 0.25,  # rad
    "head_pitch": 0.25,
    "head_roll": 0.25,
}
POSTURE = np.array([FEATURES.index(name) for name in REACH])
PER_REACH = np.array([1.0 / reach for reach in REACH.values()], np.float32)
NEAREST = 1e-6  # squared distance below which a face is the example
SHORTEST = 1e-6  # vector that has a direction
SMALLEST = 1e-30  # sum of weights that is divided by


class Correction:
    """Interpolates between examples.

    Parameters
    ----------
    pairs : at least one example; all of the same latent_dim
    """

    def __init__(self, pairs: tuple[Pair, ...]) -> None:
        self.positions = np.stack([pair.features[POSTURE] * PER_REACH for pair in pairs])
        self.directions = np.stack([_direction(pair.z) for pair in pairs])
        self.latent_dim = self.directions.shape[1]

    def shares(self, features: FeatureVector) -> FloatArray:
        """The share of each pair in the corrected z, (n,); the rest to 1 is the regressor's."""
        offset = self.positions - features[POSTURE] * PER_REACH
        squared = np.sum(np.square(offset), axis=1)
        near = np.exp(-0.5 * squared)
        share = 1.0 - np.prod(1.0 - near)  # 1 at an example, 0 far from all
        weight = near / (squared + NEAREST)
        shares: FloatArray = share * weight / max(float(weight.sum()), SMALLEST)
        return shares

    def corrected(self, features: FeatureVector, z: FloatArray) -> FloatArray:
        """The corrected z (latent_dim,), of the same norm; the same array far from all examples."""
        shares = self.shares(features)
        share = float(shares.sum())
        if share < 1e-3:
            return z
        mixed = (1.0 - share) * _direction(z) + shares @ self.directions
        length = float(np.linalg.norm(mixed))
        if length < SHORTEST:  # opposite directions, exactly half way
            return z
        corrected: FloatArray = (mixed * (np.linalg.norm(z) / length)).astype(np.float32)
        return corrected


def _direction(z: FloatArray) -> FloatArray:
    direction: FloatArray = z / max(float(np.linalg.norm(z)), SHORTEST)
    return direction
