"""The distances that a model card states."""

from __future__ import annotations

import numpy as np
import pytest

from latent_resonance_export.gan.metrics import (
    all_patches,
    distances,
    patches,
    pyramid,
    sliced_wasserstein,
    swd,
)


@pytest.fixture
def real() -> np.ndarray:
    """(12, 32, 128) smooth random pictures within [-0.8, 0.8]."""
    rng = np.random.default_rng(0)
    turn = np.arange(128) * 2 * np.pi / 128
    phase, depth = rng.uniform(0, 2 * np.pi, (12, 32, 1)), rng.uniform(0.2, 0.8, (12, 32, 1))
    return (depth * np.sin(turn + phase)).astype(np.float32)


def test_what_is_the_same_is_at_no_distance(real: np.ndarray) -> None:
    assert distances(real, real) == {"spectrum_db": 0.0, "onset_db": 0.0}
    assert distances(real, real[::-1]) == {"spectrum_db": 0.0, "onset_db": 0.0}


def test_a_change_of_level_shows_in_the_spectrum_but_not_at_the_onsets(
    real: np.ndarray,
) -> None:
    one, two = (distances(real, real + step / 40.0) for step in (1.0, 2.0))
    assert 0.4 < one["spectrum_db"] < 1.2  # one decibel in every band
    assert two["spectrum_db"] == pytest.approx(2 * one["spectrum_db"], rel=0.02)
    assert one["onset_db"] == pytest.approx(0.0, abs=1e-3)


def test_the_same_frames_in_disorder_differ_at_the_onsets_only(real: np.ndarray) -> None:
    order = np.arange(128)
    order[::4] = np.random.default_rng(1).permutation(order[::4])
    found = distances(real, real[:, :, order])
    assert found["spectrum_db"] == 0.0
    assert found["onset_db"] > 0.5


def test_blurred_partials_are_far_from_sharp_ones(real: np.ndarray) -> None:
    blurred = (real + np.roll(real, 1, axis=1) + np.roll(real, -1, axis=1)) / 3
    assert distances(real, blurred)["spectrum_db"] > 1.0


def test_in_one_dimension_it_is_the_textbooks_distance() -> None:
    a = np.random.default_rng(2).standard_normal((500, 1)).astype(np.float32)
    assert sliced_wasserstein(a, a + 3.0) == pytest.approx(3.0, rel=1e-4)


def test_two_draws_of_one_kind_are_nearer_than_what_is_blurred_or_louder(real: np.ndarray) -> None:
    grain = np.random.default_rng(3).normal(0, 0.3, (2, *real.shape)).astype(np.float32)
    one, other = real + grain[0], real[::-1] + grain[1]
    floor = swd(one, other)
    assert 0 < floor < swd(one, real) / 2  # without the grain
    assert floor < swd(one, other + 0.2) / 2  # 8 dB louder


def test_where_a_loop_begins_does_not_matter_to_its_patches(real: np.ndarray) -> None:
    grain = np.random.default_rng(3).normal(0, 0.3, real.shape).astype(np.float32)
    turned = np.roll(real + grain, 50, axis=2)
    assert swd(real + grain, turned) < swd(real + grain, real) / 2


def test_patches_are_the_same_in_pieces_or_at_once(real: np.ndarray) -> None:
    many = np.tile(real, (3, 1, 1))  # more than are held at once
    pieces = all_patches(many, seed=5)
    for i, (level, found) in enumerate(zip(pyramid(many), pieces, strict=True)):
        assert np.array_equal(patches(level, 5 + i), found)


def test_sets_of_different_sizes_are_not_compared(real: np.ndarray) -> None:
    with pytest.raises(ValueError, match="same shape"):
        swd(real, real[:-1])
