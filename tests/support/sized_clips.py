"""Clips of people, and the same clips with the face at another size, as from farther away."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.support.faces import HEIGHT, WIDTH, track
from tests.support.film_pictures import paste

from latent_resonance.eye.camera.clip import images_of_clip
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.tracking.tracker import Face


@dataclass(frozen=True)
class Clip:
    """A clip, and where its largest face is.

    Attributes
    ----------
    eyes_px, centre
        The median distance between the outer corners of the eyes, and their middle, pixels.
    """

    name: str
    images: list[Image]
    eyes_px: float
    centre: NDArray[np.float64]


def clip_of(path: Path) -> Clip:
    """Read a clip and find its largest face; says on stderr how large it is."""
    images = list(images_of_clip(path))
    eyes_px, centre = largest_face(images)
    print(f"{path.name}: {eyes_px:.0f} pixels between the eye corners", file=sys.stderr)
    return Clip(path.stem, images, eyes_px, centre)


def largest_face(images: list[Image]) -> tuple[float, NDArray[np.float64]]:
    """Median eye distance and place of the largest face, in the first part that shows it well.

    A face too small for the eye in the whole image is found in a part of it, enlarged.
    """
    few = images[:: max(len(images) // 12, 1)]
    best: list[NDArray[np.float64]] = []
    for part in parts():
        best = max(best, corners_in(part, few), key=len)
        if len(best) > 0.9 * len(few):
            break
    if not best:
        return float("nan"), np.zeros(2)
    middle = np.median(best, axis=0)
    return float(np.linalg.norm(middle[1] - middle[0])), middle.mean(axis=0)


def parts() -> Iterator[tuple[float, float, float]]:
    """The whole image, and overlapping halves of it: (left, top, size), shares of its sides."""
    yield 0.0, 0.0, 1.0
    yield from ((x, y, 0.5) for y in (0.0, 0.25, 0.5) for x in (0.0, 0.25, 0.5))


def corners_in(part: tuple[float, float, float], images: list[Image]) -> list[NDArray[np.float64]]:
    """The outer corners of the largest face's eyes, (2, 2), in each image whose part shows one."""
    left, top, size = part
    height, width = images[0].pixels.shape[:2]
    x, y = round(left * width), round(top * height)
    cut = [each.pixels[y:, x:][: round(size * height), : round(size * width)] for each in images]
    enlarged = [cv2.resize(each, (width, height)) for each in cut]
    found = [largest_corners(each) for each in track(enlarged)]
    return [corners * size + (x, y) for corners in found if corners is not None]


def largest_corners(found: list[Face]) -> NDArray[np.float64] | None:
    pairs = [face.landmarks[[33, 263], :2] for face in found]
    return max(pairs, key=lambda pair: float(np.linalg.norm(pair[1] - pair[0])), default=None)


def at_eyes_px(clip: Clip, eyes_px: float) -> Iterator[Image]:
    """The clip with its face so large, in 640 × 480 pixels on a plain background."""
    scale = eyes_px / clip.eyes_px
    middle = np.array((WIDTH, HEIGHT)) / 2
    for image in clip.images:
        background = np.median(image.pixels[0], axis=0)
        canvas = np.full((HEIGHT, WIDTH, 3), background, np.uint8)
        paste(canvas, image.pixels, scale, middle - scale * clip.centre)
        yield Image(canvas, image.time_ns)
