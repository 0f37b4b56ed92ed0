"""How far this visitor opens the mouth: mouth_open is 1 there, whoever they are.

A small stateful stage, in the eye's loop or offline. In: how far the mouth is open. Out: the
opening that counts as full.
"""

from __future__ import annotations

import math

DEFAULT = 1.0  # in spans of the lip gap: the opening of most people
FLOOR = 0.3  # no full opening is less, so that noise and breathing stay small
RETURN_S = 4.5  # seconds of use, in which the range returns to what the visitor shows
IN_USE = 0.08  # an opening above this uses the mouth
FORGET_S = 20.0  # seconds of use, in which a wide opening of once is forgotten


class MouthRange:
    """Grows at once to the widest opening, and returns slowly to the widest of late.

    It returns only while the mouth is in use: a closed mouth says nothing about its range. Nor does
    one whose neutral opening is unknown: lips that rest apart would become a wide open mouth.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the visitor."""
        self._range, self._widest = DEFAULT, FLOOR

    def step(self, opening: float, dt_s: float, *, neutral_is_known: bool) -> float:
        """The opening that counts as full, in spans.

        Parameters
        ----------
        opening
            Above the visitor's neutral face, in spans.
        """
        if opening > IN_USE and neutral_is_known:
            self._widest = max(opening, approach(self._widest, FLOOR, dt_s, FORGET_S))
            self._range = approach(self._range, self._widest, dt_s, RETURN_S)
        self._range = max(opening, self._range)
        return self._range


def approach(value: float, target: float, dt_s: float, time_constant_s: float) -> float:
    """The value after `dt_s` seconds of exponential approach."""
    return target + (value - target) * math.exp(-dt_s / time_constant_s)
