"""The stages around the networks: boxes, ROIs, and a head of known rotation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support import faces
from tests.support.known_networks import (
    HEIGHT,
    N_ANCHORS,
    WIDTH,
    ConstantNetwork,
    canonical_face,
    detector,
    logits,
    raw_boxes,
    turned,
)

from latent_resonance.eye.tracking import pose
from latent_resonance.eye.tracking.onnx import blazeface
from latent_resonance.eye.tracking.onnx.detector import FaceDetector
from latent_resonance.eye.tracking.roi import (
    MARGIN,
    Roi,
    crop,
    roi_from_box,
    roi_from_landmarks,
    to_image,
)


def test_boxes_of_one_face_become_their_score_weighted_mean() -> None:
    boxes = raw_boxes({10: (0.40, 0.5, 0.2), 700: (0.44, 0.5, 0.2)})
    (found,) = blazeface.detections(boxes, logits({10: 0.9, 700: 0.6}), 0.5)
    expected = (0.9 * 0.40 + 0.6 * 0.44) / 1.5
    assert found[2, 0] == pytest.approx(expected, abs=1e-6)


def test_two_faces_stay_two_with_the_higher_score_first() -> None:
    boxes = raw_boxes({10: (0.2, 0.5, 0.2), 700: (0.7, 0.5, 0.2)})
    found = blazeface.detections(boxes, logits({10: 0.6, 700: 0.9}), 0.5)
    assert found[:, 2, 0] == pytest.approx([0.7, 0.2], abs=1e-6)


@pytest.mark.parametrize("score", [0.499, 0.01])
def test_a_box_below_the_score_threshold_is_no_face(score: float) -> None:
    boxes = raw_boxes({10: (0.2, 0.5, 0.2)})
    assert len(blazeface.detections(boxes, logits({10: score}), 0.5)) == 0
    assert len(blazeface.detections(boxes, logits({10: 0.501}), 0.5)) == 1


@pytest.mark.parametrize("invalid", [np.nan, np.inf, -np.inf])
def test_boxes_that_are_not_finite_or_inverted_are_no_faces(invalid: float) -> None:
    certain = np.full(N_ANCHORS, 50.0, np.float32)
    boxes = np.full((N_ANCHORS, 16), invalid, np.float32)
    assert blazeface.detections(boxes, certain, 0.5).shape == (0, 8, 2)
    inside_out = raw_boxes(dict.fromkeys(range(N_ANCHORS), (0.5, 0.5, -0.2)))
    assert len(blazeface.detections(inside_out, certain, 0.5)) == 0
    unsure = np.full(N_ANCHORS, np.nan, np.float32)
    assert len(blazeface.detections(raw_boxes({10: (0.2, 0.5, 0.2)}), unsure, 0.5)) == 0


def test_iou_is_the_intersection_over_the_union_and_symmetric() -> None:
    one, other, apart = (box(x) for x in (0.0, 0.5, 3.0))
    assert blazeface.iou(one, np.array([one, other, apart])) == pytest.approx([1.0, 1 / 3, 0.0])
    assert blazeface.iou(other, one[None]) == pytest.approx([1 / 3])


def box(x: float) -> NDArray[np.float64]:
    """A detection whose corners are (x, 0) and (x + 1, 1)."""
    return np.array([(x, 0.0), (x + 1.0, 1.0), *[(x, 0.0)] * 6])


SHAPES = [(480, 640), (640, 480), (720, 1280), (48, 64), (3, 1280)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_detected_face_is_where_it_is_in_an_image_of_any_shape(shape: tuple[int, int]) -> None:
    """The network sees the whole image; a small one is not magnified."""
    found = FaceDetector(detector(finds_face=True), 0.5, 2).find(np.zeros((*shape, 3), np.uint8))
    (region,) = found
    middle, side = (shape[1] / 2, shape[0] / 2), max(*shape, blazeface.SIDE)
    assert (region.x, region.y) == pytest.approx(middle, abs=0.01 * side)
    assert region.width == region.height == pytest.approx(0.3 * MARGIN * side, rel=0.02)


@pytest.mark.parametrize(("max_faces", "expected_x"), [(1, [0.7]), (2, [0.7, 0.2])])
def test_the_detector_reports_the_likeliest_faces_up_to_its_limit(
    max_faces: int, expected_x: list[float]
) -> None:
    boxes = raw_boxes({10: (0.2, 0.5, 0.2), 700: (0.7, 0.5, 0.2)})
    network = ConstantNetwork(blazeface.SIDE, boxes, logits({10: 0.6, 700: 0.9}))
    found = FaceDetector(network, 0.5, max_faces).find(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert [region.x / WIDTH for region in found] == pytest.approx(expected_x, abs=1e-3)


@pytest.mark.parametrize(("degrees", "n_found"), [(100.0, 1), (-130.0, 1), (140.0, 0), (180.0, 0)])
def test_a_face_that_lies_is_detected_and_an_inverted_one_is_not(
    degrees: float, n_found: int
) -> None:
    boxes = raw_boxes({700: (0.5, 0.5, 0.3)}).reshape(N_ANCHORS, 8, 2)
    turn = np.radians(degrees)
    across = 10 * np.array([np.cos(turn), np.sin(turn)], np.float32)
    boxes[700, 2:4] = boxes[700, 0] + np.stack([-across, across])
    network = ConstantNetwork(blazeface.SIDE, boxes.reshape(N_ANCHORS, 16), logits({700: 0.9}))
    found = FaceDetector(network, 0.5, 2).find(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert [region.angle for region in found] == pytest.approx([turn] * n_found)


ROIS = st.builds(
    Roi,
    x=st.floats(-100, 740),
    y=st.floats(-100, 580),
    width=st.floats(1, 500),
    height=st.floats(1, 500),
    angle=st.floats(-np.pi, np.pi),
)


@given(ROIS)
def test_a_roi_keeps_its_centre_and_side_lengths_in_the_image(region: Roi) -> None:
    middle, first, along, down = to_image(region, np.array([[0.5, 0.5], [0, 0], [1, 0], [0, 1]]))
    assert middle == pytest.approx([region.x, region.y], abs=1e-6)
    assert np.linalg.norm(along - first) == pytest.approx(region.width)
    assert np.linalg.norm(down - first) == pytest.approx(region.height)
    turned = np.arctan2(*(along - first)[::-1])
    assert np.cos(turned - region.angle) == pytest.approx(1.0, abs=1e-9)


def test_a_roi_is_larger_than_its_box_and_rotated_like_the_eyes() -> None:
    eyes = np.array([[10.0, 20.0], [30.0, 40.0]])
    region = roi_from_box(np.array([0.0, 10.0]), np.array([40.0, 70.0]), eyes)
    assert (region.x, region.y) == (20.0, 40.0)
    assert (region.width, region.height) == (60.0, 90.0)
    assert region.angle == pytest.approx(np.pi / 4)


def test_a_crop_shows_the_roi() -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[100:200, 300:400] = (10, 200, 30)
    patch = crop(pixels, Roi(350, 150, 100, 100), 50, repeat_edge=False)
    assert patch.shape == (50, 50, 3)
    assert np.all(patch[1:-1, 1:-1] == (10, 200, 30))


def test_crop_positions_are_rounded_to_a_32nd_of_a_pixel() -> None:
    """With exact positions the landmarks are fifty times farther from MediaPipe's."""
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)

    def shifted(by: float) -> np.ndarray:
        return crop(noise, Roi(40 + by, 40, 32, 32), 32, repeat_edge=True)

    assert np.array_equal(shifted(0.0), shifted(0.015))
    assert not np.array_equal(shifted(0.0), shifted(0.017))


