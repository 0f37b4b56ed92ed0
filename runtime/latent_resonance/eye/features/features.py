"""From measurements to the nine instantaneous features.

Pure; called for each image, in the eye's loop or offline. In: `Measurements` and the baseline. Out:
features of one instant, not yet filtered or clipped. The names, order and units of all sixteen
features are in `face_state`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import ANGLES, LENGTHS, Measurements
from latent_resonance.face_state import FEATURES

FloatArray = NDArray[np.float64]

INSTANT = FEATURES[:9]  # mouth_open … head_roll; the other seven describe motion

# Face units (about 55 mm) that span a feature's range, measured on clips of four people and on a
# warped photograph: the lips of a wide open mouth are 0.45 to 0.6 apart, they pucker by 0.15, brows
# rise by 0.13; a frown lowers brow_ease by 0.085.
FULL_GAP = 0.55
FULL_WIDTH = 0.22
FULL_DROP = 0.35
FULL_RAISE = 0.13
FULL_FROWN = 0.085
CLOSED_LID_GAP = 0.07  # lid_gap of a closed eye: the lids have a thickness
OPEN_FRACTION = 0.9  # of the resting lid gap; above this the eyes count as fully open

# How far the tracker's noise moves the features of a resting face.
DEAD_ZONES = {
    "mouth_open": 0.02,
    "jaw_open": 0.08,
    "brow_raise": 0.06,
    "brow_tension": 0.12,
}
_DEAD = np.array([DEAD_ZONES.get(name, 0.0) for name in INSTANT])


def instant_features(measurements: Measurements, baseline: FloatArray) -> FloatArray:
    """The nine features of one image, shape (9,).

    Parameters
    ----------
    baseline
        Shape (9,): the six lengths and three angles of this visitor's neutral face.
    """
    gap, width, drop, brow, ease, lids = measurements.lengths - baseline[: len(LENGTHS)]
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
            *(measurements.angles - baseline[-len(ANGLES) :]),
        ]
    )


def apply_dead_zones(instant: FloatArray) -> FloatArray:
    """The features minus their dead zones, rescaled to the full range."""
    return np.where(_DEAD > 0, np.maximum(instant - _DEAD, 0.0) / (1.0 - _DEAD), instant)
