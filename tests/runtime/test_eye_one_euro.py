"""Filters and rates use seconds: their results do not depend on the image rate."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from latent_resonance.eye.features.motion import (
    RELEASE_S,
    REST,
    REST_SWAY,
    RISE_S,
    Rate,
    Stillness,
    activity,
    motion_from_speed,
    shares_of_rest,
    without_rest,
)
from latent_resonance.eye.one_euro import OneEuroFilter


def new_filter() -> OneEuroFilter:
    return OneEuroFilter(1.5, 2.0, 5.0)


def filtered(signal: NDArray[np.float64], dt_s: float) -> NDArray[np.float64]:
    one_euro = new_filter()
    return np.array([one_euro.step(np.array([value]), dt_s)[0] for value in signal])


def gesture(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """A mouth that opens in 0.3 s, stays open and closes slowly."""
    return np.interp(time_s, [0.5, 0.8, 1.5, 2.5], [0, 1, 1, 0])


@pytest.mark.parametrize("rate", [15, 30, 120])
def test_a_gesture_filtered_at_any_image_rate_is_the_same(rate: int) -> None:
    """Within half an image's time at the speed of the gesture: the sampling uncertainty."""
    fine, coarse = np.arange(0, 3, 1 / 60), np.arange(0, 3, 1 / rate)
    expected = np.interp(coarse, fine, filtered(gesture(fine), 1 / 60))
    error = np.abs(filtered(gesture(coarse), 1 / rate) - expected)
    assert error.max() < 0.5 / min(rate, 60) / 0.3
    assert error.mean() < 0.015


def test_images_at_uneven_times_are_filtered_by_their_times() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.01, 0.06, 80))
    one_euro = new_filter()
    steps = np.diff(times, prepend=times[0])
    uneven = [
        one_euro.step(gesture(t[None]), float(dt))[0] for t, dt in zip(times, steps, strict=True)
    ]
    even = np.arange(0, 3, 1 / 60)
    expected = np.interp(times, even, filtered(gesture(even), 1 / 60))
    assert np.abs(np.array(uneven) - expected).max() < 0.08


def test_a_resting_value_is_smoothed_and_a_jump_is_followed_at_once() -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 600)
    assert filtered(noise, 1 / 30)[100:].std() < 0.55 * noise.std()
    jump = np.where(np.arange(60) < 30, 0.0, 1.0)
    assert filtered(jump, 1 / 30)[32] > 0.8  # 0.1 s later


def test_two_images_of_one_time_do_not_divide_by_zero() -> None:
    one_euro = new_filter()
    one_euro.step(np.array([0.0]), 0.0)
    assert one_euro.step(np.array([1.0]), 0.0)[0] == 0.0


@pytest.mark.parametrize("images_per_s", [15, 30, 60])
def test_a_steady_turn_has_its_true_rate_at_any_image_rate(images_per_s: int) -> None:
    rate = Rate(0.05)
    turn = [rate.step(np.array([1.5 * i / images_per_s]), 1 / images_per_s) for i in range(60)]
    assert turn[-1][0] == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize("images_per_s", [15, 30, 60])
def test_stillness_rises_in_about_a_second_and_falls_quickly(images_per_s: int) -> None:
    stillness, dt_s = Stillness(), 1 / images_per_s
    rising = [stillness.step(0.0, dt_s) for _ in range(2 * images_per_s)]
    released_s = RELEASE_S * np.log(2.0)  # it starts as after movement, at an activity of 2
    assert rising.index(1.0) * dt_s == pytest.approx(released_s + RISE_S, abs=2 * dt_s)
    falling = [stillness.step(2.0, dt_s) for _ in range(images_per_s)]
    assert falling.index(0.0) * dt_s < 0.4


def test_a_part_that_reverses_its_direction_hardly_rests_in_between() -> None:
    stillness, dt_s = Stillness(), 1 / 30
    stillness.step(0.0, 5.0)
    turning = np.abs(2.0 * np.sin(2 * np.pi * np.arange(90) * dt_s))  # slow twice a second
    levels = [stillness.step(float(active), dt_s) for active in turning]
    assert max(levels[20:]) < 0.15


@pytest.mark.parametrize(("active", "at_rest"), [(0.0, True), (0.95, True), (1.05, False)])
def test_what_moves_no_more_than_a_person_at_rest_is_still(active: float, at_rest: bool) -> None:
    stillness = Stillness()
    for _ in range(90):
        level = stillness.step(active, 1 / 30)
    assert (level, stillness.at_rest) == (float(at_rest), at_rest)


def test_the_fastest_part_of_the_face_decides_how_active_it_is() -> None:
    nothing = np.zeros(5)
    assert activity(shares_of_rest(nothing), 0.0) == 0.0
    assert activity(shares_of_rest(nothing), 2 * REST_SWAY) == pytest.approx(2.0)
    for part in range(5):
        moving = nothing.copy()
        moving[part] = -1.5 * REST[part]
        assert activity(shares_of_rest(moving), 0.1 * REST_SWAY) == pytest.approx(1.5)


def test_the_heads_three_axes_are_one_part() -> None:
    shares = shares_of_rest(np.array([*(0.8 * REST[:3]), 0.0, 0.0]))
    assert shares == pytest.approx([*[0.8 * 3**0.5] * 3, 0.0, 0.0])


def test_velocities_at_rest_are_small_and_those_of_a_movement_are_whole() -> None:
    for share, kept in ((0.3, 0.027), (0.9, 0.729), (1.0, 1.0), (4.0, 1.0)):
        velocities = share * REST * (0, 0, 0, 1, -1)
        calm = without_rest(velocities, shares_of_rest(velocities))
        assert calm == pytest.approx(kept * velocities)


def test_the_sway_of_a_standing_body_is_no_motion_and_a_leap_is_at_most_one() -> None:
    assert motion_from_speed(0.1) == 0.0
    assert 0.3 < motion_from_speed(1.0) < 0.7
    assert 0.99 < motion_from_speed(50.0) <= 1.0
