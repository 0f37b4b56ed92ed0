"""Visits: their states, the features played in each, and transitions without clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import RATE, face, settings_of

from latent_resonance.audio.loudness import SILENCE_DB, Fader
from latent_resonance.config.gallery import Attract
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FEATURES, FaceState, neutral_features
from latent_resonance.gallery.visit import (
    GREET_S,
    IMMEDIATE,
    RETURN_S,
    STALE_NS,
    Presence,
    VisitState,
)
from latent_resonance.rendering import Take
from latent_resonance.score import attract_score

NS = 1_000_000_000
IMAGE_NS = NS // 30
MOVING_FACE = face(mouth_open=0.8, head_yaw=0.5, yaw_velocity=2.0, motion=0.6)


class Rig:
    """A presence on a virtual clock, and an eye that sends 30 states per second."""

    def __init__(self, attract: Attract | None = None, grace_s: float = 3.0) -> None:
        self.presence = Presence(attract_score(Settings()), grace_s, attract)
        self.now_ns = 50 * NS
        self.state: FaceState | None = None

    def advance(
        self, seconds: float, features: np.ndarray | None = None, *, eye: bool = True
    ) -> list[np.ndarray]:
        """Advance the time with a face, or without one (None); without `eye`, no state arrives."""
        played = []
        for _ in range(round(seconds * 30)):
            self.now_ns += IMAGE_NS
            if eye:
                self.state = FaceState(
                    0, self.now_ns, features is not None, face() if features is None else features
                )
            played.append(self.presence.step(self.state, self.now_ns))
        return played

    @property
    def visit_state(self) -> VisitState:
        return self.presence.visit_state


def test_a_visit_passes_through_every_state() -> None:
    rig = Rig()
    states = []
    for seconds, features in ((5.0, None), (20.0, MOVING_FACE), (20.0, None)):
        for _ in range(round(seconds * 30)):
            rig.advance(1 / 30, features)
            if rig.visit_state not in states[-1:]:
                states.append(rig.visit_state)
    assert states == [
        VisitState.EMPTY,
        VisitState.GREET,
        VisitState.PLAY,
        VisitState.FAREWELL,
        VisitState.EMPTY,
    ]


def test_the_controls_follow_the_visitor_from_the_first_image() -> None:
    rig = Rig()
    rig.advance(5.0)
    (first,) = rig.advance(1 / 30, MOVING_FACE)
    assert rig.visit_state is VisitState.GREET
    assert np.array_equal(first[IMMEDIATE], MOVING_FACE[IMMEDIATE])
    assert IMMEDIATE.sum() == 4


def test_the_pose_is_cross_faded_from_the_score() -> None:
    rig = Rig()
    before = rig.advance(5.0)[-1]
    yaw = [played[FEATURES.index("head_yaw")] for played in rig.advance(GREET_S + 0.2, MOVING_FACE)]
    assert yaw[0] == pytest.approx(before[FEATURES.index("head_yaw")], abs=0.05)
    assert yaw[-1] == pytest.approx(0.5)
    assert np.abs(np.diff(yaw)).max() < 0.1


@pytest.mark.parametrize("eye", [True, False])
def test_a_face_lost_for_less_than_the_grace_period_continues_the_visit(eye: bool) -> None:
    rig = Rig()
    rig.advance(10.0, MOVING_FACE)
    rig.advance(2.9, None, eye=eye)
    assert rig.visit_state is VisitState.PLAY
    back = rig.advance(RETURN_S + 0.1, MOVING_FACE)
    assert np.array_equal(back[-1], MOVING_FACE)
    assert rig.visit_state is VisitState.PLAY


def test_the_features_of_a_face_that_returns_do_not_jump() -> None:
    rig = Rig()
    rig.advance(10.0, MOVING_FACE)
    played = [*rig.advance(1.5, None), *rig.advance(1.0, MOVING_FACE)]
    steps = np.abs(np.diff(played, axis=0)).max(axis=0)
    assert np.all(steps <= np.abs(MOVING_FACE - neutral_features()) * 0.15 + 0.15)
    assert rig.presence.visits == 1


def test_a_lost_face_decays_to_neutral() -> None:
    rig = Rig()
    rig.advance(10.0, MOVING_FACE)
    played = np.array(rig.advance(2.9))
    assert np.allclose(played[0], MOVING_FACE, atol=0.1)
    assert np.abs(np.diff(played, axis=0)).max() < 0.1
    for name, rest in (("mouth_open", 0.0), ("yaw_velocity", 0.0), ("stillness", 1.0)):
        assert played[-1][FEATURES.index(name)] == pytest.approx(rest, abs=0.1)


def test_without_a_state_for_half_a_second_no_face_is_present() -> None:
    rig = Rig()
    rig.advance(5.0, MOVING_FACE)
    rig.advance(STALE_NS / NS - 0.1, eye=False)
    assert rig.presence.face_present
    rig.advance(0.2, eye=False)
    assert not rig.presence.face_present


@pytest.mark.parametrize("grace_s", [1.0, 3.0, 10.0])
def test_the_grace_period_is_configurable(grace_s: float) -> None:
    rig = Rig(grace_s=grace_s)
    rig.advance(5.0, MOVING_FACE)
    rig.advance(grace_s - 0.1)
    assert rig.presence.has_visitor
    rig.advance(0.2)
    assert rig.visit_state is VisitState.FAREWELL


def test_the_farewell_cross_fades_to_the_score() -> None:
    rig = Rig()
    rig.advance(5.0, MOVING_FACE)
    rig.advance(2.9)
    played = np.array(rig.advance(8.0))
    assert rig.visit_state is VisitState.EMPTY
    # The bundled score itself changes by less than this between images.
    steps = np.abs(np.diff(played, axis=0)).max(axis=0)
    for name in ("mouth_open", "head_yaw", "brow_tension", "brow_raise"):
        assert steps[FEATURES.index(name)] < 0.12, name


def test_a_visitor_during_the_farewell_is_greeted_at_once() -> None:
    rig = Rig()
    rig.advance(5.0, MOVING_FACE)
    rig.advance(4.0)
    assert rig.visit_state is VisitState.FAREWELL
    rig.advance(1 / 30, MOVING_FACE)
    assert rig.visit_state is VisitState.GREET
    rig.advance(2.0, MOVING_FACE)
    assert rig.presence.visits == 2


def test_a_brief_detection_is_no_visit() -> None:
    rig = Rig()
    rig.advance(2.0)
    rig.advance(0.1, MOVING_FACE)
    rig.advance(10.0)
    assert rig.visit_state is VisitState.EMPTY
    assert rig.presence.visits == 0


def test_the_seconds_played_for_visitors_are_counted() -> None:
    rig = Rig()
    rig.advance(10.0)
    rig.advance(7.0, MOVING_FACE)
    rig.advance(20.0)
    assert rig.presence.played_s == pytest.approx(7.0 + 3.0, abs=0.1)


def test_the_score_continues_where_a_visitor_interrupted_it() -> None:
    rig, alone = Rig(), Rig()
    rig.advance(6.0)
    rig.advance(10.0, MOVING_FACE)
    rig.advance(3.0)
    played = rig.advance(10.0)[-1]
    expected = alone.advance(16.0)[-1]
    assert np.allclose(played, expected, atol=0.1)


def test_the_score_loops_without_a_jump() -> None:
    score = attract_score(Settings())
    seconds = np.arange(0, 3 * score.duration_s, 1 / 30)
    rows = np.array([score.at_looped(second) for second in seconds])
    within = np.array([score.at(second)[1] for second in seconds[: int(score.duration_s * 30)]])
    assert np.abs(np.diff(rows, axis=0)).max() <= np.abs(np.diff(within, axis=0)).max() + 0.05


def test_without_a_visitor_the_gain_is_the_attract_level_or_silence() -> None:
    for attract, expected in (
        (Attract(), -8.0),
        (Attract(level_db=-20.0), -20.0),
        (Attract(enabled=False), SILENCE_DB),
    ):
        rig = Rig(attract)
        rig.advance(1.0)
        assert rig.presence.gain_db == expected
        rig.advance(1 / 30, MOVING_FACE)
        assert rig.presence.gain_db == 0.0
        rig.advance(5.0)
        assert rig.presence.gain_db == expected


def render_a_visit(attract: Attract, pack: Path) -> tuple[np.ndarray, Take]:
    """Sound of 6 s without, 6 s with and 12 s without a visitor."""
    settings = settings_of(pack).model_copy(update={"attract": attract})
    moving_face = face(mouth_open=0.8)
    states = (
        FaceState(
            i, i * IMAGE_NS, 6.0 <= i / 30 < 12.0, moving_face if 6.0 <= i / 30 < 12.0 else face()
        )
        for i in range(24 * 30)
    )
    take = Take(states, settings, seed=0)
    return np.concatenate([samples for samples, _ in take.play(24.0)]), take


def level_db(sound: np.ndarray, begin_s: float, end_s: float) -> float:
    part = sound[int(begin_s * RATE) : int(end_s * RATE)].astype(np.float64)
    return float(10 * np.log10(np.mean(np.square(part)) + 1e-12))


def click_ratio(sound: np.ndarray) -> float:
    """Maximum of the third difference relative to its 99th percentile; large for a click."""
    differences = (
        np.abs(np.diff(sound, n=3))[: len(sound) // 512 * 512 - 512].reshape(-1, 512).max(axis=1)
    )
    return float(differences.max() / np.percentile(differences, 99))


@pytest.mark.slow
def test_without_attract_mode_the_sound_fades_in_and_out_without_clicks(
    pack_folder: Path,
) -> None:
    sound, take = render_a_visit(Attract(enabled=False), pack_folder)
    latency_s = take.synthesiser.latency_samples / RATE
    assert not sound[: int(6.0 * RATE)].any()
    assert level_db(sound, 6.5 + latency_s, 12.0) > -45
    onset_db = level_db(sound, 6.0 + latency_s, 6.25 + latency_s)
    assert onset_db > level_db(sound, 8.0, 12.0) - 20  # no slow fade
    assert level_db(sound, 12.5, 14.5) > -60  # the grace period
    assert level_db(sound, 17.5, 19.0) > -80 > level_db(sound, 23.7, 24.0)
    assert click_ratio(sound) < 4.0


@pytest.mark.slow
def test_attract_mode_is_quieter_than_a_visit_and_has_no_clicks(
    pack_folder: Path,
) -> None:
    sound, _ = render_a_visit(Attract(), pack_folder)
    assert level_db(sound, 2.0, 6.0) < level_db(sound, 8.0, 12.0) - 5
    assert level_db(sound, 20.0, 24.0) < level_db(sound, 8.0, 12.0) - 5
    assert level_db(sound, 2.0, 6.0) > -60
    assert click_ratio(sound) < 4.0


def test_the_click_ratio_detects_a_click() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(10 * RATE) / RATE).astype(np.float32)
    cut = tone.copy()
    cut[5 * RATE + 60 :] *= 0.3
    assert click_ratio(cut) > 10
    assert click_ratio(tone) < 4


def test_a_fade_reaches_silence_and_stays_there_in_blocks_of_any_length() -> None:
    for length in (100, 512, 4096):
        fader, block = Fader(RATE), np.ones(length, np.float32)
        seconds = length / RATE
        for _ in range(int(3 / seconds)):
            out = fader.process(block, 0.0)
        assert np.array_equal(out, block)  # unchanged
        faded = np.concatenate([fader.process(block, SILENCE_DB) for _ in range(int(12 / seconds))])
        assert np.abs(np.diff(faded)).max() < 1e-3
        assert np.abs(faded[RATE] - np.exp(-1.0)) < 0.02
        assert fader.is_silent(SILENCE_DB)
        assert not fader.is_silent(-8.0)
        assert not faded[-length:].any()


def test_a_face_set_by_remote_control_plays_and_is_not_counted_as_a_visit() -> None:
    rig = Rig()
    for i in range(150):
        state = FaceState(i, i * IMAGE_NS, True, MOVING_FACE)
        rig.presence.step(state, i * IMAGE_NS, counted=False)
    assert rig.visit_state is VisitState.PLAY
    assert (rig.presence.visits, rig.presence.played_s) == (0, 0.0)
