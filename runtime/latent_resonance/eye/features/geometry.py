"""From a face to six measures of its expression and three angles of the head.

Pure; called for each image, in the eye's loop or offline. In: a `Face`. Out: `Measurements`:
lengths in the head's coordinate frame, in face units (about 55 mm on an adult), blendshapes of the
brows, and angles to the camera. None depends on the distance and position of the head; of the
brows, blendshapes are used because their heights and distances change as the head turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.tracking.onnx.blendshapes import (
    BROW_DOWN_LEFT,
    BROW_DOWN_RIGHT,
    BROW_INNER_UP,
)
from latent_resonance.eye.tracking.tracker import Face

FloatArray = NDArray[np.float64]

MEASURES = ("lip_gap", "mouth_width", "chin_drop", "brow_up", "brow_down", "lid_gap")

# Indices into MediaPipe's 478 points. The right and left are the visitor's own.
# Rigid points: corners of the eyes, nose, temples. They give the face's size and centre.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 2, 98, 327, 127, 356, 234, 454, 143, 372)
UPPER_LIP, LOWER_LIP = (13, 82, 312), (14, 87, 317)  # inner edges
MOUTH_CORNERS = (61, 291)
NOSE_BASE, CHIN = 2, 152
LIDS = ((159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373))
EYE_WIDTHS = ((33, 133), (362, 263))
# A balanced subset that represents the motion of the whole face; no lids, so blinks do not count.
MOTION_POINTS = (33, 263, 168, 4, 234, 454, 61, 291, 13, 14, 17, 152, 105, 334, 55, 285)


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Measurements of a face in one image.

    Attributes
    ----------
    expression
        Shape (6,), in the order of `MEASURES`: lip gap, mouth width and chin drop in face units,
        the brows' blendshapes from 0 to 1, and the gap of the lids as a share of their width.
    angles
        Shape (3,), rad: yaw, pitch, roll; positive when the visitor turns to their own left,
        looks up, and tilts towards their own left shoulder.
    positions
        Shape (16, 2), pixels: the `MOTION_POINTS` in the image.
    unit
        Pixels per face unit.
    """

    expression: FloatArray
    angles: FloatArray
    positions: FloatArray
    unit: float


def measure(face: Face) -> Measurements:
    """Measure a face."""
    head, unit = head_frame(face)
    return Measurements(
        expression(head, face.blendshapes),
        angles(face.rotation),
        face.landmarks[MOTION_POINTS, :2],
        unit,
    )


def head_frame(face: Face) -> tuple[FloatArray, float]:
    """The landmarks, upright and frontal, in face units, shape (478, 3), and the unit in pixels.

    The unit is the RMS distance of the `RIGID` points from their centre.
    """
    points = face.landmarks * (1.0, -1.0, -1.0)  # y up, z towards the camera
    upright = (points - points[RIGID, :].mean(axis=0)) @ face.rotation
    unit = float(np.sqrt((upright[RIGID, :] ** 2).sum(axis=1).mean()))
    return upright / unit, unit


def expression(head: FloatArray, blendshapes: NDArray[np.float32]) -> FloatArray:
    """The six `MEASURES`, from landmarks in the head's frame and blendshapes (52,)."""
    y = head[:, 1]
    return np.array(
        [
            _mean(y, UPPER_LIP) - _mean(y, LOWER_LIP),
            _distance(head, (MOUTH_CORNERS,)),
            y[NOSE_BASE] - y[CHIN],
            float(blendshapes[BROW_INNER_UP]),
            float(blendshapes[[BROW_DOWN_LEFT, BROW_DOWN_RIGHT]].mean()),
            _distance(head, LIDS) / _distance(head, EYE_WIDTHS),
        ]
    )


def angles(rotation: FloatArray) -> FloatArray:
    """Yaw, pitch and roll in rad of a rotation from the head's frame to the camera's."""
    right, up, forward = rotation.T
    return np.array(
        [
            np.arctan2(forward[0], forward[2]),
            np.arcsin(np.clip(forward[1], -1, 1)),
            _roll(right, up),
        ]
    )


def _roll(right: FloatArray, up: FloatArray) -> float:
    """The rotation in the image plane, averaged over the head's x and y axes."""
    return float(np.arctan2(up[0] - right[1], up[1] + right[0]))


def _mean(values: FloatArray, indices: tuple[int, ...]) -> float:
    return float(values[list(indices)].mean())


def _distance(points: FloatArray, pairs: tuple[tuple[int, int], ...]) -> float:
    """The mean distance between pairs of points."""
    first, second = np.array(pairs).T
    return float(np.linalg.norm(points[first] - points[second], axis=1).mean())
