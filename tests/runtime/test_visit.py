"""The life of a visit: who plays, from when on, and that nothing of it is heard as a pop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.audio_measures import RATE, face, settings_of

from latent_resonance.audio.loudness import SILENCE_DB, Fader
from latent_resonance.config.gallery import Attract
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FEATURES, FaceState
from latent_resonance.gallery.visit import GREET_S, IMMEDIATE, STALE_NS, Presence, VisitState
from latent_resonance.rendering import Take
from latent_resonance.score import attract_score

NS = 1_000_000_000
IMAGE_NS = NS // 30
SINGING = face(mouth_open=0.8, head_yaw=0.5, yaw_velocity=2.0, motion=0.6)


class Room:
    """A presence on a virtual clock, and an eye that tells it something 30 times a second."""

    def __init__(self, attract: Attract | None = None, grace_s: float = 3.0) -> None:
        self.presence = Presence(attract_score(Settings()), grace_s, attract)
        self.now_ns = 50 * NS
        self.state: FaceState | None = None

    def passes(
        self, seconds: float, features: np.ndarray | None = None, *, eye: bool = True
    ) -> list[np.ndarray]:
        """Time with a face, or nobody's; with no eye, nothing more is said."""
        played = []
        for _ in range(round(seconds * 30)):
            self.now_ns += IMAGE_NS
            if eye:
                face_present = features is not None
                self.state = FaceState(0, self.now_ns, face_present, features if face_present else face())
            played.append(self.presence.step(self.state, self.now_ns))
        return played

    @property
    def visit_state(self) -> VisitState:
        return self.presence.visit_state


def test_a_visit_goes_from_empty_by_greeting_and_playing_and_farewell_to_empty() -> None:
    room = Room()
    scenes = []
    for seconds, features in ((5.0, None), (20.0, SINGING), (20.0, None)):
        for _ in range(round(seconds * 30)):
            room.passes(1 / 30, features)
            if room.visit_state not in scenes[-1:]:
                scenes.append(room.visit_state)
    assert scenes == [VisitState.EMPTY, VisitState.GREET, VisitState.PLAY, VisitState.FAREWELL, VisitState.EMPTY]


def test_the_controls_are_the_visitors_with_the_first_image() -> None:
    room = Room()
    room.passes(5.0)
    (first,) = room.passes(1 / 30, SINGING)
    assert room.visit_state is VisitState.GREET
    assert np.array_equal(first[IMMEDIATE], SINGING[IMMEDIATE])
    assert IMMEDIATE.sum() == 4


def test_the_pose_crosses_over_from_the_score_without_a_leap() -> None:
    room = Room()
    before = room.passes(5.0)[-1]
    yaw = [played[FEATURES.index("head_yaw")] for played in room.passes(GREET_S + 0.2, SINGING)]
    assert yaw[0] == pytest.approx(before[FEATURES.index("head_yaw")], abs=0.05)
    assert yaw[-1] == pytest.approx(0.5)
    assert np.abs(np.diff(yaw)).max() < 0.1


@pytest.mark.parametrize("eye", [True, False])
def test_a_face_lost_for_less_than_three_seconds_goes_on_playing(eye: bool) -> None:
    room = Room()
    room.passes(10.0, SINGING)
    room.passes(2.9, None, eye=eye)
    assert room.visit_state is VisitState.PLAY
    (back,) = room.passes(1 / 30, SINGING)
    assert np.array_equal(back, SINGING)
    assert room.presence.visits == 1


def test_a_face_that_is_lost_comes_to_rest_and_is_no_loop_of_sound() -> None:
    room = Room()
    room.passes(10.0, SINGING)
    played = np.array(room.passes(2.9))
    assert np.allclose(played[0], SINGING, atol=0.1)
    assert np.abs(np.diff(played, axis=0)).max() < 0.1
    for name, rest in (("mouth_open", 0.0), ("yaw_velocity", 0.0), ("stillness", 1.0)):
        assert played[-1][FEATURES.index(name)] == pytest.approx(rest, abs=0.1)


def test_an_eye_that_says_nothing_for_half_a_second_sees_nobody() -> None:
    room = Room()
    room.passes(5.0, SINGING)
    room.passes(STALE_NS / NS - 0.1, eye=False)
    assert room.presence.face_present
    room.passes(0.2, eye=False)
    assert not room.presence.face_present


@pytest.mark.parametrize("grace_s", [1.0, 3.0, 10.0])
def test_the_grace_is_as_long_as_it_is_set(grace_s: float) -> None:
    room = Room(grace_s=grace_s)
    room.passes(5.0, SINGING)
    room.passes(grace_s - 0.1)
    assert room.presence.has_visitor
    room.passes(0.2)
    assert room.visit_state is VisitState.FAREWELL


def test_at_the_farewell_the_score_comes_back_without_a_leap() -> None:
    room = Room()
    room.passes(5.0, SINGING)
    room.passes(2.9)
    played = np.array(room.passes(8.0))
    assert room.visit_state is VisitState.EMPTY
    # The bundled score itself moves by less than this from image to image.
    leaps = np.abs(np.diff(played, axis=0)).max(axis=0)
    for name in ("mouth_open", "head_yaw", "brow_tension", "brow_raise"):
        assert leaps[FEATURES.index(name)] < 0.12, name


def test_somebody_who_comes_at_the_farewell_is_greeted_at_once() -> None:
    room = Room()
    room.passes(5.0, SINGING)
    room.passes(4.0)
    assert room.visit_state is VisitState.FAREWELL
    room.passes(1 / 30, SINGING)
    assert room.visit_state is VisitState.GREET
    room.passes(2.0, SINGING)
    assert room.presence.visits == 2


