"""One visitor from arrival to departure, and one of several, with faces of the real tracker.

The tracker runs once for each image; times and positions are then varied.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import faces

from latent_resonance.config.settings import Eye
from latent_resonance.eye.features.extractor import HOLD_S, RETURN_S, FeatureExtractor
from latent_resonance.eye.tracking.onnx.blendshapes import BROW_DOWN_LEFT, BROW_DOWN_RIGHT
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import FEATURES, FaceState, neutral_features

MOUTH, INSTANT = FEATURES.index("mouth_open"), slice(0, 9)
STILLNESS = FEATURES.index("stillness")
VELOCITIES = [FEATURES.index(n) for n in FEATURES if n.endswith("velocity") or n == "motion"]


@cache
def resting() -> Face:
    return seen(0.0)


@cache
def seen(mouth: float) -> Face:
    """The photograph with its mouth opened by a share of the face's width."""
    (face,) = faces.track([faces.mouth_opened(mouth)] * 3)[-1]
    return face


def moved(face: Face, by: tuple[float, float], scale: float = 1.0) -> Face:
    """The face moved in the image (pixels), and nearer."""
    return dataclasses.replace(face, landmarks=face.landmarks * scale + (*by, 0.0))


def between(one: Face, other: Face, share: float) -> Face:
    """A face on its way from one to the other."""
    return Face(
        one.landmarks + share * (other.landmarks - one.landmarks),
        one.rotation,
        one.blendshapes + np.float32(share) * (other.blendshapes - one.blendshapes),
        one.visitor,
    )


class Visit:
    """A visitor whose faces come at a steady rate."""

    def __init__(self, images_per_s: float = 30.0, **settings: float) -> None:
        self.extractor = FeatureExtractor(Eye(**settings))
        self.images_per_s = images_per_s
        self.image = 0

    def see(self, seconds: float, face: Face | None = None) -> list[FaceState]:
        return [self.step(face) for _ in range(round(seconds * self.images_per_s))]

    def step(self, face: Face | None) -> FaceState:
        state = self.extractor.step(face, round(self.image / self.images_per_s * faces.NS))
        self.image += 1
        return state


def mouth_of(states: list[FaceState]) -> NDArray[np.float32]:
    return np.array([state.features[MOUTH] for state in states])


@pytest.mark.parametrize("images_per_s", [15, 30, 60])
def test_the_baseline_is_learned_from_about_a_second_at_rest(images_per_s: int) -> None:
    visit = Visit(images_per_s)
    mouth = mouth_of(visit.see(0.9, resting()))
    assert not visit.extractor.baseline.learned
    assert (
        mouth[-1] > 0.2
    )  # the photograph smiles with an open mouth: that of the default face is closed
    assert mouth_of(visit.see(2.0, resting()))[-1] < 0.03
    assert visit.extractor.baseline.learned


def test_no_baseline_is_learned_from_a_restless_visitor() -> None:
    visit = Visit()
    for i in range(90):  # to and fro by two face units a second
        visit.step(moved(resting(), (4.0 * (i % 30 if i % 60 < 30 else 30 - i % 30), 0)))
    assert not visit.extractor.baseline.learned


def test_the_baseline_is_kept_while_the_visitor_stays() -> None:
    visit = Visit()
    visit.see(4.0, resting())
    baseline = visit.extractor.baseline.values
    visit.see(5.0, seen(0.2))
    assert visit.extractor.baseline.values == pytest.approx(baseline, abs=0.01)


@pytest.mark.parametrize(("gone_s", "forgotten"), [(2.8, False), (3.3, True)])
def test_a_visitor_gone_for_three_seconds_is_forgotten(gone_s: float, forgotten: bool) -> None:
    visit = Visit()
    visit.see(2.5, resting())
    absent = visit.see(gone_s)[round(30 * HOLD_S) :]
    assert not any(state.present for state in absent)
    assert all(np.array_equal(state.features, neutral_features()) for state in absent)
    visit.see(0.1, resting())
    assert visit.extractor.baseline.learned is not forgotten


def test_a_face_that_returns_has_no_velocity_at_first() -> None:
    """A face that reappears elsewhere after a second has not jumped there."""
    visit = Visit()
    visit.see(2.0, resting())
    visit.see(1.0)
    first = visit.see(0.1, moved(resting(), (40.0, 0.0)))[0]
    assert first.present
    assert np.abs(first.features[VELOCITIES]).max() == 0.0


def test_a_face_behind_a_hand_in_passing_is_held_at_rest_and_then_absent() -> None:
    visit = Visit()
    visit.see(2.5, resting())
    before = visit.see(1.0, seen(0.2))[-1].features
    lost = visit.see(1.0)
    held = [state for state in lost if state.present]
    assert len(held) / 30 == pytest.approx(HOLD_S, abs=0.05)
    assert [state.present for state in lost] == [True] * len(held) + [False] * (30 - len(held))
    for state in held:
        assert np.array_equal(state.features[INSTANT], before[INSTANT])
        assert np.abs(state.features[VELOCITIES[:-1]]).max() == 0.0
    assert all(np.array_equal(state.features, neutral_features()) for state in lost[len(held) :])


