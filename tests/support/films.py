"""Films of the tests' photograph that moves by known amounts, for what no real clip can show.

Amounts are in mm on a face whose outer eye corners are 90 mm apart, in face widths, which is that
distance, and in radians. Each film begins with 2 s of rest; `FILMS` holds them by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from tests.support.faces import NS, Pixels
from tests.support.film_pictures import (
    AS_IT_IS,
    WIDE_MOUTH,
    Pose,
    View,
    face_picture,
    lit,
    noisy,
)

from latent_resonance.eye.camera.image import Image

REST_S, MOVING_S = 2.0, 4.0
NOISE = 4.0  # standard deviation of a camera's pixels
SIZES = (130, 60, 40, 24, 16)  # pixels between the outer corners of the eyes
PLACES = ((0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
Light = Callable[[float], float]  # brightness at a time in seconds


Motion = Callable[[float], Pose]  # the pose at a time in seconds


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


def film(name: str, view: View = AS_IT_IS) -> Film:
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
CLOSED = 0.013  # openness, of the band-pass: a closed mouth has 0
AT_REST = (
    "clarity median ≥ 0.95",
    "noise p95 ≤ 0.1",
    f"openness p95 ≤ {CLOSED}",
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
    "frown": (MOVING, "noise p95 ≥ 0.5", f"openness p95 ≤ {CLOSED}"),
    "brows up": ("brow_raise p95 ≥ 0.5", CALM),
    "slow turn": (MOVING, CALM),
    "shake": ("rate p95 ≥ 2.5", CALM),
    "nod": (CALM,),
    "held turn": (CALM, "|yaw_velocity| p95 ≤ 0.05", "clarity median ≥ 0.9"),
    "held nod": (CALM, "|yaw_velocity| p95 ≤ 0.05", "clarity median ≥ 0.9"),
    "arrives turned": ("off longest ≤ 3",),
}
