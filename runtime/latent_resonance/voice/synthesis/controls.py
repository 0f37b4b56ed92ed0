"""What the face does to the sound: four curves from features to controls, smoothed in seconds.

Pure but for the smoothing's memory. The synthesis and the dreaming thread each own one
`ControlGlide`, so that neither waits for the other.
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
    """The four controls of the sound at one instant."""

    rate: float  # frames of the loop per hop; 1 is the pack's own tempo
    cutoff_hz: float  # upper edge of the band-pass
    noise: float  # 0..1, brow tension
    clarity: float  # 0..1, stillness


def along(curve: Curve, value: float) -> float:
    """Where a feature's value lies on its curve's input range, shaped: 0..1."""
    low, high = curve.input
    return min(max((value - low) / (high - low), 0.0), 1.0) ** curve.shape


def linear(curve: Curve, place: float) -> float:
    """0..1 to the curve's output range, evenly."""
    low, high = curve.output
    return low + place * (high - low)


def geometric(curve: Curve, place: float) -> float:
    """0..1 to the curve's output range, in equal ratios (for frequencies)."""
    low, high = curve.output
    return low * (high / low) ** place


class ControlGlide:
    """Features to smoothed controls."""

    def __init__(self, settings: ControlSettings) -> None:
        self.curves = (
            settings.time_stretch,
            settings.band_pass,
            settings.noise,
            settings.clarity,
        )
        self.places = [0.0, 0.0, 0.0, 0.0]

    def reset(self) -> None:
        """Back to a resting face."""
        self.places = [0.0, 0.0, 0.0, 0.0]

    def step(self, features: FeatureVector, dt_s: float) -> Controls:
        """Moves on by dt_s towards what these features ask for."""
        sources = (
            abs(float(features[YAW_VELOCITY])),
            float(features[MOUTH_OPEN]),
            float(features[BROW_TENSION]),
            float(features[STILLNESS]),
        )
        self.places = [
            approach(place, along(curve, source), dt_s, curve.smoothing_s)
            for place, curve, source in zip(self.places, self.curves, sources, strict=True)
        ]
        stretch, band_pass, noise, clarity = self.curves
        return Controls(
            rate=linear(stretch, self.places[0]),
            cutoff_hz=geometric(band_pass, self.places[1]),
            noise=linear(noise, self.places[2]),
            clarity=linear(clarity, self.places[3]),
        )
