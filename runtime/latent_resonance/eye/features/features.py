"""From measures to features: what the face does, in the units that the voice knows.

Pure; called for each image, in the eye's loop or offline. In: `Measures` and the baseline they are
taken relative to. Out: the nine features that hold at one instant, not yet filtered or clipped.
The names, order and units of all sixteen are in `face_state`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import ANGLES, LENGTHS, Measurements
from latent_resonance.face_state import FEATURES

FloatArray = NDArray[np.float64]

INSTANT = FEATURES[:9]  # mouth_open … head_roll; the other seven are about movement

# Face units (some 55 mm) that fill a feature's range, from the movement of four people on film and
# of a warped photograph: a mouth wide open gapes 0.45 to 0.6, lips pucker by 0.15, brows rise by
# 0.13; a frown takes 0.085 off brow_ease.
FULL_GAP = 0.55
FULL_WIDTH = 0.22
FULL_DROP = 0.35
FULL_RAISE = 0.13
FULL_FROWN = 0.085
CLOSED_LID_GAP = 0.07  # lid_gap of a closed eye: the lids have a thickness
OPEN_FRACTION = 0.9  # eyes this much as open as at rest are open

# What the tracker's noise moves a resting face by, in the feature's own unit.
DEAD_ZONES = {
    "mouth_open": 0.02,
    "jaw_open": 0.08,
    "brow_raise": 0.06,
    "brow_tension": 0.12,
}
_DEAD = np.array([DEAD_ZONES.get(name, 0.0) for name in INSTANT])


def instant_features(measures: Measurements, baseline: FloatArray) -> FloatArray:
    """The nine features of one image, shape (9,).

    Parameters
    ----------
    baseline
        Shape (9,): the six lengths and three angles of this visitor's neutral face.
    """
    gap, width, drop, brow, ease, lids = measures.lengths - baseline[: len(LENGTHS)]
    resting_lids = baseline[LENGTHS.index("lid_gap")]
    return np.array(
        [
            gap / FULL_GAP,
            width / FULL_WIDTH,
            drop / FULL_DROP,
            brow / FULL_RAISE,
            -ease / FULL_FROWN,
            (lids + resting_lids - CLOSED_LID_GAP)
            / (OPEN_FRACTION * resting_lids - CLOSED_LID_GAP),
            *(measures.angles - baseline[-len(ANGLES) :]),
        ]
    )


def apply_dead_zones(instant: FloatArray) -> FloatArray:
    """The features with their dead zones taken off and the rest spread over the whole range."""
    return np.where(_DEAD > 0, np.maximum(instant - _DEAD, 0.0) / (1.0 - _DEAD), instant)
