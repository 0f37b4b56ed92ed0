"""The One Euro filter: smooth at rest, low latency in motion, at any image rate.

A stateful stage, in the eye's loop or offline. In: values and time steps. Out: filtered values.
G. Casiez, N. Roussel, D. Vogel: "1 € Filter", CHI 2012.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Factor = Callable[[float | FloatArray, float], FloatArray]


def exact_factor(cutoff_hz: float | FloatArray, dt_s: float) -> FloatArray:
    """The exact weight of a new value in a first-order low-pass: 1 − e^(−2πf·dt)."""
    return -np.expm1(-2 * math.pi * np.asarray(cutoff_hz) * dt_s)


def paper_factor(cutoff_hz: float | FloatArray, dt_s: float) -> FloatArray:
    """The weight in the paper, and in MediaPipe: 1 / (1 + τ/dt), by backward differences."""
    turns = 2 * math.pi * np.asarray(cutoff_hz) * dt_s
    return np.asarray(turns / (1 + turns))


class OneEuroFilter:
    """Filters an array of any shape element by element.

    Parameters
    ----------
    min_cutoff_hz
        At rest.
    beta
        Hz of cutoff per unit/s of speed; one for all elements, or one for each.
    derivative_cutoff_hz
        For the estimate of speed.
    factor
        The weight of a new value at a cutoff and a time step.
    """

    def __init__(
        self,
        min_cutoff_hz: float,
        beta: float | FloatArray,
        derivative_cutoff_hz: float,
        factor: Factor = exact_factor,
    ) -> None:
        self._min_cutoff_hz, self._beta = min_cutoff_hz, beta
        self._derivative_cutoff_hz, self._factor = derivative_cutoff_hz, factor
        self.reset()

    def reset(self) -> None:
        """Forget the state: the next value passes unchanged."""
        self._last: FloatArray | None = None
        self._speed = self._filtered = np.zeros(0)

    def step(self, values: FloatArray, dt_s: float, unit: float = 1.0) -> FloatArray:
        """Filter values `dt_s` seconds after the last ones; speeds are in `unit`s a second."""
        if self._last is None:
            self._filtered, self._speed = values.copy(), np.zeros_like(values)
        elif dt_s > 0:
            self._advance(values, (values - self._last) / (dt_s * unit), dt_s)
        self._last = values.copy()
        return self._filtered

    def _advance(self, values: FloatArray, speed: FloatArray, dt_s: float) -> None:
        self._speed += self._factor(self._derivative_cutoff_hz, dt_s) * (speed - self._speed)
        cutoff_hz = self._min_cutoff_hz + self._beta * np.abs(self._speed)
        self._filtered = self._filtered + self._factor(cutoff_hz, dt_s) * (values - self._filtered)
