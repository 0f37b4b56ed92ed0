"""Smooths the steps of a slow eye: what 10 images/s lack beside 30.

A stateful stage in front of `Presence`, on the receiving thread or the virtual clock. In: the eye's
newest state. Out: a state whose features glide to those, with a time constant that depends on the
interval between the images; from 25 images/s on it is the same state, unchanged.

Prediction from the velocities, in place of the glide, has more error and is rougher
(`docs/decisions/027-features-glide-between-slow-images.md`).
"""

from __future__ import annotations

import math

from latent_resonance.face_state import FaceState

FAST_S = 0.04  # interval of images that are played as they come
SHARE = 1 / 3  # of what an interval exceeds that by: 20 ms at 10 images/s
MAX_SMOOTHING_S = 0.03
GAP_S = 0.5  # after a longer interval, the state is taken as it is
_NS = 1_000_000_000


class StateGlide:
    """Glides from one state's features to the next one's.

    Attributes
    ----------
    smoothing_s : time constant at present; 0 if states pass unchanged
    """

    def __init__(self) -> None:
        self.smoothing_s = 0.0
        self._newest: FaceState | None = None  # as received
        self._played: FaceState | None = None
        self._step_ns = 0

    def step(self, state: FaceState | None, now_ns: int) -> FaceState | None:
        """The state to play at now_ns, given the eye's newest one."""
        if state is not self._newest:
            self.smoothing_s = _smoothing_s(self._newest, state)
            self._newest = state
        self._played = self._glided(self._newest, (now_ns - self._step_ns) / _NS)
        self._step_ns = now_ns
        return self._played

    def _glided(self, target: FaceState | None, dt_s: float) -> FaceState | None:
        if target is None or self._played is None or self.smoothing_s == 0.0:
            return target
        left = math.exp(-dt_s / self.smoothing_s)
        features = target.features + left * (self._played.features - target.features)
        return FaceState(target.sequence, target.time_ns, target.present, features)


def _smoothing_s(last: FaceState | None, new: FaceState | None) -> float:
    """Time constant with which to approach a state that follows another one."""
    if last is None or new is None or not (last.present and new.present):
        return 0.0
    interval_s = (new.time_ns - last.time_ns) / _NS
    if not FAST_S < interval_s <= GAP_S:
        return 0.0
    return min(SHARE * (interval_s - FAST_S), MAX_SMOOTHING_S)
