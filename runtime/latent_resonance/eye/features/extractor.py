"""The whole way from the faces in an image to the state that the voice is told.

One stage with state, in the eye's loop or offline: performing and rendering share it. In: faces
and the time of their image. Out: a `FaceState`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Eye as EyeSettings
from latent_resonance.eye.features.baseline import Baseline
from latent_resonance.eye.features.features import INSTANT, apply_dead_zones, instant_features
from latent_resonance.eye.features.geometry import Measurements, measure
from latent_resonance.eye.features.motion import (
    MOTION_S,
    VELOCITY_S,
    Rate,
    Stillness,
    motion_from_speed,
    rms_speed,
)
from latent_resonance.eye.features.one_euro import OneEuroFilter
from latent_resonance.eye.tracking.player_selection import PlayerSelection
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import FaceState, FeatureVector, clip_features, neutral_features

FloatArray = NDArray[np.float64]

_NS = 1_000_000_000
_GAP_S = 0.5  # without a face for so long, what moved before is forgotten
_MOUTH, _RAISE, _TENSION = (INSTANT.index(n) for n in ("mouth_open", "brow_raise", "brow_tension"))
_HEAD = slice(INSTANT.index("head_yaw"), len(INSTANT))


class FeatureExtractor:
    """Follows one visitor from image to image."""

    def __init__(self, settings: EyeSettings) -> None:
        self._absence_s = settings.absence_s
        self._player = PlayerSelection()
        self.neutral = Baseline(settings.neutral_s)
        self._bpf_program = OneEuroFilter(settings.one_euro)
        self._velocities, self._places = Rate(VELOCITY_S), Rate(MOTION_S)
        self._stillness = Stillness()
        self._sequence = -1
        self._last_ns: int | None = None
        self._seen_ns = 0

    def step(self, faces: list[Face], time_ns: int) -> FaceState:
        """The state at the image of `time_ns`, which must not be before the last one's."""
        dt_s = 0.0 if self._last_ns is None else (time_ns - self._last_ns) / _NS
        self._last_ns = time_ns
        self._sequence += 1
        face, is_new = self._player.step(faces, dt_s)
        if is_new:
            self._reset_visitor()
        if face is None:
            return self._absent(time_ns)
        features = self._features(measure(face), self._since_seen_s(time_ns))
        return FaceState(self._sequence, time_ns, True, features)

    def _absent(self, time_ns: int) -> FaceState:
        if (time_ns - self._seen_ns) / _NS > self._absence_s:
            self._player.reset()
            self._reset_visitor()
        return FaceState(self._sequence, time_ns, False, neutral_features())

    def _since_seen_s(self, time_ns: int) -> float:
        """Seconds since the face was last seen; after a gap its movement starts anew."""
        since_s = (time_ns - self._seen_ns) / _NS
        self._seen_ns = time_ns
        if since_s > _GAP_S:
            self._reset_motion()
            return 0.0
        return since_s

    def _features(self, measures: Measurements, dt_s: float) -> FeatureVector:
        speed = rms_speed(self._places.step(measures.positions, dt_s)) / measures.unit
        baseline = self.neutral.step(measures, speed, dt_s)
        instant = self._bpf_program.step(instant_features(measures, baseline), dt_s)
        features = clip_features(np.concatenate([apply_dead_zones(instant), np.zeros(7)]))
        features[len(INSTANT) : -2] = self._velocities.step(_rate_inputs(features), dt_s)
        features[-2:] = motion_from_speed(speed), self._stillness.step(speed, dt_s)
        return clip_features(features)

    def _reset_visitor(self) -> None:
        """Somebody else comes, or nobody."""
        self.neutral.reset()
        self._reset_motion()

    def _reset_motion(self) -> None:
        self._bpf_program.reset()
        self._velocities.reset()
        self._places.reset()
        self._stillness.reset()


def _rate_inputs(features: FeatureVector) -> FloatArray:
    """What the five velocities are the rates of: yaw, pitch, roll, mouth, brows (up is more)."""
    brows = features[_RAISE] - features[_TENSION]
    return np.array([*features[_HEAD], features[_MOUTH], brows], np.float64)
