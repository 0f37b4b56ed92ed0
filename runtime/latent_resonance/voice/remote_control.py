"""What has been asked of a performance from outside, and how long it holds.

Written by the telling thread alone, one attribute at a time; read by the others. What a person
set stays until they set it again; what somebody plays with (features, z, a tone) ends by itself,
so that a monitor that dies leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.link.requests import HELD_S, FloatArray, Pair, Request
from latent_resonance.voice.synthesis.correction import Correction

NS = 1_000_000_000
GONE_S = float("-inf")


class RemoteControl:
    """The wishes in force.

    Attributes
    ----------
    volume_db : how much quieter than the settings say, 0 or below
    muted, standby, quiet : see `link/requests.py`
    pack : another pack's name; None is the settings' own
    pairs, correcting : what was taught, and whether it corrects the map
    """

    def __init__(self) -> None:
        self.volume_db = 0.0
        self.muted = self.standby = self.quiet = False
        self.pack: str | None = None
        self.pairs: tuple[Pair, ...] = ()
        self.correcting = True
        self._correction: Correction | None = None
        self._tone_until_s = GONE_S
        self._override: tuple[Mapping[str, float], float] = ({}, GONE_S)
        self._z: tuple[FloatArray | None, float] = (None, GONE_S)

    def apply(self, request: Request, now_s: float) -> None:
        """Does as asked, from CLOCK_MONOTONIC now_s on."""
        if request.kind == "tone":
            self._tone_until_s = now_s + request.value
        elif request.kind == "override":
            self._override = (request.value, now_s + HELD_S)
        elif request.kind == "z":
            self._z = (request.value, now_s + HELD_S)
        elif request.kind == "pairs":
            self._teach(request.value)
        else:
            setattr(self, request.kind, request.value)

    def _teach(self, pairs: tuple[Pair, ...]) -> None:
        """Takes pairs of one latent_dim; the first one's, if they differ."""
        self.pairs = tuple(pair for pair in pairs if len(pair.z) == len(pairs[0].z))
        self._correction = Correction(self.pairs) if self.pairs else None

    def correction(self, latent_dim: int) -> Correction | None:
        """What was taught, if it is to correct the map, and was meant for such a pack."""
        taught = self._correction
        return taught if self.correcting and taught and taught.latent_dim == latent_dim else None

    def sounding(self, now_s: float) -> bool:
        """Whether a test tone is to be heard; being muted is stronger."""
        return now_s < self._tone_until_s and not self.muted

    def overridden(self, now_s: float) -> Mapping[str, float]:
        """Features that are somebody's."""
        features, until_s = self._override
        return features if now_s < until_s else {}

    def z(self, now_s: float, latent_dim: int) -> FloatArray | None:
        """The z that is somebody's; None if it is the face's, or meant for another pack."""
        z, until_s = self._z
        return z if z is not None and now_s < until_s and len(z) == latent_dim else None

    def steered(self, state: FaceState | None, now_ns: int) -> FaceState | None:
        """The newest state, with the features that are somebody's; they count as a visitor."""
        override = self.overridden(now_ns / NS)
        if not override:
            return state
        there = state is not None and state.present
        features = state.features.copy() if there else neutral_features()
        for name, value in override.items():
            features[FEATURES.index(name)] = value
        return FaceState(state.sequence if state else 0, now_ns, True, np.float32(features))
