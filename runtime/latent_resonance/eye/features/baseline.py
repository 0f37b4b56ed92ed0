"""The baseline: the visitor's neutral face, to which features are relative.

A stateful stage, in the eye's loop or offline. In: measurements in units of their spans, and
whether the face rests. Out: the baseline, shape (9,): an average face at first, then gliding to the
visitor's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.features import HEAD, SPAN
from latent_resonance.eye.features.geometry import MEASURES

FloatArray = NDArray[np.float64]

_SPANS = np.array([SPAN[name] for name in MEASURES])
# The six measures and three angles (rad) of an unknown face. Where faces differ a lot, the value is
# biased towards the side on which the feature stays 0.
DEFAULT = np.array([*(np.array([0.03, 0.9, 1.42, 0.15, 0.10, 0.20]) / _SPANS), 0.0, 0.0, 0.0])
# Limits, so that grinning, gaping or looking aside for the first second is not taken for neutral.
MIN = np.array([*(np.array([-0.02, 0.65, 1.1, 0.0, 0.0, 0.12]) / _SPANS), -0.35, -0.35, -0.35])
MAX = np.array([*(np.array([0.25, 1.25, 1.6, 0.45, 0.30, 0.40]) / _SPANS), 0.35, 0.35, 0.35])
FRONTAL = 0.35  # rad; a head turned or nodded further distorts what is measured
GLIDE_S = 0.3
BETTER = 0.15  # by so much less strain, a later second replaces the baseline
# How much each quantity strains a face: lids and roll say little about it.
_STRAIN = np.array([1.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0])


class Baseline:
    """Averages the face over `neutral_s` seconds at rest, and keeps the most relaxed of them.

    Attributes
    ----------
    values
        The current baseline, shape (9,), in units of the spans and rad.
    learned
        Whether the visitor's neutral face is known.
    """

    def __init__(self, neutral_s: float) -> None:
        self._neutral_s = neutral_s
        self.reset()

    def reset(self) -> None:
        """Forget the visitor."""
        self.values = DEFAULT.copy()
        self._own, self._own_strain = DEFAULT, math.inf
        self._sum, self._rest_s = np.zeros_like(DEFAULT), 0.0

    @property
    def learned(self) -> bool:
        """Whether the visitor's neutral face is known."""
        return self._own_strain < math.inf

    def step(self, spans: FloatArray, dt_s: float, *, at_rest: bool) -> FloatArray:
        """The baseline after `dt_s` seconds with these measurements.

        Parameters
        ----------
        spans
            Shape (9,), see `features.spanned`.
        at_rest
            Whether the face moves no more than a person at rest does.
        """
        yaw, pitch, _ = spans[HEAD]
        if at_rest and abs(yaw) < FRONTAL and abs(pitch) < FRONTAL:
            self._learn(spans, dt_s)
        if self.learned:
            self.values = self.values - math.expm1(-dt_s / GLIDE_S) * (self._own - self.values)
        return self.values

    def _learn(self, spans: FloatArray, dt_s: float) -> None:
        """Add to the present second, which need not be contiguous; once over, compare it."""
        self._sum, self._rest_s = self._sum + spans * dt_s, self._rest_s + dt_s
        if self._rest_s < self._neutral_s:
            return
        own = self._sum / self._rest_s
        if strain(own) < self._own_strain - BETTER:
            self._own, self._own_strain = np.clip(own, MIN, MAX), strain(own)
        self._sum, self._rest_s = np.zeros_like(DEFAULT), 0.0


def strain(spans: FloatArray) -> float:
    """How far a face is from an average neutral one that looks ahead; lower is more relaxed."""
    return float(_STRAIN @ np.abs(spans - DEFAULT))
