"""Blendshapes: how strongly each of 52 parts of an expression shows in a face.

Pure. In: the landmarks of a face, as either tracker returns them. Out: scores from 0 to 1, as
MediaPipe computes them of the landmarks that it returns. I. Grishchenko, G. Yan, E. G. Bazavan,
A. Zanfir, N. Chinaev, K. Raveendran, M. Grundmann, C. Sminchisescu, "Blendshapes GHUM: Real-time
Monocular Facial Blendshape Prediction", 2023, arXiv 2309.05782; the constants and their names are
those of MediaPipe's `FaceBlendshapesGraph` (mediapipe/tasks/cc/vision/face_landmarker). Left and
right are the person's own.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

N_BLENDSHAPES = 52  # the first, `_neutral`, has no meaning
BROW_DOWN_LEFT, BROW_DOWN_RIGHT, BROW_INNER_UP = 1, 2, 3
BROW_OUTER_UP_LEFT, BROW_OUTER_UP_RIGHT = 4, 5
EYE_BLINK_LEFT, EYE_BLINK_RIGHT = 9, 10
EYE_SQUINT_LEFT, EYE_SQUINT_RIGHT = 19, 20
EYE_WIDE_LEFT, EYE_WIDE_RIGHT = 21, 22
JAW_OPEN, MOUTH_CLOSE = 25, 27
MOUTH_SMILE_LEFT, MOUTH_SMILE_RIGHT = 44, 45

# The landmarks that the network sees, in its order (`kLandmarksSubsetIdxs`): no z, no cheeks.
LANDMARKS = (
    *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65),
    *(66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136),
    *(144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168),
    *(172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276),
    *(282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318),
    *(321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380),
    *(381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466),
    *(468, 469, 470, 471, 472, 473, 474, 475, 476, 477),
)
_SUBSET = np.array(LANDMARKS)


class PointNetwork(Protocol):
    """The blendshape network, as `session.BlendshapeNetwork` runs it."""

    def run(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its scores, shape (52,), for points of shape (1, 146, 2)."""


def blendshapes(network: PointNetwork, landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
    """The scores of a face, shape (52,), 0 to 1.

    Parameters
    ----------
    landmarks
        Shape (478, 3), pixels: x to the image's right, y down.
    """
    return network.run(network_input(landmarks))


def network_input(landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
    """The network's input, shape (1, 146, 2), of landmarks (478, 3) in pixels.

    Pixels, since x and y need the same scale (MediaPipe multiplies its landmarks by the image's
    width and height). Position and size do not matter: the network itself subtracts the mean and
    divides by the mean distance from it.
    """
    return landmarks[None, _SUBSET, :2].astype(np.float32)
