"""The baseline: the visitor's neutral face, to which features are relative.

A stateful stage, in the eye's loop or offline. In: measurements and the speed of the face. Out: the
baseline, shape (9,): an average face at first, then gliding to the visitor's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import Measurements
from latent_resonance.eye.features.motion import MOVING_ABOVE

FloatArray = NDArray[np.float64]

# The six lengths (face units) and three angles (rad) of an unknown face. Where faces differ a lot,
# the value is biased towards the side on which the feature stays 0.
DEFAULT_VALUES = np.array([0.03, 0.9, 1.42, 0.47, 0.79, 0.20, 0.0, 0.0, 0.0])
# Limits, so that grinning, gaping or looking aside for the first second is not taken for neutral.
MIN_VALUES = np.array([-0.02, 0.65, 1.1, 0.36, 0.68, 0.12, -0.35, -0.35, -0.35])
MAX_VALUES = np.array([0.25, 1.25, 1.6, 0.58, 1.00, 0.40, 0.35, 0.35, 0.35])
GLIDE_S = 0.3


class Baseline:
    """Averages the face over the first `neutral_s` seconds at rest, and keeps the result.

    Attributes
    ----------
    values
        The current baseline, shape (9,): six lengths and three angles.
    learned
        Whether the visitor's neutral face is known.
    """

    def __init__(self, neutral_s: float) -> None:
        self._neutral_s = neutral_s
        self.reset()

    def reset(self) -> None:
        """Forget the visitor."""
        self.values = DEFAULT_VALUES.copy()
        self.learned = False
        self._sum, self._rest_s = np.zeros_like(DEFAULT_VALUES), 0.0

    def step(self, measurements: Measurements, speed: float, dt_s: float) -> FloatArray:
        """The baseline after `dt_s` seconds with these measurements, at a speed in face units/s."""
        if not self.learned:
            self._learn(np.concatenate([measurements.lengths, measurements.angles]), speed, dt_s)
        if self.learned:
            own = np.clip(self._sum / self._rest_s, MIN_VALUES, MAX_VALUES)
            self.values = self.values - math.expm1(-dt_s / GLIDE_S) * (own - self.values)
        return self.values

    def _learn(self, measured: FloatArray, speed: float, dt_s: float) -> None:
        if speed > MOVING_ABOVE:
            return  # the time at rest need not be contiguous
        self._sum = self._sum + measured * dt_s
        self._rest_s += dt_s
        self.learned = self._rest_s >= self._neutral_s
