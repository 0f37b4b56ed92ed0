"""Films of several people, of a portrait on the wall, of a hand before a face, and of empty rooms.

People are cut out of films of the tests' photograph, or of clips, and stand before a plain wall.
Each film of people comes with the same film of the one who plays alone, to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data
from tests.support import faces, film_pictures, films
from tests.support.faces import HEIGHT, NS, WIDTH, Pixels
from tests.support.film_pictures import WALL, Point
from tests.support.films import Film

from latent_resonance.eye.camera.image import Image

PEOPLE = (
    "two people",
    "crossing paths",
    "over the shoulder",
    "child below adult",
    "taking turns",
    "portrait alone",
    "portrait, then a person",
    "portrait behind a person",
    "portrait nearer than a person",
)
HIDDEN = "behind a hand"
EMPTY_ROOMS = ("an empty room", "moving objects", "lights", "shadows", "things with texture")
PORTRAIT_S, LET_GO_S = 20.0, 10.0
NOISE_RATE = 30.0
Path = Callable[[float], tuple[float, Point] | None]  # eye distance and place in pixels, or away


@dataclass(frozen=True)
class Actor:
    """A person to cut out.

    Attributes
    ----------
    picture
        Of a time in seconds.
    eyes_px, centre
        Pixels between the outer corners of the eyes, and their middle.
    """

    picture: Callable[[float], Pixels]
    eyes_px: float
    centre: NDArray[np.float64]


@dataclass(frozen=True)
class Composed:
    """A film of several people, and the film in which the one who plays is alone.

    Attributes
    ----------
    alone
        None where no person plays.
    alike_s
        The time in which both films are compared.
    limits
        Sentences of `readings.limit`.
    """

    film: Film
    alone: Film | None
    alike_s: tuple[float, float]
    limits: tuple[str, ...]


def photographed(pose: films.Motion, *, mirrored: bool = False) -> Actor:
    """The photograph, which moves; mirrored, it is another person."""

    def picture(time_s: float) -> Pixels:
        at = films.swayed(pose(time_s), films.STILL, time_s)
        offset = np.array((at.x_mm, at.y_mm)) * faces.face_width() / film_pictures.FACE_MM
        warped = film_pictures.warped(at.warp, at.amount)
        matrix = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
        moved = cv2.warpAffine(warped, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        return moved[:, ::-1] if mirrored else moved

    centre = film_pictures.between_the_eyes()
    x = WIDTH - 1 - centre[0] if mirrored else centre[0]
    return Actor(picture, faces.face_width(), np.array((x, centre[1])))


def filmed(images: Sequence[Image], eyes_px: float, centre: NDArray[np.float64]) -> Actor:
    """A person in a clip, which is played to its end and back."""
    times_s = np.array([image.time_ns for image in images]) / NS
    end_s = float(times_s[-1])

    def picture(time_s: float) -> Pixels:
        since_s = end_s - abs(time_s % (2 * end_s) - end_s)
        return images[int(np.abs(times_s - since_s).argmin())].pixels

    return Actor(picture, eyes_px, centre)


def talking() -> Actor:
    """A person whose mouth opens and closes."""
    return photographed(films.rising("mouth", 0.3, 0.9))


def turning() -> Actor:
    """Another person, who looks from side to side."""
    return photographed(films.swinging("yaw", 0.2, 0.4), mirrored=True)


def photographs() -> tuple[Actor, Actor]:
    """Two people for the films of people, where there are no clips."""
    return talking(), turning()


def all_films(first: Actor, second: Actor) -> dict[str, Composed]:
    """All films of people, by the names of `PEOPLE`."""
    return people(first, second) | portraits(first) | hidden()


# --- people -----------------------------------------------------------------------------------


def people(first: Actor, second: Actor) -> dict[str, Composed]:
    """Two people, the first of whom plays, unless the film says otherwise."""
    near, far = standing(60, (230, 170)), standing(36, (470, 190))
    known = ("presence share ≥ 0.95", "greetings number ≤ 1")
    return {
        "two people": together([(second, far), (first, near)], 1, 8.0, (2.0, 8.0), known),
        "crossing paths": together(
            [
                (second, walking(40, (560, 190), (90, 190))),
                (first, walking(60, (150, 170), (480, 170))),
            ],
            1,
            8.0,
            (2.0, 8.0),
            known,
        ),
        "over the shoulder": together(
            [(second, standing(48, (425, 130))), (first, standing(70, (300, 190)))],
            1,
            8.0,
            (2.0, 8.0),
            known,
        ),
        "child below adult": together(
            [(first, standing(58, (300, 130))), (second, standing(40, (380, 320)))],
            0,
            8.0,
            (2.0, 8.0),
            known,
        ),
        "taking turns": together(
            [(first, until(4.0, near)), (second, since(5.0, standing(60, (400, 170))))],
            1,
            12.0,
            (7.0, 12.0),
            ("seen after from 5.7 to 12 ≤ 1", "presence share from 6.7 to 12 ≥ 0.99"),
        ),
    }


def portraits(person: Actor) -> dict[str, Composed]:
    """A portrait on the wall before, beside and behind a living person."""
    portrait, end_s = photographed(films.resting), PORTRAIT_S + 8.0
    hung, small = (portrait, standing(60, (170, 190))), (portrait, standing(30, (120, 120)))
    comes = (person, since(PORTRAIT_S, standing(42, (450, 220))))
    there = (person, standing(60, (420, 220)))
    further = (person, standing(42, (450, 220)))
    limits = (
        f"presence share from {LET_GO_S + 1} to {PORTRAIT_S} ≤ 0",
        f"seen after from {PORTRAIT_S + 0.7} to {end_s} ≤ 1",
        f"presence share from {PORTRAIT_S + 2} to {end_s} ≥ 0.99",
    )
    found = ("presence share ≥ 0.95", "greetings number ≤ 1")
    return {
        "portrait alone": Composed(
            composed("portrait alone", [hung], PORTRAIT_S, still=(0,)), None, (0, 0), limits[:1]
        ),
        "portrait, then a person": together(
            [hung, comes], 1, end_s, (PORTRAIT_S + 2, end_s), limits, still=(0,)
        ),
        "portrait behind a person": together([small, there], 1, 8.0, (1.0, 8.0), found, still=(0,)),
        "portrait nearer than a person": together(
            [hung, further],
            1,
            20.0,
            (13.0, 20.0),
            ("presence share from 12 to 20 ≥ 0.99",),
            still=(0,),
        ),
    }


def hidden() -> dict[str, Composed]:
    """A hand or a cup before a face for a second: held, and found again as if never lost."""
    person = photographed(films.resting)
    film = composed(HIDDEN, [(person, standing(70, (300, 170)))], 7.0)
    covered = replace(film, scene=partial(with_hand, film.scene))
    limits = ("greetings number ≤ 1", "presence share from 4.5 to 7 ≥ 0.99", "jump largest ≤ 0.25")
    return {HIDDEN: Composed(covered, None, (0.0, 0.0), limits)}


def together(
    cast: Sequence[tuple[Actor, Path]],
    player: int,
    seconds: float,
    alike_s: tuple[float, float],
    limits: tuple[str, ...],
    still: tuple[int, ...] = (),
) -> Composed:
    """The film of a cast, the farthest first, and that of the player alone."""
    film = composed("", cast, seconds, still)
    return Composed(film, composed("alone", [cast[player]], seconds), alike_s, limits)


def composed(
    name: str,
    cast: Sequence[tuple[Actor, Path]],
    seconds: float,
    still: tuple[int, ...] = (),
) -> Film:
    """A film of people before a wall; `still` are portraits, which hang on it."""

    def scene(time_s: float) -> Pixels:
        canvas = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
        for i, (actor, path) in enumerate(cast):
            at = path(time_s)
            if at is not None:
                draw = hang if i in still else stand
                draw(canvas, actor, time_s, *at)
        return canvas

    return Film(name, scene, seconds, (0.0, seconds))


def stand(canvas: Pixels, actor: Actor, time_s: float, eyes_px: float, at: Point) -> None:
    """Draw a person, cut out along head and shoulders."""
    film_pictures.cut_out(canvas, actor.picture(time_s), (actor.eyes_px, eyes_px), actor.centre, at)


def hang(canvas: Pixels, actor: Actor, _: float, eyes_px: float, at: Point) -> None:
    """Draw a portrait in a frame, which never moves."""
    scale, middle = eyes_px / actor.eyes_px, np.array(at).round()
    low = np.maximum(middle - np.array((1.7, 1.8)) * eyes_px, 0).astype(int)
    high = np.minimum(middle + np.array((1.7, 2.6)) * eyes_px, (WIDTH, HEIGHT)).astype(int)
    size = (high - low).tolist()
    offset = middle - scale * actor.centre - low
    drawn = film_pictures.shrunk(actor.picture(0.0), scale, offset, (size[0], size[1]))
    canvas[low[1] : high[1], low[0] : high[0]] = drawn
    corners = (low.tolist(), high.tolist())
    cv2.rectangle(canvas, corners[0], corners[1], (60, 45, 30), max(round(0.1 * eyes_px), 1))


def standing(eyes_px: float, at: Point) -> Path:
    return lambda _: (eyes_px, at)


def walking(eyes_px: float, start: Point, end: Point, seconds: float = 5.0) -> Path:
    """After 2 s, from one place to another."""

    def path(time_s: float) -> tuple[float, Point]:
        share = np.clip((time_s - 2.0) / seconds, 0.0, 1.0)
        share = (1 - np.cos(np.pi * share)) / 2
        x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
        return eyes_px, (float(x), float(y))

    return path


def until(time_s: float, path: Path) -> Path:
    """A person who walks out of the picture, to the left."""
    return lambda now_s: beside(path(now_s), -WIDTH * max(now_s - time_s, 0.0) / 0.7)


def since(time_s: float, path: Path) -> Path:
    """A person who walks into the picture, from the right, within 0.7 s."""
    return lambda now_s: beside(path(now_s), WIDTH * max(0.7 - max(now_s - time_s, 0), 0) / 0.7)


def beside(where: tuple[float, Point] | None, by_px: float) -> tuple[float, Point] | None:
    if where is None or abs(by_px) >= WIDTH:
        return None
    eyes_px, (x, y) = where
    return eyes_px, (x + by_px, y)


def with_hand(scene: Callable[[float], Pixels], time_s: float) -> Pixels:
    """A hand that covers nose and mouth from 3 to 4 s."""
    pixels = scene(time_s)
    share = np.clip(min((time_s - 2.7) / 0.3, (4.3 - time_s) / 0.3), 0.0, 1.0)
    if share > 0:
        x, y = 300, round(480 - share * 250)
        cv2.ellipse(pixels, (x, y), (62, 50), 0, 0, 360, (206, 158, 136), -1, cv2.LINE_AA)
        cv2.rectangle(pixels, (x - 40, y), (x + 40, HEIGHT), (206, 158, 136), -1)
        for finger in range(-45, 46, 30):
            cv2.line(pixels, (x + finger, y - 55), (x + finger, y), (176, 126, 108), 2, cv2.LINE_AA)
    return pixels


# --- empty rooms --------------------------------------------------------------------------------


def empty_rooms() -> dict[str, Film]:
    """Films without people."""
    scenes = (lambda _: room(), objects, lights, shadows, textures)
    named = zip(EMPTY_ROOMS, scenes, strict=True)
    return {name: Film(name, scene, 8.0, (0.0, 8.0)) for name, scene in named}


@cache
def room() -> Pixels:
    """A wall, a floor, a door and a picture without a face."""
    canvas = np.full((HEIGHT, WIDTH, 3), WALL, np.uint8)
    canvas[380:] = (120, 96, 76)
    cv2.rectangle(canvas, (470, 120), (590, 400), (150, 120, 90), -1)
    cv2.circle(canvas, (488, 270), 5, (220, 200, 90), -1)
    picture = cv2.resize(data.coffee(), (150, 100), interpolation=cv2.INTER_AREA)
    canvas[100:200, 120:270] = picture
    return canvas


def objects(time_s: float) -> Pixels:
    """Balls, boxes and a rolling wheel with spokes."""
    canvas = room().copy()
    for i in range(6):
        turn = time_s * (0.5 + 0.17 * i) + i
        x, y = round(320 + 260 * np.sin(turn)), round(240 + 160 * np.sin(1.3 * turn + i))
        colour = ((40 * i) % 255, (220 - 30 * i) % 255, (90 + 60 * i) % 255)
        if i % 2:
            cv2.circle(canvas, (x, y), 20 + 9 * i, colour, -1, cv2.LINE_AA)
            cv2.circle(canvas, (x - 8, y - 5), 4, (20, 20, 20), -1, cv2.LINE_AA)
            cv2.circle(canvas, (x + 8, y - 5), 4, (20, 20, 20), -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints(((x, y), (40 + 20 * i, 60), np.degrees(turn)))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], colour, cv2.LINE_AA)
    return canvas


def lights(time_s: float) -> Pixels:
    """Bright spots that move over the room, and a lamp that is switched."""
    bright = np.zeros((HEIGHT // 4, WIDTH // 4), np.float32)
    for i in range(4):
        turn = time_s * (0.7 + 0.2 * i) + 2 * i
        at = (round(80 + 70 * np.sin(turn)), round(60 + 45 * np.cos(1.2 * turn)))
        cv2.circle(bright, at, 10 + 4 * i, 0.8, -1)
    soft = cv2.GaussianBlur(bright, (0, 0), 5) + (0.4 if time_s % 2 < 1 else 0.0)
    return _times(room(), 0.5 + soft)


def shadows(time_s: float) -> Pixels:
    """Soft shadows of people who walk by, heads and shoulders."""
    dark = np.zeros((HEIGHT // 4, WIDTH // 4), np.float32)
    for i in range(3):
        x = (time_s * (25 + 10 * i) + 60 * i) % 200 - 20
        size = 10 + 5 * i
        cv2.ellipse(dark, (round(x), 50), (size, round(1.3 * size)), 0, 0, 360, 0.6, -1)
        cv2.ellipse(dark, (round(x), 50 + 3 * size), (2 * size, 2 * size), 0, 0, 360, 0.6, -1)
    return _times(room(), 1 - cv2.GaussianBlur(dark, (0, 0), 2))


def textures(time_s: float) -> Pixels:
    """A cup and a rocket, turned and scaled, which fill the picture."""
    picture = (data.coffee(), data.rocket())[int(time_s / 2) % 2]
    height, width = picture.shape[:2]
    scale = 1.2 + 0.6 * np.sin(1.7 * time_s)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 40 * time_s, scale)
    turn[:, 2] += (np.array((WIDTH, HEIGHT)) - (width, height)) / 2
    return cv2.warpAffine(picture, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def _times(pixels: Pixels, light: NDArray[np.float32]) -> Pixels:
    large = cv2.resize(light, (WIDTH, HEIGHT))[..., None]
    return (pixels * large).clip(0, 255).astype(np.uint8)


def noise_images(count: int, seed: int = 0) -> Iterator[Image]:
    """Noise with grains of 1 to 128 pixels, grey or coloured, faint or strong, all different."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        grain, channels = 2 ** (i % 8), 3 if rng.random() < 0.5 else 1
        shape = (HEIGHT // grain + 2, WIDTH // grain + 2, channels)
        contrast, level = rng.uniform(5, 80), rng.uniform(40, 210)
        values = level + contrast * rng.standard_normal(shape, np.float32)
        way = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_NEAREST
        size = (shape[1] * grain, shape[0] * grain)
        large = cv2.resize(values, size, interpolation=way).reshape(size[1], size[0], channels)
        pixels = large[:HEIGHT, :WIDTH].clip(0, 255).astype(np.uint8)
        yield Image(
            np.ascontiguousarray(np.broadcast_to(pixels, (HEIGHT, WIDTH, 3))),
            round(i / NOISE_RATE * NS),
        )