@pytest.mark.parametrize("hidden_s", [0.1, 0.3, 0.45])
def test_a_face_that_has_changed_behind_a_hand_glides_to_what_is_seen(hidden_s: float) -> None:
    visit = Visit()
    visit.see(2.5, resting())
    visit.see(hidden_s)
    returned = mouth_of(visit.see(1.0, seen(0.2)))
    assert returned[0] < 0.1
    assert np.diff([0.0, *returned]).max() < 0.45 * returned[-1]
    assert returned[round(30 * RETURN_S) + 2] == pytest.approx(returned[-1], abs=0.06)


def test_velocities_are_of_the_head_and_not_of_a_gliding_baseline() -> None:
    """The baseline is learned while the visitor stands still: features glide, and are no motion."""
    visit = Visit()
    states = visit.see(2.5, resting())
    assert np.ptp(mouth_of(states)) > 0.2
    assert max(np.abs(state.features[VELOCITIES]).max() for state in states) < 1e-6


@pytest.mark.parametrize("images_per_s", [15, 60])
def test_features_are_the_same_at_any_image_rate(images_per_s: int) -> None:
    """A mouth that opens in 0.3 s, stays open and closes, compared with 30 images/s."""
    expected, found = gesture(30), gesture(images_per_s)
    times_s = np.arange(len(found)) / images_per_s
    for name, tolerance in (("mouth_open", 0.06), ("jaw_open", 0.06), ("stillness", 0.25)):
        column = FEATURES.index(name)
        same = np.interp(times_s, np.arange(len(expected)) / 30, expected[:, column])
        assert np.abs(found[:, column] - same).max() < tolerance, name
        assert np.ptp(same) > 0.3, name


@cache
def gesture(images_per_s: int) -> NDArray[np.float32]:
    visit = Visit(images_per_s)
    visit.see(3.0, resting())
    times_s = np.arange(3 * images_per_s) / images_per_s
    shares = np.interp(times_s, [0.5, 0.8, 1.5, 2.0], [0, 1, 1, 0])
    faces_on_the_way = (between(resting(), seen(0.3), float(share)) for share in shares)
    return np.array([visit.step(face).features for face in faces_on_the_way])


def test_a_resting_face_is_still_and_a_moving_one_is_not() -> None:
    visit = Visit()
    assert visit.see(2.0, resting())[-1].features[STILLNESS] == 1.0
    swung = [moved(resting(), (8.0 * i, 0.0)) for i in range(15)]
    assert [visit.step(face) for face in swung][-1].features[STILLNESS] == 0.0


@pytest.mark.parametrize("part", ["mouth", "brows", "head"])
def test_stillness_means_that_nothing_moves(part: str) -> None:
    """Neither head, mouth nor brows: each alone breaks it."""
    visit = Visit()
    visit.see(3.0, resting())
    states = [visit.step(moving(part, i / 30)) for i in range(90)]
    assert min(state.features[STILLNESS] for state in states[:30]) == 0.0
    assert max(state.features[STILLNESS] for state in states[30:]) < 0.3


def moving(part: str, time_s: float) -> Face:
    """The resting face, with one part of it that goes to and fro once a second."""
    share = 0.5 - 0.5 * np.cos(2 * np.pi * time_s)
    face = resting()
    if part == "mouth":
        return between(face, seen(0.2), share)
    if part == "brows":
        scores = face.blendshapes.copy()
        scores[[BROW_DOWN_LEFT, BROW_DOWN_RIGHT]] += np.float32(0.4 * share)
        return dataclasses.replace(face, blendshapes=scores)
    cosine, sine = np.cos(0.3 * share), np.sin(0.3 * share)
    turn = np.array([[cosine, 0.0, sine], [0.0, 1.0, 0.0], [-sine, 0.0, cosine]])
    return dataclasses.replace(face, rotation=turn @ face.rotation)


def test_a_new_player_has_their_own_baseline() -> None:
    visit = Visit()
    visit.see(2.5, resting())
    assert visit.extractor.baseline.learned
    visit.see(0.5, dataclasses.replace(resting(), visitor=2))
    assert not visit.extractor.baseline.learned
    visit.see(1.5, dataclasses.replace(resting(), visitor=2))
    assert visit.extractor.baseline.learned


def test_a_new_player_elsewhere_has_not_jumped_there() -> None:
    visit = Visit()
    visit.see(2.0, resting())
    other = dataclasses.replace(moved(resting(), (200.0, 0.0)), visitor=2)
    assert np.abs(visit.step(other).features[VELOCITIES]).max() == 0.0


def test_of_two_people_in_an_image_the_nearer_is_selected() -> None:
    near = faces.placed(faces.photograph(), 1.0, (0, 0), size=(400, 480))
    far = faces.placed(faces.photograph(), 0.75, (0, 0), size=(400, 480))
    found = faces.track([np.concatenate([far, near], axis=1)] * 5)[-1]
    (face,) = found
    assert face.landmarks[:, 0].mean() > 400
