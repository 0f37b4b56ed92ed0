"""The One Euro filter: smooth at rest, low latency in motion, at any image rate.

A stateful stage, in the eye's loop or offline. In: values and time steps. Out: filtered values.
G. Casiez, N. Roussel, D. Vogel: "1 € Filter", CHI 2012.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import OneEuro as OneEuroSettings

FloatArray = NDArray[np.float64]


class OneEuroFilter:
    """Filters an array of any shape element by element.

    Parameters
    ----------
    trust
        Scales `beta` of each element: below 1 for those whose noise looks like speed.
    """

    def __init__(self, settings: OneEuroSettings, trust: float | FloatArray = 1.0) -> None:
        self._settings, self._beta = settings, settings.beta * np.asarray(trust)
        self.reset()

    def reset(self) -> None:
        """Forget the state: the next value passes unchanged."""
        self._last: FloatArray | None = None
        self._speed = self._filtered = np.zeros(0)

    def step(self, values: FloatArray, dt_s: float) -> FloatArray:
        """Filter values `dt_s` seconds after the last ones."""
        if self._last is None:
            self._filtered, self._speed = values.copy(), np.zeros_like(values)
        elif dt_s > 0:
            self._advance(values, (values - self._last) / dt_s, dt_s)
        self._last = values.copy()
        return self._filtered

    def _advance(self, values: FloatArray, speed: FloatArray, dt_s: float) -> None:
        self._speed += smoothing_factor(self._settings.derivative_cutoff_hz, dt_s) * (
            speed - self._speed
        )
        cutoff_hz = self._settings.min_cutoff_hz + self._beta * np.abs(self._speed)
        self._filtered = self._filtered + smoothing_factor(cutoff_hz, dt_s) * (
            values - self._filtered
        )


def smoothing_factor(cutoff_hz: float | FloatArray, dt_s: float) -> FloatArray:
    """The exact weight of a new value in a first-order low-pass: 1 − e^(−2πf·dt)."""
    return -np.expm1(-2 * math.pi * np.asarray(cutoff_hz) * dt_s)
