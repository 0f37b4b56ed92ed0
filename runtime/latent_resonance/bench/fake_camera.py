"""A visitor who opens her mouth at known instants: `rpicam-vid` as far as the eye can tell.

    python -m latent_resonance.bench.fake_camera FOLDER --framerate N …

Started by the eye, in place of the program of that name. It writes images of the drawn face on
standard output, each at its instant, and notes in FOLDER when and with which mouth. She rests
until there is a file `begin` in FOLDER.
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

LOG, BEGIN = "images", "begin"
HOLDS_S, RESTS_S = 0.45, (0.5, 0.6)  # an open mouth, a closed one: at no rhythm
PIPE = 1 << 20  # bytes, what Linux allows anybody: an image does not wait for its reader
N_GRAINS, GRAIN = 8, 2  # no two images of a sensor are the same, or the eye calls it frozen
LATE_S = 0.2  # a camera whose images are not taken for so long goes on from now
BLACK, WHITE, GREY = 16, 235, 128  # of a video's brightness and colour
OPENED = np.dtype([("time_ns", "<i8"), ("opened", "<i8")])  # of the notes

Planes = NDArray[np.uint8]  # (HEIGHT * 3 // 2, WIDTH), YUV 4:2:0


def films() -> tuple[list[Planes], list[Planes]]:
    """(a closed mouth, an open one), each some images that differ in their grain alone."""
    rng = np.random.default_rng(0)
    closed, opened = (
        [_planes(grey, rng) for _ in range(N_GRAINS)]
        for grey in (synthetic_face.face(0.0), synthetic_face.agape())
    )
    return closed, opened


def _planes(grey: synthetic_face.Grey, rng: np.random.Generator) -> Planes:
    grain = rng.integers(-GRAIN, GRAIN, grey.shape, endpoint=True)
    brightness = BLACK + grey * ((WHITE - BLACK) / 255) + grain
    colour = np.full((synthetic_face.HEIGHT // 2, synthetic_face.WIDTH), GREY, np.uint8)
    return np.vstack([np.clip(brightness, 0, 255).astype(np.uint8), colour])


def mouths(seed: int = 0) -> Iterator[tuple[float, bool]]:
    """(until when, whether open), in seconds from the beginning."""
    rng, until_s = np.random.default_rng(seed), 0.0
    while True:
        until_s += rng.uniform(*RESTS_S)
        yield until_s, False
        until_s += HOLDS_S
        yield until_s, True


def instants(image_s: float) -> Iterator[float]:
    """Sleeps until an image is to be taken, again and again; monotonic seconds."""
    due_s = time.monotonic()
    while True:
        if time.monotonic() - due_s > LATE_S:
            due_s = time.monotonic()
        time.sleep(max(due_s - time.monotonic(), 0.0))
        yield time.monotonic()
        due_s += image_s


def show(folder: Path, image_s: float, screen: int) -> None:
    """Until nobody looks any more."""
    closed, opened = films()
    turns, until_s, is_open, begun_s = mouths(), 0.0, False, None
    with (folder / LOG).open("ab", buffering=0) as log:
        for i, now_s in enumerate(instants(image_s)):
            if begun_s is None and (folder / BEGIN).exists():
                begun_s = now_s
            while begun_s is not None and now_s - begun_s >= until_s:
                until_s, is_open = next(turns)
            log.write(np.array((round(1e9 * now_s), is_open), OPENED).tobytes())
            _write(screen, (opened if is_open else closed)[i % N_GRAINS])


def _write(screen: int, planes: Planes) -> None:
    waiting = memoryview(planes).cast("B")
    while waiting:
        waiting = waiting[os.write(screen, waiting) :]


def gestures_s(folder: Path) -> NDArray[np.float64]:
    """When each image was taken that is the first with an open mouth; monotonic seconds."""
    images = np.fromfile(folder / LOG, OPENED)
    opens = np.diff(images["opened"], prepend=0) > 0
    return images["time_ns"][opens] / 1e9


def main() -> None:
    """`rpicam-vid`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--framerate", type=float)
    options, _ = parser.parse_known_args()
    screen = sys.stdout.fileno()
    with contextlib.suppress(OSError):  # a user with many pipes gets less, which will do
        fcntl.fcntl(screen, fcntl.F_SETPIPE_SZ, PIPE)
    with contextlib.suppress(BrokenPipeError):
        show(options.folder, 1.0 / options.framerate, screen)


if __name__ == "__main__":
    main()
