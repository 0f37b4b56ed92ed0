"""How fast the face moves, and whether it is still: the seven features about time.

Small stages with state, in the eye's loop or offline; seconds throughout, so the image rate does
not matter. In: filtered features and the places of the face's points. Out: velocities, motion,
stillness.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

VELOCITY_S = 0.05  # smoothing of the velocities
MOTION_S = 0.1  # smoothing of the movement of the points, before its length is taken
SWAY = 0.15  # face units/s (8 mm/s): what a person standing at ease and a tracker move by
MOTION_SCALE = 1.5  # face units/s of which motion is tanh(1) = 0.76

STILL_BELOW = 0.3  # face units/s; a body at rest sways less
MOVING_ABOVE = 0.6
RISE_S = 1.0
FALL_S = 0.3


class Rate:
    """The rate of change of an array, units/s, smoothed over `smoothing_s`."""

    def __init__(self, smoothing_s: float) -> None:
        self._smoothing_s = smoothing_s
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next value does not move."""
        self._last: FloatArray | None = None
        self._rate = np.zeros(0)

    def step(self, values: FloatArray, dt_s: float) -> FloatArray:
        """The rate at the values that come `dt_s` seconds after the last ones."""
        if self._last is None:
            self._rate = np.zeros_like(values)
        elif dt_s > 0:
            share = -math.expm1(-dt_s / self._smoothing_s)
            self._rate = self._rate + share * ((values - self._last) / dt_s - self._rate)
        self._last = values.copy()
        return self._rate


def rms_speed(rates: FloatArray) -> float:
    """The root mean square speed of points, given their rates of change, shape (n, 2)."""
    return float(np.sqrt((rates**2).sum(axis=1).mean()))


def motion_from_speed(speed: float) -> float:
    """The speed soft-clipped to 0..1; a body's sway is none."""
    return math.tanh(max(speed - SWAY, 0.0) / MOTION_SCALE)


class Stillness:
    """Rises to 1 in `RISE_S` while the face rests, falls to 0 in `FALL_S` when it moves.

    Between the two speeds it goes on with what it was doing, so that it does not flicker.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start as one who has just moved."""
        self._resting = False
        self._level = 0.0

    def step(self, speed: float, dt_s: float) -> float:
        """The stillness, 0..1, after `dt_s` seconds at a speed in face units/s."""
        self._resting = speed < (MOVING_ABOVE if self._resting else STILL_BELOW)
        change = dt_s / RISE_S if self._resting else -dt_s / FALL_S
        self._level = min(max(self._level + change, 0.0), 1.0)
        return self._level
