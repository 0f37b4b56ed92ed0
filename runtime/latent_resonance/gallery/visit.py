"""Who plays: the life of a visit, `empty → greet → play → farewell → empty`.

Pure: told the newest state of the eye and the time, it answers with the features to play and how
loud. Lives on the receiving thread in performance, on the virtual clock in rendering. What it hands
on is glided by the stages that follow, and its level by a `Fader`.
"""

from __future__ import annotations

import math
from enum import Enum

import numpy as np

from latent_resonance.audio.loudness import SILENCE_DB
from latent_resonance.config.gallery import Attract
from latent_resonance.face_state import FEATURES, FaceState, FeatureVector, neutral_features
from latent_resonance.score import Score

NS = 1_000_000_000
STALE_NS = NS // 2  # an eye that has said nothing for so long sees nobody
GRACE_S = 3.0  # a visitor whose face is lost may come back for so long
GREET_S = 0.6  # from the score's pose to the visitor's
FAREWELL_S = 4.0  # from the visitor's rest to the score
REST_S = 0.8  # time constant with which a face that is lost comes to rest
# What moves the four controls is the visitor's own from the first image on: the filter follows the
# mouth at once. Only the pose, which chooses the sound, is crossed over.
AT_ONCE = np.array(
    [name in ("mouth_open", "brow_tension", "yaw_velocity", "stillness") for name in FEATURES]
)


class Scene(Enum):
    """Where a visit is; the value is what people are told."""

    EMPTY = "playing the score for nobody"
    GREET = "greeting"
    PLAY = "playing for a visitor"
    FAREWELL = "playing on after a visit"


class Presence:
    """Goes through the scenes of a visit.

    Parameters
    ----------
    score : what plays while nobody is there
    grace_s : seconds until a visitor whose face is lost counts as gone
    attract : whether the score is heard, and how loud

    Attributes
    ----------
    scene : where the visit is
    there : whether a face is seen right now
    visits : how many have begun to play so far; a glimpse of a face is none
    played_s : seconds for which visitors were greeted and played for
    """

    def __init__(
        self, score: Score, grace_s: float = GRACE_S, attract: Attract | None = None
    ) -> None:
        self.score, self.grace_s = score, grace_s
        self.attract = attract or Attract()
        self.scene = Scene.EMPTY
        self.there = False
        self.visits, self.played_s = 0, 0.0
        self._face = self._features = score.around(0.0)
        self._origin = self._features  # what played when the visitor came
        self._score_s = 0.0
        self._seen_ns = self._since_ns = 0
        self._before_ns: int | None = None

    @property
    def visited(self) -> bool:
        """Whether the instrument is a visitor's at present."""
        return self.scene in (Scene.GREET, Scene.PLAY)

    @property
    def gain_db(self) -> float:
        """How much quieter than for a visitor it is to be: 0 or below, SILENCE_DB for nothing."""
        if self.visited:
            return 0.0
        return self.attract.level_db if self.attract.enabled else SILENCE_DB

    def step(self, state: FaceState | None, now_ns: int) -> FeatureVector:
        """Features to play at now_ns, given the newest state of the eye: (16,)."""
        dt_s = 0.0 if self._before_ns is None else (now_ns - self._before_ns) / NS
        self._before_ns = now_ns
        self.there = state is not None and state.present and now_ns - state.time_ns < STALE_NS
        if state is not None and self.there:
            self._face, self._seen_ns = state.features, min(state.time_ns, now_ns)
        self._go_on(now_ns)
        if self.visited:
            self.played_s += dt_s
        if self.scene in (Scene.EMPTY, Scene.FAREWELL):
            self._score_s += dt_s  # it goes on where the last visitor interrupted it
        self._features = self._played(now_ns)
        return self._features

    def _go_on(self, now_ns: int) -> None:
        """To the next scene, if it is time."""
        if self.there:
            if not self.visited:
                self._origin = self._features
                self._enter(Scene.GREET, now_ns)
            elif self.scene is Scene.GREET and self._share(now_ns, GREET_S) >= 1.0:
                self.visits += 1
                self._enter(Scene.PLAY, now_ns)
        elif self.visited and now_ns - self._seen_ns >= self.grace_s * NS:
            self._enter(Scene.FAREWELL, now_ns)
        elif self.scene is Scene.FAREWELL and self._share(now_ns, FAREWELL_S) >= 1.0:
            self._enter(Scene.EMPTY, now_ns)

    def _enter(self, scene: Scene, now_ns: int) -> None:
        self.scene, self._since_ns = scene, now_ns

    def _share(self, now_ns: int, seconds: float) -> float:
        """Of a scene that takes so long, 0..1."""
        return min((now_ns - self._since_ns) / (seconds * NS), 1.0)

    def _played(self, now_ns: int) -> FeatureVector:
        if self.scene is Scene.EMPTY:
            return self.score.around(self._score_s)
        face = self._face if self.there else at_rest_after(self._lost_s(now_ns), self._face)
        if self.scene is Scene.PLAY:
            return face
        if self.scene is Scene.GREET:
            crossed = between(self._origin, face, self._share(now_ns, GREET_S))
            return np.where(AT_ONCE, face, crossed)
        score = self.score.around(self._score_s)
        return between(face, score, self._share(now_ns, FAREWELL_S))

    def _lost_s(self, now_ns: int) -> float:
        return (now_ns - self._seen_ns) / NS


def at_rest_after(lost_s: float, face: FeatureVector) -> FeatureVector:
    """A face that was lost so long ago: first as it was, then neutral and still; (16,)."""
    rest = neutral_features()
    rest[FEATURES.index("stillness")] = 1.0
    return between(rest, face, math.exp(-lost_s / REST_S))


def between(first: FeatureVector, second: FeatureVector, share: float) -> FeatureVector:
    """From the first (share 0) to the second (1), each (16,)."""
    return (first + (second - first) * np.float32(share)).astype(np.float32)
