"""Head rotation: fits the canonical face to the landmarks, seen through a virtual camera.

Pure. In: landmarks in pixels. Out: a rotation, or None for a degenerate face. MediaPipe's
`ScreenToMetricSpaceConverter` (mediapipe/tasks/cc/vision/face_geometry/libs/geometry_pipeline.cc);
the weighted orthogonal Procrustes problem is solved as in D. Akca, "Generalized Procrustes
analysis and its applications in photogrammetry", ETH Zürich 2003, section 2.4, and reflections are
excluded as in J. C. Gower and G. B. Dijksterhuis, "Procrustes Problems", 2004, section 4.6.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FIELD_OF_VIEW = np.radians(63.0)  # vertical, of the virtual camera
# Limits of a face's radius, in image sizes: outside of them the landmarks are degenerate.
MIN_RADIUS, MAX_RADIUS = 1e-3, 100.0
MIN_SCALE = 1e-9
_SURFACE = slice(468)  # the landmarks without the irises
_TOWARDS_CAMERA = (1.0, 1.0, -1.0)  # the landmarks' z points away from the camera

# The canonical face's points used for the pose, from geometry_pipeline_metadata_landmarks in
# the .task file: x to the image's right, y up, z towards the camera, in cm; and their weights.
_MIDDLE = (  # landmark, y, z, weight; x is 0
    (4, -0.46317, 7.58658, 0.07090994),
    (6, 2.473255, 5.788627, 0.032100145),
    (10, 8.261778, 4.481535, 0.008446551),
)
_PAIRS = (  # landmarks at the image's left and right, x of the right one, y, z, weight
    (33, 263, 4.445859, 2.663991, 3.173422, 0.05872417),
    (54, 284, 6.279331, 6.615427, 1.42585, 0.00766708),
    (67, 297, 3.523964, 8.005976, 3.729163, 0.009078059),
    (117, 346, 5.258659, 0.945811, 2.974312, 0.009791938),
    (119, 348, 3.300681, 0.861641, 3.872784, 0.014565368),
    (121, 350, 1.820731, 1.467954, 4.224124, 0.018591361),
    (127, 356, 7.743095, 2.364999, -2.005167, 0.0051979944),
    (129, 358, 1.785794, -0.978284, 4.85047, 0.120625205),
    (132, 361, 7.270895, -2.890917, -2.252455, 0.0055600186),
    (133, 362, 1.856432, 2.585245, 3.757904, 0.053286184),
    (136, 365, 5.085276, -7.17859, 0.714711, 0.066890456),
    (143, 372, 6.407571, 2.236021, 1.560843, 0.014816548),
    (147, 376, 6.234883, -1.94443, 1.663542, 0.014262834),
    (198, 420, 1.246815, 0.230297, 5.681036, 0.025462192),
    (205, 425, 3.832928, -1.537326, 4.137731, 0.04725228),
)
_LEFT = [(left, -x, y, z, weight) for left, _, x, y, z, weight in _PAIRS]
_RIGHT = [(right, x, y, z, weight) for _, right, x, y, z, weight in _PAIRS]
_TABLE = np.array([(i, 0.0, y, z, weight) for i, y, z, weight in _MIDDLE] + _LEFT + _RIGHT)

POSE_LANDMARKS = _TABLE[:, 0].astype(int)  # (33,)
CANONICAL = _TABLE[:, 1:4]  # (33, 3)
WEIGHTS = _TABLE[:, 4] / _TABLE[:, 4].sum()  # (33,)
_CENTRED = CANONICAL - WEIGHTS @ CANONICAL
_VARIANCE = float(WEIGHTS @ (_CENTRED**2).sum(axis=1))


def head_rotation(landmarks: FloatArray, width: int, height: int) -> FloatArray | None:
    """The rotation from the head's frame to the camera's, shape (3, 3), see `Face`.

    Parameters
    ----------
    landmarks
        Shape (478, 3), finite, pixels of an image of `width` × `height`.
    """
    if not MIN_RADIUS < _radius(landmarks / (width, height, 1)) < MAX_RADIUS:
        return None
    screen = to_screen(landmarks[_SURFACE], width, height)
    points, depth = screen[POSE_LANDMARKS], float(screen[:, 2].mean())
    # z is relative to the face: estimate its scale, then again with the perspective removed.
    _, flat = fit_canonical_face(points * _TOWARDS_CAMERA)
    if flat < MIN_SCALE:
        return None
    _, correction = fit_canonical_face(unproject(points, depth, flat))
    if flat * correction < MIN_SCALE:
        return None
    return fit_canonical_face(unproject(points, depth, flat * correction))[0]


def _radius(points: FloatArray) -> float:
    """The largest distance of a point from the centroid, in the image plane."""
    return float(np.linalg.norm((points - points.mean(axis=0))[:, :2], axis=1).max())


def to_screen(points: FloatArray, width: int, height: int) -> FloatArray:
    """Pixels to the plane at distance 1 from the virtual camera: x right, y up, z like x."""
    pixel = 2 * np.tan(FIELD_OF_VIEW / 2) / height
    return np.asarray((points - (width / 2, height / 2, 0)) * (pixel, -pixel, pixel))


def unproject(points: FloatArray, depth: float, scale: float) -> FloatArray:
    """Points on the screen to points in space, with their mean z `depth` at distance 1 / scale."""
    z = (points[:, 2:] - depth + 1) / scale
    return np.concatenate([points[:, :2] * z, z], axis=1) * _TOWARDS_CAMERA


def fit_canonical_face(points: FloatArray) -> tuple[FloatArray, float]:
    """Rotation and scale of the canonical face that best fit points, shape (33, 3)."""
    covariance = (points * WEIGHTS[:, None]).T @ _CENTRED
    left, singular_values, right = np.linalg.svd(covariance)
    if np.linalg.det(left) * np.linalg.det(right) < 0:  # exclude reflections
        left[:, 2], singular_values[2] = -left[:, 2], -singular_values[2]
    return left @ right, float(singular_values.sum() / _VARIANCE)
