"""Fake face networks with known outputs, and the canonical face that they return."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Pixels
from latent_resonance.eye.tracking import pose
from latent_resonance.eye.tracking.onnx import blazeface
from latent_resonance.eye.tracking.roi import MARGIN

WIDTH, HEIGHT = 640, 480
N_ANCHORS = blazeface.CELLS**2


def raw_boxes(faces_at: dict[int, tuple[float, float, float]]) -> NDArray[np.float32]:
    """The detector's output with a square box (x, y, size; 0 to 1) at each of some anchors."""
    raw = np.zeros((N_ANCHORS, 8, 2))
    for anchor, (x, y, size) in faces_at.items():
        centre = (np.array([x, y]) - blazeface.anchors()[anchor]) * blazeface.SIDE
        raw[anchor] = centre
        raw[anchor, 1] = size * blazeface.SIDE
    return raw.reshape(N_ANCHORS, 16).astype(np.float32)


def logits(scores: dict[int, float]) -> NDArray[np.float32]:
    values = np.full(N_ANCHORS, -100.0, np.float32)
    for anchor, score in scores.items():
        values[anchor] = np.log(score / (1 - score))
    return values


def canonical_face(rotation: NDArray[np.float64], distance_cm: float) -> NDArray[np.float64]:
    """Landmarks of the canonical face, rotated, as the virtual camera finds_face it.

    Landmarks that are not used for the pose are in the face's centre.
    """
    points = np.tile(pose.WEIGHTS @ pose.CANONICAL, (478, 1))
    points[pose.POSE_LANDMARKS] = pose.CANONICAL
    placed = points @ rotation.T - (0.0, 0.0, distance_cm)
    focal = HEIGHT / 2 / np.tan(pose.FIELD_OF_VIEW / 2)
    x, y, z = placed.T
    depth = (-z - distance_cm) * focal / distance_cm  # pixels, relative, of x's scale
    return np.stack([WIDTH / 2 - focal * x / z, HEIGHT / 2 + focal * y / z, depth], axis=1)


def turned(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """A rotation about y, then x, then z; x right, y up, z towards the camera."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


class ConstantNetwork:
    """A network that always returns the same outputs, and counts its calls."""

    def __init__(self, side: int, first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
        self.side, self._outputs, self.calls = side, (first, second), 0

    def run(self, patch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert patch.shape == (self.side, self.side, 3)
        self.calls += 1
        return self._outputs


def detector(*, finds_face: bool) -> ConstantNetwork:
    """A detector that finds one face in the middle of every image, or none."""
    boxes, sure = raw_boxes({700: (0.5, 0.5, 0.3)}), logits({700: 0.9})
    return ConstantNetwork(blazeface.SIDE, boxes, sure if finds_face else logits({}))


def face_mesh(presence: float, value: float | None = None) -> ConstantNetwork:
    """A mesh whose face fills its input as a tracked one does, or is `value` everywhere."""
    points = canonical_face(np.eye(3), 50.0)
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) * 256 / MARGIN / (high - low)[:2].max() + (128, 128, 0)
    points = np.full_like(points, value) if value is not None else points
    return ConstantNetwork(256, points.astype(np.float32), np.array(presence, np.float32))
