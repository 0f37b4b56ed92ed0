"""From the faces in an image to the state that is sent to the voice.

A stateful stage, shared by the live loop and offline rendering. In: faces and the time of their
image. Out: a `FaceState`.
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
_GAP_S = 0.5  # after this long without a face, filters and rates are reset
_MOUTH, _RAISE, _TENSION = (INSTANT.index(n) for n in ("mouth_open", "brow_raise", "brow_tension"))
_HEAD = slice(INSTANT.index("head_yaw"), len(INSTANT))


class FeatureExtractor:
    """Selects one visitor and computes their features from image to image.

    Attributes
    ----------
    baseline
        The visitor's neutral face.
    """

    def __init__(self, settings: EyeSettings) -> None:
        self._absence_s = settings.absence_s
        self._player = PlayerSelection()
        self.baseline = Baseline(settings.neutral_s)
        self._filter = OneEuroFilter(settings.one_euro)
        self._velocities, self._point_rates = Rate(VELOCITY_S), Rate(MOTION_S)
        self._stillness = Stillness()
        self._sequence = -1
        self._last_ns: int | None = None
        self._seen_ns = 0

    def step(self, faces: list[Face], time_ns: int) -> FaceState:
        """The state for the image of `time_ns`, which must not precede the last one."""
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
        """Seconds since the face was last detected; after a gap 0, with the motion reset."""
        since_s = (time_ns - self._seen_ns) / _NS
        self._seen_ns = time_ns
        if since_s > _GAP_S:
            self._reset_motion()
            return 0.0
        return since_s

    def _features(self, measurements: Measurements, dt_s: float) -> FeatureVector:
        speed = rms_speed(self._point_rates.step(measurements.positions, dt_s)) / measurements.unit
        baseline = self.baseline.step(measurements, speed, dt_s)
        instant = self._filter.step(instant_features(measurements, baseline), dt_s)
        features = clip_features(np.concatenate([apply_dead_zones(instant), np.zeros(7)]))
        features[len(INSTANT) : -2] = self._velocities.step(_rate_inputs(features), dt_s)
        features[-2:] = motion_from_speed(speed), self._stillness.step(speed, dt_s)
        return clip_features(features)

    def _reset_visitor(self) -> None:
        """Start over for another visitor."""
        self.baseline.reset()
        self._reset_motion()

    def _reset_motion(self) -> None:
        self._filter.reset()
        self._velocities.reset()
        self._point_rates.reset()
        self._stillness.reset()


def _rate_inputs(features: FeatureVector) -> FloatArray:
    """The quantities whose rates are the velocities: yaw, pitch, roll, mouth, brows (up is +)."""
    brows = features[_RAISE] - features[_TENSION]
    return np.array([*features[_HEAD], features[_MOUTH], brows], np.float64)
