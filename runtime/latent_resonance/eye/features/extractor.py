"""The whole way from the faces in an image to the state that the voice is told.

One stage with state, in the eye's loop or offline: performing and rendering share it. In: faces
and the time of their image. Out: a `FaceState`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Eye as EyeSettings
from latent_resonance.eye.features.baseline import Neutral
from latent_resonance.eye.features.features import INSTANT, instant_features, without_noise
from latent_resonance.eye.features.geometry import Measures, measure
from latent_resonance.eye.features.motion import (
    MOTION_S,
    VELOCITY_S,
    Rate,
    Stillness,
    motion_of,
    speed_of,
)
from latent_resonance.eye.features.one_euro import OneEuroFilter
from latent_resonance.eye.tracking.player_selection import Person
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import FaceState, FeatureVector, clip_features, neutral_features

FloatArray = NDArray[np.float64]

_NS = 1_000_000_000
_GAP_S = 0.5  # without a face for so long, what moved before is forgotten
_MOUTH, _RAISE, _TENSION = (INSTANT.index(n) for n in ("mouth_open", "brow_raise", "brow_tension"))
_HEAD = slice(INSTANT.index("head_yaw"), len(INSTANT))


class Visitor:
    """Follows one visitor from image to image."""

    def __init__(self, settings: EyeSettings) -> None:
        self._absence_s = settings.absence_s
        self._person = Person()
        self.neutral = Neutral(settings.neutral_s)
        self._filter = OneEuroFilter(settings.one_euro)
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
        face, newcomer = self._person.step(faces, dt_s)
        if newcomer:
            self._forget()
        if face is None:
            return self._absent(time_ns)
        features = self._features(measure(face), self._since_seen_s(time_ns))
        return FaceState(self._sequence, time_ns, True, features)

    def _absent(self, time_ns: int) -> FaceState:
        if (time_ns - self._seen_ns) / _NS > self._absence_s:
            self._person.reset()
            self._forget()
        return FaceState(self._sequence, time_ns, False, neutral_features())

    def _since_seen_s(self, time_ns: int) -> float:
        """Seconds since the face was last seen; after a gap its movement starts anew."""
        since_s = (time_ns - self._seen_ns) / _NS
        self._seen_ns = time_ns
        if since_s > _GAP_S:
            self._stop_moving()
            return 0.0
        return since_s

    def _features(self, measures: Measures, dt_s: float) -> FeatureVector:
        speed = speed_of(self._places.step(measures.places, dt_s)) / measures.unit
        baseline = self.neutral.step(measures, speed, dt_s)
        instant = self._filter.step(instant_features(measures, baseline), dt_s)
        features = clip_features(np.concatenate([without_noise(instant), np.zeros(7)]))
        features[len(INSTANT) : -2] = self._velocities.step(_moving(features), dt_s)
        features[-2:] = motion_of(speed), self._stillness.step(speed, dt_s)
        return clip_features(features)

    def _forget(self) -> None:
        """Somebody else comes, or nobody."""
        self.neutral.reset()
        self._stop_moving()

    def _stop_moving(self) -> None:
        self._filter.reset()
        self._velocities.reset()
        self._places.reset()
        self._stillness.reset()


def _moving(features: FeatureVector) -> FloatArray:
    """What the five velocities are the rates of: yaw, pitch, roll, mouth, brows (up is more)."""
    brows = features[_RAISE] - features[_TENSION]
    return np.array([*features[_HEAD], features[_MOUTH], brows], np.float64)
