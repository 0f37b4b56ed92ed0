"""The light tracker's parts: anchors, boxes, regions, and a head whose turning is known."""

from __future__ import annotations

import faces
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from latent_resonance.eye.camera import Image, Pixels
from latent_resonance.eye.landmarks import angles
from latent_resonance.eye.light import blazeface, mesh, pose
from latent_resonance.eye.light.networks import DETECTOR, MESH, Network
from latent_resonance.eye.light.region import (
    MARGIN,
    Region,
    cut_out,
    overlap,
    region_of,
    to_image,
    united,
    whole,
)
from latent_resonance.eye.light.tracker import LightTracker, open_light_tracker
from latent_resonance.eye.tracker import Face
from latent_resonance.settings import Eye

WIDTH, HEIGHT = 640, 480
N_ANCHORS = 896


def raw_boxes(faces_at: dict[int, tuple[float, float, float]]) -> NDArray[np.float32]:
    """The detector's output with a square box (x, y, size; 0 to 1) at each of some anchors."""
    raw = np.zeros((N_ANCHORS, 8, 2))
    for anchor, (x, y, size) in faces_at.items():
        middle = (np.array([x, y]) - blazeface.anchors()[anchor]) * blazeface.SIDE
        raw[anchor] = middle
        raw[anchor, 1] = size * blazeface.SIDE
    return raw.reshape(N_ANCHORS, 16).astype(np.float32)


def logits(scores: dict[int, float]) -> NDArray[np.float32]:
    values = np.full(N_ANCHORS, -100.0, np.float32)
    for anchor, score in scores.items():
        values[anchor] = np.log(score / (1 - score))
    return values


def test_anchors_are_the_middles_of_two_grids_two_and_six_in_each_cell() -> None:
    anchors = blazeface.anchors()
    assert anchors.shape == (N_ANCHORS, 2)
    cells, counts = np.unique(anchors, axis=0, return_counts=True)
    assert len(cells) == 16 * 16 + 8 * 8
    assert sorted(set(counts)) == [2, 6]
    assert anchors[0].tolist() == [1 / 32, 1 / 32]
    assert anchors[2].tolist() == [3 / 32, 1 / 32]  # along the row first
    assert anchors[-1].tolist() == [15 / 16, 15 / 16]


def test_a_box_comes_back_as_it_was_told_to_its_anchor() -> None:
    (found,) = blazeface.detections(raw_boxes({700: (0.4, 0.3, 0.2)}), logits({700: 0.9}), 0.5)
    assert found[blazeface.LOW] == pytest.approx([0.3, 0.2], abs=1e-6)
    assert found[blazeface.HIGH] == pytest.approx([0.5, 0.4], abs=1e-6)
    assert found[2:] == pytest.approx(np.tile([0.4, 0.3], (6, 1)), abs=1e-6)


def test_boxes_of_one_face_become_their_mean_by_score() -> None:
    boxes = raw_boxes({10: (0.40, 0.5, 0.2), 700: (0.44, 0.5, 0.2)})
    (found,) = blazeface.detections(boxes, logits({10: 0.9, 700: 0.6}), 0.5)
    expected = (0.9 * 0.40 + 0.6 * 0.44) / 1.5
    assert found[2, 0] == pytest.approx(expected, abs=1e-6)


def test_two_faces_stay_two_and_the_surer_one_is_first() -> None:
    boxes = raw_boxes({10: (0.2, 0.5, 0.2), 700: (0.7, 0.5, 0.2)})
    found = blazeface.detections(boxes, logits({10: 0.6, 700: 0.9}), 0.5)
    assert found[:, 2, 0] == pytest.approx([0.7, 0.2], abs=1e-6)


@pytest.mark.parametrize("score", [0.499, 0.01])
def test_what_is_not_sure_enough_is_no_face(score: float) -> None:
    boxes = raw_boxes({10: (0.2, 0.5, 0.2)})
    assert len(blazeface.detections(boxes, logits({10: score}), 0.5)) == 0
    assert len(blazeface.detections(boxes, logits({10: 0.501}), 0.5)) == 1


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_boxes_without_numbers_or_turned_inside_out_are_no_faces(poison: float) -> None:
    certain = np.full(N_ANCHORS, 50.0, np.float32)
    boxes = np.full((N_ANCHORS, 16), poison, np.float32)
    assert blazeface.detections(boxes, certain, 0.5).shape == (0, 8, 2)
    inside_out = raw_boxes(dict.fromkeys(range(N_ANCHORS), (0.5, 0.5, -0.2)))
    assert len(blazeface.detections(inside_out, certain, 0.5)) == 0
    unsure = np.full(N_ANCHORS, np.nan, np.float32)
    assert len(blazeface.detections(raw_boxes({10: (0.2, 0.5, 0.2)}), unsure, 0.5)) == 0


