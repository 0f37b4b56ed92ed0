"""The eye, an image: its tracker, with and without a face to follow, and the features.

MediaPipe runs on threads without a network here too: they inherit the filter of the one that
makes it. What a tracker takes does not depend on whose face it is, so a drawn one will do.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.bench import synthetic_face
from latent_resonance.bench.context import Context
from latent_resonance.bench.measurement import Measurement, percentiles
from latent_resonance.bench.timing import Times, times_of
from latent_resonance.config.settings import Settings
from latent_resonance.eye.camera.camera import Image, images_of_clip
from latent_resonance.eye.features.extractor import FeatureExtractor
from latent_resonance.eye.sandbox import drop_thread_network
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Face, Tracker
from latent_resonance.pack import models_folder

NS = 1_000_000_000
WARM_UP = 10  # images in which a tracker finds a face and begins to follow it
LONGEST_CLIP = 60  # images of a clip that are kept, and shown again and again
REMEMBERED = 300  # images for which it is kept what was found in them


class NoFaceError(LatentResonanceError):
    """The tracker saw no face in most images, so that following one cannot be measured."""


def measurements(context: Context) -> Iterator[Measurement]:
    """Milliseconds of the tracker, microseconds of the features."""
    with tracker_of(context.settings) as tracker:
        following, faces = track_face(tracker, images_of(context.clip), context.long_s)
        yield from percentiles("eye.tracker", 1e3 * following.wall_s, "ms")
        yield Measurement("eye.tracker_cpu.following", 1e3 * following.median_cpu_s, "ms")
        wall = [_image(synthetic_face.empty_room())]
        searching, _ = run_tracker(tracker, wall, context.short_s)
        yield Measurement("eye.tracker_cpu.searching", 1e3 * searching.median_cpu_s, "ms")
    visitor, turn = FeatureExtractor(context.settings.eye), _turning(faces)
    telling = times_of(lambda: visitor.step(*next(turn)), context.short_s, warm_up=30)
    yield from percentiles("eye.features", 1e6 * telling.wall_s, "µs")


@contextmanager
def tracker_of(settings: Settings) -> Iterator[Tracker]:
    """A tracker whose threads have no network.

    Raises
    ------
    LatentResonanceError
        No tracker can run here, or not without the network.
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
    """Images to show: the clip's first ones, or of the drawn face."""
    if clip is not None:
        return list(itertools.islice(images_of_clip(clip), LONGEST_CLIP))
    return [_image(grey) for grey in synthetic_face.images()]


def _image(grey: synthetic_face.Grey) -> Image:
    return Image(np.repeat(grey[:, :, None], 3, axis=2), 0)


def track_face(tracker: Tracker, images: list[Image], seconds: float) -> tuple[Times, list[list[Face]]]:
    """Times of the tracker while it follows a face, and what it found in the last images.

    Raises
    ------
    NoFaceError
        It found one in less than half of the images.
    """
    times, found = run_tracker(tracker, images, seconds)
    if sum(map(bool, found)) < len(found) / 2:
        share = f"a face in {sum(map(bool, found))} of {len(found)} images"
        raise NoFaceError(f"the tracker sees {share}; name a film of a face with --clip")
    return times, found


def run_tracker(tracker: Tracker, images: list[Image], seconds: float) -> tuple[Times, list[list[Face]]]:
    """Shows images again and again, as fast as they are seen; what was found in the last ones."""
    found: deque[list[Face]] = deque(maxlen=REMEMBERED)
    endless = itertools.cycle(images)

    def look() -> None:
        # On the machine's own clock: MediaPipe wants times that rise from one call to the next.
        found.append(tracker.find(Image(next(endless).pixels, time.monotonic_ns())))

    return times_of(look, seconds, warm_up=WARM_UP), list(found)


def _turning(faces: list[list[Face]]) -> Iterator[tuple[list[Face], int]]:
    """What was found, again and again, with the times of a camera."""
    for i, found in enumerate(itertools.cycle(faces)):
        yield found, i * NS // synthetic_face.IMAGES_PER_S
