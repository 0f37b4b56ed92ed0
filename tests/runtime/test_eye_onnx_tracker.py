"""The light tracker: detection, tracking and loss of faces, and images without one."""

from __future__ import annotations

import os

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

N_NOISE = int(os.environ.get("LATENT_RESONANCE_NOISE_IMAGES", "2000"))

IMAGE = Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0)


@pytest.mark.parametrize("invalid", [np.nan, np.inf, -np.inf, 0.0, 1e30])
def test_invalid_network_outputs_are_no_faces(invalid: float) -> None:
    tracker = OnnxTracker(detector(finds_face=True), face_mesh(10.0, invalid), Eye())
    assert tracker.find(IMAGE) == []
    assert tracker.find(IMAGE) == []
    unsure = OnnxTracker(detector(finds_face=True), face_mesh(np.nan), Eye())
    assert unsure.find(IMAGE) == []


def test_a_face_is_tracked_without_the_detector_until_it_is_lost() -> None:
    face_detector, mesh = detector(finds_face=True), face_mesh(10.0)
    tracker = OnnxTracker(face_detector, mesh, Eye(max_faces=1))
    assert [len(tracker.find(IMAGE)) for _ in range(5)] == [1] * 5
    assert (face_detector.calls, mesh.calls) == (1, 5)


def test_below_max_faces_the_detector_runs_on_every_image() -> None:
    face_detector, mesh = detector(finds_face=True), face_mesh(10.0)
    tracker = OnnxTracker(face_detector, mesh, Eye(max_faces=2))
    for _ in range(5):
        assert len(tracker.find(IMAGE)) >= 1
    assert face_detector.calls == 5


def test_a_face_that_the_mesh_rejects_is_dropped_and_detected_again() -> None:
    face_detector = detector(finds_face=True)
    tracker = OnnxTracker(face_detector, face_mesh(-10.0), Eye(max_faces=1))
    assert [tracker.find(IMAGE) for _ in range(3)] == [[]] * 3
    assert face_detector.calls == 3


@pytest.fixture(scope="module")
def networks() -> tuple[Network, Network]:
    return Network(faces.MODELS, DETECTOR), Network(faces.MODELS, MESH)


@pytest.fixture
def tracker(networks: tuple[Network, Network]) -> OnnxTracker:
    return OnnxTracker(*networks, Eye())


def tracked(tracker: OnnxTracker, images: list[Pixels]) -> list[list[Face]]:
    return [tracker.find(Image(image, i)) for i, image in enumerate(images)]


def test_a_face_that_leaves_and_returns_is_found_again(tracker: OnnxTracker) -> None:
    there, gone = faces.photograph(), np.full_like(faces.photograph(), 90)
    seen = tracked(tracker, [there] * 3 + [gone] * 3 + [there] * 3)
    assert [len(each) for each in seen] == [1] * 3 + [0] * 3 + [1] * 3


def test_an_inverted_face_is_not_found(tracker: OnnxTracker) -> None:
    assert tracked(tracker, [np.rot90(faces.photograph(), 2).copy()] * 3) == [[]] * 3


def test_two_faces_are_found(tracker: OnnxTracker) -> None:
    left = faces.placed(faces.photograph(), 0.8, (-150, 0))
    left[:, WIDTH // 2 :] = faces.placed(faces.photograph(), 0.8, (170, 0))[:, WIDTH // 2 :]
    for seen in tracked(tracker, [left] * 4):
        first, second = sorted(face.landmarks[4, 0] for face in seen)
        assert second - first > 250


@pytest.mark.parametrize("roll", [-0.5, 0.5])
def test_a_tilted_face_has_a_tilted_rotation(tracker: OnnxTracker, roll: float) -> None:
    upright = tracked(tracker, [faces.photograph()] * 2)[-1][0]
    tilted = tracked(tracker, [faces.placed(faces.photograph(), 1, (0, 0), roll=roll)] * 4)[-1][0]
    change = angles(tilted.rotation)[2] - angles(upright.rotation)[2]
    assert abs(change) == pytest.approx(0.5, abs=0.06)


SHAPES = [(1, 1), (1, 640), (480, 1), (2, 3), (17, 1280), (1280, 720), (720, 1280)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 90, 255])
def test_even_images_of_any_shape_contain_no_face(
    tracker: OnnxTracker, shape: tuple[int, int], level: int
) -> None:
    assert tracked(tracker, [np.full((*shape, 3), level, np.uint8)] * 2) == [[]] * 2


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


def faces_in_noise(tracker: OnnxTracker, images: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    return sum(bool(tracker.find(Image(noise(rng), i))) for i in range(images))


@pytest.mark.timeout(600)
def test_thousands_of_images_of_noise_contain_no_face(tracker: OnnxTracker) -> None:
    assert faces_in_noise(tracker, N_NOISE, seed=2) == 0


def test_the_same_images_give_the_same_landmarks_each_time() -> None:
    images = faces.drifting(faces.photograph(), 6)
    first, again = (
        [face.landmarks for seen in tracked(opened, images) for face in seen]
        for opened in (open_onnx_tracker(faces.MODELS, Eye()) for _ in range(2))
    )
    assert len(first) == 6
    assert np.array_equal(first, again)
