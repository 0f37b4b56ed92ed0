"""Keeps what the tracker imagines from snapping: brows and lips move no faster than muscles do.

A small stateful stage, in the eye's loop or offline. In: filtered measures. Out: the same, slower
where they leap. Behind a hand or a cup the landmark network goes on with a face of its own, as sure
of it as ever, whose brows and mouth corners are elsewhere within one image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.features import INSTANT

FloatArray = NDArray[np.float64]

# Spans per second. The opening of the mouth is not limited: the sound follows it at once.
_LIMITED = {"mouth_width": 4.0, "jaw_open": 8.0, "brow_raise": 4.0, "brow_tension": 4.0}
MAX_RATE = np.array([_LIMITED.get(name, np.inf) for name in INSTANT])


class SlewLimit:
    """Limits the rate of change of each quantity to `MAX_RATE`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last values: the next ones pass unchanged."""
        self._last: FloatArray | None = None

    def step(self, spans: FloatArray, dt_s: float) -> FloatArray:
        """The quantities `dt_s` seconds after the last ones, shape (9,)."""
        if self._last is not None and dt_s > 0:
            most = MAX_RATE * dt_s
            spans = np.clip(spans, self._last - most, self._last + most)
        self._last = spans
        return spans
