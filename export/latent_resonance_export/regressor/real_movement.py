"""How much each feature moves on real visitors, in clips of people before a camera.

The 95th percentile of each feature's distance from the neutral face, over the frames that show
one: twelve clips, 31 s, of people who sign, speak and walk up. The jaw does not move by itself in
any of them, so `jaw_open` has no such value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES, neutral_features

REAL_P95 = {
    "mouth_open": 0.46,
    "mouth_width": 1.0,
    "brow_raise": 0.47,
    "brow_tension": 0.6,
    "eye_open": 0.57,
    "head_yaw": 0.21,
    "head_pitch": 0.25,
    "head_roll": 0.11,
    "yaw_velocity": 0.36,
    "pitch_velocity": 0.59,
    "roll_velocity": 0.24,
    "mouth_velocity": 0.51,
    "brow_velocity": 3.5,
    "motion": 0.83,
    "stillness": 0.63,
}


def moved(feature: str) -> NDArray[np.float32]:
    """The neutral face with one feature at its 95th percentile: (16,)."""
    features = neutral_features()
    sign = -1 if feature == "eye_open" else 1
    features[FEATURES.index(feature)] += sign * REAL_P95[feature]
    return features
