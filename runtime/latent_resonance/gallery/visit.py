"""The states of a visit: `empty → greet → play → farewell → empty`.

Pure: the eye's newest state and the time come in, the features to play and their gain come out.
Runs on the receiving thread in performance and on the virtual clock in rendering. Later stages
smooth the features, and a `Fader` the gain.
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
STALE_NS = NS // 2  # a state of the eye that is older counts as no face
GRACE_S = 3.0  # how long a visitor whose face is lost may take to come back
GREET_S = 0.6  # cross-fade from the score's pose to the visitor's
FAREWELL_S = 4.0  # cross-fade from the visitor's neutral face to the score
RETURN_S = 0.3  # cross-fade to a face that was lost for a moment
REST_S = 0.8  # time constant with which a lost face decays to neutral
# The inputs of the four controls are the visitor's own from the first image, so that the filter
# follows the mouth at once. Only the pose, which selects the sound, is cross-faded.
IMMEDIATE = np.array(
    [name in ("mouth_open", "brow_tension", "yaw_velocity", "stillness") for name in FEATURES]
)


class VisitState(Enum):
    """The state of a visit; the values appear in the status line."""

    EMPTY = "playing the score, no visitor"
    GREET = "greeting"
    PLAY = "playing for a visitor"
    FAREWELL = "returning to the score"


class Presence:
    """State machine of visits, and the features to play in each state.

    Parameters
    ----------
    score : plays while there is no visitor
    grace_s : seconds until a visitor whose face is lost counts as gone
    attract : whether the score is audible, and at which level

    Attributes
    ----------
    visit_state : state of the current visit
    face_present : whether the eye detects a face right now
    visits : visits so far that reached PLAY; a face seen for less than GREET_S is none
    played_s : seconds spent in GREET and PLAY
    """

    def __init__(
        self, score: Score, grace_s: float = GRACE_S, attract: Attract | None = None
    ) -> None:
        self.score, self.grace_s = score, grace_s
        self.attract = attract or Attract()
        self.visit_state = VisitState.EMPTY
        self.face_present = False
        self.visits, self.played_s = 0, 0.0
        self._face = self._features = score.at_looped(0.0)
        self._greet_from = self._features  # played when the visitor came
        self._return_from = self._features  # played when a lost face came back
        self._score_s = 0.0
        self._last_face_ns = self._state_since_ns = 0
        self._returned_ns = -round(RETURN_S * NS)
        self._previous_ns: int | None = None
        self._counted = True  # whether the newest face was a visitor's

    @property
    def has_visitor(self) -> bool:
        """Whether a visitor controls the instrument."""
        return self.visit_state in (VisitState.GREET, VisitState.PLAY)

    @property
    def gain_db(self) -> float:
        """Gain relative to a visitor's level: at most 0, SILENCE_DB for silence."""
        if self.has_visitor:
            return 0.0
        return self.attract.level_db if self.attract.enabled else SILENCE_DB

    def step(self, state: FaceState | None, now_ns: int, *, counted: bool = True) -> FeatureVector:
        """Features to play at now_ns, given the newest state of the eye: (16,).

        Parameters
        ----------
        counted : whether the face is a visitor's, and not one set by remote control
        """
        dt_s = 0.0 if self._previous_ns is None else (now_ns - self._previous_ns) / NS
        self._previous_ns, was_present = now_ns, self.face_present
        self.face_present = (
            state is not None and state.present and now_ns - state.time_ns < STALE_NS
        )
        if self.face_present and self.has_visitor and not was_present:
            self._return_from, self._returned_ns = self._features, now_ns
        if state is not None and self.face_present:
            self._face, self._last_face_ns = state.features, min(state.time_ns, now_ns)
            self._counted = counted
        self._advance(now_ns)
        if self.has_visitor and self._counted:
            self.played_s += dt_s
        if self.visit_state in (VisitState.EMPTY, VisitState.FAREWELL):
            self._score_s += dt_s  # continues where the last visitor interrupted it
        self._features = self._current_features(now_ns)
        return self._features

    def _advance(self, now_ns: int) -> None:
        """Enter the next state if its condition holds."""
        if self.face_present:
            if not self.has_visitor:
                self._greet_from = self._features
                self._enter(VisitState.GREET, now_ns)
            elif self.visit_state is VisitState.GREET and self._progress(now_ns, GREET_S) >= 1.0:
                self.visits += self._counted
                self._enter(VisitState.PLAY, now_ns)
        elif self.has_visitor and now_ns - self._last_face_ns >= self.grace_s * NS:
            self._enter(VisitState.FAREWELL, now_ns)
        elif self.visit_state is VisitState.FAREWELL and self._progress(now_ns, FAREWELL_S) >= 1.0:
            self._enter(VisitState.EMPTY, now_ns)

    def _enter(self, visit_state: VisitState, now_ns: int) -> None:
        self.visit_state, self._state_since_ns = visit_state, now_ns

    def _progress(self, now_ns: int, duration_s: float) -> float:
        """Elapsed share of a state with this duration, 0..1."""
        return min((now_ns - self._state_since_ns) / (duration_s * NS), 1.0)

    def _current_features(self, now_ns: int) -> FeatureVector:
        if self.visit_state is VisitState.EMPTY:
            return self.score.at_looped(self._score_s)
        face = self._face
        if not self.face_present:
            face = decay_to_neutral((now_ns - self._last_face_ns) / NS, face)
        elif now_ns - self._returned_ns < RETURN_S * NS:
            share = (now_ns - self._returned_ns) / (RETURN_S * NS)
            face = interpolate(self._return_from, face, share)
        if self.visit_state is VisitState.PLAY:
            return face
        if self.visit_state is VisitState.GREET:
            mixed = interpolate(self._greet_from, face, self._progress(now_ns, GREET_S))
            return np.where(IMMEDIATE, face, mixed)
        score = self.score.at_looped(self._score_s)
        return interpolate(face, score, self._progress(now_ns, FAREWELL_S))


def decay_to_neutral(lost_s: float, face: FeatureVector) -> FeatureVector:
    """Features of a face lost for lost_s: exponential decay to a neutral, still face; (16,)."""
    rest = neutral_features()
    rest[FEATURES.index("stillness")] = 1.0
    return interpolate(rest, face, math.exp(-lost_s / REST_S))


def interpolate(first: FeatureVector, second: FeatureVector, share: float) -> FeatureVector:
    """Linear from the first (share 0) to the second (1), each (16,)."""
    return (first + (second - first) * np.float32(share)).astype(np.float32)
