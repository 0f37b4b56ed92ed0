"""Of several faces, the one who plays: the nearest, kept hold of.

One small stage with state, in the eye's loop or offline. In: the faces in an image. Out: the face
of the one who plays, and whether they are somebody else than before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import face_centre, face_size
from latent_resonance.eye.tracking.tracker import Face

MAX_STEP = 3.0  # face units (some 16 cm) that a head moves at most between two images
TAKEOVER_RATIO = 1.6  # times as large as the one who plays …
TAKEOVER_S = 1.0  # … for so long, and a face takes over
HIDDEN_S = 0.5  # the one who plays may be hidden for so long before another one may


class PlayerSelection:
    """Keeps hold of one person."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everybody has gone."""
        self._position: NDArray[np.float64] | None = None
        self._unit = 0.0
        self._hidden_s = 0.0
        self._rival_s = 0.0

    def step(self, faces: list[Face], dt_s: float) -> tuple[Face | None, bool]:
        """The face of the one who plays, if seen, and whether they are a newcomer."""
        if self._position is None:
            return self._select(nearest(faces)), True
        held = self._match(faces)
        self._hidden_s = 0.0 if held else self._hidden_s + dt_s
        if held is None:
            return self._replace(faces)
        return self._check_rival(held, faces, dt_s)

    def _replace(self, faces: list[Face]) -> tuple[Face | None, bool]:
        """Whoever is nearest, once the one who plays has been hidden for long enough."""
        if not faces or self._hidden_s < HIDDEN_S:
            return None, False
        return self._select(nearest(faces)), True

    def _check_rival(self, held: Face, faces: list[Face], dt_s: float) -> tuple[Face | None, bool]:
        """The one who plays, unless somebody much nearer has been there for a while."""
        rival = nearest(faces)
        near = rival is not None and face_size(rival) > TAKEOVER_RATIO * face_size(held)
        self._rival_s = self._rival_s + dt_s if near else 0.0
        if self._rival_s > TAKEOVER_S:
            return self._select(rival), True
        return self._select(held, rival_s=self._rival_s), False

    def _match(self, faces: list[Face]) -> Face | None:
        """The face that is where theirs was and about as large."""
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