def test_a_glimpse_of_a_face_is_no_visit() -> None:
    room = Room()
    room.passes(2.0)
    room.passes(0.1, SINGING)
    room.passes(10.0)
    assert room.visit_state is VisitState.EMPTY
    assert room.presence.visits == 0


def test_the_seconds_of_visitors_are_counted() -> None:
    room = Room()
    room.passes(10.0)
    room.passes(7.0, SINGING)
    room.passes(20.0)
    assert room.presence.played_s == pytest.approx(7.0 + 3.0, abs=0.1)


def test_the_score_goes_on_where_the_last_visitor_interrupted_it() -> None:
    room, alone = Room(), Room()
    room.passes(6.0)
    room.passes(10.0, SINGING)
    room.passes(3.0)
    played = room.passes(10.0)[-1]
    expected = alone.passes(16.0)[-1]
    assert np.allclose(played, expected, atol=0.1)


def test_the_score_goes_round_for_ever_without_a_leap() -> None:
    score = attract_score(Settings())
    seconds = np.arange(0, 3 * score.duration_s, 1 / 30)
    rows = np.array([score.at_looped(second) for second in seconds])
    within = np.array([score.at(second)[1] for second in seconds[: int(score.duration_s * 30)]])
    assert np.abs(np.diff(rows, axis=0)).max() <= np.abs(np.diff(within, axis=0)).max() + 0.05


def test_nobody_is_played_for_more_quietly_and_silence_is_silent() -> None:
    for attract, expected in (
        (Attract(), -8.0),
        (Attract(level_db=-20.0), -20.0),
        (Attract(enabled=False), SILENCE_DB),
    ):
        room = Room(attract)
        room.passes(1.0)
        assert room.presence.gain_db == expected
        room.passes(1 / 30, SINGING)
        assert room.presence.gain_db == 0.0
        room.passes(5.0)
        assert room.presence.gain_db == expected


def a_night_at_the_gallery(attract: Attract, pack: Path) -> tuple[np.ndarray, Take]:
    """Sound of: 6 s nobody, 6 s a visitor, 12 s nobody."""
    settings = settings_of(pack).model_copy(update={"attract": attract})
    singing = face(mouth_open=0.8)
    states = (
        FaceState(
            i, i * IMAGE_NS, 6.0 <= i / 30 < 12.0, singing if 6.0 <= i / 30 < 12.0 else face()
        )
        for i in range(24 * 30)
    )
    take = Take(states, settings, seed=0)
    return np.concatenate([samples for samples, _ in take.play(24.0)]), take


def level_db(sound: np.ndarray, begin_s: float, end_s: float) -> float:
    part = sound[int(begin_s * RATE) : int(end_s * RATE)].astype(np.float64)
    return float(10 * np.log10(np.mean(np.square(part)) + 1e-12))


def pops(sound: np.ndarray) -> float:
    """The sharpest bend against the sharpest but one in a hundred: a click is far out."""
    bends = (
        np.abs(np.diff(sound, n=3))[: len(sound) // 512 * 512 - 512].reshape(-1, 512).max(axis=1)
    )
    return float(bends.max() / np.percentile(bends, 99))


@pytest.mark.slow
def test_a_gallery_that_is_silent_when_empty_fades_in_and_out_without_a_pop(
    pack_folder: Path,
) -> None:
    sound, take = a_night_at_the_gallery(Attract(enabled=False), pack_folder)
    late = take.synthesiser.latency_samples / RATE
    assert not sound[: int(6.0 * RATE)].any()
    assert level_db(sound, 6.5 + late, 12.0) > -45
    assert level_db(sound, 6.0 + late, 6.25 + late) > level_db(sound, 8.0, 12.0) - 20  # at once
    assert level_db(sound, 12.5, 14.5) > -60  # the grace
    assert level_db(sound, 17.5, 19.0) > -80 > level_db(sound, 23.7, 24.0)
    assert pops(sound) < 4.0


@pytest.mark.slow
def test_an_empty_gallery_is_quieter_than_one_with_a_visitor_and_nothing_pops(
    pack_folder: Path,
) -> None:
    sound, _ = a_night_at_the_gallery(Attract(), pack_folder)
    assert level_db(sound, 2.0, 6.0) < level_db(sound, 8.0, 12.0) - 5
    assert level_db(sound, 20.0, 24.0) < level_db(sound, 8.0, 12.0) - 5
    assert level_db(sound, 2.0, 6.0) > -60
    assert pops(sound) < 4.0


def test_the_measure_of_pops_finds_one() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(10 * RATE) / RATE).astype(np.float32)
    cut = tone.copy()
    cut[5 * RATE + 60 :] *= 0.3
    assert pops(cut) > 10
    assert pops(tone) < 4


def test_a_fade_reaches_silence_and_stays_there_in_blocks_of_any_length() -> None:
    for length in (100, 512, 4096):
        fader, block = Fader(RATE), np.ones(length, np.float32)
        seconds = length / RATE
        for _ in range(int(3 / seconds)):
            out = fader.process(block, 0.0)
        assert np.array_equal(out, block)  # untouched
        faded = np.concatenate([fader.process(block, SILENCE_DB) for _ in range(int(12 / seconds))])
        assert np.abs(np.diff(faded)).max() < 1e-3
        assert np.abs(faded[RATE] - np.exp(-1.0)) < 0.02
        assert fader.is_silent(SILENCE_DB)
        assert not fader.is_silent(-8.0)
        assert not faded[-length:].any()
