"""A synthetic greyscale face, to measure the eye without a person.

Soft-edged ellipses stand for the light and shadow of a face; MediaPipe detects them as one. The
face drifts a little, and its mouth opens and closes. Pure except for `write_video`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 480  # pixels
UNIT = 110.0  # pixels of one unit below; half a face is 0.9 wide
IMAGES_PER_S = 30
N_IMAGES = 60  # of the loop
DRIFT = 6.0  # pixels
N_OPENINGS = 5  # of the mouth, from closed to open
WIDE_OPEN = ((0.45, 0.0, 0.80, 0.34, 0.30, 0.3), (0.10, 0.0, 0.80, 0.30, 0.268, 0.4))  # lips, gap

Grey = NDArray[np.uint8]  # (HEIGHT, WIDTH)
# Level 0..1, x, y (right and down from the centre of the face), half width, half height, edge.
HEAD = (
    (0.15, 0.0, -0.25, 1.12, 1.45, 0.15),  # hair
    (0.50, 0.0, 1.60, 0.55, 0.70, 0.15),  # neck
    (0.72, 0.0, 0.10, 0.90, 1.25, 0.08),
    (0.64, 0.0, 0.25, 0.20, 0.32, 0.60),  # nose: its shadow, its ridge
    (0.90, 0.0, 0.12, 0.07, 0.40, 0.80),
)
SIDE = (  # mirrored on the other side
    (0.55, 0.38, -0.12, 0.27, 0.17, 0.50),  # eye socket
    (0.22, 0.40, -0.36, 0.27, 0.055, 0.40),  # brow
    (0.92, 0.38, -0.10, 0.18, 0.075, 0.20),
    (0.12, 0.38, -0.10, 0.075, 0.08, 0.20),  # iris
    (0.30, 0.38, -0.17, 0.20, 0.03, 0.50),  # lid
    (0.35, 0.11, 0.44, 0.055, 0.035, 0.50),  # nostril
)
BACKGROUND = 0.55


def empty_room() -> Grey:
    """An image without a face."""
    return np.full((HEIGHT, WIDTH), round(255 * BACKGROUND), np.uint8)


@cache
def face(mouth_open: float) -> Grey:
    """The face in the centre of the image, its mouth open by 0..1."""
    lips = (0.45, 0.0, 0.72, 0.34, 0.10 + 0.10 * mouth_open, 0.3)
    gap = (0.25, 0.0, 0.72, 0.30, 0.018 + 0.15 * mouth_open, 0.4)
    return _draw(lips, gap)


def wide_open_face() -> Grey:
    """The same face with its mouth as wide open as every tracker detects reliably."""
    return _draw(*WIDE_OPEN)


def _draw(*mouth: tuple[float, ...]) -> Grey:
    canvas = np.full((HEIGHT, WIDTH), BACKGROUND, np.float32)
    left = tuple((level, -x, *rest) for level, x, *rest in SIDE)
    for patch in (*HEAD, *SIDE, *left, *mouth):
        _paint(canvas, *patch)
    return (255 * canvas).astype(np.uint8)


def _paint(
    canvas: NDArray[np.float32], level: float, x: float, y: float, w: float, h: float, edge: float
) -> None:
    """Blend an ellipse into the canvas."""
    across = ((np.arange(WIDTH, dtype=np.float32) - WIDTH / 2) / UNIT - x) / w
    down = ((np.arange(HEIGHT, dtype=np.float32) - HEIGHT / 2) / UNIT - y) / h
    distance = np.hypot(across, down[:, None])
    canvas += (level - canvas) / (1 + np.exp(np.minimum(4 * (distance - 1) / edge, 40)))


def images() -> Iterator[Grey]:
    """The images of one loop."""
    for i in range(N_IMAGES):
        angle = 2 * np.pi * i / N_IMAGES
        opening = round((1 - np.cos(angle)) / 2 * (N_OPENINGS - 1))
        shift = round(DRIFT * np.sin(angle)), round(DRIFT * np.cos(angle))
        yield np.roll(face(opening / (N_OPENINGS - 1)), shift, axis=(0, 1))


def write_video(path: Path) -> None:
    """Write one loop as an uncompressed video (YUV4MPEG2, luma only), which any FFmpeg reads."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{IMAGES_PER_S}:1 Ip A1:1 Cmono\n".encode())
        for image in images():
            file.write(b"FRAME\n" + image.tobytes())
