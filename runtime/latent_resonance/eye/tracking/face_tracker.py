"""Follows one visitor: searches the whole image now and then, and one face in every image.

A stateful stage in the eye's loop or offline. In: `Image`s with increasing times. Out: the
visitor's `Face`. The detector sees people up to 3 m away and says where they are; which of them
plays is up to `PlayerSelection`; the `Landmarker` follows that one, and `Liveness` tells them from
a portrait on the wall.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Image, Pixels
from latent_resonance.eye.tracking.liveness import Liveness
from latent_resonance.eye.tracking.player_selection import PlayerSelection
from latent_resonance.eye.tracking.pose import head_rotation
from latent_resonance.eye.tracking.roi import Roi, roi_from_landmarks
from latent_resonance.eye.tracking.tracker import Face, Landmarker

SEARCH_S = 0.05  # between searches while no face is followed: every other image of 30 a second
# Where to search then, one after another, as shares of the image's sides: left, top, size. A part
# is enlarged for the detector, which misses small faces at the edges of the whole image.
PARTS = (
    (0.0, 0.0, 1.0),
    (0.0, 0.0, 0.6),
    (0.4, 0.0, 0.6),
    (0.0, 0.0, 1.0),
    (0.0, 0.4, 0.6),
    (0.4, 0.4, 0.6),
)
OTHERS_S = 0.5  # between searches of the whole image while a face is followed
MAX_GAP_S = 2.0  # after a gap between images, as of a camera that failed, a face is searched anew
MAX_STEP = 0.5  # of the side of the region: no head moves farther between two images
_NS = 1_000_000_000

FloatArray = NDArray[np.float64]
Detect = Callable[[Pixels], list[Roi]]
Confirm = Callable[[Pixels, Roi], bool]
Blendshapes = Callable[[FloatArray], NDArray[np.float32]]


class Fit(NamedTuple):
    """The face that the landmarker found in an image.

    Attributes
    ----------
    landmarks, rotation
        As of a `Face`.
    """

    landmarks: FloatArray
    rotation: FloatArray


class FaceTracker:
    """Implements `Tracker`.

    Parameters
    ----------
    detect
        The regions of the faces in an image, in no particular order.
    confirm
        Whether a second look at a region that the landmarker takes for a face shows one.
    landmarker
        Follows one of them.
    blendshapes
        The blendshapes (52,) of landmarks; computed for every second image.
    absence_s
        Seconds after which a visitor who was lost is another one.
    """

    def __init__(
        self,
        detect: Detect,
        confirm: Confirm,
        landmarker: Landmarker,
        blendshapes: Blendshapes,
        absence_s: float,
    ) -> None:
        self._detect, self._confirm = detect, confirm
        self._landmarker, self._blendshapes = landmarker, blendshapes
        self._selection, self._liveness = PlayerSelection(absence_s), Liveness()
        self._roi: Roi | None = None  # of the face in the last image
        self._scores: NDArray[np.float32] | None = None
        self._scores_are_new = False
        self._last_s = self._searched_s = -math.inf
        self._part = 0

    def find(self, image: Image) -> Face | None:
        """The visitor's face, if there is a visitor and their face is visible."""
        now_s = image.time_ns / _NS
        if now_s - self._last_s > MAX_GAP_S:
            self._roi = None
        self._last_s = now_s
        face = self._follow(image, self._roi) if self._roi else None
        if self._search_is_due(now_s, is_following=face is not None):
            self._searched_s = now_s
            face = self._search(image, face, now_s)
        if face is None:
            self._roi = self._scores = None
            return None
        self._roi = roi_from_landmarks(face.landmarks)
        shows_life = self._liveness.step(face.landmarks, self._roi.width, now_s)
        visitor = self._selection.follow(self._roi, now_s, shows_life=shows_life)
        return None if visitor is None else Face(*face, self._scores_of(face.landmarks), visitor)

    def has_face(self, image: Image) -> bool:
        """Whether any face is in an image; only while no face is followed."""
        if self._roi is not None:
            return False
        return any(self._start(image, roi) for roi in self._detect(image.pixels))

    def close(self) -> None:
        """Release the landmarker's resources."""
        self._landmarker.close()

    def _search_is_due(self, now_s: float, *, is_following: bool) -> bool:
        if self._roi is not None and not is_following:
            return True  # just lost: perhaps only from the region
        return now_s - self._searched_s >= (OTHERS_S if is_following else SEARCH_S) - 1e-6

    def _search(self, image: Image, face: Fit | None, now_s: float) -> Fit | None:
        """The face to follow from now on: that of a better candidate, or the one given."""
        found = self._detect_next(image.pixels, everywhere=self._roi is not None)
        for person in self._selection.candidates(found, now_s, is_following=face is not None):
            if (other := self._start(image, person.roi)) is not None:
                self._selection.select(person, now_s)
                self._liveness.reset()
                return other
        if face is not None and self._selection.tried:
            self._landmarker.start(roi_from_landmarks(face.landmarks))
        return face

    def _detect_next(self, pixels: Pixels, *, everywhere: bool) -> list[Roi]:
        """The faces in the whole image, or in the part whose turn it is."""
        if everywhere:
            return self._detect(pixels)
        part, self._part = PARTS[self._part], (self._part + 1) % len(PARTS)
        height, width = pixels.shape[:2]
        left, top = int(part[0] * width), int(part[1] * height)
        right, bottom = left + math.ceil(part[2] * width), top + math.ceil(part[2] * height)
        found = self._detect(pixels[top:bottom, left:right])
        return [replace(roi, x=roi.x + left, y=roi.y + top) for roi in found]

    def _start(self, image: Image, roi: Roi) -> Fit | None:
        """The face that was detected in a region; None if a second look shows none."""
        self._landmarker.start(roi)
        self._scores = None
        face = self._follow(image, roi)
        if face is None or not self._confirm(image.pixels, roi_from_landmarks(face.landmarks)):
            return None
        return face

    def _follow(self, image: Image, last: Roi) -> Fit | None:
        """The face that was last in a region; None if it is lost."""
        landmarks = self._landmarker.find(image)
        if landmarks is None:
            return None
        height, width = image.pixels.shape[:2]
        rotation = head_rotation(landmarks, width, height)
        moved = math.hypot(*(landmarks[:, :2].mean(axis=0) - (last.x, last.y)))
        if rotation is None or moved > MAX_STEP * last.width:
            return None
        return Fit(landmarks, rotation)

    def _scores_of(self, landmarks: FloatArray) -> NDArray[np.float32]:
        self._scores_are_new = self._scores is None or not self._scores_are_new
        if self._scores is None or self._scores_are_new:
            self._scores = self._blendshapes(landmarks)
        return self._scores
