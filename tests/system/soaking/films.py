"""Videos for the simulated camera: a photograph warped by known amounts, and an empty room.

    python -m tests.system.soaking.films FOLDER

writes each as 640 × 480 YUYV images. It runs in a process of its own, since it needs MediaPipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tests.support import faces

IMAGES = 15  # half a second, looped
SUFFIX = ".yuyv"
ROOM = "room"  # no visitor
REST = "rest"
OPEN = "open"
GESTURES: dict[str, Callable[[], faces.Pixels]] = {
    REST: faces.photograph,
    OPEN: lambda: faces.mouth_opened(0.3),
    "frown": lambda: faces.brows_moved(0.06, 0.06),
    "turn": lambda: faces.turned(0.35),
}


def empty_room() -> list[faces.Pixels]:
    """A wall, a floor, and sensor noise."""
    rng = np.random.default_rng(5)
    light = np.linspace(90, 160, faces.HEIGHT)[:, None, None]
    room = np.broadcast_to(light, (faces.HEIGHT, faces.WIDTH, 3)).copy()
    room[330:] *= 0.6
    noise = rng.normal(0, 4, (IMAGES, *room.shape))
    return list(np.clip(room + noise, 0, 255).astype(np.uint8))


def as_a_webcam_sends_it(picture: faces.Pixels) -> bytes:
    """YUYV: two neighbouring pixels share their chroma."""
    y, u, v = cv2.split(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV))
    colours = np.stack([u[:, ::2], v[:, ::2]], axis=2).reshape(y.shape)
    return np.stack([y, colours], axis=2).tobytes()


def write_films(folder: Path) -> None:
    """Write one file for the room and one for each gesture."""
    films = {name: faces.drifting(draw(), IMAGES) for name, draw in GESTURES.items()}
    for name, film in (films | {ROOM: empty_room()}).items():
        images = b"".join(as_a_webcam_sends_it(picture) for picture in film)
        (folder / name).with_suffix(SUFFIX).write_bytes(images)


if __name__ == "__main__":
    write_films(Path(sys.argv[1]))
