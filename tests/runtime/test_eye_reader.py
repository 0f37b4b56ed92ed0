"""The camera reader: lost, hung, paused and sideways cameras."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from tests.support import faces

from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.camera import CameraError, RotatedCamera
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.camera.reader import CameraReader
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.pipeline import Pipeline
from latent_resonance.eye.tracking.select import open_tracker

pytestmark = pytest.mark.realtime

NS = 1_000_000_000


class FakeCamera:
    """A camera that returns a few images and then fails, or hangs until an event is set."""

    may_repeat = True

    def __init__(
        self, images: int, hang: threading.Event | None = None, timeout_s: float = 5.0
    ) -> None:
        self.images, self.hang, self.timeout_s = images, hang, timeout_s
        self.closed = False

    def read(self) -> Image:
        time.sleep(0.005)
        if self.images == 0:
            if self.hang is not None:
                self.hang.wait()
            raise CameraError("the camera was pulled out")
        self.images -= 1
        return Image(np.zeros((1, 1, 3), np.uint8), time.monotonic_ns())

    def close(self) -> None:
        self.closed = True


def test_an_unplugged_camera_is_reopened_and_each_change_is_logged_once() -> None:
    logged: list[str] = []
    cameras = iter([FakeCamera(3), FakeCamera(0), FakeCamera(10_000)])
    reader = CameraReader(lambda: next(cameras), logged.append)
    try:
        until = time.monotonic() + 10
        while len(logged) < 2 and time.monotonic() < until:
            reader.take(0.05)
        assert reader.take(2.0) is not None
    finally:
        reader.close()
    lost, back = logged
    assert lost == "the camera was pulled out (retrying)"
    assert back == "the camera is back"


def test_a_driver_that_hangs_does_not_hold_the_eye() -> None:
    hang = threading.Event()
    reader = CameraReader(lambda: FakeCamera(1, hang), lambda _: None)
    assert reader.take(2.0) is not None
    calls = time.monotonic()
    assert reader.take(0.1) is None
    reader.close()
    assert time.monotonic() - calls < 2.0
    hang.set()


def test_a_driver_call_beyond_the_cameras_timeout_is_hung() -> None:
    hang = threading.Event()
    reader = CameraReader(lambda: FakeCamera(1, hang, timeout_s=0.2), lambda _: None)
    assert reader.take(2.0) is not None
    assert not reader.is_hung
    time.sleep(0.5)
    assert reader.is_hung
    hang.set()
    reader.close()


def test_before_the_first_image_the_timeout_is_longer() -> None:
    hang = threading.Event()
    reader = CameraReader(lambda: FakeCamera(0, hang, timeout_s=0.2), lambda _: None)
    time.sleep(0.5)
    assert not reader.is_hung
    hang.set()
    reader.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_failure_of_the_thread_counts_as_hung() -> None:
    def fails() -> FakeCamera:
        sys.exit()  # ends the thread silently

    reader = CameraReader(fails, lambda _: None)
    time.sleep(0.2)
    assert reader.is_hung


def test_a_paused_reader_closes_the_camera_and_reopens_it_afterwards() -> None:
    opened: list[FakeCamera] = []

    def open_one() -> FakeCamera:
        opened.append(FakeCamera(10_000))
        return opened[-1]

    reader = CameraReader(open_one, lambda _: None)
    try:
        assert reader.take(2.0) is not None
        reader.set_paused(True)
        time.sleep(0.3)
        reader.take(0.0)  # what had arrived before
        assert opened[0].closed
        assert reader.paused
        assert reader.take(0.2) is None
        reader.set_paused(False)
        assert reader.take(2.0) is not None
    finally:
        reader.close()
    assert len(opened) == 2
    assert reader.error is None


@pytest.mark.parametrize(
    ("degrees", "corner"), [(90, (0, 3)), (180, (2, 3)), (270, (2, 0))], ids=str
)
def test_images_of_a_sideways_camera_are_rotated_clockwise(
    degrees: int, corner: tuple[int, int]
) -> None:
    pixels = np.zeros((3, 4, 3) if degrees == 180 else (4, 3, 3), np.uint8)
    pixels[0, 0] = 255

    class Marked(FakeCamera):
        def read(self) -> Image:
            return Image(pixels, 7)

    camera = RotatedCamera(Marked(1), degrees)
    image = camera.read()
    assert image.pixels.shape == (3, 4, 3)
    assert image.time_ns == 7
    assert np.argwhere(image.pixels[..., 0]).tolist() == [list(corner)]
    assert camera.may_repeat
    camera.close()


def test_each_image_is_taken_at_most_once_and_older_ones_are_dropped() -> None:
    reader = CameraReader(lambda: FakeCamera(10_000), lambda _: None)
    try:
        first = reader.take(2.0)
        time.sleep(0.1)
        second = reader.take(2.0)
    finally:
        reader.close()
    assert first is not None
    assert second is not None
    assert second.time_ns - first.time_ns > 0.05 * NS  # those in between are gone


def test_when_images_stop_an_absent_state_is_sent() -> None:
    tracker = open_tracker(faces.MODELS, Eye())
    try:
        pipeline = Pipeline(tracker, FeatureExtractor(Eye()), images_per_s=30)
        seen = pipeline.step(Image(faces.photograph(), 10 * NS), 10 * NS)
        soon = pipeline.step(None, 10 * NS + NS // 10)
        later = pipeline.step(None, 11 * NS)
    finally:
        tracker.close()
    assert seen is not None
    assert seen.present
    assert soon is None
    assert later is not None
    assert not later.present
    assert later.without_image
    assert not seen.without_image
    assert (later.sequence, later.time_ns) == (1, 11 * NS)
