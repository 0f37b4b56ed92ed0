"""A living face sways, blinks or speaks; a picture of one has nothing but the camera's noise.

The landmarks are those of the photograph, moved by known amounts, with noise as either tracker's
landmarks have it at that size of the face.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import faces

from latent_resonance.eye.tracking.liveness import SETTLING_S, Liveness
from latent_resonance.eye.tracking.roi import roi_from_landmarks

FACE_MM = 90.0  # between the outer corners of the eyes
NOISE = {130: 0.0009, 24: 0.0025}  # standard deviation, of the region's side; measured on films
UPPER_LIDS, LOWER_LIDS = [159, 386], [145, 374]
LOWER_LIP_AND_CHIN = [14, 17, 152]

Landmarks = NDArray[np.float64]
Movement = Callable[[Landmarks, float], Landmarks]  # of landmarks, at a time in seconds

sizes = pytest.mark.parametrize("eyes_px", [130, 24])


def no_movement(landmarks: Landmarks, _: float) -> Landmarks:
    return landmarks


def sway(landmarks: Landmarks, time_s: float) -> Landmarks:
    """2 mm to each side at 0.3 Hz."""
    reach = 2.0 / FACE_MM * width(landmarks)
    return landmarks + np.array([reach * np.sin(0.6 * np.pi * time_s), 0.0, 0.0])


def blink(landmarks: Landmarks, time_s: float) -> Landmarks:
    """Lids that close for 0.15 s, in the middle of every 3 s."""
    moved = landmarks.copy()
    if 1.5 <= time_s % 3.0 < 1.65:
        moved[UPPER_LIDS] += faces.CLOSED * (landmarks[LOWER_LIDS] - landmarks[UPPER_LIDS])
    return moved


def opening_mouth(landmarks: Landmarks, time_s: float) -> Landmarks:
    """A mouth that opens by a twentieth of the face's width and closes, every 2 s."""
    moved = landmarks.copy()
    moved[LOWER_LIP_AND_CHIN, 1] += 0.05 * width(landmarks) * np.sin(0.5 * np.pi * time_s) ** 2
    return moved


def width(landmarks: Landmarks) -> float:
    return float(np.linalg.norm(landmarks[33, :2] - landmarks[263, :2]))


def signs_of_life(
    movement: Movement, eyes_px: int, seconds: float = 10.0, images_per_s: int = 15
) -> list[float]:
    """When a face shows life, in seconds after it was found."""
    still = faces.points() * eyes_px / faces.face_width()
    noise = NOISE[eyes_px] * roi_from_landmarks(still).width
    rng, liveness = np.random.default_rng(0), Liveness()
    times_s = np.arange(round(seconds * images_per_s)) / images_per_s
    signs = []
    for time_s in times_s.tolist():
        seen = movement(still, time_s) + rng.normal(0.0, noise, still.shape)
        if liveness.step(seen, roi_from_landmarks(seen).width, 100.0 + time_s):
            signs.append(time_s)
    return signs


@sizes
@pytest.mark.parametrize("images_per_s", [15, 30])
def test_noise_on_a_still_face_shows_no_life(eyes_px: int, images_per_s: int) -> None:
    assert signs_of_life(no_movement, eyes_px, 60.0, images_per_s) == []


@sizes
@pytest.mark.parametrize("movement", [sway, blink, opening_mouth])
@pytest.mark.parametrize("images_per_s", [15, 30])
def test_sway_a_blink_or_an_opening_mouth_shows_life_soon_and_again(
    eyes_px: int, movement: Movement, images_per_s: int
) -> None:
    signs = signs_of_life(movement, eyes_px, 20.0, images_per_s)
    assert signs[0] < 3.0
    assert np.diff([*signs, 20.0]).max() < 5.0


def test_a_face_shows_no_life_while_its_region_settles() -> None:
    """The first landmarks after a search come from a region that is only about right."""
    liveness, points = Liveness(), faces.points()
    for i in range(8):
        settled = points * (1.0 + 0.05 * max(1.0 - i / 15 / SETTLING_S, 0.0))
        assert not liveness.step(settled, roi_from_landmarks(points).width, 5.0 + i / 15)


def test_another_face_is_not_compared_with_the_last() -> None:
    liveness, points = Liveness(), faces.points()
    side = roi_from_landmarks(points).width
    for i in range(30):
        liveness.step(points, side, i / 15)
    liveness.reset()
    assert not any(liveness.step(points + 300.0, side, 2.0 + i / 15) for i in range(30))
