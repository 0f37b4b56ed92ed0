"""Velocities, motion and stillness: the seven features about time.

Small stateful stages, in the eye's loop or offline; all constants are in seconds, so results do not
depend on the image rate. In: filtered features and the positions of the face's points. Out:
velocities, motion, stillness.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

VELOCITY_S = 0.05  # time constant of the velocities
MOTION_S = 0.1  # time constant of the points' velocities, before their RMS is taken
SWAY = 0.15  # face units/s (8 mm/s): sway of a person standing still, plus tracker noise
MOTION_SCALE = 1.5  # face units/s at which motion is tanh(1) = 0.76

STILL_BELOW = 0.3  # face units/s; a person at rest sways less
MOVING_ABOVE = 0.6
RISE_S = 1.0
FALL_S = 0.3


class Rate:
    """The rate of change of an array, units/s, smoothed over `smoothing_s`."""

    def __init__(self, smoothing_s: float) -> None:
        self._smoothing_s = smoothing_s
        self.reset()

    def reset(self) -> None:
        """Forget the last value: the next rate is 0."""
        self._last: FloatArray | None = None
        self._rate = np.zeros(0)

    def step(self, values: FloatArray, dt_s: float) -> FloatArray:
        """The rate, given values `dt_s` seconds after the last ones."""
        if self._last is None:
            self._rate = np.zeros_like(values)
        elif dt_s > 0:
            weight = -math.expm1(-dt_s / self._smoothing_s)
            self._rate = self._rate + weight * ((values - self._last) / dt_s - self._rate)
        self._last = values.copy()
        return self._rate


def rms_speed(rates: FloatArray) -> float:
    """The RMS speed of points, given their velocities, shape (n, 2)."""
    return float(np.sqrt((rates**2).sum(axis=1).mean()))


def motion_from_speed(speed: float) -> float:
    """The speed above `SWAY`, soft-clipped to 0..1."""
    return math.tanh(max(speed - SWAY, 0.0) / MOTION_SCALE)


class Stillness:
    """Rises to 1 in `RISE_S` while the face rests, falls to 0 in `FALL_S` when it moves.

    Between the two thresholds it keeps its direction (hysteresis), so that it does not flicker.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to 0, as after movement."""
        self._resting = False
        self._level = 0.0

    def step(self, speed: float, dt_s: float) -> float:
        """The stillness, 0..1, after `dt_s` seconds at a speed in face units/s."""
        self._resting = speed < (MOVING_ABOVE if self._resting else STILL_BELOW)
        change = dt_s / RISE_S if self._resting else -dt_s / FALL_S
        self._level = min(max(self._level + change, 0.0), 1.0)
        return self._level
