"""From landmarks to six lengths and three angles of the face.

Pure; called for each image, in the eye's loop or offline. In: a `Face`. Out: `Measurements`:
lengths in the head's coordinate frame, in face units (about 55 mm on an adult), and angles to the
camera. The lengths do not depend on the distance, position and pose of the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.tracking.tracker import Face

FloatArray = NDArray[np.float64]

LENGTHS = ("lip_gap", "mouth_width", "chin_drop", "brow_height", "brow_ease", "lid_gap")
ANGLES = ("yaw", "pitch", "roll")

# Indices into MediaPipe's 478 points. The right and left are the visitor's own.
# Rigid points: corners of the eyes, nose, temples. They give the face's size and centre.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 2, 98, 327, 127, 356, 234, 454, 143, 372)
UPPER_LIP, LOWER_LIP = (13, 82, 312), (14, 87, 317)  # inner edges
MOUTH_CORNERS = (61, 291)
NOSE_BASE, CHIN = 2, 152
EYE_CORNERS, INNER_CORNERS = (33, 133, 362, 263), (133, 362)
BROWS = (105, 66, 63, 334, 296, 293)
INNER_BROWS = (55, 107, 285, 336)
BROW_PAIRS = ((55, 285), (107, 336))  # across the nose
LIDS = ((159, 145), (158, 153), (160, 144), (386, 374), (385, 380), (387, 373))
EYE_WIDTHS = ((33, 133), (362, 263))
# A balanced subset that represents the motion of the whole face; no lids, so blinks do not count.
MOTION_POINTS = (33, 263, 168, 4, 234, 454, 61, 291, 13, 14, 17, 152, 105, 334, 55, 285)


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """Measurements of a face in one image.

    Attributes
    ----------
    lengths
        Shape (6,), in the order of `LENGTHS`, in face units.
    angles
        Shape (3,), rad: yaw, pitch, roll; positive when the visitor turns to their own left,
        looks up, and tilts towards their own left shoulder.
    positions
        Shape (16, 2), pixels: the `MOTION_POINTS` in the image.
    unit
        Pixels per face unit.
    """

    lengths: FloatArray
    angles: FloatArray
    positions: FloatArray
    unit: float


def measure(face: Face) -> Measurements:
    """Measure a face."""
    head, unit = head_frame(face)
    return Measurements(
        lengths(head), angles(face.rotation), face.landmarks[MOTION_POINTS, :2], unit
    )


def head_frame(face: Face) -> tuple[FloatArray, float]:
    """The landmarks, upright and frontal, in face units, shape (478, 3), and the unit in pixels.

    The unit is the RMS distance of the `RIGID` points from their centre.
    """
    points = face.landmarks * (1.0, -1.0, -1.0)  # y up, z towards the camera
    upright = (points - points[RIGID, :].mean(axis=0)) @ face.rotation
    unit = float(np.sqrt((upright[RIGID, :] ** 2).sum(axis=1).mean()))
    return upright / unit, unit


def face_size(face: Face) -> float:
    """The face unit in pixels: the larger, the nearer."""
    return head_frame(face)[1]


def face_centre(face: Face) -> FloatArray:
    """The face's position in the image, shape (2,), pixels."""
    centre: FloatArray = face.landmarks[RIGID, :2].mean(axis=0)
    return centre


def lengths(head: FloatArray) -> FloatArray:
    """The six `LENGTHS`, from landmarks in the head's frame."""
    y = head[:, 1]
    brow_height = _mean(y, BROWS) - _mean(y, EYE_CORNERS)
    inner_height = _mean(y, INNER_BROWS) - _mean(y, INNER_CORNERS)
    # A frown reduces this. Frowning draws the brows together at any head pitch, while their
    # apparent height also changes with nodding, so the distance has the largest weight.
    brow_ease = _distance(head, BROW_PAIRS) + 0.5 * inner_height + 0.25 * brow_height
    return np.array(
        [
            _mean(y, UPPER_LIP) - _mean(y, LOWER_LIP),
            _distance(head, (MOUTH_CORNERS,)),
            y[NOSE_BASE] - y[CHIN],
            brow_height,
            brow_ease,
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