REGIONS = st.builds(
    Region,
    x=st.floats(-100, 740),
    y=st.floats(-100, 580),
    width=st.floats(1, 500),
    height=st.floats(1, 500),
    angle=st.floats(-np.pi, np.pi),
)


@given(one=REGIONS, other=REGIONS)
def test_overlap_is_the_same_from_both_sides_and_within_0_and_1(one: Region, other: Region) -> None:
    assert overlap(one, one) == pytest.approx(1.0)
    assert overlap(one, other) == pytest.approx(overlap(other, one))
    assert -1e-9 <= overlap(one, other) <= 1 + 1e-9


def test_overlap_is_the_intersection_over_the_union() -> None:
    one, other = Region(50, 50, 100, 100), Region(100, 50, 100, 100)
    assert overlap(one, other) == pytest.approx(1 / 3)
    assert overlap(one, Region(300, 50, 100, 100)) == 0.0


@given(REGIONS)
def test_a_region_keeps_its_middle_and_the_length_of_its_sides_in_the_image(region: Region) -> None:
    middle, first, along, down = to_image(region, np.array([[0.5, 0.5], [0, 0], [1, 0], [0, 1]]))
    assert middle == pytest.approx([region.x, region.y], abs=1e-6)
    assert np.linalg.norm(along - first) == pytest.approx(region.width)
    assert np.linalg.norm(down - first) == pytest.approx(region.height)
    turned = np.arctan2(*(along - first)[::-1])
    assert np.cos(turned - region.angle) == pytest.approx(1.0, abs=1e-9)


def test_a_region_is_larger_than_its_box_and_turned_like_the_eyes() -> None:
    eyes = np.array([[10.0, 20.0], [30.0, 40.0]])
    region = region_of(np.array([0.0, 10.0]), np.array([40.0, 70.0]), eyes)
    assert (region.x, region.y) == (20.0, 40.0)
    assert (region.width, region.height) == (60.0, 90.0)
    assert region.angle == pytest.approx(np.pi / 4)


def test_a_picture_is_cut_out_where_the_region_is() -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[100:200, 300:400] = (10, 200, 30)
    picture = cut_out(pixels, Region(350, 150, 100, 100), 50, repeat_edge=False)
    assert picture.shape == (50, 50, 3)
    assert np.all(picture[1:-1, 1:-1] == (10, 200, 30))


def test_beyond_the_edge_it_is_black_or_like_the_edge() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    region = Region(0, 20, 40, 40)  # its left half is outside
    black = cut_out(white, region, 40, repeat_edge=False)
    assert np.all(black[:, :19] == 0)
    assert np.all(black[:-1, 21:] == 255)
    assert np.all(cut_out(white, region, 40, repeat_edge=True) == 255)


@pytest.mark.parametrize(("width", "height"), [(640, 480), (480, 854), (1, 1), (1280, 3)])
def test_the_whole_image_fits_into_its_square(width: int, height: int) -> None:
    square = whole(width, height)
    corners = to_image(square, np.array([[0.0, 0.0], [1.0, 1.0]]))
    assert np.all(corners[0] <= 0)
    assert np.all(corners[1] >= (width, height))
    assert square.width == square.height == max(width, height)


def test_what_was_just_found_replaces_what_was_followed_there() -> None:
    followed = [Region(100, 100, 90, 90), Region(400, 100, 90, 90)]
    found = [Region(104, 100, 90, 90), Region(250, 300, 90, 90)]
    assert united(followed, found, 0.5) == [followed[1], *found]


