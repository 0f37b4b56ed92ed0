"""What has been requested from outside, and for how long it applies.

Written by the telemetry thread only, one attribute at a time; read by the other threads. Switches
and volume stay until they are set again. Features, z and the test tone end after a time limit, so
that a monitor that dies leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.link.correction import Correction
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, FloatArray, Pair, Request

NS = 1_000_000_000
NEVER_S = float("-inf")


class RemoteControl:
    """The requests that apply at present.

    Attributes
    ----------
    volume_db : gain relative to the settings, 0 or below
    muted, standby, quiet : see `link/requests.py`
    pack : name of a pack to play instead of the settings' own, or None
    anchors : z to which a still face moves, besides the pack's
    pairs, correcting : examples of (features, z), and whether they correct the regressor
    """

    def __init__(self) -> None:
        self.volume_db = 0.0
        self.muted = self.standby = self.quiet = False
        self.pack: str | None = None
        self.anchors: tuple[FloatArray, ...] = ()
        self.pairs: tuple[Pair, ...] = ()
        self.correcting = True
        self._correction: Correction | None = None
        self._tone_until_s = NEVER_S
        self._override: tuple[Mapping[str, float], float] = ({}, NEVER_S)
        self._z: tuple[FloatArray | None, float] = (None, NEVER_S)

    def apply(self, request: Request, now_s: float) -> None:
        """Apply a request from CLOCK_MONOTONIC now_s on."""
        if request.kind == "tone":
            self._tone_until_s = now_s + request.value
        elif request.kind == "override":
            self._override = (request.value, now_s + OVERRIDE_TIMEOUT_S)
        elif request.kind == "z":
            self._z = (request.value, now_s + OVERRIDE_TIMEOUT_S)
        elif request.kind == "pairs":
            self._set_pairs(request.value)
        else:
            setattr(self, request.kind, request.value)

    def _set_pairs(self, pairs: tuple[Pair, ...]) -> None:
        """Keep the pairs that have the first one's latent_dim."""
        self.pairs = tuple(pair for pair in pairs if len(pair.z) == len(pairs[0].z))
        self._correction = Correction(self.pairs) if self.pairs else None

    def correction(self, latent_dim: int) -> Correction | None:
        """The correction, if it is switched on and fits a pack of this latent_dim."""
        correction = self._correction
        if not self.correcting or correction is None or correction.latent_dim != latent_dim:
            return None
        return correction

    def tone_on(self, now_s: float) -> bool:
        """Whether the test tone plays; muting suppresses it."""
        return now_s < self._tone_until_s and not self.muted

    def overridden(self, now_s: float) -> Mapping[str, float]:
        """Features that are set from outside, by name."""
        features, until_s = self._override
        return features if now_s < until_s else {}

    def held_z(self, now_s: float, latent_dim: int) -> FloatArray | None:
        """The z that is held from outside, (latent_dim,); None if none is, or another size."""
        z, until_s = self._z
        return z if z is not None and now_s < until_s and len(z) == latent_dim else None

    def override(self, state: FaceState | None, now_ns: int) -> FaceState | None:
        """The state with the features that are set from outside; those count as a face."""
        override = self.overridden(now_ns / NS)
        if not override:
            return state
        present = state is not None and state.present
        features = state.features.copy() if state is not None and present else neutral_features()
        for name, value in override.items():
            features[FEATURES.index(name)] = value
        return FaceState(state.sequence if state else 0, now_ns, True, features.astype(np.float32))
