"""Faces with known movement: a real photograph (NASA, public domain), warped by known amounts.

The photograph is scikit-image's `data.astronaut()`. Amounts are in face widths, the distance
between the outer corners of the eyes, and angles in radians.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay
from skimage import data

from latent_resonance.config.settings import Eye
from latent_resonance.eye.camera.image import Image
from latent_resonance.eye.tracking.select import open_tracker
from latent_resonance.eye.tracking.tracker import Face

MODELS = Path(__file__).parents[2] / "models"
WIDTH, HEIGHT = 640, 480
NS = 1_000_000_000

LOWER_LIP_INNER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
UPPER_LIP_INNER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
MOUTH_CORNERS_INNER = (78, 308)
LOWER_LIP_OUTER = (146, 91, 181, 84, 17, 314, 405, 321, 375)
UPPER_LIP_OUTER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
CHIN = (140, 171, 175, 396, 369, 152, 148, 176, 377, 400)
CHEEKS_LOW = (136, 365, 172, 397)
HELD = (33, 133, 362, 263, 168, 6, 4, 2, 98, 327, 127, 356, 234, 454, 10, 61, 291, 50, 280)
BROW_RIGHT = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)  # the person's own right: image left
BROW_LEFT = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
LIDS = (159, 145, 386, 374, 33, 133, 362, 263, 130, 359)
FOREHEAD = (10, 67, 297, 54, 284, 103, 332)
UPPER_LIDS = (246, 161, 160, 159, 158, 157, 173, 466, 388, 387, 386, 385, 384, 398)
LOWER_LIDS = (7, 163, 144, 145, 153, 154, 155, 249, 390, 373, 374, 380, 381, 382)
CLOSED = 0.92  # of the distance between the lids: they have a thickness

Pixels = NDArray[np.uint8]
Displacement = tuple[NDArray[np.float64], NDArray[np.float64]]  # points before and after


@cache
def photograph() -> Pixels:
    """The face in the middle of a 640 × 480 image, about 130 pixels wide."""
    return placed(data.astronaut()[0:330, 20:460], 1.454, (0, 0))


@cache
def points() -> NDArray[np.float64]:
    """The 478 landmarks of `photograph`, (478, 3), pixels."""
    (face,) = track([photograph()] * 3)[-1]
    return face.landmarks


def face_width() -> float:
    """Pixels between the outer corners of the eyes in `photograph`."""
    return float(np.linalg.norm(points()[33, :2] - points()[263, :2]))


def track(images: Iterable[Pixels], rate: float = 30.0, max_faces: int = 2) -> list[list[Face]]:
    """The face that the tracker follows in successive images: lists of at most one."""
    return list(track_clip(((i / rate, image) for i, image in enumerate(images)), max_faces))


def track_clip(clip: Iterable[tuple[float, Pixels]], max_faces: int = 2) -> Iterator[list[Face]]:
    """The face in each of successive (time_s, image)."""
    tracker = open_tracker(MODELS, Eye(max_faces=max_faces))
    try:
        for time_s, image in clip:
            face = tracker.find(Image(np.ascontiguousarray(image), round(time_s * NS)))
            yield [] if face is None else [face]
    finally:
        tracker.close()


def drifting(image: Pixels, n_images: int = 8) -> list[Pixels]:
    """Images in which the photograph moves by about ten pixels, as a living head does.

    The tracker's error on a still image is as large as on any other (brow_tension: 0.1
    standard deviation, 0.3 at most), but constant: only movement averages it out.
    """
    height, width = image.shape[:2]
    turns = np.linspace(0, 2 * np.pi, n_images, endpoint=False)
    places = 5 * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    return [placed(image, 1.0, (x, y), size=(width, height)) for x, y in places]


def write_clip(path: Path, images: Sequence[Pixels], rate: float = 30.0) -> Path:
    """Write RGB images of one size as a video, at `rate` images a second; returns its path."""
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height))
    assert writer.isOpened()
    for pixels in images:
        writer.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def placed(
    image: Pixels,
    scale: float,
    offset: tuple[float, float],
    size: tuple[int, int] = (WIDTH, HEIGHT),
    roll: float = 0.0,
) -> Pixels:
    """The image scaled about its centre, rotated clockwise and moved, on a larger canvas."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -np.degrees(roll), scale)
    turn[:, 2] += np.array(size) / 2 - np.array([width, height]) / 2 + offset
    return cv2.warpAffine(
        image, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def mouth_opened(by: float) -> Pixels:
    """Lower lip, chin and what hangs on them moved down by a share of the face's width."""
    if by <= 0:
        return photograph()
    image = _bent(photograph(), *mouth_points(by))
    dark = cv2.fillPoly(image.copy(), [inner_lips(by).round().astype(np.int32)], (45, 20, 22))
    return cv2.GaussianBlur(dark, (3, 3), 0)


def mouth_points(by: float) -> Displacement:
    """Where the points of a mouth that opens come from and go to."""
    moved = points()[:, :2].copy()
    down = by * face_width()
    moved[list(LOWER_LIP_INNER + LOWER_LIP_OUTER + CHIN), 1] += down
    moved[list(CHEEKS_LOW), 1] += down / 2
    held = (*HELD, *UPPER_LIP_INNER, *UPPER_LIP_OUTER, *MOUTH_CORNERS_INNER)
    used = [*LOWER_LIP_INNER, *LOWER_LIP_OUTER, *CHIN, *CHEEKS_LOW, *held]
    return points()[used, :2], moved[used]


def inner_lips(by: float) -> NDArray[np.float64]:
    """The outline between the lips of a mouth that is opened by a share of the face's width."""
    upper = points()[[78, *UPPER_LIP_INNER, 308], :2]
    lower = points()[list(LOWER_LIP_INNER[::-1]), :2] + (0, by * face_width())
    return np.concatenate([upper, lower])


def brows_moved(down: float, together: float) -> Pixels:
    """Brows moved down and towards each other by shares of the face's width (up if negative)."""
    return _bent(photograph(), *brow_points(down, together))


def brow_points(down: float, together: float) -> Displacement:
    """Where the points of moving brows come from and go to."""
    shift = np.zeros((478, 2))
    shift[list(BROW_RIGHT + BROW_LEFT), 1] = down * face_width()
    shift[list(BROW_RIGHT), 0] = together * face_width() / 2
    shift[list(BROW_LEFT), 0] = -together * face_width() / 2
    held = (*HELD, *LIDS, *FOREHEAD)
    used = list(dict.fromkeys((*BROW_RIGHT, *BROW_LEFT, *held)))
    return points()[used, :2], points()[used, :2] + shift[used]


def lids_closed(by: float = 1.0) -> Pixels:
    """The upper lids lowered onto the lower ones, by a share of the way."""
    return _redrawn(photograph(), *lid_points(by))


def lid_points(by: float) -> Displacement:
    """The mesh in the photograph, (468, 2), and with lids that close, (468, 3)."""
    flat = points()[:468]
    moved = flat.copy()
    upper, lower = list(UPPER_LIDS), list(LOWER_LIDS)
    moved[upper, :2] += CLOSED * by * (flat[lower, :2] - flat[upper, :2])
    return flat[:, :2], moved


def turned(yaw: float, pitch: float = 0.0) -> Pixels:
    """The face's mesh rotated in space (to the person's left, and up) and redrawn."""
    return _redrawn(photograph(), *turned_points(yaw, pitch))


def turned_points(yaw: float, pitch: float) -> Displacement:
    """The mesh in the photograph, (468, 2), and rotated in space, (468, 3)."""
    flat = points()[:468]
    middle = (flat[234] + flat[454]) / 2
    shape = (flat - middle) * [1, -1, -1]  # x right, y up, z towards the camera
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    moved = (shape @ (about_x @ about_y).T) * [1, -1, -1] + middle
    return flat[:, :2], moved


def _frame(points_of: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fixed points around the face: a ring about it, and the corners of the image."""
    low, high = points_of.min(0), points_of.max(0)
    middle, reach = (low + high) / 2, (high - low).max() * 0.95
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = middle + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
    edges = np.array([(x, y) for x in (0, WIDTH - 1) for y in (0, HEIGHT - 1)], np.float64)
    return np.concatenate([ring, edges])


def _bent(image: Pixels, before: NDArray[np.float64], after: NDArray[np.float64]) -> Pixels:
    """Thin-plate spline warp that takes the points from `before` to `after`."""
    shift = cv2.resize(bending(before, after), (WIDTH, HEIGHT))
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return cv2.remap(image, xs + shift[..., 0], ys + shift[..., 1], cv2.INTER_LINEAR)


def bending(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float32]:
    """From where each fourth pixel of a bent image comes, relative to itself: (120, 160, 2)."""
    frame = _frame(points()[:468, :2])
    offsets = RBFInterpolator(
        np.concatenate([after, frame]), np.concatenate([before - after, 0 * frame]), smoothing=0.5
    )
    ys, xs = np.mgrid[0:HEIGHT:4, 0:WIDTH:4]
    shift = offsets(np.stack([xs.ravel(), ys.ravel()], 1)).reshape(*xs.shape, 2)
    return shift.astype(np.float32)


def redrawing(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float32]:
    """From where each pixel of a redrawn mesh comes, relative to itself: (480, 640, 2)."""
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), -1).astype(np.float32)
    return _redrawn(grid, before, after) - grid


def _redrawn(image: NDArray, before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray:
    """Each triangle of the mesh drawn at its new position, the farthest first."""
    frame = _frame(before)
    source = np.concatenate([before, frame])
    target = np.concatenate([after[:, :2], frame])
    depth = np.concatenate([after[:, 2], np.full(len(frame), 1e3)])
    canvas = image.copy()
    triangles = Delaunay(source).simplices
    for triangle in triangles[np.argsort(-depth[triangles].mean(1))]:
        _draw(canvas, image, source[triangle], target[triangle])
    return canvas


def _draw(canvas: NDArray, image: NDArray, source: NDArray, target: NDArray) -> None:
    x, y, width, height = cv2.boundingRect(target.astype(np.float32))
    x2, y2 = min(x + width + 1, WIDTH), min(y + height + 1, HEIGHT)
    x, y = max(x, 0), max(y, 0)
    if x2 <= x or y2 <= y:
        return
    corner = np.array([x, y])
    affine = cv2.getAffineTransform(source.astype(np.float32), (target - corner).astype(np.float32))
    drawn = cv2.warpAffine(image, affine, (x2 - x, y2 - y), borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros((y2 - y, x2 - x), np.uint8)
    cv2.fillConvexPoly(mask, np.ceil(target - corner).astype(np.int32), 1)
    canvas[y:y2, x:x2][mask > 0] = drawn[mask > 0]


def noisy(seed: int, level: float = 100.0, noise: float = 1.0) -> np.ndarray:
    """An even wall with sensor noise."""
    pixels = np.random.default_rng(seed).normal(level, noise, (48, 64, 3))
    return pixels.clip(0, 255).astype(np.uint8)
