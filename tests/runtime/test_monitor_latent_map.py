"""The map of the latent space: a place is a z, and a z has a place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_resonance.monitor.latent_map import LatentMap, rotated

DIM = 16
RNG = np.random.default_rng(4)
CENTRE, *DIRECTIONS = RNG.standard_normal((3, DIM)).astype(np.float32)
MAP = LatentMap(CENTRE, np.stack(DIRECTIONS))
COORDINATES = st.floats(-1, 1)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_middle_is_the_centre() -> None:
    assert cosine(MAP.z_at(0.0, 0.0), CENTRE) == pytest.approx(1.0, abs=1e-6)
    assert MAP.place_of(CENTRE) == pytest.approx((0.0, 0.0), abs=1e-3)


@given(COORDINATES, COORDINATES)
def test_every_z_has_unit_mean_square(x: float, y: float) -> None:
    assert np.mean(np.square(MAP.z_at(x, y))) == pytest.approx(1.0, rel=1e-4)


@given(COORDINATES, COORDINATES)
def test_the_place_of_a_places_z_is_the_place(x: float, y: float) -> None:
    outside = max(1.0, math.hypot(x, y))
    assert MAP.place_of(MAP.z_at(x, y)) == pytest.approx((x / outside, y / outside), abs=1e-3)


def test_right_and_up_lead_towards_the_two_directions() -> None:
    assert cosine(MAP.z_at(1.0, 0.0), DIRECTIONS[0]) > 0.9
    assert cosine(MAP.z_at(0.0, 1.0), DIRECTIONS[1]) > 0.8
    assert cosine(MAP.z_at(-1.0, 0.0), DIRECTIONS[0]) < -0.9


@given(st.integers(0, 100))
def test_a_z_off_the_map_has_a_place_within_the_rim(seed: int) -> None:
    z = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    assert math.hypot(*MAP.place_of(z)) <= 1.0 + 1e-9


def test_equal_distances_from_the_middle_are_equal_angles() -> None:
    angles = [math.acos(min(1.0, cosine(MAP.z_at(r, 0.0), CENTRE))) for r in (0.25, 0.5, 1.0)]
    assert angles == pytest.approx([math.pi / 8, math.pi / 4, math.pi / 2], abs=1e-3)


def test_rotating_by_a_right_angle_gives_the_other_direction() -> None:
    z, towards = np.float32([3, 0, 0]), np.float32([5, 2, 0])
    assert np.allclose(rotated(z, towards, np.pi / 2), [0, 3, 0], atol=1e-6)
