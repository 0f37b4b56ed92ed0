"""Of several faces, the one who plays: the nearest, kept hold of.

One small stage with state, in the eye's loop or offline. In: the faces in an image. Out: the face
of the one who plays, and whether they are somebody else than before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.features.geometry import middle, size
from latent_resonance.eye.tracking.tracker import Face

REACH = 3.0  # face units (some 16 cm) that a head moves at most between two images
NEARER = 1.6  # times as large as the one who plays …
INSISTENCE_S = 1.0  # … for so long, and a face takes over
PATIENCE_S = 0.5  # the one who plays may be hidden for so long before another one may


class Person:
    """Keeps hold of one person."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Everybody has gone."""
        self._place: NDArray[np.float64] | None = None
        self._unit = 0.0
        self._hidden_s = 0.0
        self._rival_s = 0.0

    def step(self, faces: list[Face], dt_s: float) -> tuple[Face | None, bool]:
        """The face of the one who plays, if seen, and whether they are a newcomer."""
        if self._place is None:
            return self._take(nearest(faces)), True
        held = self._found(faces)
        self._hidden_s = 0.0 if held else self._hidden_s + dt_s
        if held is None:
            return self._replace(faces)
        return self._defend(held, faces, dt_s)

    def _replace(self, faces: list[Face]) -> tuple[Face | None, bool]:
        """Whoever is nearest, once the one who plays has been hidden for long enough."""
        if not faces or self._hidden_s < PATIENCE_S:
            return None, False
        return self._take(nearest(faces)), True

    def _defend(self, held: Face, faces: list[Face], dt_s: float) -> tuple[Face | None, bool]:
        """The one who plays, unless somebody much nearer has been there for a while."""
        rival = nearest(faces)
        near = rival is not None and size(rival) > NEARER * size(held)
        self._rival_s = self._rival_s + dt_s if near else 0.0
        if self._rival_s > INSISTENCE_S:
            return self._take(rival), True
        return self._take(held, rival_s=self._rival_s), False

    def _found(self, faces: list[Face]) -> Face | None:
        """The face that is where theirs was and about as large."""
        close = [face for face in faces if self._distance(face) < REACH]
        return min(close, key=self._distance, default=None)

    def _distance(self, face: Face) -> float:
        assert self._place is not None
        return float(np.linalg.norm(middle(face) - self._place)) / self._unit

    def _take(self, face: Face | None, rival_s: float = 0.0) -> Face | None:
        if face is not None:
            self._place, self._unit = middle(face), size(face)
            self._hidden_s, self._rival_s = 0.0, rival_s
        return face


def nearest(faces: list[Face]) -> Face | None:
    """The largest face."""
    return max(faces, key=size, default=None)
