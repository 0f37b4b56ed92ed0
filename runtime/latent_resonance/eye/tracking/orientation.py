"""Finds faces also when the camera is mounted upside down.

MediaPipe finds no inverted face (or occasionally one with its mouth on the forehead). So while no
face is found, one image a second is also searched upside down, at the cost of one detection. When
this finds a face repeatedly, the camera counts as inverted. Quarter turns are not tried: a visitor
may lie on the floor. A small stateful stage in the eye's live loop. In: images. Out: faces.
"""

from __future__ import annotations

from latent_resonance.eye.camera.image import Image, rotated
from latent_resonance.eye.tracking.tracker import Face, Tracker

TRY_EVERY_S = 1.0
FLIP_AFTER_S = 3.0  # seconds with inverted faces minus seconds with upright ones
_NS = 1_000_000_000


class OrientationCheck:
    """Wraps a tracker's `find` and rotates the images once the camera counts as inverted."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._evidence_s = 0.0
        self._last_ns = self._tried_ns = 0
        self.upside_down = False

    def find(self, image: Image) -> Face | None:
        """The visitor's face, in pixels of the upright image."""
        upright = rotated(image, 180) if self.upside_down else image
        face = self._tracker.find(upright)
        self._update_evidence(upright, found=face is not None)
        return face

    def _update_evidence(self, image: Image, *, found: bool) -> None:
        since_s = min((image.time_ns - self._last_ns) / _NS, TRY_EVERY_S)
        self._last_ns = image.time_ns
        if found:
            self._evidence_s = max(self._evidence_s - since_s, 0.0)
        elif image.time_ns - self._tried_ns >= TRY_EVERY_S * _NS:
            self._tried_ns = image.time_ns
            if self._tracker.has_face(rotated(image, 180)):
                self._evidence_s += TRY_EVERY_S
        if self._evidence_s >= FLIP_AFTER_S:
            self._evidence_s, self.upside_down = 0.0, not self.upside_down
