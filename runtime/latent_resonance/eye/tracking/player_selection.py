"""Selects the player among several faces: the nearest one, with hysteresis.

A small stateful stage, in the eye's loop or offline. In: the faces in an image. Out: the player's
face, and whether the player is a new person.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import face_centre, face_size
from latent_resonance.eye.tracking.tracker import Face

MAX_STEP = 3.0  # face units (about 16 cm): the most that a head moves between two images
TAKEOVER_RATIO = 1.6  # a face larger than the player's by this factor …
TAKEOVER_S = 1.0  # … for this long becomes the player
HIDDEN_S = 0.5  # after the player is hidden for this long, another face becomes the player


class PlayerSelection:
    """Follows one person, the player, from image to image."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the player."""
        self._position: NDArray[np.float64] | None = None
        self._unit = 0.0
        self._hidden_s = 0.0
        self._rival_s = 0.0

    def step(self, faces: list[Face], dt_s: float) -> tuple[Face | None, bool]:
        """The player's face, if found, and whether the player is a new person."""
        if self._position is None:
            return self._select(nearest(faces)), True
        player = self._match(faces)
        self._hidden_s = 0.0 if player else self._hidden_s + dt_s
        if player is None:
            return self._replace(faces)
        return self._check_rival(player, faces, dt_s)

    def _replace(self, faces: list[Face]) -> tuple[Face | None, bool]:
        """The nearest face, once the player has been hidden for `HIDDEN_S`."""
        if not faces or self._hidden_s < HIDDEN_S:
            return None, False
        return self._select(nearest(faces)), True

    def _check_rival(
        self, player: Face, faces: list[Face], dt_s: float
    ) -> tuple[Face | None, bool]:
        """The player, unless a much nearer face has been there for `TAKEOVER_S`."""
        rival = nearest(faces)
        nearer = rival is not None and face_size(rival) > TAKEOVER_RATIO * face_size(player)
        self._rival_s = self._rival_s + dt_s if nearer else 0.0
        if self._rival_s > TAKEOVER_S:
            return self._select(rival), True
        return self._select(player, rival_s=self._rival_s), False

    def _match(self, faces: list[Face]) -> Face | None:
        """The face closest to the player's last position, within `MAX_STEP`."""
        close = [face for face in faces if self._distance(face) < MAX_STEP]
        return min(close, key=self._distance, default=None)

    def _distance(self, face: Face) -> float:
        assert self._position is not None
        return float(np.linalg.norm(face_centre(face) - self._position)) / self._unit

    def _select(self, face: Face | None, rival_s: float = 0.0) -> Face | None:
        if face is not None:
            self._position, self._unit = face_centre(face), face_size(face)
            self._hidden_s, self._rival_s = 0.0, rival_s
        return face


def nearest(faces: list[Face]) -> Face | None:
    """The largest face."""
    return max(faces, key=face_size, default=None)
