"""A fake `rpicam-vid` whose synthetic face opens its mouth at known times.

    python -m latent_resonance.bench.fake_camera FOLDER --framerate N …

The eye starts it in place of the program of that name. It writes images to standard output at the
frame rate, and logs in FOLDER when each was taken and whether its mouth is open. The mouth stays
closed until there is a file `begin` in FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.bench import synthetic_face

LOG, START_FILE = "images", "begin"
OPEN_S, CLOSED_S = 0.45, (0.8, 0.9)  # durations of an open and a closed mouth, irregular
PIPE_SIZE = 1 << 20  # bytes, Linux's limit for every user: an image does not wait for its reader
N_VARIANTS, GRAIN = 8, 2  # no two images of a sensor are equal, or the eye reports it as frozen
LATE_S = 0.2  # after a longer delay the schedule restarts from now
BLACK, WHITE, GREY = 16, 235, 128  # luma range and neutral chroma of a video
LOG_DTYPE = np.dtype([("time_ns", "<i8"), ("opened", "<i8")])

Planes = NDArray[np.uint8]  # (HEIGHT * 3 // 2, WIDTH), YUV 4:2:0


def mouth_images() -> tuple[list[Planes], list[Planes]]:
    """(closed, open) mouth, each a few images that differ only in their grain."""
    rng = np.random.default_rng(0)
    closed, opened = (
        [_planes(grey, rng) for _ in range(N_VARIANTS)]
        for grey in (synthetic_face.face(0.0), synthetic_face.wide_open_face())
    )
    return closed, opened


def _planes(grey: synthetic_face.Grey, rng: np.random.Generator) -> Planes:
    grain = rng.integers(-GRAIN, GRAIN, grey.shape, endpoint=True)
    brightness = BLACK + grey * ((WHITE - BLACK) / 255) + grain
    colour = np.full((synthetic_face.HEIGHT // 2, synthetic_face.WIDTH), GREY, np.uint8)
    return np.vstack([np.clip(brightness, 0, 255).astype(np.uint8), colour])


def mouth_states(seed: int = 0) -> Iterator[tuple[float, bool]]:
    """(end of the state in seconds from the start, whether the mouth is open)."""
    rng, until_s = np.random.default_rng(seed), 0.0
    while True:
        until_s += rng.uniform(*CLOSED_S)
        yield until_s, False
        until_s += OPEN_S
        yield until_s, True


def image_times(image_s: float) -> Iterator[float]:
    """Sleep until the next image is due; yield its time in monotonic seconds."""
    due_s = time.monotonic()
    while True:
        if time.monotonic() - due_s > LATE_S:
            due_s = time.monotonic()
        time.sleep(max(due_s - time.monotonic(), 0.0))
        yield time.monotonic()
        due_s += image_s


def stream_images(folder: Path, image_s: float, output: int) -> None:
    """Write images to a file descriptor until its reader closes it."""
    closed, opened = mouth_images()
    states, until_s, is_open, started_s = mouth_states(), 0.0, False, None
    with (folder / LOG).open("ab", buffering=0) as log:
        for i, now_s in enumerate(image_times(image_s)):
            if started_s is None and (folder / START_FILE).exists():
                started_s = now_s
            while started_s is not None and now_s - started_s >= until_s:
                until_s, is_open = next(states)
            log.write(np.array((round(1e9 * now_s), is_open), LOG_DTYPE).tobytes())
            _write(output, (opened if is_open else closed)[i % N_VARIANTS])


def _write(output: int, planes: Planes) -> None:
    unwritten = planes.data.cast("B")
    while unwritten:
        unwritten = unwritten[os.write(output, unwritten) :]


def gestures_s(folder: Path) -> NDArray[np.float64]:
    """Times of the first image of each open mouth; monotonic seconds."""
    images = np.fromfile(folder / LOG, LOG_DTYPE)
    opens = np.diff(images["opened"], prepend=0) > 0
    times_ns: NDArray[np.int64] = images["time_ns"][opens]
    return times_ns / 1e9


def main() -> None:
    """`rpicam-vid`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--framerate", type=float)
    options, _ = parser.parse_known_args()
    output = sys.stdout.fileno()
    with contextlib.suppress(OSError):  # a user with many pipes gets a smaller one, which works too
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    with contextlib.suppress(BrokenPipeError):
        stream_images(options.folder, 1.0 / options.framerate, output)


if __name__ == "__main__":
    main()
