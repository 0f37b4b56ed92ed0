"""The ONNX tracker: its own networks find a face, follow and lose it, and see none in noise."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import faces
from tests.support.known_networks import HEIGHT, WIDTH, ConstantNetwork, detector, face_mesh

from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.image import Image, Pixels
from latent_resonance.eye.features.geometry import angles
from latent_resonance.eye.tracking.face_tracker import OTHERS_S, FaceTracker
from latent_resonance.eye.tracking.onnx.detector import FaceDetector
from latent_resonance.eye.tracking.onnx.landmarker import OnnxLandmarker
from latent_resonance.eye.tracking.roi import Roi, roi_from_landmarks
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Face, Tracker

FloatArray = NDArray[np.float64]

N_NOISE = int(os.environ.get("LATENT_RESONANCE_NOISE_IMAGES", "2000"))

IMAGE = Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0)
REGION = Roi(WIDTH / 2, HEIGHT / 2, 200.0, 200.0)


def tracker_with(face_detector: ConstantNetwork, mesh: ConstantNetwork) -> FaceTracker:
    """The tracker with fake networks."""
    return FaceTracker(
        FaceDetector(face_detector, 0.5, 2).find,
        lambda _pixels, _roi: True,
        OnnxLandmarker(mesh, 0.5),
        lambda _: np.zeros(52, np.float32),
        absence_s=3.0,
    )


@pytest.mark.parametrize("invalid", [np.nan, np.inf, -np.inf, 0.0, 1e30])
def test_invalid_network_outputs_are_no_faces(invalid: float) -> None:
    tracker = tracker_with(detector(finds_face=True), face_mesh(10.0, invalid))
    assert [tracker.find(Image(IMAGE.pixels, i * faces.NS)) for i in range(3)] == [None] * 3
    unsure = tracker_with(detector(finds_face=True), face_mesh(np.nan))
    assert unsure.find(IMAGE) is None


def test_a_face_is_followed_with_the_landmark_network_alone() -> None:
    face_detector, mesh = detector(finds_face=True), face_mesh(10.0)
    tracker = tracker_with(face_detector, mesh)
    times_ns = [i * faces.NS // 30 for i in range(60)]
    assert all(tracker.find(Image(IMAGE.pixels, time_ns)) for time_ns in times_ns)
    assert mesh.calls == 60
    assert face_detector.calls == pytest.approx(2.0 / OTHERS_S, abs=1)


def test_a_landmarker_follows_the_region_that_it_was_given_until_the_face_is_lost() -> None:
    mesh = face_mesh(10.0)
    landmarker = OnnxLandmarker(mesh, 0.5)
    assert landmarker.find(IMAGE) is None
    landmarker.start(REGION)
    for _ in range(5):
        landmarks = landmarker.find(IMAGE)
        assert landmarks is not None
        around = roi_from_landmarks(landmarks)
        assert (around.x, around.y) == pytest.approx((REGION.x, REGION.y), abs=1.0)
        assert around.width == pytest.approx(REGION.width, rel=0.01)
    landmarker.close()
    assert landmarker.find(IMAGE) is None
    assert mesh.calls == 5


class MovingMesh(ConstantNetwork):
    """A face mesh that returns its face each time a given number of pixels farther right."""

    def __init__(self, offsets: list[float]) -> None:
        still = face_mesh(10.0)
        super().__init__(still.side, *still.run(np.zeros((still.side, still.side, 3), np.uint8)))
        self._offsets = offsets

    def run(self, patch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        points, presence = super().run(patch)
        shift = np.array((self._offsets[self.calls - 1], 0, 0), np.float32)
        return points + shift, presence


def middles(landmarker: OnnxLandmarker, n_images: int, first: int = 0) -> FloatArray:
    """The x of the middle of the landmarks in images that come 30 times a second."""
    found = [
        landmarker.find(Image(IMAGE.pixels, i * faces.NS // 30))
        for i in range(first, first + n_images)
    ]
    return np.array([each[:, 0].mean() for each in found if each is not None])


def test_a_trembling_face_is_smoothed_and_a_quick_one_hardly_lags() -> None:
    tremble = np.random.default_rng(0).normal(0.0, 0.2, 90)
    trembling = OnnxLandmarker(MovingMesh(np.diff(tremble, prepend=0.0).tolist()), 0.5)
    trembling.start(REGION)
    seen = middles(trembling, 90)
    assert len(seen) == 90
    assert seen.std() < 0.5 * tremble.std() * REGION.width / 256
    step = 10.0 * REGION.width / 256  # pixels an image, of the region's 200
    quick = OnnxLandmarker(MovingMesh([10.0] * 30), 0.5)
    quick.start(REGION)
    true = middles(quick, 1)[0] + step * np.arange(30)
    lags = (true[1:] - middles(quick, 29, first=1)) / step
    assert lags[5:].max() < 0.5  # images


def test_the_smoothing_starts_anew_with_each_face() -> None:
    landmarker, fresh = (OnnxLandmarker(face_mesh(10.0), 0.5) for _ in range(2))
    landmarker.start(REGION)
    middles(landmarker, 5)
    near = Roi(REGION.x + 2.0, REGION.y, REGION.width, REGION.height)
    for each in (landmarker, fresh):
        each.start(near)
    assert middles(landmarker, 1, first=5) == middles(fresh, 1)


def test_a_face_below_the_lowest_score_is_lost_and_not_looked_at_again() -> None:
    mesh = face_mesh(0.4)  # a logit: 0.6
    for min_confidence, is_face in ((0.55, True), (0.65, False)):
        landmarker = OnnxLandmarker(mesh, min_confidence)
        landmarker.start(REGION)
        assert (landmarker.find(IMAGE) is not None) is is_face
        assert (landmarker.find(IMAGE) is not None) is is_face
    assert mesh.calls == 3


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    opened = open_tracker(faces.MODELS, Eye(tracker="light"))
    yield opened
    opened.close()


def tracked(tracker: Tracker, images: list[Pixels]) -> list[Face | None]:
    """The faces in images that come ten times a second, so that each is searched."""
    return [tracker.find(Image(image, i * faces.NS // 10)) for i, image in enumerate(images)]


def test_a_face_that_leaves_and_returns_is_found_again(tracker: Tracker) -> None:
    there, gone = faces.photograph(), np.full_like(faces.photograph(), 90)
    seen = tracked(tracker, [there] * 3 + [gone] * 3 + [there] * 3)
    assert [each is not None for each in seen] == [True] * 3 + [False] * 3 + [True] * 3
    assert {each.visitor for each in seen if each} == {1}


def test_an_inverted_face_is_not_found(tracker: Tracker) -> None:
    assert tracked(tracker, [np.rot90(faces.photograph(), 2).copy()] * 3) == [None] * 3


@pytest.mark.parametrize(("left", "right", "expected_left"), [(0.8, 0.6, True), (0.6, 0.8, False)])
def test_of_two_faces_the_nearer_one_is_followed(
    tracker: Tracker, left: float, right: float, *, expected_left: bool
) -> None:
    picture = faces.placed(faces.photograph(), left, (-150, 0))
    picture[:, WIDTH // 2 :] = faces.placed(faces.photograph(), right, (170, 0))[:, WIDTH // 2 :]
    for face in tracked(tracker, [picture] * 4):
        assert face is not None
        assert (face.landmarks[4, 0] < WIDTH / 2) is np.bool_(expected_left)


@pytest.mark.parametrize("roll", [-0.5, 0.5])
def test_a_tilted_face_has_a_tilted_rotation(tracker: Tracker, roll: float) -> None:
    tilted_picture = faces.placed(faces.photograph(), 1, (0, 0), roll=roll)
    pictures = [faces.photograph()] * 2 + [tilted_picture] * 4
    _, upright, *_, tilted = tracked(tracker, pictures)
    assert upright is not None
    assert tilted is not None
    change = angles(tilted.rotation)[2] - angles(upright.rotation)[2]
    assert abs(change) == pytest.approx(0.5, abs=0.06)


SHAPES = [(1, 1), (1, 640), (480, 1), (2, 3), (17, 1280), (1280, 720), (720, 1280)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 90, 255])
def test_even_images_of_any_shape_contain_no_face(
    tracker: Tracker, shape: tuple[int, int], level: int
) -> None:
    assert tracked(tracker, [np.full((*shape, 3), level, np.uint8)] * 2) == [None] * 2


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


def faces_in_noise(tracker: Tracker, images: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    times_ns = (i * faces.NS // 10 for i in range(images))  # so that each is searched
    return sum(tracker.find(Image(noise(rng), time_ns)) is not None for time_ns in times_ns)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thousands_of_images_of_noise_contain_no_face(tracker: Tracker) -> None:
    assert faces_in_noise(tracker, N_NOISE, seed=2) == 0


def test_the_same_images_give_the_same_landmarks_each_time() -> None:
    images = faces.drifting(faces.photograph(), 6)
    first, again = (
        [face.landmarks for face in tracked(opened, images) if face]
        for opened in (open_tracker(faces.MODELS, Eye(tracker="light")) for _ in range(2))
    )
    assert len(first) == 6
    assert np.array_equal(first, again)