def test_outside_the_image_a_crop_is_black_or_repeats_the_edge() -> None:
    white = np.full((40, 40, 3), 255, np.uint8)
    region = Roi(0, 20, 40, 40)  # its left half is outside
    black = crop(white, region, 40, repeat_edge=False)
    assert np.all(black[:, :19] == 0)
    assert np.all(black[:-1, 21:] == 255)
    assert np.all(crop(white, region, 40, repeat_edge=True) == 255)


@given(st.floats(-0.9, 0.9), st.floats(-0.6, 0.6), st.floats(-1.5, 1.5), st.floats(50, 300))
def test_the_rotation_of_a_canonical_head_is_recovered(
    yaw: float, pitch: float, roll: float, distance_cm: float
) -> None:
    expected = turned(yaw, pitch, roll)
    found = pose.head_rotation(canonical_face(expected, distance_cm), WIDTH, HEIGHT)
    assert found is not None
    assert np.allclose(found, expected, atol=0.04)  # the scale is estimated in two steps only


def test_a_mirrored_face_has_no_reflected_rotation() -> None:
    mirrored = canonical_face(np.eye(3), 50.0)
    mirrored[:, 0] = WIDTH - mirrored[:, 0]
    mirrored[:, 2] = -mirrored[:, 2]
    found = pose.head_rotation(mirrored, WIDTH, HEIGHT)
    assert found is None or np.linalg.det(found) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.0, 300.0, 1e30])
def test_landmarks_in_a_single_point_have_no_pose(value: float) -> None:
    assert pose.head_rotation(np.full((478, 3), value), WIDTH, HEIGHT) is None


def test_the_next_roi_is_a_square_around_the_landmarks() -> None:
    region = roi_from_landmarks(faces.points())
    inside = to_image(region, np.array([[0.0, 0.0], [1.0, 1.0]]))
    points = faces.points()[:, :2]
    assert np.all(inside[0] < points.min(axis=0))
    assert np.all(inside[1] > points.max(axis=0))
    assert region.width == region.height