def canonical_face(rotation: NDArray[np.float64], distance_cm: float) -> NDArray[np.float64]:
    """Landmarks of the canonical face, turned, as the virtual camera sees it.

    Landmarks that the pose does not rest upon are in the face's middle.
    """
    points = np.tile(pose.WEIGHTS @ pose.CANONICAL, (478, 1))
    points[pose.BASIS] = pose.CANONICAL
    placed = points @ rotation.T - (0.0, 0.0, distance_cm)
    focal = HEIGHT / 2 / np.tan(pose.FIELD_OF_VIEW / 2)
    x, y, z = placed.T
    depth = (-z - distance_cm) * focal / distance_cm  # pixels, relative, of x's scale
    return np.stack([WIDTH / 2 - focal * x / z, HEIGHT / 2 + focal * y / z, depth], axis=1)


def turned(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """A rotation about y, then x, then z; x right, y up, z towards the camera."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


@given(st.floats(-0.9, 0.9), st.floats(-0.6, 0.6), st.floats(-1.5, 1.5), st.floats(50, 300))
def test_a_canonical_head_is_turned_as_it_was_turned(
    yaw: float, pitch: float, roll: float, distance_cm: float
) -> None:
    expected = turned(yaw, pitch, roll)
    found = pose.rotation_of(canonical_face(expected, distance_cm), WIDTH, HEIGHT)
    assert found is not None
    assert np.allclose(found, expected, atol=0.04)  # its scale is found in two steps only


def test_a_mirrored_face_is_not_turned_inside_out() -> None:
    mirrored = canonical_face(np.eye(3), 50.0)
    mirrored[:, 0] = WIDTH - mirrored[:, 0]
    mirrored[:, 2] = -mirrored[:, 2]
    found = pose.rotation_of(mirrored, WIDTH, HEIGHT)
    assert found is None or np.linalg.det(found) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.0, 300.0, 1e30])
def test_landmarks_that_are_all_in_one_place_have_no_pose(value: float) -> None:
    assert pose.rotation_of(np.full((478, 3), value), WIDTH, HEIGHT) is None


def test_the_next_region_is_a_square_around_the_landmarks() -> None:
    region = mesh.region_around(faces.points())
    inside = to_image(region, np.array([[0.0, 0.0], [1.0, 1.0]]))
    points = faces.points()[:, :2]
    assert np.all(inside[0] < points.min(axis=0))
    assert np.all(inside[1] > points.max(axis=0))
    assert region.width == region.height


class Same:
    """A network that always answers the same, and counts how often it is asked."""

    def __init__(self, side: int, one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
        self.side, self._answer, self.asked = side, (one, other), 0

    def run(self, picture: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert picture.shape == (self.side, self.side, 3)
        self.asked += 1
        return self._answer


def detector(*, sees: bool) -> Same:
    boxes, sure = raw_boxes({700: (0.5, 0.5, 0.3)}), logits({700: 0.9})
    return Same(128, boxes, sure if sees else logits({}))


def face_mesh(presence: float, value: float | None = None) -> Same:
    """One whose face fills its picture as a followed one does, or is `value` all over."""
    points = canonical_face(np.eye(3), 50.0)
    low, high = points.min(axis=0), points.max(axis=0)
    points = (points - (low + high) / 2) * 256 / MARGIN / (high - low)[:2].max() + (128, 128, 0)
    points = np.full_like(points, value) if value is not None else points
    return Same(256, points.astype(np.float32), np.array(presence, np.float32))


IMAGE = Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 0.0, 1e30])
def test_networks_that_answer_nonsense_see_nobody(poison: float) -> None:
    nobody = LightTracker(detector(sees=True), face_mesh(10.0, poison), Eye())
    assert nobody.find(IMAGE) == []
    assert nobody.find(IMAGE) == []
    unsure = LightTracker(detector(sees=True), face_mesh(np.nan), Eye())
    assert unsure.find(IMAGE) == []


def test_a_face_is_followed_without_the_detector_until_it_is_lost() -> None:
    finds, follows = detector(sees=True), face_mesh(10.0)
    tracker = LightTracker(finds, follows, Eye(max_faces=1))
    assert [len(tracker.find(IMAGE)) for _ in range(5)] == [1] * 5
    assert (finds.asked, follows.asked) == (1, 5)


def test_with_a_place_free_the_detector_looks_for_another_face() -> None:
    finds, follows = detector(sees=True), face_mesh(10.0)
    tracker = LightTracker(finds, follows, Eye(max_faces=2))
    for _ in range(5):
        assert len(tracker.find(IMAGE)) >= 1
    assert finds.asked == 5


def test_a_face_that_the_mesh_does_not_confirm_is_forgotten_and_looked_for() -> None:
    finds = detector(sees=True)
    tracker = LightTracker(finds, face_mesh(-10.0), Eye(max_faces=1))
    assert [tracker.find(IMAGE) for _ in range(3)] == [[]] * 3
    assert finds.asked == 3


@pytest.fixture(scope="module")
def networks() -> tuple[Network, Network]:
    return Network(faces.MODELS, DETECTOR), Network(faces.MODELS, MESH)


@pytest.fixture
def tracker(networks: tuple[Network, Network]) -> LightTracker:
    return LightTracker(*networks, Eye())


def film(tracker: LightTracker, pictures: list[Pixels]) -> list[list[Face]]:
    return [tracker.find(Image(picture, i)) for i, picture in enumerate(pictures)]


def test_a_face_that_leaves_and_returns_is_found_again(tracker: LightTracker) -> None:
    there, gone = faces.photograph(), np.full_like(faces.photograph(), 90)
    seen = film(tracker, [there] * 3 + [gone] * 3 + [there] * 3)
    assert [len(each) for each in seen] == [1] * 3 + [0] * 3 + [1] * 3


def test_a_face_upside_down_is_nobody(tracker: LightTracker) -> None:
    assert film(tracker, [np.rot90(faces.photograph(), 2).copy()] * 3) == [[]] * 3


def test_two_faces_are_two(tracker: LightTracker) -> None:
    left = faces.placed(faces.photograph(), 0.8, (-150, 0))
    left[:, WIDTH // 2 :] = faces.placed(faces.photograph(), 0.8, (170, 0))[:, WIDTH // 2 :]
    for seen in film(tracker, [left] * 4):
        first, second = sorted(face.landmarks[4, 0] for face in seen)
        assert second - first > 250


@pytest.mark.parametrize("roll", [-0.5, 0.5])
def test_a_face_on_its_side_is_seen_on_its_side(tracker: LightTracker, roll: float) -> None:
    upright = film(tracker, [faces.photograph()] * 2)[-1][0]
    tilted = film(tracker, [faces.placed(faces.photograph(), 1, (0, 0), roll=roll)] * 4)[-1][0]
    change = angles(tilted.rotation)[2] - angles(upright.rotation)[2]
    assert abs(change) == pytest.approx(0.5, abs=0.06)


SHAPES = [(1, 1), (1, 640), (480, 1), (2, 3), (17, 1280), (1280, 720), (720, 1280)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 90, 255])
def test_even_images_of_any_shape_have_nobody_in_them(
    tracker: LightTracker, shape: tuple[int, int], level: int
) -> None:
    assert film(tracker, [np.full((*shape, 3), level, np.uint8)] * 2) == [[]] * 2


def noise(rng: np.random.Generator) -> Pixels:
    """One image of noise: even or normal, fine or coarse, in colour or grey, of any contrast."""
    grain = int(rng.choice([1, 2, 4, 8, 16, 32]))
    height, width = -(-120 // grain), -(-160 // grain)
    channels = int(rng.choice([1, 3]))
    if rng.random() < 0.5:
        values = rng.uniform(0, 255, (height, width, channels))
    else:
        values = rng.normal(rng.uniform(0, 255), rng.uniform(1, 90), (height, width, channels))
    large = values.clip(0, 255).astype(np.uint8).repeat(grain, 0).repeat(grain, 1)
    return np.ascontiguousarray(np.broadcast_to(large, (*large.shape[:2], 3)))


def visitors_in_noise(tracker: LightTracker, images: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    return sum(bool(tracker.find(Image(noise(rng), i))) for i in range(images))


def test_noise_is_nobody(tracker: LightTracker) -> None:
    assert visitors_in_noise(tracker, 300, seed=1) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_images_of_noise_are_nobody(tracker: LightTracker) -> None:
    assert visitors_in_noise(tracker, 10_000, seed=2) == 0


def test_the_same_film_is_seen_the_same_way_twice() -> None:
    pictures = faces.drifting(faces.photograph(), 6)
    first, again = (
        [face.landmarks for seen in film(opened, pictures) for face in seen]
        for opened in (open_light_tracker(faces.MODELS, Eye()) for _ in range(2))
    )
    assert len(first) == 6
    assert np.array_equal(first, again)
