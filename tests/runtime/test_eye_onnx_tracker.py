"""The light tracker: whom it follows, whom it loses, and nobody where there is nobody."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import faces
from tests.support.known_networks import HEIGHT, WIDTH, detector, face_mesh

from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.camera import Image, Pixels
from latent_resonance.eye.features.geometry import angles
from latent_resonance.eye.tracking.onnx.session import DETECTOR, MESH, Network
from latent_resonance.eye.tracking.onnx.tracker import OnnxTracker, open_onnx_tracker
from latent_resonance.eye.tracking.tracker import Face

IMAGE = Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 0.0, 1e30])
def test_networks_that_answer_nonsense_see_nobody(poison: float) -> None:
    nobody = OnnxTracker(detector(sees=True), face_mesh(10.0, poison), Eye())
    assert nobody.find(IMAGE) == []
    assert nobody.find(IMAGE) == []
    unsure = OnnxTracker(detector(sees=True), face_mesh(np.nan), Eye())
    assert unsure.find(IMAGE) == []


def test_a_face_is_followed_without_the_detector_until_it_is_lost() -> None:
    finds, follows = detector(sees=True), face_mesh(10.0)
    tracker = OnnxTracker(finds, follows, Eye(max_faces=1))
    assert [len(tracker.find(IMAGE)) for _ in range(5)] == [1] * 5
    assert (finds.calls, follows.calls) == (1, 5)


def test_with_a_place_free_the_detector_looks_for_another_face() -> None:
    finds, follows = detector(sees=True), face_mesh(10.0)
    tracker = OnnxTracker(finds, follows, Eye(max_faces=2))
    for _ in range(5):
        assert len(tracker.find(IMAGE)) >= 1
    assert finds.calls == 5


def test_a_face_that_the_mesh_does_not_confirm_is_forgotten_and_looked_for() -> None:
    finds = detector(sees=True)
    tracker = OnnxTracker(finds, face_mesh(-10.0), Eye(max_faces=1))
    assert [tracker.find(IMAGE) for _ in range(3)] == [[]] * 3
    assert finds.calls == 3


@pytest.fixture(scope="module")
def networks() -> tuple[Network, Network]:
    return Network(faces.MODELS, DETECTOR), Network(faces.MODELS, MESH)


@pytest.fixture
def tracker(networks: tuple[Network, Network]) -> OnnxTracker:
    return OnnxTracker(*networks, Eye())


def film(tracker: OnnxTracker, pictures: list[Pixels]) -> list[list[Face]]:
    return [tracker.find(Image(picture, i)) for i, picture in enumerate(pictures)]


def test_a_face_that_leaves_and_returns_is_found_again(tracker: OnnxTracker) -> None:
    there, gone = faces.photograph(), np.full_like(faces.photograph(), 90)
    seen = film(tracker, [there] * 3 + [gone] * 3 + [there] * 3)
    assert [len(each) for each in seen] == [1] * 3 + [0] * 3 + [1] * 3


def test_a_face_upside_down_is_nobody(tracker: OnnxTracker) -> None:
    assert film(tracker, [np.rot90(faces.photograph(), 2).copy()] * 3) == [[]] * 3


def test_two_faces_are_two(tracker: OnnxTracker) -> None:
    left = faces.placed(faces.photograph(), 0.8, (-150, 0))
    left[:, WIDTH // 2 :] = faces.placed(faces.photograph(), 0.8, (170, 0))[:, WIDTH // 2 :]
    for seen in film(tracker, [left] * 4):
        first, second = sorted(face.landmarks[4, 0] for face in seen)
        assert second - first > 250


@pytest.mark.parametrize("roll", [-0.5, 0.5])
def test_a_face_on_its_side_is_seen_on_its_side(tracker: OnnxTracker, roll: float) -> None:
    upright = film(tracker, [faces.photograph()] * 2)[-1][0]
    tilted = film(tracker, [faces.placed(faces.photograph(), 1, (0, 0), roll=roll)] * 4)[-1][0]
    change = angles(tilted.rotation)[2] - angles(upright.rotation)[2]
    assert abs(change) == pytest.approx(0.5, abs=0.06)


SHAPES = [(1, 1), (1, 640), (480, 1), (2, 3), (17, 1280), (1280, 720), (720, 1280)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 90, 255])
def test_even_images_of_any_shape_have_nobody_in_them(
    tracker: OnnxTracker, shape: tuple[int, int], level: int
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


def visitors_in_noise(tracker: OnnxTracker, images: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    return sum(bool(tracker.find(Image(noise(rng), i))) for i in range(images))


def test_noise_is_nobody(tracker: OnnxTracker) -> None:
    assert visitors_in_noise(tracker, 300, seed=1) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_images_of_noise_are_nobody(tracker: OnnxTracker) -> None:
    assert visitors_in_noise(tracker, 10_000, seed=2) == 0


def test_the_same_film_is_seen_the_same_way_twice() -> None:
    pictures = faces.drifting(faces.photograph(), 6)
    first, again = (
        [face.landmarks for seen in film(opened, pictures) for face in seen]
        for opened in (open_onnx_tracker(faces.MODELS, Eye()) for _ in range(2))
    )
    assert len(first) == 6
    assert np.array_equal(first, again)
