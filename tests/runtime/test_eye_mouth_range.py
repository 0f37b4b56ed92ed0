"""How far a visitor opens the mouth: the range of mouth_open is their own."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.eye.features.mouth_range import DEFAULT, FLOOR, IN_USE, MouthRange


def step(mouth: MouthRange, opening: float, dt_s: float = 1 / 30) -> float:
    return mouth.step(opening, dt_s, neutral_is_known=True)


def speak(mouth: MouthRange, opening: float, seconds: float, images_per_s: int = 30) -> list[float]:
    """The range while the mouth opens to `opening` and closes, twice a second."""
    times_s = np.arange(round(seconds * images_per_s)) / images_per_s
    openings = opening * np.sin(2 * np.pi * times_s) ** 2
    return [step(mouth, float(each), 1 / images_per_s) for each in openings]


def test_at_first_the_range_is_that_of_most_people() -> None:
    assert step(MouthRange(), 0.0, 0.0) == DEFAULT
    assert step(MouthRange(), 0.5, 0.0) == DEFAULT


def test_the_range_grows_at_once_to_a_wider_opening() -> None:
    mouth = MouthRange()
    assert step(mouth, 1.4) == 1.4
    assert step(mouth, 0.5) == pytest.approx(1.4, abs=0.01)


@pytest.mark.parametrize("images_per_s", [15, 30, 60])
def test_who_hardly_opens_the_mouth_soon_has_the_whole_range(images_per_s: int) -> None:
    mouth = MouthRange()
    assert speak(mouth, 0.4, 20.0, images_per_s)[-1] == pytest.approx(0.45, abs=0.06)


def test_the_range_is_never_so_small_that_breathing_opens_the_mouth() -> None:
    assert min(speak(MouthRange(), 0.12, 120.0)) == pytest.approx(FLOOR, abs=0.01)
    assert min(speak(MouthRange(), 0.12, 120.0)) >= FLOOR


@pytest.mark.parametrize("opening", [-0.3, 0.0, IN_USE])
def test_a_closed_mouth_says_nothing_about_its_range(opening: float) -> None:
    mouth = MouthRange()
    step(mouth, 1.2)
    for _ in range(3000):
        assert step(mouth, opening) == 1.2


def test_a_wide_opening_of_once_is_forgotten_after_a_while_of_use() -> None:
    mouth = MouthRange()
    step(mouth, 1.5)
    assert speak(mouth, 0.4, 5.0)[-1] > 1.0
    assert speak(mouth, 0.4, 120.0)[-1] < 0.5


def test_another_visitor_has_their_own_range() -> None:
    mouth = MouthRange()
    speak(mouth, 0.4, 20.0)
    mouth.reset()
    assert step(mouth, 0.4) == pytest.approx(DEFAULT, abs=0.01)


def test_lips_that_rest_apart_are_no_wide_open_mouth_before_the_neutral_face_is_known() -> None:
    mouth = MouthRange()
    found = [mouth.step(0.3, 1 / 30, neutral_is_known=False) for _ in range(600)]
    assert found == [DEFAULT] * 600
    assert mouth.step(1.3, 1 / 30, neutral_is_known=False) == 1.3
