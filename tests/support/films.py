"""Films of the tests' photograph that moves by known amounts, for what no real clip can show.

Amounts are in mm on a face whose outer eye corners are 90 mm apart, in face widths, which is that
distance, and in radians. Each film begins with 2 s of rest; `FILMS` holds them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from tests.support import faces
from tests.support.faces import HEIGHT, NS, WIDTH, Pixels

from latent_resonance.eye.camera.camera import Image

REST_S, MOVING_S = 2.0, 4.0
FACE_MM = 90.0  # between the outer corners of the eyes
NOISE = 4.0  # standard deviation of a camera's pixels
WALL = (196, 190, 184)
SHRUNK = 0.75  # below this scale each pixel is the mean of several
# A full frown on this photograph, in face widths: MediaPipe's blendshape browDown rises from 0.05
# to 0.40, and the brows are as near to eyes and each other as in the widest of `FULL_FROWN`.
FROWN_DOWN, FROWN_TOGETHER = 0.1, 0.04
FULL_RAISE = 0.12
WIDE_MOUTH = 0.44
SIZES = (130, 60, 40, 24, 16)  # pixels between the outer corners of the eyes
PLACES = ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
INK = np.array((45, 20, 22), np.float32)  # inside an open mouth
INK_FULL = 0.05  # face widths of opening above which nothing of the teeth is left
# Warps computed up to a movement's largest amount; those between are interpolated, to 0.1 pixels.
_KEYS = {"mouth": 16, "frown": 12, "raise": 12, "yaw": 10, "pitch": 6, "lids": 4}
_SHIFT_BITS = 4  # of the subpixel coordinates in OpenCV's polygons

Shift = NDArray[np.float32]
Point = tuple[float, float]
Light = Callable[[float], float]  # brightness at a time in seconds


@dataclass(frozen=True)
class Pose:
    """A face at one moment: one warp, and where it is."""

    warp: str = "mouth"
    amount: float = 0.0  # of the warp's own unit
    x_mm: float = 0.0
    y_mm: float = 0.0


Motion = Callable[[float], Pose]  # the pose at a time in seconds


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


@dataclass(frozen=True)
class Film:
    """A film, drawn image by image.

    Attributes
    ----------
    scene
        The picture at a time in seconds, without noise.
    window_s
        From when to when the film is read.
    light
        Brightness at a time in seconds.
    """

    name: str
    scene: Callable[[float], Pixels]
    seconds: float = REST_S + MOVING_S
    window_s: tuple[float, float] = (REST_S, REST_S + MOVING_S)
    light: Light = lambda _: 1.0
    noise: float = NOISE

    def images(self, rate: float = 20.0, seed: int = 0) -> Iterator[Image]:
        """The film at a number of images per second; the same seed gives the same pixels."""
        rng = np.random.default_rng(seed)
        for i in range(round(self.seconds * rate)):
            pixels = lit(self.scene(i / rate), self.light(i / rate))
            yield Image(noisy(pixels, self.noise, rng), round(i / rate * NS))


@dataclass(frozen=True)
class Movement:
    """What a film's face does, wherever the face is.

    Attributes
    ----------
    pose
        The warp at a time in seconds; it sways besides.
    sway
        Millimetres and Hz.
    """

    pose: Motion
    sway: tuple[float, float] = (1.0, 0.3)
    seconds: float = REST_S + MOVING_S
    window_s: tuple[float, float] = (REST_S, REST_S + MOVING_S)
    light: Light = lambda _: 1.0
    noise: float = NOISE


def film(name: str, view: View = View()) -> Film:
    """One of the `FILMS`, with the face as large and where the view says."""
    movement = FILMS[name]
    return Film(
        name,
        lambda time_s: face_picture(swayed(movement.pose(time_s), movement.sway, time_s), view),
        movement.seconds,
        movement.window_s,
        movement.light,
        movement.noise,
    )


# --- poses over time --------------------------------------------------------------------------


def resting(_: float) -> Pose:
    return Pose()


def swayed(pose: Pose, sway: tuple[float, float], time_s: float) -> Pose:
    """A body that stands still; the fastest speed is 1.3 times that of one sine."""
    reach_mm, hz = sway
    turn = 2 * np.pi * hz * time_s
    x_mm, y_mm = reach_mm * np.sin(turn), 0.6 * reach_mm * np.sin(1.37 * turn)
    return replace(pose, x_mm=pose.x_mm + x_mm, y_mm=pose.y_mm + y_mm)


def rising(warp: str, amount: float, hz: float) -> Motion:
    """After the rest from 0 to the amount and back, again and again."""

    def pose(time_s: float) -> Pose:
        since_s = max(time_s - REST_S, 0.0)
        return Pose(warp, amount * (1 - np.cos(2 * np.pi * hz * since_s)) / 2)

    return pose


def swinging(warp: str, amount: float, hz: float) -> Motion:
    """After the rest from one side to the other, again and again."""

    def pose(time_s: float) -> Pose:
        return Pose(warp, amount * np.sin(2 * np.pi * hz * max(time_s - REST_S, 0.0)))

    return pose


def gliding(warp: str, start: float, end: float, from_s: float, to_s: float) -> Motion:
    """From one amount to another, smoothly, within a time."""

    def pose(time_s: float) -> Pose:
        share = np.clip((time_s - from_s) / (to_s - from_s), 0.0, 1.0)
        return Pose(warp, start + (end - start) * (1 - np.cos(np.pi * share)) / 2)

    return pose


def blinking(every_s: float = 2.0, closed_s: float = 0.15, moving_s: float = 0.05) -> Motion:
    """Lids that close and open within a twentieth of a second."""

    def pose(time_s: float) -> Pose:
        since_s = time_s % every_s - every_s / 2
        outside_s = max(-since_s, since_s - closed_s, 0.0)
        return Pose("lids", max(1.0 - outside_s / moving_s, 0.0))

    return pose


def flickering(time_s: float) -> float:
    """Light at 100 Hz as a camera at 30 images/s sees it, and one step of exposure."""
    step = 1.4 if time_s >= REST_S + MOVING_S / 2 else 1.0
    return step * (1 + 0.15 * math.cos(2 * math.pi * 10.0 * time_s + 0.3))


STILL = (2.0, 0.3)  # 5 mm/s at most
AT_EASE = (5.0, 0.4)  # 16 mm/s at most
_LONG = {"seconds": REST_S + 20.0, "window_s": (REST_S, REST_S + 20.0)}
# The head turns within 0.8 s; stillness and clarity then need two seconds and a half.
_HELD = {"seconds": 9.0, "window_s": (5.0, 9.0)}
TURNED_UNTIL_S, FRONTAL_S = 2.0, 2.5

FILMS: dict[str, Movement] = {
    "rest, still": Movement(resting, STILL),
    "rest, at ease": Movement(resting, AT_EASE),
    "rest, dim": Movement(resting, STILL, light=lambda _: 0.35, noise=12.0),
    "flicker": Movement(resting, STILL, light=flickering),
    "blinks": Movement(blinking(), STILL),
    "stands turned": Movement(lambda _: Pose("yaw", 0.3), STILL),
    "silent speech": Movement(rising("mouth", 0.1, 3.0)),
    "wide mouth": Movement(rising("mouth", WIDE_MOUTH, 0.7)),
    "small mouth": Movement(rising("mouth", WIDE_MOUTH / 4, 0.7), **_LONG),
    "frown": Movement(rising("frown", 1.0, 0.5)),
    "brows up": Movement(rising("raise", 1.0, 0.5)),
    "slow turn": Movement(swinging("yaw", 0.3, 0.25)),
    "shake": Movement(swinging("yaw", 0.35, 1.0)),
    "nod": Movement(swinging("pitch", 0.2, 0.8)),
    "held turn": Movement(gliding("yaw", 0.0, 0.35, 2.0, 2.8), **_HELD),
    "held nod": Movement(gliding("pitch", 0.0, 0.25, 2.0, 2.8), **_HELD),
    "arrives turned": Movement(
        gliding("yaw", 0.5, 0.0, TURNED_UNTIL_S, FRONTAL_S), seconds=10.0, window_s=(2.5, 10.0)
    ),
}

FOUND = ("presence share ≥ 0.99", "seen after ≤ 0.5", "greetings number ≤ 1")
CLOSED_HZ = 420  # the cutoff of a closed mouth is 400 Hz
AT_REST = (
    "clarity median ≥ 0.95",
    "noise p95 ≤ 0.1",
    f"cutoff p95 ≤ {CLOSED_HZ}",
    "rate p95 ≤ 1.05",
    "|yaw_velocity| p95 from 0 to 99 ≤ 0.05",
)
MOVING, CALM = "clarity median ≤ 0.2", "noise p95 ≤ 0.1"
# What is due of each film, besides `FOUND`: sentences of `readings.limit`.
LIMITS: dict[str, tuple[str, ...]] = {
    "rest, still": AT_REST,
    "rest, at ease": AT_REST,
    "rest, dim": AT_REST,
    "flicker": AT_REST,
    "blinks": AT_REST,
    "stands turned": AT_REST,
    "silent speech": (MOVING, CALM),
    "wide mouth": (MOVING, CALM, "mouth_open max ≥ 0.9"),
    "small mouth": ("mouth_open max ≥ 0.8",),
    "frown": (MOVING, "noise p95 ≥ 0.5", f"cutoff p95 ≤ {CLOSED_HZ}"),
    "brows up": ("brow_raise p95 ≥ 0.5", CALM),
    "slow turn": (MOVING, CALM),
    "shake": ("rate p95 ≥ 2.5", CALM),
    "nod": (CALM,),
    "held turn": (CALM, "|yaw_velocity| p95 ≤ 0.05", "clarity median ≥ 0.9"),
    "held nod": (CALM, "|yaw_velocity| p95 ≤ 0.05", "clarity median ≥ 0.9"),
    "arrives turned": ("off longest ≤ 3",),
}


# --- pictures ---------------------------------------------------------------------------------


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
    """Draw the head and shoulders of somebody in a picture onto a canvas.

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
