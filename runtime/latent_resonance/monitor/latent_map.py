"""Ways through the latent space: rotation of z, and a map of what two directions span. Pure.

Every z has the same norm, so the sounds lie on a sphere. The map is its azimuthal equidistant
projection around a centre (Snyder 1987, "Map Projections", chapter 25): the distance from the
middle is the angle from the centre, a right angle at the rim, where z is a direction itself.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.link.requests import FloatArray

RIGHT_ANGLE = math.pi / 2
AnyFloats = NDArray[np.float32] | NDArray[np.float64]


class LatentMap:
    """A map of z around a centre.

    Parameters
    ----------
    centre : (latent_dim,)
    directions : (2, latent_dim), to the right and up; linearly independent of the centre
    """

    def __init__(self, centre: FloatArray, directions: FloatArray) -> None:
        axes, signs = np.linalg.qr(np.vstack([centre, directions[:2]]).astype(np.float64).T)
        self.axes = axes.T * np.sign(np.diag(signs))[:, np.newaxis]  # (3, latent_dim), orthonormal

    def z_at(self, x: float, y: float) -> FloatArray:
        """The z (latent_dim,) of unit mean square at a place; outside the rim, that at the rim."""
        radius = math.hypot(x, y)
        angle = min(radius, 1.0) * RIGHT_ANGLE
        across = math.sin(angle) / radius if radius > 0.0 else 0.0
        z = np.array([math.cos(angle), x * across, y * across]) @ self.axes
        scaled: FloatArray = (z * math.sqrt(z.size)).astype(np.float32)
        return scaled

    def place_of(self, z: FloatArray) -> tuple[float, float]:
        """The place (x, y) of the map that is nearest to a z (latent_dim,), within the rim."""
        along, right, up = (float(each) for each in self.axes @ z)
        across = math.hypot(right, up)
        radius = min(math.atan2(across, along) / RIGHT_ANGLE, 1.0)
        scale = radius / across if across > 0.0 else 0.0
        return right * scale, up * scale


def rotated(z: FloatArray, towards: AnyFloats, angle: float) -> FloatArray:
    """Rotate z by an angle (rad) in the plane that it spans with `towards`; keeps its norm."""
    norm = float(np.linalg.norm(z))
    along = z / max(norm, 1e-6)
    across = towards - along * float(towards @ along)
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    result: AnyFloats = (along * math.cos(angle) + across * math.sin(angle)) * norm
    return result.astype(np.float32)
