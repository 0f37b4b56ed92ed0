"""The window of the image that MediaPipe is given: a square around the face, with room to move.

Pure, except for the window's place. A face that fills a third of the window is as large for
MediaPipe's networks at 3 m as at half a metre. The window rests while the face stays near its
middle; then the face drags it along, so that it moves no more than the face does.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.eye.camera.image import Pixels, with_margins
from latent_resonance.eye.tracking.roi import Roi

SIDES = 2.0  # of the face's region
SLACK = 0.1  # of the window's side: so far the face moves, or its size changes, before it drags


class Window:
    """A square of whole pixels, shape (side, side), which may reach beyond the image.

    Attributes
    ----------
    left, top, side
        Its place in the image, pixels.
    """

    def __init__(self, roi: Roi) -> None:
        self._x, self._y, self._side = roi.x, roi.y, SIDES * roi.width
        self._round()

    def follow(self, roi: Roi) -> None:
        """Let the face in this region drag the window."""
        slack = SLACK * self._side
        self._x += dragged(roi.x - self._x, slack)
        self._y += dragged(roi.y - self._y, slack)
        self._side += dragged(SIDES * roi.width - self._side, slack)
        self._round()

    def cut(self, pixels: Pixels) -> Pixels:
        """The window of an image, shape (side, side, 3); beyond the image its edge is repeated.

        As in the ONNX tracker's crops; half a face beside black would be another face.
        """
        height, width = pixels.shape[:2]
        rows, above, below = inside(self.top, self.side, height)
        columns, before, behind = inside(self.left, self.side, width)
        return with_margins(pixels[rows, columns], above, below, before, behind)

    def _round(self) -> None:
        self.side = max(round(self._side), 2)
        self.left, self.top = round(self._x - self.side / 2), round(self._y - self.side / 2)


def dragged(offset: float, slack: float) -> float:
    """How far a thing moves that is dragged at a distance of at most `slack`."""
    return offset - float(np.clip(offset, -slack, slack))


def inside(start: int, side: int, length: int) -> tuple[slice, int, int]:
    """What of a window lies in an image along one axis, one pixel at least; how much before, after.

    Parameters
    ----------
    start, side
        Of the window, pixels.
    length
        Of the image, pixels.
    """
    part = slice(min(max(start, 0), length - 1), max(min(start + side, length), 1))
    before = min(max(-start, 0), side - 1)
    return part, before, side - before - (part.stop - part.start)
