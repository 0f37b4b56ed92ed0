"""Velocities, motion and stillness: the seven features about time.

Small stateful stages, in the eye's loop or offline; all constants are in seconds, so results do not
depend on the image rate. In: filtered measures and the positions of the face's points. Out:
velocities, motion, stillness.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

VELOCITY_S = 0.035  # time constant of the velocities
ACTIVITY_S = 0.15  # and of those that stillness is judged by, in which noise must not count
MOTION_S = 0.1  # time constant of the points' velocities, before their RMS is taken
SWAY = 0.15  # face units/s (8 mm/s): sway of a person standing still, plus tracker noise
MOTION_SCALE = 1.5  # face units/s at which motion is tanh(1) = 0.76

# What a person at rest moves by, seen in dim light: any part that is faster breaks the stillness.
REST_SWAY = 0.6  # face units/s
# Yaw, pitch and roll in rad/s; mouth and brows in spans/s.
REST = np.array([0.10, 0.10, 0.10, 0.33, 0.60])
RELEASE_S = 0.3  # a part that reverses its direction is not at rest
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


def shares_of_rest(velocities: FloatArray) -> FloatArray:
    """Each velocity as a multiple of what it is at rest; the head's three are one: (5,) -> (5,)."""
    shares = np.abs(velocities) / REST
    shares[:3] = np.linalg.norm(shares[:3])
    return np.asarray(shares)


def without_rest(velocities: FloatArray, shares: FloatArray) -> FloatArray:
    """The velocities, less what is no faster than at rest: sway and the noise of the tracker."""
    return np.asarray(velocities * np.minimum(shares**3, 1.0))


def activity(shares: FloatArray, speed: float) -> float:
    """How fast the fastest part of the face moves: 1 is what a person at rest moves by.

    Parameters
    ----------
    shares
        Of head, mouth and brows, see `shares_of_rest`.
    speed
        RMS speed of the face's points, face units/s.
    """
    return max(speed / REST_SWAY, float(shares.max()))


class Stillness:
    """Rises to 1 in `RISE_S` while everything rests, falls to 0 in `FALL_S` when a part moves.

    Attributes
    ----------
    at_rest
        Whether nothing moves.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to 0, as after movement."""
        self.at_rest = False
        self._level, self._activity = 0.0, 2.0

    def step(self, active: float, dt_s: float) -> float:
        """The stillness, 0..1, after `dt_s` seconds at an `activity`."""
        self._activity = max(active, self._activity * math.exp(-dt_s / RELEASE_S))
        self.at_rest = self._activity < 1.0
        change = dt_s / RISE_S if self.at_rest else -dt_s / FALL_S
        self._level = min(max(self._level + change, 0.0), 1.0)
        return self._level
