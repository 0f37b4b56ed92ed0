"""Connects the eye's stages: camera → tracker → feature extractor → socket.

`main` imports it after dropping network access, because it imports numpy, OpenCV and a tracker.
Live, it runs on the main thread of the eye's process; offline, on the caller's thread.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from latent_resonance.config.load import Initial
from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.eye.camera.image import Image
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

TICK_S = 0.1  # longest wait for an image, so that the loop can stop and report in time
HUNG_S = 20.0  # an image takes 1 s on the slowest board; a step longer than this hangs
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
    """Send a state for every image until `stop` is set; without a camera, absent states.

    The camera opens while the tracker starts. If a step hangs for `hung_s` seconds, even in the
    tracker's native code, SIGALRM ends the process and its supervisor restarts it.

    Parameters
    ----------
    notifier
        systemd's, made before network access was dropped.
    schedule
        Checked at every step; the camera is closed outside opening hours and on standby.

    Raises
    ------
    RestartRequiredError
        If this process cannot go on but a new one could.
    TrackerError
        If no tracker can run here.
    SocketPathTooLongError
        If the socket's path is too long.
    """
    notifier = notifier or Notifier({})
    schedule = schedule or Schedule(Initial(settings), None, log)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(signal.setitimer, signal.ITIMER_REAL, 0.0)
        sender = FaceSender(socket_path)
        cleanup.callback(sender.close)
        paused = bool(schedule.closed_because())
        reader = CameraReader(partial(open_camera, settings.camera), log, paused=paused)
        cleanup.callback(reader.close)
        tracker = open_tracker(models_folder(), settings.eye)
        cleanup.callback(tracker.close)
        cleanup.callback(notifier.stopping)
        pipeline = Pipeline(tracker, FeatureExtractor(settings.eye), settings.camera.images_per_s)
        memory, report = MemoryLimit(settings.eye.memory_mib), StatusReporter(notifier, log)
        loop = LiveLoop(reader, pipeline, sender, report, memory)
        while not stop.is_set():
            signal.setitimer(signal.ITIMER_REAL, hung_s)
            report.closed_because = schedule.closed_because()
            reader.set_paused(bool(report.closed_because))
            report.refused = schedule.refused
            loop.step()


@dataclass(frozen=True, slots=True)
class LiveLoop:
    """One step of the live loop, with or without a new image."""

    reader: CameraReader
    pipeline: Pipeline
    sender: FaceSender
    report: StatusReporter
    memory: MemoryLimit

    def step(self) -> None:
        """Process an image, send the state, report, and check that this process can go on.

        Raises
        ------
        RestartRequiredError
            If it cannot but a new process could.
        """
        image, now_ns = self.reader.take(TICK_S), time.monotonic_ns()
        state = self._state(image, now_ns)
        if state is not None:
            self.sender.send(state)
        upside_down, now_s = self.pipeline.upside_down, now_ns / _NS
        self.report.step(image, self.reader, upside_down=upside_down, now_s=now_s)
        self.memory.step(now_s)
        if self.reader.is_hung:
            raise RestartRequiredError("the camera driver does not respond; restarting")

    def _state(self, image: Image | None, now_ns: int) -> FaceState | None:
        try:
            return self.pipeline.step(image, now_ns)
        except TrackerError as error:  # this tracker could start, so a new one can too
            raise RestartRequiredError(f"{error}; restarting") from error


def clip_states(path: Path, settings: Settings) -> Iterator[FaceState]:
    """The state for every image of a clip, as fast as possible, on the clip's clock.

    Raises
    ------
    CameraError
        Immediately, if the clip cannot be read.
    TrackerError, IsolationError
        Immediately, if no tracker can run here or network access cannot be dropped.
    """
    return states_of_images(images_of_clip(path), settings)


def states_of_images(images: Iterable[Image], settings: Settings) -> Iterator[FaceState]:
    """The state for every image of a film, with `time_ns` on the film's own clock.

    Raises
    ------
    TrackerError, IsolationError
        Immediately, if no tracker can run here or network access cannot be dropped.
    """
    return _states(images, _tracker_without_network(settings), FeatureExtractor(settings.eye))


class Pipeline:
    """From the newest image, or none, to the state for the voice.

    Between two images of a slow camera there is no state. If no image arrives for a while, the
    state is absent.
    """

    def __init__(self, tracker: Tracker, extractor: FeatureExtractor, images_per_s: float) -> None:
        self._orientation, self._extractor = OrientationCheck(tracker), extractor
        self._lost_ns = round(_NS * max(0.5, 2.5 / images_per_s))
        self._image_ns = self._last_time_ns = 0

    @property
    def upside_down(self) -> bool:
        """Whether the camera was found to be upside down."""
        return self._orientation.upside_down

    def step(self, image: Image | None, now_ns: int) -> FaceState | None:
        """The state to send, or None."""
        if image is not None:
            self._image_ns = image.time_ns
            return self._extractor.step(
                self._orientation.find(image), self._monotonic_ns(image.time_ns)
            )
        if now_ns - self._image_ns < self._lost_ns:
            return None
        state = self._extractor.step(None, self._monotonic_ns(now_ns))
        return replace(state, without_image=True)

    def _monotonic_ns(self, time_ns: int) -> int:
        """`time_ns`, but never before the last: a driver's clock may lag slightly behind ours."""
        self._last_time_ns = max(time_ns, self._last_time_ns)
        return self._last_time_ns


def _states(
    images: Iterable[Image], tracker: Tracker, extractor: FeatureExtractor
) -> Iterator[FaceState]:
    try:
        for image in images:
            yield extractor.step(tracker.find(image), image.time_ns)
    finally:
        tracker.close()


def _tracker_without_network(settings: Settings) -> Tracker:
    """A tracker whose threads have no network, in a process that keeps its access.

    MediaPipe works only on threads that it starts in its constructor; these inherit the socket
    filter of the constructing thread.
    """
    isolate = None if settings.eye.allow_network else drop_thread_network
    with ThreadPoolExecutor(1, "tracker") as thread:
        if isolate is not None:
            thread.submit(isolate).result()
        return thread.submit(open_tracker, models_folder(), settings.eye).result()
