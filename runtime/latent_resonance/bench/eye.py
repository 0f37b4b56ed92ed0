"""The eye, per image: decoding, its tracker, with and without a face in view, and the features.

MediaPipe's threads have no network here either: they inherit the seccomp filter of the thread that
creates them. The cost of a tracker does not depend on whose face it is, so a synthetic one will do.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.bench import decoding, synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement, percentiles
from latent_resonance.bench.timing import Times, times_of
from latent_resonance.bench.yardsticks import mediapipe_cpu_s
from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.sandbox import drop_thread_network
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Face, Tracker
from latent_resonance.pack import models_folder

NS = 1_000_000_000
WARM_UP = 10  # images in which a tracker finds a face and starts to follow it
TARGET_COST = 1.0  # of MediaPipe's time for the same images
NO_MEDIAPIPE = "MediaPipe does not run here"
MAX_IMAGES = 60  # of a clip, in a loop
MAX_RESULTS = 300  # images whose faces are kept
Faces = list[Face | None]  # by image
_IMAGES = itertools.count()  # of all runs: a tracker needs times that rise


class NoFaceError(LatentResonanceError):
    """The tracker found no face in most images, so that following one cannot be measured."""


def measure(context: Context) -> Iterator[Measurement]:
    """Milliseconds of decoding and of the tracker, microseconds of the features."""
    yield from decoding.measure(context)
    with tracker_of(context.settings) as tracker:
        following, faces = track_face(tracker, images_of(context.clip), context.long_s)
        yield from percentiles("eye.tracker", 1e3 * following.wall_s, "ms")
        yield Measurement("eye.tracker_cpu.following", 1e3 * following.mean_cpu_s, "ms")
        yield from _beside_mediapipe(following.mean_cpu_s, context)
        empty = [_image(synthetic_face.empty_room())]
        searching, _ = run_tracker(tracker, empty, context.short_s)
        yield Measurement("eye.tracker_cpu.searching", 1e3 * searching.mean_cpu_s, "ms")
    extractor, loop = FeatureExtractor(context.settings.eye), _endless(faces)
    extraction = times_of(lambda: extractor.step(*next(loop)), context.short_s, warm_up=30)
    yield from percentiles("eye.features", 1e6 * extraction.wall_s, "µs")


def _beside_mediapipe(cpu_s: float, context: Context) -> Iterator[Measurement]:
    """MediaPipe's own time for an image, and the tracker's in relation to it."""
    images, settings = images_of(context.clip), context.settings.eye
    theirs_s = mediapipe_cpu_s(images, settings, context.short_s)
    ratio, remark = (None, NO_MEDIAPIPE) if theirs_s is None else (cpu_s / theirs_s, "")
    yield Measurement("eye.cost", ratio, "of MediaPipe", target=TARGET_COST, remark=remark)
    if theirs_s is not None:
        yield Measurement("eye.mediapipe", 1e3 * theirs_s, "ms")


@contextmanager
def tracker_of(settings: Settings) -> Iterator[Tracker]:
    """A tracker whose threads have no network.

    Raises
    ------
    LatentResonanceError
        No tracker can run here, or its threads cannot be isolated.
    """
    with ThreadPoolExecutor(1, "tracker") as thread:
        if not settings.eye.allow_network:
            thread.submit(drop_thread_network).result()
        tracker = thread.submit(open_tracker, models_folder(), settings.eye).result()
    try:
        yield tracker
    finally:
        tracker.close()


def images_of(clip: Path | None) -> list[Image]:
    """The first images of the clip, or those of the synthetic face."""
    if clip is not None:
        return list(itertools.islice(images_of_clip(clip), MAX_IMAGES))
    return [_image(grey) for grey in synthetic_face.images()]


def _image(grey: synthetic_face.Grey) -> Image:
    return Image(np.repeat(grey[:, :, None], 3, axis=2), 0)


def track_face(tracker: Tracker, images: list[Image], seconds: float) -> tuple[Times, Faces]:
    """Times of the tracker while it follows a face, and the faces in the last images.

    Raises
    ------
    NoFaceError
        It found a face in less than half of the images.
    """
    times, found = run_tracker(tracker, images, seconds)
    n_found = sum(face is not None for face in found)
    if n_found < len(found) / 2:
        share = f"a face in {n_found} of {len(found)} images"
        raise NoFaceError(f"the tracker finds {share}; name a video of a face with --clip")
    return times, found


def run_tracker(tracker: Tracker, images: list[Image], seconds: float) -> tuple[Times, Faces]:
    """Track images in a loop, as fast as possible; the times, and the faces in the last ones.

    The tracker's clock is that of a camera, so that it searches as often per image as live.
    """
    found: deque[Face | None] = deque(maxlen=MAX_RESULTS)
    endless = itertools.cycle(images)

    def track_next() -> None:
        time_ns = next(_IMAGES) * NS // synthetic_face.IMAGES_PER_S
        found.append(tracker.find(Image(next(endless).pixels, time_ns)))

    return times_of(track_next, seconds, warm_up=WARM_UP), list(found)


def _endless(faces: Faces) -> Iterator[tuple[Face | None, int]]:
    """The faces in a loop, with a camera's timestamps in ns."""
    for i, found in enumerate(itertools.cycle(faces)):
        yield found, i * NS // synthetic_face.IMAGES_PER_S
