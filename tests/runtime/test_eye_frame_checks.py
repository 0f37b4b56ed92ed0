"""Unusable images: repeated, black or upside down."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from tests.support import faces

from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.frame_checks import FROZEN_S, FreezeDetector, identical, is_black
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.tracking.orientation import OrientationCheck
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Tracker

NS = 1_000_000_000
BLACK_IMAGE = np.zeros((48, 64, 3), np.uint8)


def test_images_with_sensor_noise_are_new() -> None:
    detector = FreezeDetector()
    assert all(detector.step(Image(faces.noisy(i), 0), 0.1 * i) for i in range(100))


def test_one_different_pixel_makes_an_image_new() -> None:
    one, other = faces.noisy(1), faces.noisy(1)
    other[17, 23, 1] += 1
    assert identical(one, faces.noisy(1))
    assert not identical(one, other)


def test_a_repeated_image_is_not_new_and_later_a_fault() -> None:
    detector = FreezeDetector()
    assert detector.step(Image(faces.noisy(1), 0), 10.0)
    assert not detector.step(Image(faces.noisy(1), 0), 10.1)
    assert not detector.step(Image(faces.noisy(1), 0), 10.0 + FROZEN_S)
    with pytest.raises(CameraError, match="has frozen"):
        detector.step(Image(faces.noisy(1), 0), 10.1 + FROZEN_S)


def test_after_reopening_the_old_image_is_a_repeat_and_the_timeout_restarts() -> None:
    detector = FreezeDetector()
    detector.step(Image(faces.noisy(1), 0), 10.0)
    detector.step(Image(faces.noisy(1), 0), 10.1)
    detector.reopened()
    assert not detector.step(Image(faces.noisy(1), 0), 20.0)
    assert detector.step(Image(faces.noisy(2), 0), 20.1)


def test_images_that_each_arrive_twice_are_no_fault() -> None:
    detector = FreezeDetector()
    is_new = [detector.step(Image(faces.noisy(i // 2), 0), i / 30) for i in range(300)]
    assert is_new == [True, False] * 150


def test_black_without_noise_may_last_forever() -> None:
    detector = FreezeDetector()
    assert all(detector.step(Image(BLACK_IMAGE.copy(), 0), float(i)) for i in range(100))


def test_a_capped_lens_is_black_with_its_noise_and_a_dim_room_is_not() -> None:
    assert is_black(faces.noisy(1, level=6.0, noise=5.0))
    assert not is_black(faces.noisy(1, level=40.0, noise=5.0))
    candle = faces.noisy(1, level=6.0, noise=5.0)
    candle[16:32, 16:32] = 120
    assert not is_black(candle)


@pytest.fixture(params=["mediapipe", "light"])
def tracker(request: pytest.FixtureRequest) -> Iterator[Tracker]:
    made = open_tracker(faces.MODELS, Eye(tracker=request.param))
    yield made
    made.close()


def n_found(
    check: OrientationCheck, photographs: list[np.ndarray], seconds: float, start_s: float
) -> int:
    """In how many images, at five a second, a face is found."""
    images = [
        Image(photographs[i % len(photographs)], round((start_s + i / 5) * NS))
        for i in range(round(5 * seconds))
    ]
    return sum(bool(check.find(image)) for image in images)


@pytest.mark.slow
def test_an_inverted_camera_is_detected_within_seconds_and_so_is_its_return(
    tracker: Tracker,
) -> None:
    photographs = faces.drifting(faces.photograph(), 7)
    inverted = [cv2.rotate(photograph, cv2.ROTATE_180) for photograph in photographs]
    check = OrientationCheck(tracker)
    n_found(check, inverted, 12.0, 1.0)
    assert check.upside_down
    assert n_found(check, inverted, 2.0, 14.0) == 10
    n_found(check, [np.full((480, 640, 3), 90, np.uint8)], 1.0, 16.0)
    n_found(check, photographs, 12.0, 17.0)
    assert not check.upside_down


class FakeTracker:
    """Finds a face in upright or inverted images, as set, and counts its calls."""

    def __init__(self, *, upright: bool, inverted: bool) -> None:
        self.upright, self.inverted, self.calls = upright, inverted, 0

    def find(self, image: Image) -> object | None:
        return object() if self.has_face(image) else None

    def has_face(self, image: Image) -> bool:
        self.calls += 1
        stands = image.pixels[0, 0, 0] == 255  # the mark is where it was drawn
        return self.upright if stands else self.inverted


def marked(time_s: float) -> Image:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0] = 255
    return Image(pixels, round(time_s * NS))


def test_the_inverted_search_costs_one_detection_a_second() -> None:
    tracker = FakeTracker(upright=False, inverted=False)
    check = OrientationCheck(tracker)
    for i in range(300):
        check.find(marked(1.0 + i / 30))
    assert 300 < tracker.calls <= 311


def test_while_a_face_is_found_no_inverted_search_runs() -> None:
    tracker = FakeTracker(upright=True, inverted=True)
    check = OrientationCheck(tracker)
    for i in range(300):
        assert check.find(marked(1.0 + i / 30))
    assert tracker.calls == 300
    assert not check.upside_down


def test_a_brief_inverted_face_between_visitors_changes_nothing() -> None:
    tracker = FakeTracker(upright=True, inverted=True)
    check = OrientationCheck(tracker)
    for i in range(3000):
        tracker.upright = i % 100 >= 40  # a face is inverted for about a second
        check.find(marked(1.0 + i / 30))
        assert not check.upside_down
