"""What was taught on site corrects the map: near a taught face its sound, else the regressor's.

Pure; on the dreaming thread, ten times a second. In: features and the regressor's z. Out: z.

Interpolation of scattered pairs by inverse distances within a Gaussian reach of each: Shepard 1968
("A two-dimensional interpolation function for irregularly-spaced data"), localised as by radial
basis functions (Broomhead & Lowe 1988).
"""

from __future__ import annotations

import numpy as np

from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.link.requests import FloatArray, Pair

# What a face is taken for the same by, and how far apart two are that share a third of a sound:
# posture alone, since a face that is taught is held still and one that plays is not.
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
NEAREST = 1e-6  # squared distance below which a face is the taught one
SHORTEST = 1e-6  # a direction must have a length


class Correction:
    """Pairs that pull z towards theirs.

    Parameters
    ----------
    pairs : of one latent_dim, at least one
    """

    def __init__(self, pairs: tuple[Pair, ...]) -> None:
        self.places = np.stack([pair.features[POSTURE] * PER_REACH for pair in pairs])
        self.towards = np.stack([_direction(pair.z) for pair in pairs])
        self.latent_dim = self.towards.shape[1]

    def corrected(self, features: FeatureVector, z: FloatArray) -> FloatArray:
        """The z to play (latent_dim,), as long as the regressor's own; the same array far away."""
        offset = self.places - features[POSTURE] * PER_REACH
        squared = np.sum(np.square(offset), axis=1)
        near = np.exp(-0.5 * squared)
        share = 1.0 - float(np.prod(1.0 - near))  # 1 at a taught face, 0 far from all
        if share < 1e-3:
            return z
        weight = near / (squared + NEAREST)
        taught = weight @ self.towards / weight.sum()
        mixed = (1.0 - share) * _direction(z) + share * taught
        length = float(np.linalg.norm(mixed))
        if length < SHORTEST:  # opposite sounds, exactly half way
            return z
        return (mixed * (np.linalg.norm(z) / length)).astype(np.float32)


def _direction(z: FloatArray) -> FloatArray:
    return z / max(float(np.linalg.norm(z)), SHORTEST)
