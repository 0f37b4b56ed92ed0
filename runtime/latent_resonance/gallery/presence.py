"""Who plays: the visitor while there is one, otherwise the attract score.

Pure but for what it remembers of the last visitor. Lives on the receiving thread in
performance. It never snaps: what it hands on is glided by the stages that follow.
"""

from __future__ import annotations

from latent_resonance.face_state import FaceState, FeatureVector
from latent_resonance.score import Score

NS = 1_000_000_000
STALE_NS = NS // 2  # an eye that has said nothing for so long sees nobody
LINGER_NS = NS  # a visitor may look away for so long before the instrument plays by itself


class Presence:
    """Chooses between the visitor's features and the score's."""

    def __init__(self, score: Score) -> None:
        self.score = score
        self.visitor: FaceState | None = None
        self.alone_since_ns: int | None = None

    @property
    def visited(self) -> bool:
        """Whether a visitor plays at present."""
        return self.visitor is not None

    def step(self, state: FaceState | None, now_ns: int) -> FeatureVector:
        """Features to play at now_ns, given the newest state of the eye: (16,)."""
        if state is not None and state.present and now_ns - state.time_ns < STALE_NS:
            self.visitor, self.alone_since_ns = state, None
            return state.features
        if self.visitor is not None and now_ns - self.visitor.time_ns < LINGER_NS:
            return self.visitor.features
        return self._alone(now_ns)

    def _alone(self, now_ns: int) -> FeatureVector:
        """The score from its beginning, over and over."""
        self.visitor = None
        if self.alone_since_ns is None:
            self.alone_since_ns = now_ns
        second = (now_ns - self.alone_since_ns) / NS
        return self.score.at(second % self.score.duration_s)[1]
