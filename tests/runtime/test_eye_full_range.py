"""BlazeFace's full-range network: its anchors, its boxes, and faces of every size."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from tests.support import composed_films, film_pictures, films

from latent_resonance.eye.tracking.onnx.blazeface import EYES, HIGH, LOW, SIDE, anchors, detections
from latent_resonance.eye.tracking.onnx.detector import FaceDetector
from latent_resonance.eye.tracking.onnx.session import FULL_RANGE, Network
from latent_resonance.eye.tracking.roi import Roi

MODELS = Path(__file__).parents[2] / "models"
PHOTOGRAPH = data.astronaut()  # NASA, public domain; 512 × 512
EYES_IN_PHOTOGRAPH = np.array([[202.0, 103.0], [248.0, 106.0]])


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(MODELS, FULL_RANGE)


def found(network: Network, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Detections in pixels of the network's input."""
    return detections(*network.run(image), 0.5) * SIDE


def scaled(scale: float, x: float, y: float) -> NDArray[np.uint8]:
    """The photograph, its corner at (x, y), with grey around it."""
    to = np.array([[scale, 0, x], [0, scale, y]])
    small = cv2.GaussianBlur(PHOTOGRAPH, (0, 0), 0.5 / scale)
    return cv2.warpAffine(small, to, (SIDE, SIDE), borderValue=(127, 127, 127))


def test_anchors_are_the_centres_of_cells_of_four_pixels_along_the_row_first() -> None:
    pixels = anchors() * SIDE
    assert pixels.shape == (2304, 2)
    assert pixels[[0, 1, 48, -1]].tolist() == [[2, 2], [6, 2], [2, 6], [190, 190]]


def test_a_box_is_decoded_relative_to_its_anchor_in_pixels_of_the_input() -> None:
    boxes, logits = np.zeros((2304, 8, 2), np.float32), np.full(2304, -100.0, np.float32)
    boxes[49], logits[49] = (1.0, -2.0), 100.0  # the cell around (6, 6)
    boxes[49, 1] = (20.0, 30.0)
    (face,) = detections(boxes.reshape(2304, 16), logits, 0.5) * SIDE
    assert face[LOW] == pytest.approx([7 - 10, 4 - 15])
    assert face[HIGH] == pytest.approx([7 + 10, 4 + 15])
    assert face[2:] == pytest.approx(np.tile([7.0, 4.0], (6, 1)))


@pytest.mark.parametrize("scale", [0.5, 0.35, 0.25, 0.15, 0.12])
def test_a_near_and_a_distant_face_are_found_with_their_eyes(
    network: Network, scale: float
) -> None:
    """At the smallest, the eyes are 5.5 of 192 pixels apart."""
    (face,) = found(network, scaled(scale, 20.0, 30.0))
    expected = EYES_IN_PHOTOGRAPH * scale + (20.0, 30.0)
    assert face[EYES] == pytest.approx(expected, abs=2.0)
    assert np.all((face[LOW] < expected.min(axis=0)) & (face[HIGH] > expected.max(axis=0)))


@pytest.mark.parametrize(("x", "y"), [(-40.0, 0.0), (60.0, 10.0), (20.0, 100.0)])
def test_a_face_is_found_where_it_is(network: Network, x: float, y: float) -> None:
    (face,) = found(network, scaled(0.25, x, y))
    assert face[EYES] == pytest.approx(EYES_IN_PHOTOGRAPH * 0.25 + (x, y), abs=2.0)


def test_an_image_without_a_face_has_no_detections(network: Network) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    for image in (np.zeros_like(noise), noise, noise // 4 + 96):
        assert len(found(network, image)) == 0


@pytest.mark.parametrize("eyes_px", [130, 40, 16])
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.0, 1.0)])
def test_a_second_look_confirms_a_face_of_any_size_and_place_and_nothing_beside_it(
    network: Network, eyes_px: float, place: tuple[float, float]
) -> None:
    view = film_pictures.View(eyes_px, place)
    pixels = next(films.film("rest, still", view).images()).pixels
    x, y = film_pictures.place_px(view)
    roi = Roi(float(x), float(y) + 0.25 * eyes_px, 2.8 * eyes_px, 2.8 * eyes_px)
    detector = FaceDetector(network, 0.5, 2)
    assert detector.confirms(pixels, roi)
    beside = -1.0 if place[0] else 1.0
    assert not detector.confirms(pixels, replace(roi, x=roi.x + beside * roi.width))
    assert not detector.confirms(pixels, replace(roi, width=3 * roi.width))
    assert not detector.confirms(pixels, replace(roi, x=-10 * roi.width))


@pytest.mark.slow
def test_a_second_look_does_not_confirm_the_texture_that_both_networks_take_for_a_face(
    network: Network,
) -> None:
    """Part of a turning picture of a rocket: presence over 0.5 for two images in a row."""
    film = composed_films.empty_rooms()["things with texture"]
    pixels = next(islice(film.images(20.0), 158, None)).pixels
    assert not FaceDetector(network, 0.5, 2).confirms(pixels, Roi(391.0, 172.0, 65.0, 65.0))
