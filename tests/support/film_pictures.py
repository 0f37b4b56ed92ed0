"""The pictures of a film: the tests' photograph warped, cut out, placed, lit, and with noise.

Amounts are in mm on a face whose outer eye corners are 90 mm apart, in face widths, which is that
distance, and in radians.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.support import faces
from tests.support.faces import HEIGHT, WIDTH, Pixels

FACE_MM = 90.0  # between the outer corners of the eyes
WALL = (196, 190, 184)
SHRUNK = 0.75  # below this scale each pixel is the mean of several
# A full frown on this photograph, in face widths: MediaPipe's blendshape browDown rises from 0.05
# to 0.40, and the brows are as near to eyes and each other as in the widest of `FULL_FROWN`.
FROWN_DOWN, FROWN_TOGETHER = 0.1, 0.04
FULL_RAISE = 0.12
WIDE_MOUTH = 0.44
INK = np.array((45, 20, 22), np.float32)  # inside an open mouth
INK_FULL = 0.05  # face widths of opening above which nothing of the teeth is left
# Warps computed up to a movement's largest amount; those between are interpolated, to 0.1 pixels.
_KEYS = {"mouth": 16, "frown": 12, "raise": 12, "yaw": 10, "pitch": 6, "lids": 4}
_SHIFT_BITS = 4  # of the subpixel coordinates in OpenCV's polygons


Shift = NDArray[np.float32]
Point = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """A face at one moment: one warp, and where it is."""

    warp: str = "mouth"
    amount: float = 0.0  # of the warp's own unit
    x_mm: float = 0.0
    y_mm: float = 0.0


@dataclass(frozen=True)
class View:
    """How large a face is in the picture, and where.

    Attributes
    ----------
    eyes_px
        Pixels between the outer corners of the eyes; 0 is the photograph as it is, with all that
        surrounds the face.
    place
        Of the face's whole range across and down the picture, each 0 to 1.
    """

    eyes_px: float = 0.0
    place: Point = (0.5, 0.5)


AS_IT_IS = View()


def face_picture(pose: Pose, view: View) -> Pixels:
    """A face in a 640 × 480 picture: small ones are of a head and shoulders before a wall."""
    picture, own_px = warped(pose.warp, pose.amount), faces.face_width()
    eyes_px = view.eyes_px or own_px
    centre = place_px(view) if view.eyes_px else between_the_eyes()
    at = centre + np.array((pose.x_mm, pose.y_mm)) * eyes_px / FACE_MM
    if eyes_px >= own_px:
        offset = at - eyes_px / own_px * between_the_eyes()
        return _moved(picture, eyes_px / own_px, offset, (WIDTH, HEIGHT))
    canvas = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    cut_out(canvas, picture, (own_px, eyes_px), between_the_eyes(), at)
    return canvas


def cut_out(
    canvas: Pixels,
    picture: Pixels,
    eyes_px: tuple[float, float],
    centre: NDArray[np.float64],
    at: NDArray[np.float64] | Point,
) -> None:
    """Draw the head and shoulders of a person in a picture onto a canvas.

    Parameters
    ----------
    eyes_px
        Pixels between the outer corners of the eyes, in the picture and on the canvas.
    centre, at
        The middle of the eyes, in the picture and on the canvas.
    """
    before_px, after_px = eyes_px
    middle, reach = np.array(at), np.array((2.4, 1.8)) * after_px
    low = np.clip(np.floor(middle - reach), 0, (WIDTH, HEIGHT)).astype(int)
    end = middle + np.array((reach[0], HEIGHT))
    high = np.clip(np.ceil(end), 0, (WIDTH, HEIGHT)).astype(int)
    if (high <= low).any():
        return
    size, scale = (high - low).tolist(), after_px / before_px
    drawn = shrunk(picture, scale, middle - scale * centre - low, (size[0], size[1]))
    share = bust((size[1], size[0]), middle - low, after_px)[..., None]
    region = canvas[low[1] : high[1], low[0] : high[0]]
    region[:] = (share * drawn + (1 - share) * region).round()


def bust(shape: tuple[int, int], eyes: NDArray[np.float64], eyes_px: float) -> NDArray[np.float32]:
    """The outline of a head and shoulders, softly: (height, width), 0 to 1."""
    mask, bits = np.zeros(shape, np.uint8), 4

    def fixed(point: NDArray[np.float64]) -> tuple[int, int]:
        x, y = (point * 2**bits).round().astype(int)
        return int(x), int(y)

    head, axes = eyes + np.array((0.0, 0.15 * eyes_px)), np.array((0.95, 1.4)) * eyes_px
    cv2.ellipse(mask, fixed(head), fixed(axes), 0, 0, 360, 255, -1, cv2.LINE_AA, bits)
    chin, below = 1.2 * eyes_px, 2.2 * eyes_px
    corners = [
        (-0.5, chin),
        (0.5, chin),
        (1.8, below),
        (1.9, HEIGHT),
        (-1.9, HEIGHT),
        (-1.8, below),
    ]
    torso = np.array([eyes + np.array((x * eyes_px, y)) for x, y in corners])
    cv2.fillPoly(mask, [(torso * 2**bits).round().astype(np.int32)], 255, cv2.LINE_AA, bits)
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.05 * eyes_px, 0.5))
    return soft.astype(np.float32) / np.float32(255)


def between_the_eyes() -> NDArray[np.float64]:
    """The middle of the outer corners of the eyes in the photograph, (2,), pixels."""
    return np.asarray(faces.points()[[33, 263], :2].mean(axis=0))


def place_px(view: View) -> NDArray[np.float64]:
    """Where the middle of the eyes is: head and shoulders are in the picture at every place."""
    above, below, beside = 2.0 * view.eyes_px, 3.0 * view.eyes_px, 2.0 * view.eyes_px
    across, down = view.place
    x = beside + across * (WIDTH - 2 * beside)
    return np.array((x, above + down * (HEIGHT - above - below)))


def paste(canvas: Pixels, picture: Pixels, scale: float, at: NDArray[np.float64]) -> None:
    """Draw a picture, scaled, with its upper left corner at a place in pixels, onto a canvas."""
    size = np.array(picture.shape[1::-1]) * scale
    low = np.clip(np.floor(at), 0, (canvas.shape[1], canvas.shape[0])).astype(int)
    high = np.clip(np.ceil(at + size), 0, (canvas.shape[1], canvas.shape[0])).astype(int)
    if (high <= low).any():
        return
    width, height = (high - low).tolist()
    drawn = shrunk(picture, scale, at - low, (width, height))
    canvas[low[1] : high[1], low[0] : high[0]] = drawn


def shrunk(picture: Pixels, scale: float, at: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    """A picture scaled as a camera would: each pixel is the mean of what falls on it."""
    if scale > SHRUNK:
        return _moved(picture, scale, at, size)
    finer = round(1 / scale)
    larger = (size[0] * finer, size[1] * finer)
    offset = finer * at + (finer - 1) / 2
    drawn = _moved(picture, scale * finer, offset, larger)
    return cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)


def _moved(picture: Pixels, scale: float, at: NDArray[np.float64], size: tuple[int, int]) -> Pixels:
    matrix = np.array([[scale, 0, at[0]], [0, scale, at[1]]])
    return cv2.warpAffine(
        picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def warped(warp: str, amount: float) -> Pixels:
    """The photograph after one warp."""
    source = faces.photograph()
    if amount == 0:
        return source
    shift = shift_of(warp, amount)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    border = cv2.BORDER_REPLICATE
    x, y = xs + shift[..., 0], ys + shift[..., 1]
    bent = cv2.remap(source, x, y, cv2.INTER_LINEAR, borderMode=border)
    return inked(bent, amount) if warp == "mouth" else bent


def inked(picture: Pixels, by: float) -> Pixels:
    """Darkness between the lips, the fuller the wider they open."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    outline = (faces.inner_lips(by) * 2**_SHIFT_BITS).round().astype(np.int32)
    cv2.fillPoly(mask, [outline], 255, cv2.LINE_AA, _SHIFT_BITS)
    mask = cv2.GaussianBlur(mask, (3, 3), 0)
    x, y, width, height = cv2.boundingRect(mask)
    inside = np.s_[y : y + height, x : x + width]
    share = mask[inside][..., None] / np.float32(255) * min(by / INK_FULL, 1.0)
    mixed = picture.copy()
    mixed[inside] = (picture[inside] * (1 - share) + INK * share).round()
    return mixed


