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
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.tracking.player_selection import HIDDEN_S, TAKEOVER_S, PlayerSelection
from latent_resonance.eye.tracking.tracker import Face
from latent_resonance.face_state import FEATURES, FaceState, neutral_features

MOUTH = FEATURES.index("mouth_open")
STILLNESS = FEATURES.index("stillness")


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
    )


class Visit:
    """A visitor whose faces come at a steady rate."""

    def __init__(self, images_per_s: float = 30.0, **settings: float) -> None:
        self.extractor = FeatureExtractor(Eye(**settings))
        self.images_per_s = images_per_s
        self.image = 0

    def see(self, seconds: float, *visible: Face) -> list[FaceState]:
        return [self.step(list(visible)) for _ in range(round(seconds * self.images_per_s))]

    def step(self, visible: list[Face]) -> FaceState:
        state = self.extractor.step(visible, round(self.image / self.images_per_s * faces.NS))
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
        visit.step([moved(resting(), (4.0 * (i % 30 if i % 60 < 30 else 30 - i % 30), 0))])
    assert not visit.extractor.baseline.learned


def test_the_baseline_is_kept_while_the_visitor_stays() -> None:
    visit = Visit()
    visit.see(2.5, resting())
    baseline = visit.extractor.baseline.values
    visit.see(5.0, seen(0.2))
    assert visit.extractor.baseline.values == pytest.approx(baseline, abs=0.01)


@pytest.mark.parametrize(("gone_s", "forgotten"), [(2.8, False), (3.3, True)])
def test_a_visitor_gone_for_three_seconds_is_forgotten(gone_s: float, forgotten: bool) -> None:
    visit = Visit()
    visit.see(2.5, resting())
    absent = visit.see(gone_s)
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
    velocities = [FEATURES.index(n) for n in FEATURES if n.endswith("velocity") or n == "motion"]
    assert first.present
    assert np.abs(first.features[velocities]).max() == 0.0


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
    return np.array([visit.step([face]).features for face in faces_on_the_way])


def test_a_resting_face_is_still_and_a_moving_one_is_not() -> None:
    visit = Visit()
    assert visit.see(2.0, resting())[-1].features[STILLNESS] == 1.0
    swung = [moved(resting(), (8.0 * i, 0.0)) for i in range(15)]
    assert [visit.step([face]) for face in swung][-1].features[STILLNESS] == 0.0


def test_the_nearest_of_several_faces_plays() -> None:
    near, far = moved(resting(), (0, 0), 1.2), moved(resting(), (250, 0), 0.5)
    for visible in ([near, far], [far, near]):
        assert PlayerSelection().step(visible, 0.0) == (near, True)


def test_the_player_stays_selected_when_another_comes_slightly_nearer() -> None:
    selection, player = PlayerSelection(), resting()
    selection.step([player], 0.0)
    for i in range(90):
        rival = moved(resting(), (300 - i, 0), 1.0 + 0.5 * i / 90)
        assert selection.step([rival, player], 1 / 30) == (player, False)


def test_a_much_nearer_face_takes_over_after_a_while() -> None:
    selection, player, rival = PlayerSelection(), resting(), moved(resting(), (400, 0), 1.8)
    selection.step([player], 0.0)
    played = [selection.step([rival, player], 1 / 30) for _ in range(45)]
    taken = [is_new for _, is_new in played].index(True)
    assert taken / 30 == pytest.approx(TAKEOVER_S, abs=0.1)
    assert all(face is rival for face, _ in played[taken:])


def test_when_the_player_is_hidden_the_other_takes_over_after_a_while() -> None:
    selection, player, other = PlayerSelection(), resting(), moved(resting(), (400, 0), 0.8)
    selection.step([player, other], 0.0)
    played = [selection.step([other], 1 / 30) for _ in range(30)]
    taken = [is_new for _, is_new in played].index(True)
    assert taken / 30 == pytest.approx(HIDDEN_S, abs=0.1)
    assert all(face is None for face, _ in played[:taken])
    assert played[-1] == (other, False)


def test_a_new_player_has_their_own_baseline() -> None:
    visit = Visit()
    visit.see(2.5, resting())
    visit.see(TAKEOVER_S + 0.2, resting(), moved(seen(0.2), (400, 0), 1.9))
    assert not visit.extractor.baseline.learned


def test_of_two_people_in_an_image_the_nearer_is_selected() -> None:
    near = faces.placed(faces.photograph(), 1.0, (0, 0), size=(400, 480))
    far = faces.placed(faces.photograph(), 0.75, (0, 0), size=(400, 480))
    found = faces.track([np.concatenate([far, near], axis=1)] * 5)[-1]
    assert len(found) == 2
    face, _ = PlayerSelection().step(found, 0.0)
    assert face is not None
    assert face.landmarks[:, 0].mean() > 400
