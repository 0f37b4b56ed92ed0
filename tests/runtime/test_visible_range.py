"""How far the doctor says that a camera sees a face."""

from __future__ import annotations

import math

import pytest

from latent_resonance.doctor.visible_range import EYES_M, FACE_M, visible_range


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), "faces from 0.4 to 2.6 m at 70°"),
        ((1280, 720), "faces from 0.5 to 2.7 m at 70°"),
        ((320, 240), "faces from 0.4 to 1.3 m at 70°"),
    ],
)
def test_the_range_follows_from_the_size_of_the_image(size: tuple[int, int], expected: str) -> None:
    assert str(visible_range(*size)) == expected


def test_a_narrower_view_sees_farther_and_less_near() -> None:
    narrow, wide = visible_range(640, 480, 50.0), visible_range(640, 480, 90.0)
    assert narrow.near_m > wide.near_m
    assert narrow.far_m > wide.far_m


def test_at_90_degrees_a_quadratic_image_spans_twice_the_distance() -> None:
    found = visible_range(480, 480, 90.0)
    assert found.near_m == pytest.approx(FACE_M / 2)
    assert found.far_m == pytest.approx(EYES_M / 2 * 480 / 16)


def test_a_rotated_camera_sees_as_far_and_nearer() -> None:
    across, upright = visible_range(1280, 720), visible_range(720, 1280)
    assert upright.far_m == across.far_m
    assert math.isclose(upright.near_m, across.near_m * 720 / 1280)


def test_more_pixels_than_the_detector_uses_do_not_see_farther() -> None:
    assert visible_range(1920, 1080).far_m == pytest.approx(visible_range(1280, 720).far_m)
