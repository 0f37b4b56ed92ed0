"""From landmarks to a handful of distances and angles of the face.

Pure; called for each image, in the eye's loop or offline. In: a `Face`. Out: `Measures`: lengths
in the head's own frame, in units of the face (some 55 mm on an adult), and angles to the camera.
Distance, place and pose of the head do not change the lengths.
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
# Bone, not muscle: corners of the eyes, nose, temples; they give the face's size and middle.
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
# A balanced few whose movement stands for the whole face's; no lids, so a blink does not count.
MOTION_POINTS = (33, 263, 168, 4, 234, 454, 61, 291, 13, 14, 17, 152, 105, 334, 55, 285)


@dataclass(frozen=True, slots=True, eq=False)
class Measurements:
    """What is measured of a face in one image.

    Attributes
    ----------
    lengths
        Shape (6,), in the order of `MEASURES`, in face units.
    angles
        Shape (3,), rad: yaw, pitch, roll; positive when the visitor turns to their own left,
        looks up, and tilts towards their own left shoulder.
    places
        Shape (16, 2), pixels: where the face's points are in the image.
    unit
        Pixels in a face unit.
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
    """The landmarks upright and frontal in face units, shape (478, 3), and that unit in pixels.

    The unit is the root mean square distance of the `RIGID` points from their middle.
    """
    points = face.landmarks * (1.0, -1.0, -1.0)  # y up, z towards the camera
    upright = (points - points[RIGID, :].mean(axis=0)) @ face.rotation
    unit = float(np.sqrt((upright[RIGID, :] ** 2).sum(axis=1).mean()))
    return upright / unit, unit


def face_size(face: Face) -> float:
    """The face's unit in pixels: the larger, the nearer."""
    return head_frame(face)[1]


def face_centre(face: Face) -> FloatArray:
    """Where the face is, shape (2,), pixels."""
    return face.landmarks[RIGID, :2].mean(axis=0)


def lengths(head: FloatArray) -> FloatArray:
    """The six lengths of `MEASURES`, from landmarks in the head's frame."""
    y = head[:, 1]
    brow_height = _mean(y, BROWS) - _mean(y, EYE_CORNERS)
    inner_height = _mean(y, INNER_BROWS) - _mean(y, INNER_CORNERS)
    # What a frown makes smaller. It draws the brows together at any pitch of the head, while
    # their height also seems to change when the head nods: so the distance counts most.
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
    across, up, ahead = rotation.T
    return np.array(
        [np.arctan2(ahead[0], ahead[2]), np.arcsin(np.clip(ahead[1], -1, 1)), _roll(across, up)]
    )


def _roll(across: FloatArray, up: FloatArray) -> float:
    """The tilt in the picture's plane, of the eyes' line and the nose's together."""
    return float(np.arctan2(up[0] - across[1], up[1] + across[0]))


def _mean(values: FloatArray, indices: tuple[int, ...]) -> float:
    return float(values[list(indices)].mean())


def _distance(points: FloatArray, pairs: tuple[tuple[int, int], ...]) -> float:
    """The mean distance of pairs of points."""
    one, other = np.array(pairs).T
    return float(np.linalg.norm(points[one] - points[other], axis=1).mean())