def shift_of(warp: str, amount: float) -> Shift:
    """From where each pixel of a warped photograph comes, relative to itself: (480, 640, 2)."""
    reach = _REACHES[warp]
    position = amount / reach * _KEYS[warp]
    low = int(np.floor(position))
    share = np.float32(position - low)
    shift = key_shift(warp, low)
    if share > 0:
        shift = shift + share * (key_shift(warp, low + 1) - shift)
    return cv2.resize(shift, (WIDTH, HEIGHT)) if shift.shape[0] < HEIGHT else shift


@lru_cache(maxsize=120)  # a third of a gigabyte, if all are of a redrawn mesh
def key_shift(warp: str, key: int) -> Shift:
    """The shift at one of the steps of a movement."""
    amount = key / _KEYS[warp] * _REACHES[warp]
    if key == 0:
        return np.zeros((HEIGHT, WIDTH, 2), np.float32)[:: _COARSE[warp], :: _COARSE[warp]]
    return _SHIFTS[warp](amount)


_REACHES = {"mouth": WIDE_MOUTH, "frown": 1.0, "raise": 1.0, "yaw": 0.5, "pitch": 0.3, "lids": 1.0}
_SHIFTS: dict[str, Callable[[float], Shift]] = {
    "mouth": lambda by: faces.bending(*faces.mouth_points(by)),
    "frown": lambda by: faces.bending(*faces.brow_points(by * FROWN_DOWN, by * FROWN_TOGETHER)),
    "raise": lambda by: faces.bending(*faces.brow_points(-by * FULL_RAISE, 0.0)),
    "yaw": lambda by: faces.redrawing(*faces.turned_points(by, 0.0)),
    "pitch": lambda by: faces.redrawing(*faces.turned_points(0.0, by)),
    "lids": lambda by: faces.redrawing(*faces.lid_points(by)),
}
_COARSE = {"mouth": 4, "frown": 4, "raise": 4, "yaw": 1, "pitch": 1, "lids": 1}


# --- a camera ---------------------------------------------------------------------------------


def lit(pixels: Pixels, brightness: float) -> Pixels:
    return pixels if brightness == 1.0 else cv2.convertScaleAbs(pixels, alpha=brightness)


def noisy(pixels: Pixels, deviation: float, rng: np.random.Generator) -> Pixels:
    """The noise of a camera's pixels, another one for each image."""
    if deviation == 0:
        return np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    pool = _noise(deviation)
    y, x = rng.integers(pool.shape[0] - height), rng.integers(pool.shape[1] - width)
    return cv2.add(pixels, pool[y : y + height, x : x + width], dtype=cv2.CV_8U)


@cache
def _noise(deviation: float) -> NDArray[np.int16]:
    """More noise than an image has, so that images can take different parts."""
    size = (HEIGHT + 241, WIDTH + 321, 3)
    random = np.random.default_rng(5).standard_normal(size, np.float32)
    return (deviation * random).round().astype(np.int16)
