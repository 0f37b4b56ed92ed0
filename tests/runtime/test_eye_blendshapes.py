"""Blendshapes: MediaPipe's own scores, from MediaPipe's landmarks, on ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from latent_resonance.eye.tracking.onnx import blendshapes as shapes
from latent_resonance.eye.tracking.onnx.session import BlendshapeNetwork
from latent_resonance.eye.tracking.tracker import BUNDLE, TrackerError

MODELS = Path(__file__).parents[2] / "models"


class Result(NamedTuple):
    """What MediaPipe finds in an image: landmarks in pixels, (478, 3), names and scores, (52,)."""

    landmarks: NDArray[np.float64]
    names: list[str]
    scores: NDArray[np.float64]


@pytest.fixture(scope="module")
def network() -> BlendshapeNetwork:
    return BlendshapeNetwork(MODELS)


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Of a photograph (NASA, public domain), its mirror image, and it rotated by 25°."""
    mediapipe = pytest.importorskip("mediapipe")
    vision = mediapipe.tasks.vision
    options = vision.FaceLandmarkerOptions(
        base_options=mediapipe.tasks.BaseOptions(model_asset_path=str(MODELS / BUNDLE)),
        output_face_blendshapes=True,
    )
    photograph = np.ascontiguousarray(data.astronaut()[:400])
    height, width = photograph.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 3), 25.0, 0.9)
    images = {
        "photograph": photograph,
        "mirrored": np.ascontiguousarray(photograph[:, ::-1]),
        "rotated": cv2.warpAffine(photograph, turn, (width, height)),
    }
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        found = {
            name: landmarker.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, image))
            for name, image in images.items()
        }
    pixels = np.array([width, height, width])
    return {
        name: Result(
            np.array([(p.x, p.y, p.z) for p in each.face_landmarks[0]]) * pixels,
            [category.category_name for category in each.face_blendshapes[0]],
            np.array([category.score for category in each.face_blendshapes[0]]),
        )
        for name, each in found.items()
    }


@pytest.mark.parametrize("image", ["photograph", "mirrored", "rotated"])
def test_scores_are_mediapipes_own(
    results: dict[str, Result], network: BlendshapeNetwork, image: str
) -> None:
    scores = shapes.blendshapes(network, results[image].landmarks)
    assert scores.shape == (shapes.N_BLENDSHAPES,)
    assert scores == pytest.approx(results[image].scores, abs=1e-5)
    assert np.ptp(scores) > 0.3  # a smile, at least


def test_constants_are_the_positions_of_mediapipes_names(results: dict[str, Result]) -> None:
    names = results["photograph"].names
    upper = {
        "".join("_" + c if c.isupper() else c for c in name).upper(): i
        for i, name in enumerate(names)
    }
    constants = {
        name: value
        for name, value in vars(shapes).items()
        if name.startswith(("BROW", "EYE", "JAW", "MOUTH"))
    }
    assert constants
    assert constants == {name: upper[name] for name in constants}


def test_the_smile_of_the_photograph_shows_on_both_sides(
    results: dict[str, Result], network: BlendshapeNetwork
) -> None:
    scores = shapes.blendshapes(network, results["photograph"].landmarks)
    assert scores[[shapes.MOUTH_SMILE_LEFT, shapes.MOUTH_SMILE_RIGHT]].min() > 0.5
    assert scores[[shapes.EYE_BLINK_LEFT, shapes.JAW_OPEN]].max() < 0.5


@pytest.mark.parametrize(("scale", "shift"), [(0.25, 0.0), (1.0, 1000.0), (3.0, -200.0)])
def test_the_size_and_the_position_of_a_face_do_not_matter(
    results: dict[str, Result], network: BlendshapeNetwork, scale: float, shift: float
) -> None:
    landmarks = results["photograph"].landmarks
    scores = shapes.blendshapes(network, landmarks * scale + shift)
    assert scores == pytest.approx(shapes.blendshapes(network, landmarks), abs=1e-3)


def test_the_input_is_x_and_y_of_146_of_the_landmarks_in_order() -> None:
    landmarks = np.arange(478 * 3, dtype=np.float64).reshape(478, 3)
    given = shapes.network_input(landmarks)
    assert (given.shape, given.dtype) == ((1, 146, 2), np.float32)
    assert np.array_equal(given[0, :, 0] / 3, shapes.LANDMARKS)
    assert np.array_equal(given[0, :, 1] - 1, given[0, :, 0])
    assert sorted(set(shapes.LANDMARKS)) == list(shapes.LANDMARKS)


def test_a_missing_network_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match=r"face_blendshapes.onnx: .*; check it out again$"):
        BlendshapeNetwork(tmp_path)


def test_a_failed_inference_is_a_one_line_error(network: BlendshapeNetwork) -> None:
    with pytest.raises(TrackerError, match=r"^face_blendshapes.onnx failed: [^\n]+$"):
        network.run(np.zeros((1, 145, 2), np.float32))
