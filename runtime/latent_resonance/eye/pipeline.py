"""Puts the eye's stages together: camera → tracker → visitor → socket.

Imported by `watch` once the network is given up, since it brings numpy, OpenCV and a tracker. Live
it runs on the main thread of the eye's process; offline in whoever asks for a clip's states.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.camera import Image, images_of_clip
from latent_resonance.eye.camera.reader import CameraReader
from latent_resonance.eye.camera.select import open_camera
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.memory_limit import MemoryLimit, RestartRequiredError
from latent_resonance.eye.sandbox import drop_thread_network
from latent_resonance.eye.schedule import Schedule
from latent_resonance.eye.status import StatusReporter
from latent_resonance.eye.tracking.orientation import OrientationCheck
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Tracker, TrackerError
from latent_resonance.face_state import FaceSender, FaceState
from latent_resonance.linux.systemd import Notifier
from latent_resonance.pack import models_folder

TICK_S = 0.1  # how often the loop looks up while there is no image: it leaves and speaks in time
HUNG_S = 20.0  # an image takes a second on the slowest board; this is not slow, it hangs
_NS = 1_000_000_000


def run_live(
    settings: Settings,
    socket_path: Path,
    stop: threading.Event,
    log: Callable[[str], None],
    notifier: Notifier | None = None,
    schedule: Schedule | None = None,
    hung_s: float = HUNG_S,
) -> None:
    """Send a state for every image until `stop` is set; without a camera, states of nobody.

    The camera is opened while the tracker starts. A loop that hangs for `hung_s` seconds, in
    the tracker's own code too, ends the whole process with SIGALRM: whoever supervises it starts it
    again.

    Parameters
    ----------
    notifier
        systemd's, made before the network was given up.
    opening
        Asked at every turn; outside opening hours the camera is closed.

    Raises
    ------
    StartAfreshError
        If this process can see no further and another one can.
    TrackerError
        If no tracker can run here.
    SocketPathTooLong
        If the socket's path is too long.
    """
    notifier = notifier or Notifier({})
    schedule = schedule or Schedule(settings, None, log)
    with contextlib.ExitStack() as leaving:
        leaving.callback(signal.setitimer, signal.ITIMER_REAL, 0.0)
        sender = FaceSender(socket_path)
        leaving.callback(sender.close)
        paused = not schedule.is_open()
        reader = CameraReader(partial(open_camera, settings.camera), log, paused=paused)
        leaving.callback(reader.close)
        tracker = open_tracker(models_folder(), settings.eye)
        leaving.callback(tracker.close)
        leaving.callback(notifier.stopping)
        pipeline = Pipeline(tracker, FeatureExtractor(settings.eye), settings.camera.images_per_s)
        memory, report = MemoryLimit(settings.eye.memory_mib), StatusReporter(notifier, log)
        loop = LiveLoop(reader, pipeline, sender, report, memory)
        while not stop.is_set():
            signal.setitimer(signal.ITIMER_REAL, hung_s)
            reader.set_paused(not schedule.is_open())
            report.refused = schedule.refused
            loop.step()


@dataclass(frozen=True, slots=True)
class LiveLoop:
    """What is done with each image, or when there is none."""

    reader: CameraReader
    pipeline: Pipeline
    sender: FaceSender
    report: StatusReporter
    memory: MemoryLimit

    def step(self) -> None:
        """Look, tell the voice, and see that this process can go on.

        Raises
        ------
        StartAfreshError
            If it cannot, and another one can.
        """
        image, now_ns = self.reader.take(TICK_S), time.monotonic_ns()
        state = self._state(image, now_ns)
        if state is not None:
            self.sender.send(state)
        upside_down, now_s = self.pipeline.upside_down, now_ns / _NS
        self.report.step(image, self.reader, upside_down=upside_down, now_s=now_s)
        self.memory.step(now_s)
        if self.reader.is_hung:
            raise RestartRequiredError("the camera's driver does not answer; starting afresh")

    def _state(self, image: Image | None, now_ns: int) -> FaceState | None:
        try:
            return self.pipeline.step(image, now_ns)
        except TrackerError as error:  # it could start, so another one can
            raise RestartRequiredError(f"{error}; starting afresh") from error


def clip_states(path: Path, settings: Settings) -> Iterator[FaceState]:
    """The states of every image of a clip, as fast as they can be had, on the clip's clock.

    Raises
    ------
    CameraError
        At once, if the clip cannot be read.
    TrackerError, IsolationError
        At once, if no tracker can run here, or not without the network.
    """
    images = images_of_clip(path)
    return _states(images, _tracker_without_network(settings), FeatureExtractor(settings.eye))


class Pipeline:
    """From the newest image, or none, to what the voice is told.

    A camera may be slow or stop: between two images there is nothing to say, but when there has
    been none for a while there is nobody to be seen.
    """

    def __init__(self, tracker: Tracker, extractor: FeatureExtractor, images_per_s: float) -> None:
        self._orientation, self._extractor = OrientationCheck(tracker.find), extractor
        self._lost_ns = round(_NS * max(0.5, 2.5 / images_per_s))
        self._image_ns = self._last_time_ns = 0

    @property
    def upside_down(self) -> bool:
        """Whether faces turned out to stand on their heads."""
        return self._orientation.upside_down

    def step(self, image: Image | None, now_ns: int) -> FaceState | None:
        """The state to send, if there is anything to say."""
        if image is not None:
            self._image_ns = image.time_ns
            return self._extractor.step(
                self._orientation.find(image), self._monotonic_ns(image.time_ns)
            )
        if now_ns - self._image_ns < self._lost_ns:
            return None
        return self._extractor.step([], self._monotonic_ns(now_ns))

    def _monotonic_ns(self, time_ns: int) -> int:
        """Never back in time: a driver's clock may be a little behind ours."""
        self._last_time_ns = max(time_ns, self._last_time_ns)
        return self._last_time_ns


def _states(
    images: Iterator[Image], tracker: Tracker, extractor: FeatureExtractor
) -> Iterator[FaceState]:
    try:
        for image in images:
            yield extractor.step(tracker.find(image), image.time_ns)
    finally:
        tracker.close()


def _tracker_without_network(settings: Settings) -> Tracker:
    """A tracker whose threads have no network, in a process that keeps its own.

    MediaPipe does everything on threads that it starts when it is made, and these inherit the
    filter of the thread that makes it.
    """
    isolate = None if settings.eye.allow_network else drop_thread_network
    with ThreadPoolExecutor(1, "tracker") as thread:
        if isolate is not None:
            thread.submit(isolate).result()
        return thread.submit(open_tracker, models_folder(), settings.eye).result()
