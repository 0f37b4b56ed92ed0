"""Face detection: decodes the output of BlazeFace's full-range network.

Pure. In: the network's raw outputs. Out: a box and six keypoints of each face, from 0 to 1 in the
network's input image. V. Bazarevsky, Y. Kartynnik, A. Vakunov, K. Raveendran, M. Grundmann,
"BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, arXiv 1907.05047; the
constants are those of MediaPipe's face_detection_full_range.pbtxt and `FaceDetectorGraph`
(mediapipe/modules/face_detection and mediapipe/tasks/cc/vision/face_detector).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


SIDE = 192  # pixels of the network's input, and the unit of its outputs
CELLS = 48  # along a side of its only grid, one anchor in each: stride 4, 2304 anchors
NMS_IOU = 0.5  # boxes that overlap by more are one face (`min_suppression_threshold`)
LOW, HIGH, EYES = 0, 1, slice(2, 4)  # rows of a detection: corners, both eyes, nose, mouth, ears
_MAX_LOGIT = 80.0  # its exponential is finite in float32; the sigmoid saturates long before


@cache
def anchors() -> FloatArray:
    """The cell centres that boxes are relative to, (2304, 2), x and y from 0 to 1.

    `SsdAnchorsCalculator` with anchors of fixed size: along a row first, then down.
    """
    y, x = np.mgrid[0:CELLS, 0:CELLS]
    return (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / CELLS


def detections(
    boxes: NDArray[np.float32], logits: NDArray[np.float32], min_score: float
) -> FloatArray:
    """The detected faces, the highest score first, shape (n, 8, 2).

    Parameters
    ----------
    boxes, logits
        Shapes (2304, 16) and (2304,), as the network returns them.
    min_score
        The lowest score of a face, 0 to 1.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_MAX_LOGIT, _MAX_LOGIT)))
    confident = (scores >= min_score) & np.isfinite(boxes).all(axis=1)  # False for NaN
    points = decode_boxes(boxes[confident], anchors()[confident])
    scores = scores[confident]
    valid = (points[:, HIGH] > points[:, LOW]).all(axis=1)
    return weighted_nms(points[valid], scores[valid])


def decode_boxes(boxes: NDArray[np.float32], centres: FloatArray) -> FloatArray:
    """Corners and keypoints, (n, 8, 2), of raw boxes (n, 16) around `centres` (n, 2).

    `TensorsToDetectionsCalculator`: a box is x, y, width, height, and x, y of each keypoint.
    """
    raw = boxes.reshape(-1, 8, 2).astype(np.float64) / SIDE
    centre, half = raw[:, 0] + centres, raw[:, 1] / 2
    corners = np.stack([centre - half, centre + half], axis=1)
    return np.concatenate([corners, raw[:, 2:] + centres[:, None]], axis=1)


def weighted_nms(points: FloatArray, scores: FloatArray) -> FloatArray:
    """Weighted non-maximum suppression: boxes of one face become their score-weighted mean.

    The paper's "tie resolution strategy" (section 3.3): a face does not jump between overlapping
    boxes. `NonMaxSuppressionCalculator`, WEIGHTED.

    Parameters
    ----------
    points, scores
        Shapes (n, 8, 2) and (n,).
    """
    faces, rest = [], np.argsort(-scores, kind="stable")
    while len(rest):
        same = iou(points[rest[0]], points[rest]) > NMS_IOU
        weights = scores[rest[same]]
        faces.append(np.tensordot(weights / weights.sum(), points[rest[same]], axes=1))
        rest = rest[~same]
    return np.array(faces).reshape(-1, 8, 2)


def iou(one: FloatArray, others: FloatArray) -> FloatArray:
    """The intersection over union of one box and others, shapes (8, 2) and (n, 8, 2)."""
    low = np.maximum(one[LOW], others[:, LOW])
    high = np.minimum(one[HIGH], others[:, HIGH])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    return np.asarray(common / (area(one) + area(others) - common))


def area(points: FloatArray) -> FloatArray:
    """The area of boxes, shape (…, 8, 2) to (…)."""
    return np.asarray(np.prod(points[..., HIGH, :] - points[..., LOW, :], axis=-1))
