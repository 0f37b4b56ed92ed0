"""How far from the camera a face may be. Pure.

The field of view of a camera is not known; most webcams see 60 to 80° from side to side. At a
distance d, the longer side of the image spans 2·d·tan(view / 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

VIEW_DEG = 70.0  # assumed, along the longer side of the image
EYES_M = 0.09  # between the outer corners of the eyes
FACE_M = 0.40  # a face of 0.25 m, with room to move above and below
# Between the outer corners, of a face found and followed in 95 % of images (docs/benchmarks.md).
MIN_EYES_SHARE = 15 / 640  # of the longer side: the detector sees all of it in 192 pixels
MIN_EYES_PX = 16  # for the landmarks


@dataclass(frozen=True)
class VisibleRange:
    """Distances between camera and face, m."""

    near_m: float
    far_m: float

    def __str__(self) -> str:
        return f"faces from {self.near_m:.1f} to {self.far_m:.1f} m at {VIEW_DEG:.0f}°"


def visible_range(width: int, height: int, view_deg: float = VIEW_DEG) -> VisibleRange:
    """The distances at which a face is tracked in images of a size, pixels.

    At most, the eyes are so far apart as the detector and the landmarks need; at least, the face
    fits the image from top to bottom.
    """
    side = max(width, height)
    span = 2 * math.tan(math.radians(view_deg) / 2)  # m across the longer side, per m of distance
    min_eyes_px = max(MIN_EYES_SHARE * side, MIN_EYES_PX)
    return VisibleRange(
        near_m=FACE_M / (span * height / side), far_m=EYES_M * side / (span * min_eyes_px)
    )
