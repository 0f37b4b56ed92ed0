"""Finds faces also when the camera hangs upside down.

MediaPipe sees nobody in a face that stands on its head (none in any image of the films it was
tried with, and here and there a face with its mouth on the forehead). So while nobody is seen, one
image a second is looked at upside down too, which costs one search for a face; when that finds
somebody time and again, the camera is taken to hang that way. Not so at quarter turns: somebody may
lie on the floor. One small stage with state in the eye's live loop. In: images. Out: faces.
"""

from __future__ import annotations

from collections.abc import Callable

from latent_resonance.eye.camera.camera import Image, rotated
from latent_resonance.eye.tracking.tracker import Face

TRY_EVERY_S = 1.0
FLIP_AFTER_S = 3.0  # seconds' worth of faces upside down, less those of faces upright
_NS = 1_000_000_000


class OrientationCheck:
    """A tracker's `find` that turns the images once it is certain that it must.

    Parameters
    ----------
    find
        Finds the faces in an image.
    """

    def __init__(self, find: Callable[[Image], list[Face]]) -> None:
        self._find = find
        self._evidence_s = 0.0
        self._last_ns = self._tried_ns = 0
        self.upside_down = False

    def find(self, image: Image) -> list[Face]:
        """The faces in an image, in the image as it is or as it should have been."""
        upright = rotated(image, 180) if self.upside_down else image
        faces = self._find(upright)
        self._update_evidence(upright, seen=bool(faces))
        return faces

    def _update_evidence(self, image: Image, *, seen: bool) -> None:
        since_s = min((image.time_ns - self._last_ns) / _NS, TRY_EVERY_S)
        self._last_ns = image.time_ns
        if seen:
            self._evidence_s = max(self._evidence_s - since_s, 0.0)
        elif image.time_ns - self._tried_ns >= TRY_EVERY_S * _NS:
            self._tried_ns = image.time_ns
            if self._find(rotated(image, 180)):
                self._evidence_s += TRY_EVERY_S
        if self._evidence_s >= FLIP_AFTER_S:
            self._evidence_s, self.upside_down = 0.0, not self.upside_down
