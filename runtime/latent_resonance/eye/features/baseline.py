"""The neutral face of this visitor: what their features are taken relative to.

One stage with state, in the eye's loop or offline. In: measures and how fast the face moves.
Out: the baseline, shape (9,): anybody's at first, then gliding to the visitor's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import Measurements
from latent_resonance.eye.features.motion import MOVING_ABOVE

FloatArray = NDArray[np.float64]

# The six lengths (face units) and three angles (rad) of a face that nobody knows yet. Where faces
# differ much the value leans to the side on which the feature stays 0.
DEFAULT_VALUES = np.array([0.03, 0.9, 1.42, 0.47, 0.79, 0.20, 0.0, 0.0, 0.0])
# Whoever grins, gapes or looks aside for their first second is not taken at their word.
MIN_VALUES = np.array([-0.02, 0.65, 1.1, 0.36, 0.68, 0.12, -0.35, -0.35, -0.35])
MAX_VALUES = np.array([0.25, 1.25, 1.6, 0.58, 1.00, 0.40, 0.35, 0.35, 0.35])
GLIDE_S = 0.3


class Baseline:
    """Learns the neutral face from the first `neutral_s` seconds of quiet, and keeps it."""

    def __init__(self, neutral_s: float) -> None:
        self._neutral_s = neutral_s
        self.reset()

    def reset(self) -> None:
        """The visitor has gone."""
        self.baseline = DEFAULT_VALUES.copy()
        self.learned = False
        self._sum, self._rest_s = np.zeros_like(DEFAULT_VALUES), 0.0

    def step(self, measures: Measurements, speed: float, dt_s: float) -> FloatArray:
        """The baseline `dt_s` seconds later, given the measures and the speed in face units/s."""
        if not self.learned:
            self._learn(np.concatenate([measures.lengths, measures.angles]), speed, dt_s)
        if self.learned:
            own = np.clip(self._sum / self._rest_s, MIN_VALUES, MAX_VALUES)
            self.baseline = self.baseline - math.expm1(-dt_s / GLIDE_S) * (own - self.baseline)
        return self.baseline

    def _learn(self, measured: FloatArray, speed: float, dt_s: float) -> None:
        if speed > MOVING_ABOVE:
            return  # restless people have their second of quiet in pieces
        self._sum = self._sum + measured * dt_s
        self._rest_s += dt_s
        self.learned = self._rest_s >= self._neutral_s
