"""Images that are no sight: the same ones again, black ones, and those that are upside down."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from tests.support import faces

from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.camera import CameraError, Image
from latent_resonance.eye.camera.frame_checks import FROZEN_S, FreezeDetector, identical, is_black
from latent_resonance.eye.tracking.mediapipe_tracker import MediaPipeTracker
from latent_resonance.eye.tracking.orientation import OrientationCheck
from latent_resonance.eye.tracking.tracker import Tracker

NS = 1_000_000_000
BLACK_IMAGE = np.zeros((48, 64, 3), np.uint8)


def test_the_noise_of_a_sensor_is_news() -> None:
    novelty = FreezeDetector()
    assert all(novelty.step(Image(faces.noisy(i), 0), 0.1 * i) for i in range(100))


def test_one_pixel_that_differs_is_news() -> None:
    one, other = faces.noisy(1), faces.noisy(1)
    other[17, 23, 1] += 1
    assert identical(one, faces.noisy(1))
    assert not identical(one, other)


def test_an_image_that_comes_again_is_no_news_and_soon_a_fault() -> None:
    novelty = FreezeDetector()
    assert novelty.step(Image(faces.noisy(1), 0), 10.0)
    assert not novelty.step(Image(faces.noisy(1), 0), 10.1)
    assert not novelty.step(Image(faces.noisy(1), 0), 10.0 + FROZEN_S)
    with pytest.raises(CameraError, match="has frozen"):
        novelty.step(Image(faces.noisy(1), 0), 10.1 + FROZEN_S)


def test_a_camera_opened_anew_may_not_show_its_old_image_but_has_time_for_a_new_one() -> None:
    novelty = FreezeDetector()
    novelty.step(Image(faces.noisy(1), 0), 10.0)
    novelty.step(Image(faces.noisy(1), 0), 10.1)
    novelty.reopened()
    assert not novelty.step(Image(faces.noisy(1), 0), 20.0)
    assert novelty.step(Image(faces.noisy(2), 0), 20.1)


def test_images_that_each_come_twice_are_only_a_slow_camera() -> None:
    novelty = FreezeDetector()
    news = [novelty.step(Image(faces.noisy(i // 2), 0), i / 30) for i in range(300)]
    assert news == [True, False] * 150


def test_black_without_noise_may_last_for_ever() -> None:
    novelty = FreezeDetector()
    assert all(novelty.step(Image(BLACK_IMAGE.copy(), 0), float(i)) for i in range(100))


def test_a_capped_lens_is_black_with_its_noise_and_a_dim_room_is_not() -> None:
    assert is_black(faces.noisy(1, level=6.0, noise=5.0))
    assert not is_black(faces.noisy(1, level=40.0, noise=5.0))
    candle = faces.noisy(1, level=6.0, noise=5.0)
    candle[16:32, 16:32] = 120
    assert not is_black(candle)


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    made = MediaPipeTracker(faces.MODELS, Eye())
    yield made
    made.close()


def seen(
    upright: OrientationCheck, pictures: list[np.ndarray], seconds: float, start_s: float
) -> int:
    """In how many of five images a second a face is found."""
    images = [
        Image(pictures[i % len(pictures)], round((start_s + i / 5) * NS))
        for i in range(round(5 * seconds))
    ]
    return sum(bool(upright.find(image)) for image in images)


@pytest.mark.slow
def test_a_camera_upside_down_is_noticed_within_seconds_and_again_when_it_is_turned(
    tracker: Tracker,
) -> None:
    pictures = faces.drifting(faces.photograph(), 7)
    inverted = [cv2.rotate(picture, cv2.ROTATE_180) for picture in pictures]
    upright = OrientationCheck(tracker.find)
    seen(upright, inverted, 12.0, 1.0)
    assert upright.upside_down
    assert seen(upright, inverted, 2.0, 14.0) == 10
    seen(upright, [np.full((480, 640, 3), 90, np.uint8)], 1.0, 16.0)
    seen(upright, pictures, 12.0, 17.0)
    assert not upright.upside_down


class FakeTracker:
    """Finds somebody in the images that it was told of, and counts how often it is asked."""

    def __init__(self, *, upright: bool, inverted: bool) -> None:
        self.upright, self.inverted, self.calls = upright, inverted, 0

    def find(self, image: Image) -> list[object]:
        self.calls += 1
        stands = image.pixels[0, 0, 0] == 255  # the mark is where it was drawn
        return [object()] if (self.upright if stands else self.inverted) else []


def marked(time_s: float) -> Image:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0, 0] = 255
    return Image(pixels, round(time_s * NS))


def test_looking_for_faces_upside_down_costs_one_more_search_a_second() -> None:
    tracker = FakeTracker(upright=False, inverted=False)
    upright = OrientationCheck(tracker.find)
    for i in range(300):
        upright.find(marked(1.0 + i / 30))
    assert 300 < tracker.calls <= 311


def test_while_somebody_is_seen_nothing_is_tried() -> None:
    tracker = FakeTracker(upright=True, inverted=True)
    upright = OrientationCheck(tracker.find)
    for i in range(300):
        assert upright.find(marked(1.0 + i / 30))
    assert tracker.calls == 300
    assert not upright.upside_down


def test_one_sight_upside_down_between_visitors_turns_nothing() -> None:
    tracker = FakeTracker(upright=True, inverted=True)
    upright = OrientationCheck(tracker.find)
    for i in range(3000):
        tracker.upright = i % 100 >= 40  # somebody stands on their head for a second or so
        upright.find(marked(1.0 + i / 30))
        assert not upright.upside_down
