"""Typical faces, held still, whose sounds the report shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES, neutral_features

# left and right are the visitor's own
FACES: dict[str, dict[str, float]] = {
    "neutral": {},
    "mouth open": {"mouth_open": 0.8, "jaw_open": 0.7},
    "mouth wide": {"mouth_width": 0.6},
    "mouth round": {"mouth_width": -0.5, "mouth_open": 0.3, "jaw_open": 0.3},
    "brow raised": {"brow_raise": 0.8},
    "brow tense": {"brow_tension": 0.8},
    "head left": {"head_yaw": 0.5},
    "head right": {"head_yaw": -0.5},
    "looking up": {"head_pitch": 0.3},
    "looking down": {"head_pitch": -0.3},
    "head tilted left": {"head_roll": 0.3},
    "shouting": {"mouth_open": 0.9, "jaw_open": 0.9, "brow_tension": 0.7, "motion": 0.6},
}


def features_of(face: dict[str, float], *, still: bool) -> NDArray[np.float32]:
    """The face as a feature vector (16,); features that are not named are neutral."""
    features = neutral_features()
    features[FEATURES.index("stillness")] = 1.0 if still else 0.0
    for name, value in face.items():
        features[FEATURES.index(name)] = value
    return features


def neutral_face() -> NDArray[np.float32]:
    """The neutral face, still: (16,)."""
    return features_of({}, still=True)


def typical_faces() -> NDArray[np.float32]:
    """FACES in their order, the neutral one still: (n, 16)."""
    return np.stack([features_of(face, still=not face) for face in FACES.values()])
