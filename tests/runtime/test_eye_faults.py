"""What can go wrong with images and with the eye's own process, one remedy at a time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.support import faces
from tests.support.timing import until

from latent_resonance.config.settings import Camera, Eye, Settings
from latent_resonance.eye.camera.camera import CameraError
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.camera.reader import CameraReader
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.memory_limit import EXIT_RESTART, MemoryLimit, RestartRequiredError
from latent_resonance.eye.pipeline import LiveLoop, Pipeline, run_live
from latent_resonance.eye.status import BLACK, BLACK_S, StatusReporter
from latent_resonance.eye.tracking.mediapipe_landmarker import MediaPipeLandmarker
from latent_resonance.eye.tracking.roi import Roi
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Tracker, TrackerError
from latent_resonance.eye.tracking.window import Window
from latent_resonance.face_state import FaceSender
from latent_resonance.linux.systemd import Notifier

pytestmark = pytest.mark.realtime

NS = 1_000_000_000
BLACK_IMAGE = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture(params=["mediapipe", "light"])
def tracker(request: pytest.FixtureRequest) -> Iterator[Tracker]:
    made = open_tracker(faces.MODELS, Eye(tracker=request.param))
    yield made
    made.close()


def test_a_process_above_its_memory_limit_requires_a_restart() -> None:
    MemoryLimit(100_000.0).step(1.0)
    with pytest.raises(
        RestartRequiredError, match=r"more than eye.memory_mib allows \(1\)"
    ) as caught:
        MemoryLimit(1.0).step(1.0)
    assert caught.value.exit_code == EXIT_RESTART


class NotifySocket:
    """Stands in for systemd's notification socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self.notifier = Notifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1"})

    def received(self) -> list[str]:
        """The messages since the last call."""
        messages = []
        try:
            while True:
                messages.append(self._socket.recv(1024).decode())
        except BlockingIOError:
            return messages

    def close(self) -> None:
        self.notifier.close()
        self._socket.close()


@pytest.fixture
def notify_socket(tmp_path: Path) -> Iterator[NotifySocket]:
    notify_socket = NotifySocket(tmp_path / "notify")
    yield notify_socket
    notify_socket.close()


def no_camera() -> None:
    raise CameraError("no camera is here; connect one")


def no_camera_after(hang: threading.Event) -> None:
    hang.wait()
    no_camera()


def test_without_a_camera_the_eye_is_ready_and_alive_at_each_attempt(
    notify_socket: NotifySocket,
) -> None:
    reader = CameraReader(no_camera, lambda _: None)
    report = StatusReporter(notify_socket.notifier, lambda _: None)
    try:
        until(lambda: reader.failed_attempts > 0, 5, "a failed attempt")
        report.step(None, reader, upside_down=False, now_s=100.0)
        first = notify_socket.received()
        report.step(None, reader, upside_down=False, now_s=100.1)
        second = notify_socket.received()
    finally:
        reader.close()
    status = "STATUS=no camera: no camera is here; looking for it"
    assert first == ["READY=1", "WATCHDOG=1", status]
    assert second == []  # no new attempt, so no watchdog message


def test_an_eye_whose_camera_sends_nothing_is_neither_ready_nor_alive(
    notify_socket: NotifySocket,
) -> None:
    hang = threading.Event()
    reader = CameraReader(partial(no_camera_after, hang), lambda _: None)
    report = StatusReporter(notify_socket.notifier, lambda _: None)
    for second in range(5):
        report.step(None, reader, upside_down=False, now_s=100.0 + second)
    assert not [line for line in notify_socket.received() if not line.startswith("STATUS=")]
    hang.set()
    reader.close()


def test_black_images_are_reported_once_after_a_while_until_there_is_light(
    notify_socket: NotifySocket,
) -> None:
    logged: list[str] = []
    hang = threading.Event()
    reader = CameraReader(partial(no_camera_after, hang), lambda _: None)
    report = StatusReporter(notify_socket.notifier, logged.append)
    dark, light = Image(BLACK_IMAGE, 0), Image(faces.noisy(1), 0)
    for second in range(int(BLACK_S)):
        report.step(dark, reader, upside_down=False, now_s=100.0 + second)
    assert logged == []
    for second in range(10):
        report.step(dark, reader, upside_down=False, now_s=104.0 + second)
    assert logged == [BLACK]
    assert any(BLACK in line for line in notify_socket.received())
    report.step(light, reader, upside_down=False, now_s=120.0)
    assert notify_socket.received()[-1].startswith("STATUS=seeing, ")
    hang.set()
    reader.close()


