"""The window that MediaPipe is given: the face drags it along."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance.eye.tracking.roi import Roi
from latent_resonance.eye.tracking.window import SIDES, SLACK, Window, dragged

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(1, 256, (480, 640, 3), dtype=np.uint8)


def region(x: float, y: float, side: float) -> Roi:
    return Roi(x, y, side, side)


@pytest.mark.parametrize(("x", "y", "side"), [(320.0, 240.0, 100.0), (300.4, 199.7, 33.3)])
def test_a_window_shows_whole_pixels_around_the_face(x: float, y: float, side: float) -> None:
    window = Window(region(x, y, side))
    patch = window.cut(IMAGE)
    assert window.side == round(SIDES * side)
    assert patch.shape == (window.side, window.side, 3)
    rows = np.s_[window.top : window.top + window.side]
    assert np.array_equal(patch, IMAGE[rows, window.left : window.left + window.side])
    middle = window.left + window.side / 2, window.top + window.side / 2
    assert middle == pytest.approx((x, y), abs=1.0)


@pytest.mark.parametrize(("x", "y"), [(10.0, 240.0), (635.0, 240.0), (320.0, 5.0), (320.0, 470.0)])
def test_beyond_the_edge_of_the_image_a_window_repeats_the_edge(x: float, y: float) -> None:
    window = Window(region(x, y, 100.0))
    rows, columns = (start + np.arange(window.side) for start in (window.top, window.left))
    expected = IMAGE[np.clip(rows, 0, 479)[:, None], np.clip(columns, 0, 639)]
    assert np.array_equal(window.cut(IMAGE), expected)


@pytest.mark.parametrize(("x", "edge"), [(-300.0, 0), (940.0, 639)])
def test_a_window_beside_the_image_shows_nothing_but_the_edge(x: float, edge: int) -> None:
    window = Window(region(x, 240.0, 100.0))
    expected = IMAGE[window.top : window.top + window.side, edge, None]
    assert np.array_equal(window.cut(IMAGE), np.broadcast_to(expected, (window.side,) * 2 + (3,)))


def test_a_window_rests_while_the_face_stays_near_its_middle() -> None:
    window = Window(region(320.0, 240.0, 100.0))
    place = window.left, window.top, window.side
    for x, y, side in ((335.0, 240.0, 100.0), (320.0, 223.0, 108.0), (305.0, 250.0, 93.0)):
        window.follow(region(x, y, side))
        assert (window.left, window.top, window.side) == place


def test_a_face_drags_its_window_no_farther_than_it_moves_itself() -> None:
    window, last_x = Window(region(320.0, 240.0, 100.0)), 320.0
    slack = SLACK * window.side
    lefts = [window.left]
    for x in np.arange(320.0, 420.0, 3.3):
        window.follow(region(float(x), 240.0, 100.0))
        lefts.append(window.left)
        last_x = float(x)
    assert np.diff(lefts).max() <= 4  # 3.3, in whole pixels
    assert np.diff(lefts).min() >= 0
    assert window.left + window.side / 2 == pytest.approx(last_x - slack, abs=1.0)


def test_the_window_grows_and_shrinks_with_the_face() -> None:
    window = Window(region(320.0, 240.0, 50.0))
    for side in (50.0, 60.0, 75.0, 100.0, 100.0):
        window.follow(region(320.0, 240.0, side))
    assert window.side == pytest.approx(SIDES * 100.0, rel=1.2 * SLACK)
    window.follow(region(320.0, 240.0, 30.0))
    assert window.side == pytest.approx(SIDES * 30.0 + SLACK * SIDES * 100.0, rel=0.1)


def test_a_window_has_some_pixels_however_small_the_face() -> None:
    assert Window(region(320.0, 240.0, 0.1)).cut(IMAGE).shape == (2, 2, 3)


@pytest.mark.parametrize(
    ("offset", "moved"), [(0.0, 0.0), (9.9, 0.0), (-9.9, 0.0), (12.0, 2.0), (-15.0, -5.0)]
)
def test_a_thing_is_dragged_by_what_exceeds_the_slack(offset: float, moved: float) -> None:
    assert dragged(offset, 10.0) == pytest.approx(moved)
