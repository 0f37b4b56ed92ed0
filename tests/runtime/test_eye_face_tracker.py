"""The tracker between its networks: when it searches, whom it follows, and what it makes of a loss.

Detector, landmarker and blendshapes are fakes that know where the faces are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.known_networks import HEIGHT, WIDTH, canonical_face

from latent_resonance.eye.camera.image import Image, Pixels
from latent_resonance.eye.tracking.face_tracker import MAX_STEP, OTHERS_S, SEARCH_S, FaceTracker
from latent_resonance.eye.tracking.player_selection import HIDDEN_S, PICTURE_S, TAKEOVER_S
from latent_resonance.eye.tracking.roi import Roi, roi_from_landmarks
from latent_resonance.eye.tracking.tracker import Face

NS = 1_000_000_000
IMAGES_PER_S = 20
ABSENCE_S = 3.0
PIXELS = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


@dataclass(frozen=True)
class FakeFace:
    """A face before the camera.

    Attributes
    ----------
    x, width
        Of its region, pixels.
    is_face
        Whether the landmarker takes it for one.
    is_detected
        Whether the detector sees it.
    is_confirmed
        Whether it sees it also in a second look at its region.
    """

    x: float
    width: float = 100.0
    is_face: bool = True
    is_detected: bool = True
    is_confirmed: bool = True

    @property
    def landmarks(self) -> NDArray[np.float64]:
        points = canonical_face(np.eye(3), 50.0)
        around = roi_from_landmarks(points)
        centred = (points - (around.x, around.y, 0.0)) * self.width / around.width
        return centred + np.array([self.x, HEIGHT / 2, 0.0])

    @property
    def region(self) -> Roi:
        return roi_from_landmarks(self.landmarks)


class FakeNetworks:
    """Stands in for the detector, the landmarker and the blendshapes, and counts their calls."""

    def __init__(self) -> None:
        self.faces: list[FakeFace] = []
        self.searches = self.scored = self.rejected = 0
        self.sees_only_parts = False
        self._region: Roi | None = None

    def detect(self, pixels: Pixels) -> list[Roi]:
        """The faces whose middle is in the part of the image that is given."""
        self.searches += 1
        if self.sees_only_parts and pixels.shape == PIXELS.shape:
            return []
        top, left = divmod((pixels.ctypes.data - PIXELS.ctypes.data) // 3, WIDTH)
        height, width = pixels.shape[:2]
        regions = [face.region for face in self.faces if face.is_detected]
        return [
            replace(roi, x=roi.x - left, y=roi.y - top)
            for roi in regions
            if 0 <= roi.x - left < width and 0 <= roi.y - top < height
        ]

    def confirm(self, _pixels: Pixels, roi: Roi) -> bool:
        near = min(self.faces, key=lambda face: abs(face.x - roi.x))
        return near.is_confirmed

    def blendshapes(self, landmarks: NDArray[np.float64]) -> NDArray[np.float32]:
        assert landmarks.shape == (478, 3)
        self.scored += 1
        return np.full(52, self.scored, np.float32)

    def start(self, roi: Roi) -> None:
        self._region = roi

    def find(self, image: Image) -> NDArray[np.float64] | None:
        """The landmarks of the nearest face that is in the region."""
        assert image.pixels.shape == PIXELS.shape
        region, self._region = self._region, None
        if region is None:
            return None
        inside = [face for face in self.faces if abs(face.x - region.x) < region.width]
        nearest = min(inside, key=lambda face: abs(face.x - region.x), default=None)
        if nearest is None or not nearest.is_face:
            self.rejected += 1
            return None
        self._region = nearest.region
        return nearest.landmarks

    def close(self) -> None:
        """Nothing to release."""


class Rig:
    """A tracker with fake networks, and the images of a steady camera."""

    def __init__(self) -> None:
        self.networks = FakeNetworks()
        self.tracker = FaceTracker(
            self.networks.detect,
            self.networks.confirm,
            self.networks,
            self.networks.blendshapes,
            ABSENCE_S,
        )
        self.image = 0

    def see(self, seconds: float, *faces: FakeFace) -> list[Face | None]:
        return [self.step(*faces) for _ in range(round(seconds * IMAGES_PER_S))]

    def step(self, *faces: FakeFace) -> Face | None:
        self.networks.faces = list(faces)
        self.image += 1
        return self.tracker.find(Image(PIXELS, self.image * NS // IMAGES_PER_S))

    def searches_in(self, seconds: float, *faces: FakeFace) -> int:
        before = self.networks.searches
        self.see(seconds, *faces)
        return self.networks.searches - before


ONE, OTHER = FakeFace(150.0), FakeFace(450.0)


def x_of(face: Face | None) -> float:
    assert face is not None
    return roi_from_landmarks(face.landmarks).x


def swaying(face: FakeFace, image: int) -> FakeFace:
    """The face as it is in an image, alive."""
    return replace(face, x=face.x + 0.03 * face.width * np.sin(0.5 * image))


def test_while_no_face_is_there_images_are_searched_twenty_times_a_second_at_most() -> None:
    assert Rig().searches_in(5.0) == pytest.approx(5.0 / SEARCH_S, abs=1)


def test_while_a_face_is_followed_an_image_is_searched_for_others_twice_a_second() -> None:
    rig = Rig()
    assert all(rig.see(1.0, ONE))
    assert rig.searches_in(5.0, ONE) == pytest.approx(5.0 / OTHERS_S, abs=1)


def test_a_face_is_found_in_the_first_image_and_followed_in_each() -> None:
    found = Rig().see(2.0, ONE)
    assert [face.visitor for face in found if face] == [1] * len(found)
    assert [x_of(face) for face in found] == pytest.approx([150.0] * len(found))
    for face in found:
        assert face is not None
        assert np.allclose(face.rotation @ face.rotation.T, np.eye(3), atol=1e-6)


def test_a_face_that_the_detector_misses_is_followed_on() -> None:
    rig = Rig()
    rig.see(0.5, ONE)
    assert all(rig.see(3.0, replace(ONE, is_detected=False)))


def test_a_lost_face_is_searched_for_at_once() -> None:
    """It may have left its region only, as in a quick step aside."""
    rig = Rig()
    rig.see(0.7, ONE)
    before = rig.networks.searches
    face = rig.step(replace(ONE, x=ONE.x + 0.55 * ONE.width))
    assert rig.networks.searches == before + 1
    assert x_of(face) == pytest.approx(ONE.x + 55.0)
    assert face is not None
    assert face.visitor == 1


def test_a_jump_of_the_landmarks_counts_as_lost() -> None:
    """The landmark network has gone over to another face, or to something that is none."""
    rig = Rig()
    rig.see(0.7, ONE)
    too_far = replace(ONE, x=ONE.x + 1.1 * MAX_STEP * ONE.width, is_detected=False)
    assert rig.step(too_far) is None
    near = Rig()
    near.see(0.7, ONE)
    assert near.step(replace(ONE, x=ONE.x + 0.8 * MAX_STEP * ONE.width, is_detected=False))


def test_what_the_landmarker_rejects_is_no_face() -> None:
    rig = Rig()
    assert not any(rig.see(2.0, replace(ONE, is_face=False)))
    assert rig.networks.searches == pytest.approx(2.0 / SEARCH_S, abs=1)


def test_what_a_second_look_does_not_confirm_is_no_visitor() -> None:
    """Texture that both networks take for a face."""
    rig = Rig()
    assert not any(rig.see(2.0, replace(ONE, is_confirmed=False)))
    assert rig.see(0.5, ONE)[-1] is not None


def test_a_rejected_candidate_leaves_the_next_one_to_be_tried() -> None:
    found = Rig().see(1.0, replace(ONE, width=140.0, is_face=False), OTHER)
    assert [x_of(face) for face in found] == pytest.approx([OTHER.x] * len(found))


def test_after_a_candidate_that_is_no_face_the_player_is_followed_on() -> None:
    """The candidate is tried again and again, and never interrupts the player."""
    rig, poster = Rig(), FakeFace(450.0, 180.0, is_face=False)
    rig.see(0.5, ONE)
    for i in range(40):  # it comes nearer, as a rival does
        poster = FakeFace(450.0 + i, 180.0, is_face=False)
        assert x_of(rig.step(swaying(ONE, i), poster)) == pytest.approx(ONE.x, abs=5.0)
    for i in range(60):
        face = rig.step(swaying(ONE, i), poster)
        assert face is not None
        assert (x_of(face), face.visitor) == (pytest.approx(ONE.x, abs=5.0), 1)
    assert rig.networks.rejected > 3


def test_blendshapes_are_computed_for_every_second_image() -> None:
    rig = Rig()
    found = rig.see(1.0, ONE)
    scores = [face.blendshapes[0] for face in found if face]
    assert scores == [1 + i // 2 for i in range(IMAGES_PER_S)]
    assert rig.networks.scored == IMAGES_PER_S / 2


def test_a_new_face_has_its_own_blendshapes_at_once() -> None:
    rig = Rig()
    for n_images in (4, 5):
        rig.see(n_images / IMAGES_PER_S, ONE)
        rig.see(ABSENCE_S + 0.5)
        before = rig.networks.scored
        while rig.step(ONE) is None:  # not in the part of the image whose turn it is
            assert rig.networks.scored == before
        assert rig.networks.scored == before + 1


@pytest.mark.parametrize("x", [5.0, WIDTH / 2, WIDTH - 5.0])
def test_a_face_seen_only_in_enlarged_parts_is_found_within_half_a_second(
    x: float,
) -> None:
    rig = Rig()
    rig.networks.sees_only_parts = True
    found = rig.see(0.5, replace(ONE, x=x))
    assert x_of(found[-1]) == pytest.approx(x)


def test_after_a_gap_between_images_a_face_is_searched_anew() -> None:
    """As when a camera failed for longer than a visitor may be absent."""
    rig = Rig()
    rig.see(0.5, ONE)
    rig.image += round((ABSENCE_S + 1) * IMAGES_PER_S)
    assert [face.visitor for face in rig.see(1.0, ONE) if face][-1] == 2


def test_a_much_nearer_person_takes_over_with_another_number() -> None:
    rig, player = Rig(), replace(ONE, width=60.0)
    found = []
    for i in range(5 * IMAGES_PER_S):
        walked = min(i / IMAGES_PER_S, 2.0)
        rival = FakeFace(500.0 - 30.0 * walked, 60.0 + 30.0 * walked)
        found.append(rig.step(swaying(player, i), swaying(rival, i)))
    numbers = [face.visitor for face in found if face]
    assert numbers == sorted(numbers)
    assert set(numbers) == {1, 2}
    nearer_s = 1.2  # 96 pixels, 1.6 times the player's
    expected = (nearer_s + TAKEOVER_S) * IMAGES_PER_S
    assert numbers.index(2) == pytest.approx(expected, abs=2 * OTHERS_S * IMAGES_PER_S)
    assert x_of(found[-1]) == pytest.approx(440.0, abs=5.0)


def test_when_the_player_leaves_the_other_plays_after_a_while() -> None:
    rig, other = Rig(), replace(OTHER, width=70.0)
    for i in range(20):
        rig.step(swaying(ONE, i), other)
    found = [rig.step(swaying(other, i)) for i in range(40)]
    first = [face is not None for face in found].index(True)
    assert first / IMAGES_PER_S == pytest.approx(HIDDEN_S, abs=SEARCH_S)
    assert {face.visitor for face in found[first:] if face} == {2}


def test_a_picture_is_no_visitor_after_a_while() -> None:
    found = Rig().see(PICTURE_S + 5.0, ONE)
    gone = [face is None for face in found].index(True)
    assert gone / IMAGES_PER_S == pytest.approx(PICTURE_S, abs=0.2)
    assert not any(found[gone:])


def test_a_person_beside_a_picture_plays() -> None:
    rig = Rig()
    rig.see(PICTURE_S + 1.0, replace(ONE, width=150.0))
    found = [
        rig.step(replace(ONE, width=150.0), swaying(replace(OTHER, width=50.0), i))
        for i in range(8 * IMAGES_PER_S)
    ]
    assert all(found[round(OTHERS_S * IMAGES_PER_S) :])
    assert x_of(found[-1]) == pytest.approx(OTHER.x, abs=5.0)


def test_a_swaying_person_is_followed_for_long() -> None:
    rig = Rig()
    found = [rig.step(swaying(ONE, i)) for i in range(30 * IMAGES_PER_S)]
    assert {face.visitor for face in found if face} == {1}
    assert all(found)


@pytest.mark.parametrize(("faces", "expected"), [((), False), ((ONE,), True)])
def test_whether_there_is_any_face_is_known_without_following_it(
    faces: tuple[FakeFace, ...], expected: bool
) -> None:
    rig = Rig()
    rig.networks.faces = list(faces)
    assert rig.tracker.has_face(Image(PIXELS, 0)) is expected
    assert rig.step() is None


def test_what_the_landmarker_rejects_is_not_any_face() -> None:
    rig = Rig()
    rig.networks.faces = [replace(ONE, is_face=False)]
    assert not rig.tracker.has_face(Image(PIXELS, 0))


def test_while_a_face_is_followed_no_other_is_looked_for() -> None:
    rig = Rig()
    rig.see(0.5, ONE)
    before = rig.networks.searches
    assert not rig.tracker.has_face(Image(PIXELS, NS))
    assert rig.networks.searches == before
    assert rig.step(ONE) is not None