class ClosedSchedule:
    """Always closed; stops the loop after some watchdog messages."""

    refused = ""

    def __init__(self, notify_socket: NotifySocket, stop: threading.Event) -> None:
        self.notify_socket, self.stop = notify_socket, stop
        self.received: list[str] = []
        self.end_s = time.monotonic() + 30.0

    def closed_because(self) -> str:
        self.received.extend(self.notify_socket.received())
        if self.received.count("WATCHDOG=1") > 12 or time.monotonic() > self.end_s:
            self.stop.set()
        return "closed outside opening hours"


def test_outside_opening_hours_the_camera_is_closed_and_the_eye_is_alive(
    notify_socket: NotifySocket, tmp_path: Path
) -> None:
    stop = threading.Event()
    schedule, logged = ClosedSchedule(notify_socket, stop), []
    roomy = Eye(memory_mib=65_536)  # the test process has grown in earlier tests
    settings = Settings(camera=Camera(source="absent.mp4"), eye=roomy)
    run_live(
        settings, tmp_path / "face.sock", stop, logged.append, notify_socket.notifier, schedule
    )
    received = schedule.received + notify_socket.received()
    assert received[0] == "READY=1"
    assert "STATUS=closed outside opening hours" in received
    assert received.count("WATCHDOG=1") > 12
    assert received[-1] == "STOPPING=1"
    assert logged == []  # it did not try to open the camera


def test_a_failed_mediapipe_raises_a_one_line_error_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty image breaks its graph for good; the window is never empty, so it is made so."""
    landmarker = MediaPipeLandmarker(faces.MODELS, 0.5)
    try:
        landmarker.start(Roi(320.0, 240.0, 200.0, 200.0))
        with monkeypatch.context() as patched:
            patched.setattr(Window, "cut", lambda *_: np.zeros((0, 400, 3), np.uint8))
            assert_fails(landmarker)
        assert_fails(landmarker)
    finally:
        landmarker.close()


def assert_fails(landmarker: MediaPipeLandmarker) -> None:
    with pytest.raises(TrackerError, match=r"^MediaPipe failed on an image: [^\n]+$"):
        landmarker.find(Image(np.zeros((480, 640, 3), np.uint8), 0))


def test_an_image_of_another_size_is_tracked_like_any_other(tracker: Tracker) -> None:
    large = faces.placed(faces.photograph(), 2.0, (0, 0), size=(1280, 960))
    pictures = [faces.photograph()] * 3 + [large] * 3
    assert all(tracker.find(Image(picture, i * NS)) for i, picture in enumerate(pictures))


class FailingTracker:
    """A tracker that fails on every image."""

    def find(self, image: Image) -> None:
        raise TrackerError(f"MediaPipe failed on an image: {image.pixels.shape}")


def test_a_tracker_that_fails_on_an_image_requires_a_restart(
    notify_socket: NotifySocket, tmp_path: Path
) -> None:
    reader = CameraReader(Wall, lambda _: None)
    sender = FaceSender(tmp_path / "face.sock")
    pipeline = Pipeline(FailingTracker(), FeatureExtractor(Eye()), images_per_s=30)
    report = StatusReporter(notify_socket.notifier, lambda _: None)
    try:
        with pytest.raises(RestartRequiredError, match=r"MediaPipe failed .*; restarting"):
            LiveLoop(reader, pipeline, sender, report, MemoryLimit(100_000.0)).step()
    finally:
        reader.close()
        sender.close()
    assert notify_socket.received() == []  # no image was processed


class Wall:
    """A camera that shows an even wall."""

    timeout_s, may_repeat = 5.0, False

    def __init__(self) -> None:
        self._images = 0

    def read(self) -> Image:
        time.sleep(0.01)
        self._images += 1
        return Image(faces.noisy(self._images), time.monotonic_ns())

    def close(self) -> None:
        """Nothing to release."""
