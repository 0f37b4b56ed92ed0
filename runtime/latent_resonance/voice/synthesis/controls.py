"""How the face controls the sound: four curves from features to controls, with smoothing.

Pure except for the state of the smoothing. The synthesis and the generate thread each have a
`ControlGlide` of their own, so that neither waits for the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from latent_resonance.audio.fades import approach
from latent_resonance.config.settings import Controls as ControlSettings
from latent_resonance.config.settings import Curve
from latent_resonance.face_state import FEATURES, FeatureVector

YAW_VELOCITY = FEATURES.index("yaw_velocity")
MOUTH_OPEN = FEATURES.index("mouth_open")
BROW_TENSION = FEATURES.index("brow_tension")
STILLNESS = FEATURES.index("stillness")


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls of the sound at one instant."""

    rate: float  # frames of the loop per hop; 1 is the pack's own tempo
    turning: float  # 0..1, of the head, as fast as the rate rises
    openness: float  # 0..1, of the mouth: what the band-pass lets through
    noise: float  # 0..1, brow tension
    clarity: float  # 0..1, stillness


def shaped_position(curve: Curve, value: float) -> float:
    """Position of a value within the curve's input range, 0..1, raised to the curve's shape."""
    low, high = curve.input
    return float(min(max((value - low) / (high - low), 0.0), 1.0) ** curve.shape)


def linear(curve: Curve, position: float) -> float:
    """Map 0..1 linearly to the curve's output range."""
    low, high = curve.output
    return low + position * (high - low)


def geometric(curve: Curve, position: float) -> float:
    """Map 0..1 to the curve's output range in equal ratios, for frequencies."""
    low, high = curve.output
    return float(low * (high / low) ** position)


class ControlGlide:
    """Features to smoothed controls."""

    def __init__(self, settings: ControlSettings) -> None:
        self.curves = (
            settings.time_stretch,
            settings.band_pass,
            settings.noise,
            settings.clarity,
        )
        self.positions = [0.0, 0.0, 0.0, 0.0]

    def reset(self) -> None:
        """Reset to a resting face."""
        self.positions = [0.0, 0.0, 0.0, 0.0]

    def step(self, features: FeatureVector, dt_s: float) -> Controls:
        """Move by dt_s towards the controls for these features."""
        sources = (
            abs(float(features[YAW_VELOCITY])),
            float(features[MOUTH_OPEN]),
            float(features[BROW_TENSION]),
            float(features[STILLNESS]),
        )
        self.positions = [
            approach(position, shaped_position(curve, source), dt_s, curve.smoothing_s)
            for position, curve, source in zip(self.positions, self.curves, sources, strict=True)
        ]
        stretch, _, noise, clarity = self.curves
        return Controls(
            rate=linear(stretch, self.positions[0]),
            turning=self.positions[0],
            openness=self.positions[1],
            noise=linear(noise, self.positions[2]),
            clarity=linear(clarity, self.positions[3]),
        )
