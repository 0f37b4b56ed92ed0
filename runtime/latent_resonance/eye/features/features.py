"""From measurements to the nine instantaneous features.

Pure; called for each image, in the eye's loop or offline. In: `Measurements`, the neutral face and
the range of the mouth. Out: features of one instant, not yet clipped. The names, order and units of
all sixteen features are in `face_state`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import MEASURES, Measurements
from latent_resonance.face_state import FEATURES

FloatArray = NDArray[np.float64]

INSTANT = FEATURES[:9]  # mouth_open … head_roll; the other seven describe motion
MOUTH, RAISE, TENSION, EYES = (
    INSTANT.index(name) for name in ("mouth_open", "brow_raise", "brow_tension", "eye_open")
)
HEAD = slice(INSTANT.index("head_yaw"), len(INSTANT))

# What spans a feature's range, measured on clips of ten people and on a warped photograph. In face
# units (about 55 mm): the lips of a wide open mouth are 0.45 to 0.6 apart, they pucker by 0.15. In
# blendshapes: a real frown adds 0.25 to 0.45 to `brow_down`, raised brows 0.3 to 0.5 to `brow_up`.
SPAN = {
    "lip_gap": 0.55,
    "mouth_width": 0.22,
    "chin_drop": 0.35,
    "brow_up": 0.40,
    "brow_down": 0.47,
    "lid_gap": 0.11,
}
_SPANS = np.array([*(SPAN[name] for name in MEASURES), 1.0, 1.0, 1.0])
# Scales `beta` of the One Euro filter for each: the noise of blendshapes looks like speed.
TRUST = np.array([0.3 if "brow" in name else 1.0 for name in INSTANT])
CLOSED_LIDS = 0.07 / SPAN["lid_gap"]  # the lid gap of a closed eye: the lids have a thickness
OPEN_FRACTION = 0.9  # of the resting lid gap; above this the eyes count as fully open

# How far noise, talking and turning move the features of a face whose part is at rest.
DEAD_ZONES = {
    "mouth_open": 0.04,
    "jaw_open": 0.08,
    "brow_raise": 0.10,
    "brow_tension": 0.155,
}
_DEAD = np.array([DEAD_ZONES.get(name, 0.0) for name in INSTANT])


def spanned(measurements: Measurements) -> FloatArray:
    """The nine quantities behind the features, in units of their spans, angles in rad: (9,)."""
    return np.asarray(np.concatenate([measurements.expression, measurements.angles]) / _SPANS)


def instant_features(spans: FloatArray, neutral: FloatArray, mouth_range: float) -> FloatArray:
    """The nine features of one image, shape (9,), with their dead zones taken away.

    Parameters
    ----------
    spans, neutral
        Shape (9,): `spanned` of this face, and of this visitor's neutral face.
    mouth_range
        How far this visitor opens the mouth, in units of its span.
    """
    features = spans - neutral
    features[MOUTH] /= mouth_range
    resting = neutral[EYES]
    features[EYES] = (spans[EYES] - CLOSED_LIDS) / (OPEN_FRACTION * resting - CLOSED_LIDS)
    return apply_dead_zones(features)


def apply_dead_zones(instant: FloatArray) -> FloatArray:
    """The features minus their dead zones, rescaled to the full range."""
    return np.where(_DEAD > 0, np.maximum(instant - _DEAD, 0.0) / (1.0 - _DEAD), instant)
