"""From the visitor's face in an image to the state that is sent to the voice.

A stateful stage, shared by the live loop and offline rendering. In: a face, or none, and the time
of its image. Out: a `FaceState`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.config.settings import Eye as EyeSettings
from latent_resonance.eye.features.baseline import Baseline
from latent_resonance.eye.features.features import (
    HEAD,
    INSTANT,
    MOUTH,
    RAISE,
    TENSION,
    TRUST,
    instant_features,
    spanned,
)
from latent_resonance.eye.features.geometry import Measurements, measure
from latent_resonance.eye.features.motion import (
    ACTIVITY_S,
    MOTION_S,
    VELOCITY_S,
    Rate,
    Stillness,
    activity,
    motion_from_speed,
    rms_speed,
    shares_of_rest,
    without_rest,
)
from latent_resonance.eye.features.mouth_range import MouthRange
from latent_resonance.eye.features.slew_limit import SlewLimit
from latent_resonance.eye.one_euro import OneEuroFilter
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import FaceState, FeatureVector, clip_features, neutral_features

FloatArray = NDArray[np.float64]

_NS = 1_000_000_000
HOLD_S = 0.5  # a face lost for less, as behind a hand in passing, is held
RETURN_S = 0.3  # in which features glide from what was held to what is seen again
_VELOCITIES = slice(len(INSTANT), len(INSTANT) + 5)


class FeatureExtractor:
    """Computes the features of one visitor after another.

    Attributes
    ----------
    baseline
        The visitor's neutral face.
    """

    def __init__(self, settings: EyeSettings) -> None:
        self._absence_s = settings.absence_s
        self.baseline = Baseline(settings.neutral_s)
        self._mouth_range = MouthRange()
        one_euro = settings.one_euro
        self._filter = OneEuroFilter(
            one_euro.min_cutoff_hz, one_euro.beta * TRUST, one_euro.derivative_cutoff_hz
        )
        self._slew_limit = SlewLimit()
        self._velocities, self._slow_velocities = Rate(VELOCITY_S), Rate(ACTIVITY_S)
        self._point_rates = Rate(MOTION_S)
        self._stillness = Stillness()
        self._visitor = 0
        self._sequence = -1
        self._seen_ns: int | None = None
        self._returned_ns = -round(_NS * RETURN_S)
        self._held = self._features = neutral_features()

    def step(self, face: Face | None, time_ns: int) -> FaceState:
        """The state for the image of `time_ns`, which must not precede the last one."""
        self._sequence += 1
        if face is None:
            return self._without_face(time_ns)
        if face.visitor != self._visitor:
            self._visitor = face.visitor
            self._reset_visitor()
        dt_s = self._since_seen_s(time_ns)
        self._seen_ns = time_ns
        if dt_s > HOLD_S:
            self._reset_motion()
            dt_s = 0.0
        features = self._extract(measure(face), dt_s)
        self._features = self._returning(features, time_ns)
        return FaceState(self._sequence, time_ns, True, self._features)

    def _without_face(self, time_ns: int) -> FaceState:
        lost_s = self._since_seen_s(time_ns)
        if self._seen_ns is not None and lost_s > self._absence_s:
            self._visitor = 0
            self._reset_visitor()
        if self._seen_ns is None or lost_s > HOLD_S:
            return FaceState(self._sequence, time_ns, False, neutral_features())
        self._held, self._returned_ns = self._features.copy(), time_ns
        self._held[_VELOCITIES] = 0.0
        return FaceState(self._sequence, time_ns, True, self._held)

    def _since_seen_s(self, time_ns: int) -> float:
        return 0.0 if self._seen_ns is None else (time_ns - self._seen_ns) / _NS

    def _returning(self, features: FeatureVector, time_ns: int) -> FeatureVector:
        """For `RETURN_S` after a face was held, from what was held to what is seen."""
        share = np.float32(min((time_ns - self._returned_ns) / (_NS * RETURN_S), 1.0))
        return features if share == 1.0 else self._held + share * (features - self._held)

    def _extract(self, measurements: Measurements, dt_s: float) -> FeatureVector:
        speed = rms_speed(self._point_rates.step(measurements.positions, dt_s)) / measurements.unit
        spans = self._slew_limit.step(self._filter.step(spanned(measurements), dt_s), dt_s)
        shares = shares_of_rest(self._slow_velocities.step(_rate_inputs(spans), dt_s))
        velocities = without_rest(self._velocities.step(_rate_inputs(spans), dt_s), shares)
        stillness = self._stillness.step(activity(shares, speed), dt_s)
        neutral = self.baseline.step(spans, dt_s, at_rest=self._stillness.at_rest)
        opening = float((spans - neutral)[MOUTH])
        mouth_range = self._mouth_range.step(opening, dt_s, neutral_is_known=self.baseline.learned)
        instant = instant_features(spans, neutral, mouth_range)
        motion = motion_from_speed(speed)
        return clip_features(np.concatenate([instant, velocities, [motion, stillness]]))

    def _reset_visitor(self) -> None:
        """Start over for another visitor."""
        self._seen_ns = None
        self.baseline.reset()
        self._mouth_range.reset()
        self._reset_motion()

    def _reset_motion(self) -> None:
        self._filter.reset()
        self._slew_limit.reset()
        self._velocities.reset()
        self._slow_velocities.reset()
        self._point_rates.reset()
        self._stillness.reset()


def _rate_inputs(spans: FloatArray) -> FloatArray:
    """The quantities whose rates are the velocities: yaw, pitch, roll, mouth, brows (up is +).

    None depends on the baseline, which moves by itself.
    """
    return np.array([*spans[HEAD], spans[MOUTH], spans[RAISE] - spans[TENSION]])
